//! CONNECT: who the client is, and how its session begins.

use tidings_broker::Owner;
use tidings_stomp::{Connect, Error};

use super::session::StompSession;
use crate::endpoint::{Principal, Session};
use crate::messaging::{Login, NotAuthenticated, SessionEvent};

impl StompSession {
    pub(super) async fn connect(&mut self, session: &Session, connect: Connect) {
        session.deployed().counters.connect.increment();
        // The client was in time. How long the rest takes is up to us.
        match session.principal().and_then(|principal| principal.expires_at()) {
            None => session.vitals().set_expiry(None),
            Some(at) => session.expire_at(at),
        }
        let authenticated = self.authenticate(session, &connect).await.and_then(|principal| {
            let principal = self.check_name(principal)?;
            self.check_connect(session, principal.as_ref(), &connect.headers)?;
            Ok(principal)
        });
        match authenticated {
            Ok(principal) => self.accept(session, &connect, principal).await,
            Err(error) => {
                tracing::info!(session = %session.log_id(), message = error.message, "login refused");
                self.server.refuse(error);
            }
        }
    }

    /// Without an authenticator everybody is who they say they are, unless the handshake knows better.
    async fn authenticate(
        &self,
        session: &Session,
        connect: &Connect,
    ) -> Result<Option<Principal>, Error> {
        if let Some(csrf) = &self.shared.csrf {
            csrf.check(session, &connect.headers)?;
        }
        let login = Login::new(connect, session.handshake());
        let Some(authentication) = &self.shared.authentication else {
            let principal = login.claimed().map_err(|denied| Error::from(&denied))?;
            let has_expired = principal.as_ref().is_some_and(Principal::has_expired);
            return if has_expired {
                Err((&NotAuthenticated::Expired).into())
            } else {
                Ok(principal)
            };
        };
        if let Some(error) = self.server.too_much_before_login() {
            return Err(error);
        }
        let answer = authentication.authenticate(login).await;
        answer.map(Some).map_err(|error| Error::from(&error))
    }

    /// A session without user goes by its id, under which nobody else may get what is sent to it.
    fn check_name(&self, principal: Option<Principal>) -> Result<Option<Principal>, Error> {
        let is_id = |principal: &Principal| self.shared.hub.online().has_session(principal.name());
        if principal.as_ref().is_some_and(is_id) {
            let advice = "This name is the id of a session. Log in by another one.";
            return Err(Error::new("access denied", advice));
        }
        Ok(principal)
    }

    async fn accept(&mut self, session: &Session, connect: &Connect, principal: Option<Principal>) {
        let name = principal.as_ref().map(Principal::name).filter(|name| !name.is_empty());
        let user = name.map(str::to_owned);
        let client_id = connect.headers.get("client-id");
        self.owner = Owner::new(user.as_deref(), client_id);
        session.deployed().counters.connected.increment();
        self.server.accept(&session.id().to_string(), user.as_deref());
        if let Some(principal) = principal {
            if let Some(at) = principal.expires_at() {
                session.expire_at(at);
            }
            session.set_principal(principal);
        }
        if let Some(heart_beat) = self.server.heart_beat() {
            if heart_beat.outgoing().is_some() {
                session.link().stop_heartbeats();
            }
            session.vitals().set_heart_beat(heart_beat);
        }
        session.set_stranger_octets_max(None);
        self.shared.hub.online().enter(self.key, session);
        self.connected = true;
        // Whatever listeners do, the client knows it. If it is gone, its end is told next.
        let _ = self.transmit(session).await;
        let connected = || SessionEvent::Connected { session: session.clone(), user };
        self.shared.hub.tell(self.key, connected).await;
    }
}

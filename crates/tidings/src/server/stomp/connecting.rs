//! CONNECT: who the client is, and how its session begins.

use std::future::Future;

use tidings_broker::Owner;
use tidings_stomp::{Connect, Error};

use super::session::StompSession;
use crate::endpoint::{Principal, Session};
use crate::messaging::{Login, SessionEvent};

impl StompSession {
    pub(super) async fn connect(&mut self, session: &Session, connect: Connect) {
        // The client was in time. How long the rest takes is up to us.
        session.vitals().set_expiry(None);
        let login = Login::new(&connect, session.handshake());
        match self.authenticate(login).await {
            Ok(principal) => self.accept(session, &connect, principal).await,
            Err(error) => {
                tracing::info!(session = %session.log_id(), message = error.message, "login refused");
                self.server.refuse(error);
            }
        }
    }

    /// Without an authenticator everybody is who they say they are, unless the handshake knows better.
    async fn authenticate(&self, login: Login) -> Result<Option<Principal>, Error> {
        let Some(authenticator) = &self.shared.authenticator else {
            return Ok(login.claimed());
        };
        let turn = self.shared.authentications.acquire();
        let authenticated = async {
            let _turn = turn.await;
            authenticator.authenticate_boxed(login).await
        };
        let answer = in_time(self.shared.authentication_timeout, authenticated).await?;
        answer.map(Some).map_err(|denied| Error::from(&denied))
    }

    async fn accept(&mut self, session: &Session, connect: &Connect, principal: Option<Principal>) {
        let user = principal.as_ref().map(|principal| principal.name().to_owned());
        let client_id = connect.headers.get("client-id");
        self.owner = Owner::new(user.as_deref(), client_id);
        self.server.accept(&session.id().to_string(), user.as_deref());
        if let Some(principal) = principal {
            if let Some(at) = principal.expires_at() {
                session.expire_at(at);
            }
            session.set_principal(principal);
        }
        if let Some(heart_beat) = self.server.heart_beat() {
            session.vitals().set_heart_beat(heart_beat);
            session.link().stop_heartbeats();
        }
        self.connected = true;
        self.shared.tell(SessionEvent::Connected { session: session.clone(), user }).await;
    }
}

async fn in_time<T>(
    timeout: std::time::Duration,
    authenticated: impl Future<Output = T>,
) -> Result<T, Error> {
    tokio::time::timeout(timeout, authenticated)
        .await
        .map_err(|_| Error::new("login took too long", "Try again later."))
}

//! A new login on an open session.

use tidings_stomp::{Error, Send, Severity};

use super::session::StompSession;
use crate::endpoint::Session;
use crate::messaging::{Login, NotAuthenticated};

impl StompSession {
    /// Whether a SEND is a new login.
    pub(super) fn is_renewal(&self, send: &Send) -> bool {
        self.shared.authentication.is_some() && *send.destination == *Login::RENEWAL_DESTINATION
    }

    /// Asks who the client is now. One that is refused keeps the login that it has, until that expires; one that is
    /// somebody else now is not believed any more. One that may no longer have what it is subscribed to is sent away by
    /// the renewal itself.
    pub(super) async fn renew(&mut self, session: &Session, send: Send) {
        let Some(authentication) = &self.shared.authentication else { return };
        let Send { headers, receipt, .. } = send;
        let login = Login::renewed(&headers, session.handshake());
        let error = match authentication.authenticate_anew(login).await {
            Ok(principal) => match session.renew(principal) {
                Ok(()) => return self.receipt_after(session, None, receipt),
                Err(error) => {
                    tracing::info!(session = %session.log_id(), %error, "new login refused");
                    let error = Error::new("access denied", format!("{error}."));
                    return self.fail(error, Severity::Session, receipt);
                }
            },
            Err(error) => error,
        };
        tracing::info!(session = %session.log_id(), %error, "new login refused");
        let severity = match &error {
            NotAuthenticated::Denied(_) | NotAuthenticated::Expired => Severity::Frame,
            // The login that it has is none the worse for that.
            _ => Severity::Notice,
        };
        self.fail(Error::from(&error), severity, receipt);
    }
}

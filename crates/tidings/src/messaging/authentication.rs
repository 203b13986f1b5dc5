use std::fmt;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::authenticator::{AccessDenied, AnyAuthenticator, Login};
use crate::endpoint::Principal;

/// Asks the authenticator of the application: only so many at a time, and not for ever.
pub(crate) struct Authentication {
    authenticator: Box<dyn AnyAuthenticator>,
    timeout: Duration,
    turns: Semaphore,
}

/// Why a client is not let in.
#[derive(Debug)]
pub(crate) enum NotAuthenticated {
    Denied(AccessDenied),
    TookTooLong,
}

impl Authentication {
    pub(crate) fn new(
        authenticator: Box<dyn AnyAuthenticator>,
        timeout: Duration,
        turns: usize,
    ) -> Self {
        let turns = Semaphore::new(turns.clamp(1, Semaphore::MAX_PERMITS));
        Self { authenticator, timeout, turns }
    }

    /// Says who a client is. The login lasts no longer than that of the handshake.
    pub(crate) async fn authenticate(&self, login: Login) -> Result<Principal, NotAuthenticated> {
        let expires_at = login.handshake.principal().and_then(Principal::expires_at);
        let authenticated = async {
            let _turn = self.turns.acquire().await;
            self.authenticator.authenticate_boxed(login).await
        };
        let answer = tokio::time::timeout(self.timeout, authenticated).await;
        let answer = answer.map_err(|_| NotAuthenticated::TookTooLong)?;
        let principal = answer.map_err(NotAuthenticated::Denied)?;
        Ok(principal.expiring_by(expires_at))
    }
}

impl fmt::Display for NotAuthenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => denied.fmt(f),
            Self::TookTooLong => f.write_str("login took too long: try again later"),
        }
    }
}

impl From<&NotAuthenticated> for tidings_stomp::Error {
    fn from(error: &NotAuthenticated) -> Self {
        match error {
            NotAuthenticated::Denied(denied) => denied.into(),
            NotAuthenticated::TookTooLong => Self::new("login took too long", "Try again later."),
        }
    }
}

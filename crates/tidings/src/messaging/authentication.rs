use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Semaphore;

use super::authenticator::{AccessDenied, AnyAuthenticator, Login};
use crate::endpoint::Principal;

/// Who is to say who clients are, if anybody, and how long that may take.
pub(crate) struct Logins {
    authenticator: Option<Arc<dyn AnyAuthenticator>>,
    timeout: Duration,
}

impl Logins {
    pub(crate) fn new(authenticator: Option<Arc<dyn AnyAuthenticator>>, timeout: Duration) -> Self {
        Self { authenticator, timeout }
    }

    /// For one door, with turns of its own.
    pub(crate) fn taken_in(&self, turns: Turns) -> Option<Authentication> {
        let authenticator = self.authenticator.clone()?;
        Some(Authentication::new(authenticator, self.timeout, turns))
    }
}

/// Asks the authenticator of the application about the clients of one door: only so many at a time, and not for
/// ever.
pub(crate) struct Authentication {
    authenticator: Arc<dyn AnyAuthenticator>,
    timeout: Duration,
    turns: Semaphore,
    /// One for each client that has a turn or waits for one.
    places: Semaphore,
}

/// How many clients a door asks an authenticator about.
pub(crate) struct Turns {
    /// At a time. At least one.
    pub(crate) at_a_time: usize,
    /// Those who may wait for their turn.
    pub(crate) waiting_max: usize,
}

/// Why a client is not let in.
#[derive(Debug)]
pub(crate) enum NotAuthenticated {
    Denied(AccessDenied),
    /// The login is over already.
    Expired,
    TookTooLong,
    /// As many wait as may.
    TooMany,
    /// The authenticator has panicked.
    Failed,
}

impl Authentication {
    fn new(authenticator: Arc<dyn AnyAuthenticator>, timeout: Duration, turns: Turns) -> Self {
        let at_a_time = turns.at_a_time.clamp(1, Semaphore::MAX_PERMITS);
        let places = at_a_time.saturating_add(turns.waiting_max).min(Semaphore::MAX_PERMITS);
        let (turns, places) = (Semaphore::new(at_a_time), Semaphore::new(places));
        Self { authenticator, timeout, turns, places }
    }

    /// Says who a client is. The login lasts no longer than that of the handshake.
    pub(crate) async fn authenticate(&self, login: Login) -> Result<Principal, NotAuthenticated> {
        let expires_at = login.handshake.principal().and_then(Principal::expires_at);
        lasting(self.ask(login).await?.expiring_by(expires_at))
    }

    /// Says who a client is that has logged in before.
    pub(crate) async fn authenticate_anew(
        &self,
        login: Login,
    ) -> Result<Principal, NotAuthenticated> {
        lasting(self.ask(login).await?)
    }

    async fn ask(&self, login: Login) -> Result<Principal, NotAuthenticated> {
        let _place = self.places.try_acquire().map_err(|_| NotAuthenticated::TooMany)?;
        let authenticated = async {
            let _turn = self.turns.acquire().await;
            self.authenticator.authenticate_boxed(login).await
        };
        let authenticated = AssertUnwindSafe(authenticated).catch_unwind();
        let answer = tokio::time::timeout(self.timeout, authenticated).await;
        let answer = answer.map_err(|_| NotAuthenticated::TookTooLong)?;
        let answer = answer.map_err(|_| {
            tracing::error!("authenticator panicked");
            NotAuthenticated::Failed
        })?;
        let principal = answer.map_err(NotAuthenticated::Denied)?;
        if principal.name().is_empty() {
            tracing::error!("an authenticator has let somebody in who has no name");
            return Err(NotAuthenticated::Failed);
        }
        Ok(principal)
    }
}

/// A principal whose login is not over yet.
fn lasting(principal: Principal) -> Result<Principal, NotAuthenticated> {
    if principal.has_expired() { Err(NotAuthenticated::Expired) } else { Ok(principal) }
}

impl fmt::Display for NotAuthenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => denied.fmt(f),
            Self::Expired => f.write_str("login has expired: log in again"),
            Self::TookTooLong => f.write_str("login took too long: try again later"),
            Self::TooMany => f.write_str("too many log in at this moment: try again later"),
            Self::Failed => {
                f.write_str("login failed: try again, and tell whoever runs the server")
            }
        }
    }
}

impl From<&NotAuthenticated> for tidings_stomp::Error {
    fn from(error: &NotAuthenticated) -> Self {
        match error {
            NotAuthenticated::Denied(denied) => denied.into(),
            NotAuthenticated::Expired => Self::new("login has expired", "Log in again."),
            NotAuthenticated::TookTooLong => Self::new("login took too long", "Try again later."),
            NotAuthenticated::TooMany => {
                Self::new("too many log in at this moment", "Try again later.")
            }
            NotAuthenticated::Failed => {
                Self::new("login failed", "Try again, and tell whoever runs the server.")
            }
        }
    }
}

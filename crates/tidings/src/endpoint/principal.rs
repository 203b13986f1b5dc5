use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use crate::clock;

/// Who a peer is: the `Principal` of Jakarta WebSocket, with the roles that the application gives it.
///
/// Whoever authenticates a request puts one into it, a tower layer as an extension of the request, or
/// the [`handshake`](super::Configurator::handshake) of an endpoint. It holds for the whole session.
///
/// Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal(Arc<Identity>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    name: Box<str>,
    roles: Vec<Box<str>>,
    expires_at: Option<Instant>,
    proof: Proof,
    claims: Claims,
}

/// What else is known of a peer, in a type of the application. Never in a log.
#[derive(Clone, Default)]
struct Claims(Option<Arc<dyn Any + Send + Sync>>);

/// Of values whose type nobody knows here, the same ones are equal.
impl PartialEq for Claims {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        }
    }
}

impl Eq for Claims {}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Claims(..)" } else { "Claims" })
    }
}

/// Whether somebody has looked whether the peer is who it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Verified,
    /// Only the peer says so.
    Claimed,
}

impl Principal {
    /// A principal without roles, whose login does not expire.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self::with_proof(name.into(), Proof::Verified)
    }

    /// Who a peer says it is, where nobody asks whether that is true.
    pub(crate) fn claimed(name: impl Into<Box<str>>) -> Self {
        Self::with_proof(name.into(), Proof::Claimed)
    }

    fn with_proof(name: Box<str>, proof: Proof) -> Self {
        let claims = Claims::default();
        Self(Arc::new(Identity { name, roles: Vec::new(), expires_at: None, proof, claims }))
    }

    /// Whether somebody has looked whether the peer is who it says.
    pub(crate) fn is_verified(&self) -> bool {
        self.0.proof == Proof::Verified
    }

    /// Adds a role.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<Box<str>>) -> Self {
        Arc::make_mut(&mut self.0).roles.push(role.into());
        self
    }

    /// Adds what else is known of the user, the claims of a token for example. Methods of endpoints and handlers get it
    /// by the argument `User<C>`. A principal has one such value; that of another call takes its place.
    ///
    /// ```
    /// use tidings::endpoint::Principal;
    ///
    /// #[derive(Clone)]
    /// struct Claims {
    ///     tenant: String,
    /// }
    ///
    /// let ann = Principal::new("ann").with_claims(Claims { tenant: "north".to_owned() });
    /// assert_eq!(ann.claims::<Claims>().map(|it| it.tenant.as_str()), Some("north"));
    /// assert!(ann.claims::<String>().is_none());
    /// ```
    #[must_use]
    pub fn with_claims<C: Send + Sync + 'static>(mut self, claims: C) -> Self {
        Arc::make_mut(&mut self.0).claims = Claims(Some(Arc::new(claims)));
        self
    }

    /// What [`with_claims`](Self::with_claims) was given, if it was of this type.
    pub fn claims<C: 'static>(&self) -> Option<&C> {
        self.0.claims.0.as_deref()?.downcast_ref()
    }

    /// Says when the login is over. The session is closed with 1008 then, unless its login is
    /// [prolonged](super::Session::expire_at) before. Whoever comes with a login that is over already is not let in.
    #[must_use]
    pub fn expiring_at(mut self, at: Instant) -> Self {
        Arc::make_mut(&mut self.0).expires_at = Some(at);
        self
    }

    /// Its login is over at that moment, unless it is before.
    pub(crate) fn expiring_by(self, at: Option<Instant>) -> Self {
        match (at, self.expires_at()) {
            (Some(at), own) if own.is_none_or(|own| own > at) => self.expiring_at(at),
            _ => self,
        }
    }

    /// When the login is over, if ever.
    pub fn expires_at(&self) -> Option<Instant> {
        self.0.expires_at
    }

    /// Whether the login is over.
    pub(crate) fn has_expired(&self) -> bool {
        self.expires_at().is_some_and(|at| at <= clock::instant())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether it has this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.0.roles.iter().any(|known| **known == *role)
    }
}

/// A session goes on with the user that it began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewError(pub(super) ());

impl fmt::Display for RenewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a session goes on with the user that it began with: open another one for another user",
        )
    }
}

impl Error for RenewError {}

/// An argument of an annotated method: the user, as `#[on_handshake]` returned it, or the
/// [`Principal`], or its [claims](Principal::with_claims) of this type.
///
/// Where there may be none, ask for `Option<User<P>>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User<P>(
    /// What the application knows of the user.
    pub P,
);

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn of_two_ends_of_a_login_the_earlier_one_holds() {
        let early = Instant::now();
        let late = early + Duration::from_secs(1);
        let check = |own: Option<Instant>, by, expected| {
            let principal = Principal::new("ann");
            let principal = own.into_iter().fold(principal, Principal::expiring_at);
            assert_eq!(principal.expiring_by(by).expires_at(), expected);
        };
        check(None, None, None);
        check(None, Some(early), Some(early));
        check(Some(early), None, Some(early));
        check(Some(early), Some(late), Some(early));
        check(Some(late), Some(early), Some(early));
    }
}

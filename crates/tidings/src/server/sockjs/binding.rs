use std::net::IpAddr;

use http::request::Parts;

use crate::endpoint::Principal;
use crate::server::RemoteAddr;

/// Whose requests belong to a session, beside that they know its id: the client chose it, and it travels in
/// URLs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SessionBinding {
    /// Those of the [`Principal`] who opened it, if a layer around the application says who that is. The
    /// default.
    #[default]
    Principal,
    /// The same, and if nobody says who it is, those from the address that opened it. Not for clients whose
    /// address changes, or behind a proxy that is not told of by
    /// [`RemoteAddr`].
    PrincipalOrAddress,
    /// Anybody's.
    Unbound,
}

/// Who makes a request, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Anybody,
    Principal(Box<str>),
    Addr(IpAddr),
}

impl Owner {
    pub(super) fn of_request(parts: &Parts, binding: SessionBinding) -> Self {
        if binding == SessionBinding::Unbound {
            return Self::Anybody;
        }
        if let Some(principal) = parts.extensions.get::<Principal>() {
            return Self::Principal(principal.name().into());
        }
        let addr = parts.extensions.get().map(|RemoteAddr(addr)| addr.ip());
        let addr = addr.filter(|_| binding == SessionBinding::PrincipalOrAddress);
        addr.map_or(Self::Anybody, Self::Addr)
    }
}

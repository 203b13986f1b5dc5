use std::fmt;
use std::net::IpAddr;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::endpoint::Principal;
use crate::server::RemoteAddr;
use crate::server::per_addr::network;

/// Whose requests belong to a session, beside that they know its id: the client chose it, and it travels in
/// URLs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SessionBinding {
    /// [`PrincipalOrAddress`](Self::PrincipalOrAddress) for STOMP with an
    /// [`authenticator`](crate::AppBuilder::authenticator), because who has logged in by CONNECT shows that with no
    /// request; [`Principal`](Self::Principal) for all else. The default.
    #[default]
    Automatic,
    /// Those of the [`Principal`] who opened it, if a layer around the application says who that is; else those
    /// with the same Basic authentication (RFC 7617), if it was opened with that.
    Principal,
    /// The same, and if neither says who it is, those from the address that opened it, or for IPv6 from the same
    /// network of 64 bits. Not for clients whose address changes or that have one of IPv4 and one of IPv6, or
    /// behind a proxy that is not told of by [`RemoteAddr`].
    PrincipalOrAddress,
    /// Anybody's.
    Unbound,
}

impl SessionBinding {
    /// This, or what stands for it where nothing was chosen.
    pub(crate) fn or(self, suitable: Self) -> Self {
        if self == Self::Automatic { suitable } else { self }
    }
}

/// Who makes a request, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Anybody,
    Principal(Box<str>),
    /// The `Authorization` field, if that is a user and a password.
    Basic(HeaderValue),
    /// An address of IPv4, or a network of IPv6.
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
        let authorization = parts.headers.get(AUTHORIZATION);
        if let Some(basic) = authorization.filter(|field| is_basic(field)) {
            return Self::Basic(basic.clone());
        }
        let addr = parts.extensions.get().map(|RemoteAddr(addr)| network(addr.ip()));
        let addr = addr.filter(|_| binding == SessionBinding::PrincipalOrAddress);
        addr.map_or(Self::Anybody, Self::Addr)
    }
}

/// As the log may have it.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anybody => f.write_str("nobody in particular"),
            Self::Principal(_) => f.write_str("a principal"),
            Self::Basic(_) => f.write_str("a user of Basic authentication"),
            Self::Addr(addr) => addr.fmt(f),
        }
    }
}

fn is_basic(field: &HeaderValue) -> bool {
    let scheme = field.as_bytes().split(|octet| *octet == b' ').next();
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic"))
}

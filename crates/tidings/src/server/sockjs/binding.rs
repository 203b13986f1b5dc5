use std::net::IpAddr;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::endpoint::Principal;
use crate::server::RemoteAddr;

/// Whose requests belong to a session, beside that they know its id: the client chose it, and it travels in
/// URLs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SessionBinding {
    /// Those of the [`Principal`] who opened it, if a layer around the application says who that is; else those
    /// with the same Basic authentication (RFC 7617), if it was opened with that. The default.
    ///
    /// Where STOMP has an [`authenticator`](crate::AppBuilder::authenticator), this stands for
    /// [`PrincipalOrAddress`](Self::PrincipalOrAddress): who has logged in by CONNECT shows that with no request.
    #[default]
    Principal,
    /// The same, and if neither says who it is, those from the address that opened it. Not for clients whose
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
    /// The `Authorization` field, if that is a user and a password.
    Basic(HeaderValue),
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
        let addr = parts.extensions.get().map(|RemoteAddr(addr)| addr.ip());
        let addr = addr.filter(|_| binding == SessionBinding::PrincipalOrAddress);
        addr.map_or(Self::Anybody, Self::Addr)
    }
}

fn is_basic(field: &HeaderValue) -> bool {
    let scheme = field.as_bytes().split(|octet| *octet == b' ').next();
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic"))
}

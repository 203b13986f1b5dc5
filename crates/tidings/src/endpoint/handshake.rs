use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};
use tidings_websocket::{Extension, PerMessageDeflate};

use super::packed_request::PackedRequest;
use super::{PathParams, Principal};
use crate::server::{Caller, ClientCertificates, LocalAddr, RemoteAddr, Secure, common_name};

/// What the opening handshake of a session told: Jakarta WebSocket's `HandshakeRequest`.
///
/// Cheap to clone. Kept for the whole session, so what the request told is held in one compact block.
#[derive(Clone, Debug, Default)]
pub struct Handshake(Arc<Facts>);

#[derive(Clone, Debug, Default)]
struct Facts {
    request: PackedRequest,
    path_params: PathParams,
    remote_addr: Option<SocketAddr>,
    local_addr: Option<LocalAddr>,
    deflate: Option<PerMessageDeflate>,
    /// Absent where it would tell nothing.
    agreed: Option<Box<Agreed>>,
}

/// What only some handshakes have.
#[derive(Clone, Debug, Default)]
struct Agreed {
    subprotocol: Option<Box<str>>,
    principal: Option<Principal>,
    security: Security,
}

/// Whether the connection is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Security {
    #[default]
    Plain,
    /// With the certificates that the client showed, if it did.
    Tls(Option<ClientCertificates>),
}

impl Handshake {
    pub(crate) fn new(
        uri: &Uri,
        headers: &HeaderMap,
        path_params: PathParams,
        remote_addr: Option<SocketAddr>,
    ) -> Self {
        Self(Arc::new(Facts {
            request: PackedRequest::new(uri, headers),
            path_params,
            remote_addr,
            ..Facts::default()
        }))
    }

    /// The handshake of a connection that has no HTTP request: STOMP over TCP.
    pub(crate) fn without_request(caller: &Caller) -> Self {
        let Caller { remote_addr, local_addr, secure, certificates, principal, .. } = caller;
        let remote_addr = remote_addr.map(|RemoteAddr(addr)| addr);
        let security = match secure {
            Some(Secure) => Security::Tls(certificates.clone()),
            None => Security::Plain,
        };
        let principal = principal.clone();
        let tells = principal.is_some() || security != Security::Plain;
        let agreed = tells.then(|| Box::new(Agreed { principal, security, ..Agreed::default() }));
        let local_addr = local_addr.clone();
        Self(Arc::new(Facts { remote_addr, local_addr, agreed, ..Facts::default() }))
    }

    /// The same connection, as if nothing had been said on it of who the client is. Certificates have been shown by
    /// the connection.
    pub(crate) fn without_login(&self) -> Self {
        let Facts { remote_addr, local_addr, agreed, .. } = &*self.0;
        let security = agreed.as_ref().map(|agreed| agreed.security.clone());
        let agreed = security.map(|security| Box::new(Agreed { security, ..Agreed::default() }));
        let (remote_addr, local_addr) = (*remote_addr, local_addr.clone());
        Self(Arc::new(Facts { remote_addr, local_addr, agreed, ..Facts::default() }))
    }

    pub(crate) fn set_subprotocol(&mut self, subprotocol: &str) {
        self.agreed_mut().subprotocol = Some(subprotocol.into());
    }

    pub(crate) fn set_deflate(&mut self, deflate: PerMessageDeflate) {
        Arc::make_mut(&mut self.0).deflate = Some(deflate);
    }

    pub(crate) fn set_principal(&mut self, principal: Principal) {
        self.agreed_mut().principal = Some(principal);
    }

    fn agreed(&self) -> Option<&Agreed> {
        self.0.agreed.as_deref()
    }

    fn agreed_mut(&mut self) -> &mut Agreed {
        Arc::make_mut(&mut self.0).agreed.get_or_insert_default()
    }

    /// What a request tells, and whoever was asked before about it: a [`Principal`], the addresses, whether
    /// it came [securely](Secure).
    pub(crate) fn of_request(request: &Parts, path_params: PathParams) -> Self {
        let extensions = &request.extensions;
        let security = match extensions.get::<Secure>() {
            Some(Secure) => Security::Tls(extensions.get().cloned()),
            None => Security::Plain,
        };
        let principal = extensions.get().cloned();
        let tells = principal.is_some() || security != Security::Plain;
        let agreed = Agreed { principal, security, ..Agreed::default() };
        Self(Arc::new(Facts {
            request: PackedRequest::new(&request.uri, &request.headers),
            path_params,
            remote_addr: extensions.get().map(|RemoteAddr(addr)| *addr),
            local_addr: extensions.get().cloned(),
            deflate: None,
            agreed: tells.then(|| Box::new(agreed)),
        }))
    }

    /// The connection is encrypted.
    pub(crate) fn set_secure(&mut self) {
        self.agreed_mut().security = Security::Tls(None);
    }

    /// The request target, with its query; of a client's session the whole URI. Empty for a connection
    /// without HTTP request.
    pub fn uri(&self) -> &str {
        self.0.request.uri()
    }

    /// The whole URI of the request, with the scheme `ws` or `wss` and the query, if there was a request
    /// that named its host.
    pub fn full_uri(&self) -> Option<Uri> {
        let uri: Uri = self.uri().parse().ok()?;
        if uri.scheme().is_some_and(|scheme| matches!(scheme.as_str(), "ws" | "wss")) {
            return Some(uri);
        }
        let host = match uri.authority() {
            Some(authority) => authority.as_str(),
            None => self.header("host")?,
        };
        let scheme = if self.is_secure() { "wss" } else { "ws" };
        let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        Uri::builder().scheme(scheme).authority(host).path_and_query(target).build().ok()
    }

    /// The query of the request target, without the question mark.
    pub fn query(&self) -> Option<&str> {
        self.uri().split_once('?').map(|(_, query)| query)
    }

    /// The names and values of the query, decoded, in their order.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(self.query().unwrap_or_default().as_bytes())
    }

    /// The names and values of the path parameters, and after them those of the query: Jakarta
    /// WebSocket's parameter map.
    pub fn parameters(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        let path_params = self.path_params().iter();
        let path_params = path_params.map(|(name, value)| (name.into(), value.into()));
        path_params.chain(self.query_pairs())
    }

    /// The first header of this name, in any case, if its value is visible ASCII or UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// Every header of the request: its lower-case name and the octets of its value.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.request.headers()
    }

    /// The language that the client likes best, as `Accept-Language` says it: RFC 9110, section 12.5.4.
    pub fn language(&self) -> Option<&str> {
        let mut best: Option<(&str, f32)> = None;
        for range in self.header("accept-language")?.split(',') {
            let (language, weight) = match range.split_once(';') {
                None => (range.trim(), 1.0),
                Some((language, weight)) => {
                    let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
                    (language.trim(), weight.parse().unwrap_or(0.0))
                }
            };
            let is_better = weight > 0.0 && best.is_none_or(|(_, best)| weight > best);
            if is_better && !matches!(language, "" | "*") {
                best = Some((language, weight));
            }
        }
        best.map(|(language, _)| language)
    }

    /// The variables of the endpoint's path template.
    pub fn path_params(&self) -> &PathParams {
        &self.0.path_params
    }

    /// The subprotocol that was agreed on.
    pub fn subprotocol(&self) -> Option<&str> {
        self.agreed()?.subprotocol.as_deref()
    }

    /// The extensions that were agreed on, with the parameters that limit something.
    pub fn extensions(&self) -> Vec<Extension> {
        self.0.deflate.map(PerMessageDeflate::extension).into_iter().collect()
    }

    /// Who the peer is, if that is known.
    pub fn principal(&self) -> Option<&Principal> {
        self.agreed()?.principal.as_ref()
    }

    /// Whether the peer is known and has this role.
    pub fn is_user_in_role(&self, role: &str) -> bool {
        self.principal().is_some_and(|principal| principal.has_role(role))
    }

    /// Whether the connection is encrypted. Behind a proxy that ends TLS, whoever mounts the application
    /// has to say so: with [`Secure`].
    pub fn is_secure(&self) -> bool {
        self.agreed().is_some_and(|agreed| agreed.security != Security::Plain)
    }

    /// The certificates by which the client made itself known to TLS, each in DER, its own first.
    pub fn client_certificates(&self) -> impl Iterator<Item = &[u8]> {
        let certificates = self.agreed().and_then(|agreed| match &agreed.security {
            Security::Tls(certificates) => certificates.as_ref(),
            Security::Plain => None,
        });
        certificates.into_iter().flat_map(ClientCertificates::iter)
    }

    /// The common name of the subject of the client's own certificate, if it has shown one.
    pub fn client_common_name(&self) -> Option<String> {
        common_name(self.client_certificates().next()?)
    }

    /// The address of the peer, where the transport has one. An application that is mounted elsewhere than in
    /// our [`Server`](crate::server::Server) is told it by an extension of the request,
    /// [`RemoteAddr`].
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.0.remote_addr
    }

    /// The address that the peer has connected to, where the transport has one.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.0.local_addr.as_ref().map(LocalAddr::addr)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn handshake(uri: &str, headers: &[(&'static str, &'static [u8])]) -> Handshake {
        let headers = headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_bytes(value).unwrap();
            (http::HeaderName::from_static(name), value)
        });
        let path_params = PathParams::from_iter([("room", "7")]);
        Handshake::new(&uri.parse().unwrap(), &headers.collect(), path_params, None)
    }

    #[test]
    fn headers_are_found_in_any_case_and_keep_any_octet() {
        let handshake = handshake("/chat?room=1", &[("x-token", b"a:b"), ("x-odd", &[0xff, b':'])]);
        assert_eq!(handshake.header("X-Token"), Some("a:b"));
        assert_eq!(handshake.header("x-odd"), None);
        assert_eq!(handshake.headers().nth(1), Some(("x-odd", &[0xff, b':'][..])));
        assert_eq!(handshake.query(), Some("room=1"));
    }

    #[test]
    fn path_parameters_and_the_query_are_all_parameters() {
        let handshake = handshake("/chat/7?a=1&b=x+y%21&a=2", &[]);
        let parameters: Vec<_> = handshake.parameters().collect();
        let expected = [("room", "7"), ("a", "1"), ("b", "x y!"), ("a", "2")];
        assert_eq!(parameters, expected.map(|(name, value)| (name.into(), value.into())));
    }

    #[test]
    fn the_full_uri_has_the_scheme_of_websocket_the_host_and_the_query() {
        let mut handshake = handshake("/chat?x=1", &[("host", b"example.org:81")]);
        let uri = |handshake: &Handshake| handshake.full_uri().map(|uri| uri.to_string());
        assert_eq!(uri(&handshake).as_deref(), Some("ws://example.org:81/chat?x=1"));
        handshake.set_secure();
        assert_eq!(uri(&handshake).as_deref(), Some("wss://example.org:81/chat?x=1"));
        assert_eq!(uri(&Handshake::without_request(&Caller::default())), None);
    }

    #[test]
    fn the_language_with_the_greatest_weight_is_the_preferred_one() {
        let language = |value: &'static str| {
            let handshake = handshake("/", &[("accept-language", value.as_bytes())]);
            handshake.language().map(str::to_owned)
        };
        assert_eq!(language("fr").as_deref(), Some("fr"));
        assert_eq!(language("en;q=0.5, de-CH, *;q=0.1").as_deref(), Some("de-CH"));
        assert_eq!(language("en;q=0"), None);
        assert_eq!(handshake("/", &[]).language(), None);
    }

    #[test]
    fn nobody_is_in_a_role_until_somebody_says_who_they_are() {
        let mut handshake = handshake("/", &[]);
        assert!(!handshake.is_user_in_role("admin"));
        handshake.set_principal(Principal::new("ann").with_role("admin"));
        assert!(handshake.is_user_in_role("admin"));
        assert!(!handshake.is_user_in_role("root"));
    }
}

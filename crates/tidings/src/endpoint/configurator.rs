use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use tidings_websocket::Extension;

use super::{Handshake, Principal, UserProperties};

/// Has a say in the opening handshakes of an endpoint: Jakarta WebSocket's
/// `ServerEndpointConfig.Configurator`.
///
/// One value serves one endpoint. For each request whose path and headers make an opening handshake it is
/// asked for the [origin](Self::check_origin), for the [subprotocol](Self::subprotocol), for the
/// [extensions](Self::extensions), and then for its [verdict](Self::handshake). Only after that the connection is upgraded and the endpoint made.
///
/// ```
/// use http::StatusCode;
/// use tidings::endpoint::{Configurator, Handshake, HandshakeResponse, Principal, Reject};
///
/// struct ByToken;
///
/// impl Configurator for ByToken {
///     async fn handshake(
///         &self,
///         handshake: &Handshake,
///         response: &mut HandshakeResponse,
///     ) -> Result<(), Reject> {
///         match handshake.header("authorization") {
///             Some("Bearer 42") => response.set_principal(Principal::new("deep thought")),
///             _ => return Err(Reject::new(StatusCode::UNAUTHORIZED)),
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Configurator: Send + Sync + 'static {
    /// Whether a page of this origin may connect; if not, the answer is status 403. By default what the
    /// application [allows](crate::AppBuilder::allowed_origins).
    fn check_origin(&self, origin: Origin<'_>, handshake: &Handshake) -> bool {
        let _ = handshake;
        origin.is_allowed()
    }

    /// The subprotocol to speak, if any. By default the endpoint's [policy](SubprotocolPolicy) chooses. One
    /// that the client did not request is as none.
    fn subprotocol<'a>(&self, offer: &SubprotocolOffer<'a>) -> Option<&'a str> {
        offer.chosen()
    }

    /// The extensions that may be agreed on, of those that the client requests, in its order. By default all.
    /// Of these, the first is agreed on that is `installed`: that the connections of this endpoint know.
    fn extensions(&self, installed: &[&str], requested: &[Extension]) -> Vec<Extension> {
        let _ = installed;
        requested.to_vec()
    }

    /// Lets the client in, or answers with any other response. It may add headers to the response, and
    /// what it wants to keep with the session.
    ///
    /// # Errors
    ///
    /// [`Reject`] is the answer: the connection is not upgraded.
    fn handshake(
        &self,
        handshake: &Handshake,
        response: &mut HandshakeResponse,
    ) -> impl Future<Output = Result<(), Reject>> + Send {
        let _ = (handshake, response);
        async { Ok(()) }
    }
}

/// The configurator of endpoints that have no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultConfigurator;

impl Configurator for DefaultConfigurator {}

/// The origin that a request names: RFC 6454, section 7.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    value: Option<&'a str>,
    verdict: OriginVerdict,
}

/// What the application says of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginVerdict {
    Allowed,
    Refused,
}

impl<'a> Origin<'a> {
    pub(crate) fn new(value: Option<&'a str>, verdict: OriginVerdict) -> Self {
        Self { value, verdict }
    }

    /// What the header says. Browsers always send it; other clients need not.
    pub fn value(&self) -> Option<&'a str> {
        self.value
    }

    /// Whether the application's [`AllowedOrigins`](crate::server::AllowedOrigins) let it in.
    pub fn is_allowed(&self) -> bool {
        self.verdict == OriginVerdict::Allowed
    }
}

/// The subprotocols of both sides.
#[derive(Clone, Copy, Debug)]
pub struct SubprotocolOffer<'a> {
    supported: &'a [String],
    requested: &'a [String],
    policy: SubprotocolPolicy,
}

impl<'a> SubprotocolOffer<'a> {
    pub(crate) fn new(
        supported: &'a [String],
        requested: &'a [String],
        policy: SubprotocolPolicy,
    ) -> Self {
        Self { supported, requested, policy }
    }

    /// Those that the endpoint speaks, in its order.
    pub fn supported(&self) -> &'a [String] {
        self.supported
    }

    /// Those that the client requests, its favourite first.
    pub fn requested(&self) -> &'a [String] {
        self.requested
    }

    /// The one that the endpoint's policy chooses.
    pub fn chosen(&self) -> Option<&'a str> {
        let (first, second) = match self.policy {
            SubprotocolPolicy::ClientOrder => (self.requested, self.supported),
            SubprotocolPolicy::ServerOrder => (self.supported, self.requested),
        };
        first.iter().find(|candidate| second.contains(candidate)).map(String::as_str)
    }
}

/// Whose order counts when both sides speak several subprotocols in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SubprotocolPolicy {
    /// The client's favourite is spoken.
    #[default]
    ClientOrder,
    /// The endpoint's favourite is spoken.
    ServerOrder,
}

/// What the answer to an opening handshake gets beside what the protocol asks for: Jakarta WebSocket's
/// `HandshakeResponse`.
#[derive(Default)]
pub struct HandshakeResponse {
    headers: HeaderMap,
    user_properties: UserProperties,
    principal: Option<Principal>,
}

/// Without values, which may be secrets.
impl fmt::Debug for HandshakeResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("HandshakeResponse").field("headers", &names).finish_non_exhaustive()
    }
}

impl HandshakeResponse {
    pub(crate) fn new(user_properties: UserProperties) -> Self {
        Self { user_properties, ..Self::default() }
    }

    /// Headers for the response. Those of the handshake itself cannot be changed.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// What will be kept with the session. It begins with the properties of the endpoint's
    /// configuration, and is this session's own.
    pub fn user_properties(&self) -> &UserProperties {
        &self.user_properties
    }

    /// Says who the peer is.
    pub fn set_principal(&mut self, principal: Principal) {
        self.principal = Some(principal);
    }

    /// Who the peer is, if that was said.
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    pub(crate) fn into_parts(self) -> (HeaderMap, UserProperties, Option<Principal>) {
        (self.headers, self.user_properties, self.principal)
    }
}

/// A response that refuses an opening handshake.
pub struct Reject(Box<Response<Bytes>>);

/// Without headers, which may hold secrets.
impl fmt::Debug for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reject").field(&self.status()).finish()
    }
}

impl Reject {
    /// A response without a body.
    pub fn new(status: StatusCode) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        Self(Box::new(response))
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers_mut().insert(name, value);
        self
    }

    /// Says why, as plain text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        let content_type = HeaderValue::from_static("text/plain; charset=UTF-8");
        self.0.headers_mut().insert(CONTENT_TYPE, content_type);
        *self.0.body_mut() = text.into().into();
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    pub(crate) fn into_response(self) -> Response<Bytes> {
        *self.0
    }
}

impl From<StatusCode> for Reject {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

impl<B: Into<Bytes>> From<Response<B>> for Reject {
    fn from(response: Response<B>) -> Self {
        Self(Box::new(response.map(Into::into)))
    }
}

/// A configurator of any type.
pub(crate) trait AnyConfigurator: Send + Sync {
    fn check_origin(&self, origin: Origin<'_>, handshake: &Handshake) -> bool;
    fn subprotocol<'a>(&self, offer: &SubprotocolOffer<'a>) -> Option<&'a str>;
    fn extensions(&self, installed: &[&str], requested: &[Extension]) -> Vec<Extension>;
    fn handshake<'a>(
        &'a self,
        handshake: &'a Handshake,
        response: &'a mut HandshakeResponse,
    ) -> Verdict<'a>;
}

/// Whether a client is let in.
pub(crate) type Verdict<'a> = Pin<Box<dyn Future<Output = Result<(), Reject>> + Send + 'a>>;

impl<C: Configurator> AnyConfigurator for C {
    fn check_origin(&self, origin: Origin<'_>, handshake: &Handshake) -> bool {
        Configurator::check_origin(self, origin, handshake)
    }

    fn subprotocol<'a>(&self, offer: &SubprotocolOffer<'a>) -> Option<&'a str> {
        Configurator::subprotocol(self, offer)
    }

    fn extensions(&self, installed: &[&str], requested: &[Extension]) -> Vec<Extension> {
        Configurator::extensions(self, installed, requested)
    }

    fn handshake<'a>(
        &'a self,
        handshake: &'a Handshake,
        response: &'a mut HandshakeResponse,
    ) -> Verdict<'a> {
        Box::pin(Configurator::handshake(self, handshake, response))
    }
}

impl fmt::Debug for dyn AnyConfigurator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Configurator")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_says_whose_order_counts() {
        let supported = ["b".to_owned(), "a".to_owned()];
        let requested = ["x".to_owned(), "a".to_owned(), "b".to_owned()];
        let chosen = |policy| SubprotocolOffer::new(&supported, &requested, policy).chosen();
        assert_eq!(chosen(SubprotocolPolicy::ClientOrder), Some("a"));
        assert_eq!(chosen(SubprotocolPolicy::ServerOrder), Some("b"));
        let none = SubprotocolOffer::new(&supported, &[], SubprotocolPolicy::ServerOrder);
        assert_eq!(none.chosen(), None);
    }
}

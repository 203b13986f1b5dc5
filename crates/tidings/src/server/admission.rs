use crate::endpoint::{
    AppState, EndpointConfig, EndpointError, Handshake, HandshakeResponse, MissingState,
    OnHandshake, ServerEndpoint, Verdict,
};

/// What the type of an endpoint says of its deployment, beside a path.
///
/// It belongs to [`Endpoint`](crate::endpoint::Endpoint), so that an annotated endpoint keeps its guards
/// wherever it is deployed: at another path, as a SockJS service, by a direct upgrade.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    pub(crate) config: fn() -> EndpointConfig,
    pub(crate) check_state: fn(&AppState) -> Result<(), MissingState>,
    pub(crate) check_handshake: fn(&Handshake) -> Result<(), EndpointError>,
    pub(crate) on_handshake: Option<OnHandshakeFn>,
}

pub(crate) type OnHandshakeFn =
    for<'a> fn(OnHandshake<'a>, &'a mut HandshakeResponse) -> Verdict<'a>;

impl Admission {
    /// That of an annotated endpoint.
    pub fn of<E: ServerEndpoint>() -> Self {
        Self {
            config: E::config,
            check_state: E::check_state,
            check_handshake: E::check_handshake,
            on_handshake: Some(on_handshake::<E>),
        }
    }
}

/// Nothing to say.
impl Default for Admission {
    fn default() -> Self {
        Self {
            config: EndpointConfig::new,
            check_state: |_| Ok(()),
            check_handshake: |_| Ok(()),
            on_handshake: None,
        }
    }
}

fn on_handshake<'a, E: ServerEndpoint>(
    call: OnHandshake<'a>,
    response: &'a mut HandshakeResponse,
) -> Verdict<'a> {
    Box::pin(E::on_handshake(call, response))
}

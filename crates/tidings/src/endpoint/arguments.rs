//! What methods may ask for beside messages: what the handshake told, and what the application has.

use std::any::Any;

use serde::de::DeserializeOwned;

use super::{
    AppState, BoxError, Call, EndpointConfig, EndpointError, Extract, Handshake, HandshakeResponse,
    MissingState, MissingUser, OnClose, OnError, OnMessage, OnOpen, ParametersError, Path,
    Principal, Query, Reject, Session, SessionState, User, UserProperties,
};
use crate::messaging::{HandlerError, OnException, OnMapping};

/// A call of `#[on_handshake]`, before there is a session.
#[derive(Clone, Copy, Debug)]
pub struct OnHandshake<'a> {
    handshake: &'a Handshake,
    config: &'a EndpointConfig,
    state: &'a AppState,
}

impl<'a> OnHandshake<'a> {
    pub(crate) fn new(
        handshake: &'a Handshake,
        config: &'a EndpointConfig,
        state: &'a AppState,
    ) -> Self {
        Self { handshake, config, state }
    }
}

/// Who a method is called for, known from the opening handshake on: what every call tells.
pub trait Caller {
    /// Why an argument cannot be made.
    type Error: From<MissingState> + From<MissingUser> + From<ParametersError>;

    /// An argument cannot be made for this reason.
    fn argument_error(reason: impl Into<BoxError>) -> Self::Error;

    /// What the opening handshake told.
    fn handshake(&self) -> &Handshake;

    /// How the endpoint is deployed.
    fn config(&self) -> &EndpointConfig;

    /// What the application was given.
    fn state(&self) -> &AppState;

    /// The session; `None` in `#[on_handshake]`, before there is one.
    fn existing_session(&self) -> Option<&Session>;
}

impl Caller for OnHandshake<'_> {
    type Error = EndpointError;

    fn argument_error(reason: impl Into<BoxError>) -> EndpointError {
        EndpointError::from_handler(reason)
    }

    fn handshake(&self) -> &Handshake {
        self.handshake
    }

    fn config(&self) -> &EndpointConfig {
        self.config
    }

    fn state(&self) -> &AppState {
        self.state
    }

    fn existing_session(&self) -> Option<&Session> {
        None
    }
}

macro_rules! callers {
    ($error:ty, $argument_error:expr; $($call:ident),*) => {$(
        impl Caller for $call<'_> {
            type Error = $error;

            fn argument_error(reason: impl Into<BoxError>) -> $error {
                $argument_error(reason)
            }

            fn handshake(&self) -> &Handshake {
                Call::session(self).handshake()
            }

            fn config(&self) -> &EndpointConfig {
                Call::session(self).config()
            }

            fn state(&self) -> &AppState {
                &Call::session(self).deployed().state
            }

            fn existing_session(&self) -> Option<&Session> {
                Some(Call::session(self))
            }
        }

        impl Extract<$call<'_>> for Session {
            fn extract(call: &mut $call<'_>) -> Result<Self, $error> {
                Ok(Call::session(call).clone())
            }
        }

        impl Extract<$call<'_>> for UserProperties {
            fn extract(call: &mut $call<'_>) -> Result<Self, $error> {
                Ok(Call::session(call).user_properties().clone())
            }
        }

        impl<T: Default + Send + Sync + 'static> Extract<$call<'_>> for SessionState<T> {
            fn extract(call: &mut $call<'_>) -> Result<Self, $error> {
                Ok(SessionState::of(Call::session(call)))
            }
        }
    )*};
}

callers!(EndpointError, EndpointError::from_handler; OnOpen, OnMessage, OnClose, OnError);
callers!(HandlerError, HandlerError::argument; OnMapping, OnException);

/// An argument of an annotated method: what the application was [given](crate::AppBuilder::state), a
/// connection pool for example. An application without it does not build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State<S>(
    /// A clone of the value.
    pub S,
);

impl<P: Caller> Extract<P> for Handshake {
    fn extract(call: &mut P) -> Result<Self, P::Error> {
        Ok(call.handshake().clone())
    }
}

impl<P: Caller> Extract<P> for EndpointConfig {
    fn extract(call: &mut P) -> Result<Self, P::Error> {
        Ok(call.config().clone())
    }
}

impl<P: Caller, S: Clone + Send + Sync + 'static> Extract<P> for State<S> {
    fn extract(call: &mut P) -> Result<Self, P::Error> {
        Ok(Self(call.state().get()?))
    }

    fn check_state(state: &AppState) -> Result<(), MissingState> {
        state.get::<S>().map(drop)
    }
}

impl<P: Caller, T: DeserializeOwned> Extract<P> for Path<T> {
    fn extract(call: &mut P) -> Result<Self, P::Error> {
        Ok(Self(call.handshake().path_params().deserialize()?))
    }

    fn check_handshake(handshake: &Handshake) -> Result<(), EndpointError> {
        Ok(handshake.path_params().deserialize::<T>().map(drop)?)
    }
}

impl<P: Caller, T: DeserializeOwned> Extract<P> for Query<T> {
    fn extract(call: &mut P) -> Result<Self, P::Error> {
        Ok(Self(call.handshake().deserialize_query()?))
    }

    fn check_handshake(handshake: &Handshake) -> Result<(), EndpointError> {
        Ok(handshake.deserialize_query::<T>().map(drop)?)
    }
}

impl<P: Caller, U: Clone + Send + Sync + 'static> Extract<P> for User<U> {
    fn extract(call: &mut P) -> Result<Self, P::Error> {
        Ok(user(call).ok_or(MissingUser)?)
    }
}

impl<P: Caller, U: Clone + Send + Sync + 'static> Extract<P> for Option<User<U>> {
    fn extract(call: &mut P) -> Result<Self, P::Error> {
        Ok(user(call))
    }
}

/// The user as the handshake returned it, or the principal or its claims if that is what is asked for: those of the
/// session, which CONNECT of STOMP may have made known.
fn user<U: Clone + Send + Sync + 'static>(call: &impl Caller) -> Option<User<U>> {
    let session = call.existing_session();
    let kept = session.and_then(Session::existing_user_properties);
    if let Some(user) = kept.and_then(UserProperties::get) {
        return Some(user);
    }
    let of_handshake = || call.handshake().principal().cloned();
    let principal = session.map_or_else(of_handshake, Session::principal)?;
    let any: &dyn Any = &principal;
    any.downcast_ref().or_else(|| principal.claims()).cloned().map(User)
}

/// What an `#[on_handshake]` method may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned by an `#[on_handshake]` method",
    label = "does not say whether the client is let in",
    note = "return `()`, `Result<(), Reject>`, or `Result<P, Reject>` with the user for `User<P>`"
)]
pub trait IntoAdmission {
    /// Lets the client in, keeping what is to be kept, or refuses it.
    ///
    /// # Errors
    ///
    /// The answer to a client that is not let in.
    fn into_admission(self, response: &mut HandshakeResponse) -> Result<(), Reject>;
}

impl IntoAdmission for () {
    fn into_admission(self, _: &mut HandshakeResponse) -> Result<(), Reject> {
        Ok(())
    }
}

impl<U, E> IntoAdmission for Result<U, E>
where
    U: Clone + Send + Sync + 'static,
    E: Into<Reject>,
{
    fn into_admission(self, response: &mut HandshakeResponse) -> Result<(), Reject> {
        let user = self.map_err(Into::into)?;
        let known: &dyn Any = &user;
        if let Some(principal) = known.downcast_ref::<Principal>() {
            response.set_principal(principal.clone());
        } else if !known.is::<()>() {
            response.user_properties().insert(User(user));
        }
        Ok(())
    }
}

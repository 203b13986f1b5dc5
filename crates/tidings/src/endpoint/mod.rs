//! Jakarta WebSocket's programming model: endpoints, their sessions, path templates.

mod arguments;
mod close_info;
mod codec;
mod config;
mod configurator;
#[expect(clippy::module_inception, reason = "the trait is named as in the standard")]
mod endpoint;
mod error;
mod extract;
mod handlers;
mod handshake;
mod json;
mod message_stream;
mod message_writer;
mod open_sessions;
mod packed_request;
mod parameters;
mod path_params;
mod path_template;
mod principal;
mod reception;
mod reply;
mod runner;
mod seldom;
mod sending;
mod session;
mod session_state;
mod shared;
mod user_properties;
mod valid;
mod vitals;

pub use arguments::{Caller, IntoAdmission, OnHandshake, State};
pub use close_info::{CloseInfo, CloseInitiator};
pub use codec::{Decoder, Encoder};
pub use config::{AppState, EndpointConfig};
pub(crate) use config::{Deployed, Farewell};
pub use configurator::{
    Configurator, DefaultConfigurator, HandshakeResponse, Origin, Reject, SubprotocolOffer,
    SubprotocolPolicy,
};
pub(crate) use configurator::{OriginVerdict, Verdict};
pub use endpoint::{Endpoint, Flow, Pong, ServerEndpoint};
pub(crate) use error::panic_message;
pub use error::{
    BoxError, EndpointError, MissingState, MissingUser, SendError, SendFromError, SendObjectError,
};
pub use extract::{
    Call, Either, Extract, FromMessage, OnClose, OnError, OnMessage, OnOpen, Part, Payload,
    PayloadKind,
};
pub use handlers::{AddHandlerError, HandlerId, MessageHandler, UnknownHandler};
pub use handshake::Handshake;
pub use json::Json;
pub use message_stream::{BinaryStream, MessageCutOff, MessageStream, TextStream};
pub(crate) use message_stream::{Feeder, message_stream};
pub use message_writer::{BinaryWriter, TextWriter};
pub use open_sessions::Peers;
pub use parameters::{ParametersError, Path, Query};
pub use path_params::{PathParamError, PathParams};
pub use principal::{Principal, RenewError, User};
pub use reception::{Delivery, Receptions};
pub use reply::{Broadcast, Close, IntoFlow, IntoMessage, IntoReply, Reply, Several};
pub use sending::{Batch, ControlPayload, ControlPayloadTooLong, SendTicket};
pub(crate) use sending::{SendOrWait, Sending};
pub use session::{InvalidSessionId, Session, SessionId};
pub use session_state::SessionState;
pub use shared::{Shared, SharedEndpoint};
pub use tidings_websocket::{
    CloseCode, CloseCodeOutOfRange, CloseReason, CloseReasonError, ContextTakeover, DeflateMode,
    DeflateOptions, Extension, Limits, Message, MessageKind, MessagePart, Reception,
};
pub use user_properties::UserProperties;
pub use valid::{Valid, Validate};

pub use crate::net::{ConnectionOptions, KeepAlive, OverflowPolicy};

pub(crate) use open_sessions::{AllSessions, OpenSession, OpenSessions};
pub(crate) use path_template::without_dot_segments;
pub use path_template::{PathTemplate, PathTemplateError};
pub(crate) use runner::run;
#[cfg(test)]
pub(crate) use session::in_memory;
pub(crate) use vitals::{Due, Expiry, Vitals};

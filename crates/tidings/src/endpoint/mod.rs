//! Jakarta WebSocket's programming model: endpoints, their sessions, path templates.

mod close_info;
#[expect(clippy::module_inception, reason = "the trait is named as in the standard")]
mod endpoint;
mod error;
mod extract;
mod handshake;
mod json;
mod open_sessions;
mod path_params;
mod path_template;
mod reply;
mod runner;
mod sending;
mod session;
mod vitals;

pub use close_info::{CloseInfo, CloseInitiator};
pub use endpoint::{Endpoint, Flow, ServerEndpoint};
pub use error::{BoxError, EndpointError, SendError};
pub use extract::{Call, Extract, FromMessage, OnClose, OnError, OnMessage, OnOpen, PayloadKind};
pub use handshake::Handshake;
pub use json::Json;
pub use open_sessions::Peers;
pub use path_params::{PathParamError, PathParams};
pub use reply::{IntoFlow, IntoReply};
pub(crate) use sending::SendOrWait;
pub use sending::{
    Batch, BinaryWriter, ControlPayload, ControlPayloadTooLong, SendTicket, TextWriter,
};
pub use session::{Session, SessionId};
pub use tidings_websocket::{
    CloseCode, CloseCodeOutOfRange, CloseReason, CloseReasonError, Limits, Message, MessageKind,
    MessagePart, Reception,
};

pub use crate::net::{ConnectionOptions, KeepAlive, OverflowPolicy};

pub(crate) use open_sessions::OpenSessions;
pub use path_template::{PathTemplate, PathTemplateError};
pub(crate) use runner::run;
pub(crate) use vitals::{Due, Expiry, Vitals};

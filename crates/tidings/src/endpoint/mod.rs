//! Jakarta WebSocket's programming model: endpoints, their sessions, path templates.

mod close_info;
#[expect(clippy::module_inception, reason = "the trait is named as in the standard")]
mod endpoint;
mod error;
mod extract;
mod handshake;
mod json;
mod message_stream;
mod open_sessions;
mod path_params;
mod path_template;
mod reception;
mod reply;
mod runner;
mod sending;
mod session;
mod shared;
mod vitals;

pub use close_info::{CloseInfo, CloseInitiator};
pub use endpoint::{ClientEndpoint, Endpoint, Flow, Pong, ServerEndpoint};
pub use error::{BoxError, EndpointError, SendError};
pub use extract::{
    Call, Either, Extract, FromMessage, OnClose, OnError, OnMessage, OnOpen, Part, Payload,
    PayloadKind,
};
pub use handshake::Handshake;
pub use json::Json;
pub use message_stream::{BinaryStream, MessageCutOff, MessageStream, TextStream};
pub(crate) use message_stream::{Feeder, message_stream};
pub use open_sessions::Peers;
pub use path_params::{PathParamError, PathParams};
pub use reception::{Delivery, Receptions};
pub use reply::{Broadcast, Close, IntoFlow, IntoReply, Reply, Several};
pub(crate) use sending::SendOrWait;
pub use sending::{
    Batch, BinaryWriter, ControlPayload, ControlPayloadTooLong, SendTicket, TextWriter,
};
pub use session::{Session, SessionId};
pub use shared::{Shared, SharedEndpoint};
pub use tidings_websocket::{
    CloseCode, CloseCodeOutOfRange, CloseReason, CloseReasonError, ContextTakeover, DeflateMode,
    DeflateOptions, Limits, Message, MessageKind, MessagePart, Reception,
};

pub use crate::net::{ConnectionOptions, KeepAlive, OverflowPolicy};

pub(crate) use open_sessions::OpenSessions;
pub use path_template::{PathTemplate, PathTemplateError};
pub(crate) use runner::run;
pub(crate) use vitals::{Due, Expiry, Vitals};

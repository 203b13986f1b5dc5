//! Spring's programming model for messages: controllers, their arguments and replies, and a handle
//! that sends from anywhere.

mod authentication;
mod authenticator;
mod controller;
mod dispatcher;
mod error;
mod from_message;
mod messenger;
mod pattern;
mod payload;
mod recipient;
mod sent;
mod session_event;
mod users;

pub use authenticator::{AccessDenied, Authenticator, Login};
pub use controller::{Controller, Mapping};
pub use error::HandlerError;
#[doc(hidden)]
pub use from_message::marker;
pub use from_message::{FromMessage, FromMessageParts, MessageParts};
pub use messenger::{Messenger, MessengerError};
pub use payload::{FromPayload, IntoOutgoing, IntoPayload, Outgoing, Payload};
pub use sent::Sent;
pub use session_event::{SessionEvent, SessionListener};
pub use tidings_stomp::Headers;
pub use users::{UserSubscription, Users};

pub(crate) use authentication::{Authentication, Logins, NotAuthenticated, Turns};
pub(crate) use authenticator::AnyAuthenticator;
pub(crate) use dispatcher::{AmbiguousMapping, Controllers, Dispatcher, InboundMessage, Unhandled};
pub(crate) use session_event::AnySessionListener;

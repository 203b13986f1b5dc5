//! Spring's programming model for messages: controllers, their arguments and replies, and a handle
//! that sends from anywhere.

mod authentication;
mod authenticator;
mod call;
mod controller;
mod dispatcher;
mod error;
mod messenger;
mod pattern;
mod payload;
mod recipient;
mod sent;
mod session_event;
mod users;

pub use authenticator::{AccessDenied, Authenticator, Login};
pub use call::{MessageParts, OnMapping};
pub use controller::{Controller, Mapping, Uncallable};
pub use error::HandlerError;
pub use messenger::{Messenger, MessengerError};
pub use payload::{FromPayload, IntoOutgoing, IntoPayload, Outgoing, Payload};
pub use sent::Sent;
pub use session_event::{SessionEvent, SessionListener};
pub use tidings_stomp::Headers;
pub use users::{UserSubscription, Users};

pub(crate) use authentication::{Authentication, Logins, NotAuthenticated, Turns};
pub(crate) use authenticator::AnyAuthenticator;
pub(crate) use dispatcher::{
    AmbiguousMapping, Controllers, Dispatcher, InboundMessage, UncallableHandler, Unhandled,
};
pub(crate) use session_event::AnySessionListener;

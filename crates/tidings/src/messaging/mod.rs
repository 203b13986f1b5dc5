//! Spring's programming model for messages: controllers, their arguments and replies, and a handle
//! that sends from anywhere.

mod application_names;
mod authentication;
mod authenticator;
mod call;
mod controller;
mod csrf;
mod dispatcher;
mod error;
mod exception;
mod feed;
mod interceptor;
mod lost_reply;
mod messenger;
mod pattern;
mod payload;
mod recipient;
mod rule_names;
mod rule_pattern;
mod rulebook;
mod rules;
mod sent;
mod session_event;
mod target;
mod trace_context;
mod users;

pub use application_names::Separator;
pub use authenticator::{AccessDenied, Authenticator, Login};
pub use call::{MessageParts, OnException, OnMapping};
pub use controller::{Controller, Mapping, Uncallable};
pub use csrf::Csrf;
pub use error::HandlerError;
pub use exception::ExceptionHandler;
pub use feed::{Feed, ReplyStream};
pub use interceptor::{InboundFrame, Interceptor, OutboundMessage, OutboundScope, Verdict};
pub use messenger::{Messenger, MessengerError};
pub use payload::{FromPayload, IntoOutgoing, IntoPayload, Outgoing, Payload};
pub use rules::{Access, Action, Requirement, Rules, authenticated, deny, permit, role};
pub use sent::Sent;
pub use session_event::{SessionEvent, SessionListener};
pub use target::Target;
pub use tidings_stomp::{Command, Error as StompError, Headers};
pub(crate) use users::end_session;
pub use users::{UserSubscription, Users};

pub(crate) use application_names::ApplicationNames;
pub(crate) use authentication::{Authentication, Logins, NotAuthenticated, Turns};
pub(crate) use authenticator::AnyAuthenticator;
pub(crate) use dispatcher::{
    Answer, Controllers, Dispatcher, InboundMessage, MappingMistake, UncallableHandler, Unhandled,
};
pub(crate) use feed::{LiveStream, Subscriber};
pub(crate) use interceptor::{AnyInterceptor, Interceptors, LastForAll, Outbound};
pub(crate) use lost_reply::LostReply;
pub(crate) use rulebook::{Refusal, Rulebook, Subject};
pub(crate) use rules::RuleMistake;
pub(crate) use session_event::AnySessionListener;
pub(crate) use trace_context::{TRACEPARENT, TRACESTATE};

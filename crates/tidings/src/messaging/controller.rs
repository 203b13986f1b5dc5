use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{ExceptionHandler, Feed, HandlerError, MessageParts, OnException, OnMapping, Outgoing};
use crate::asyncapi::OperationDescription;
use crate::endpoint::AppState;

/// A value with message handlers. `#[controller]` generates the implementation.
pub trait Controller: Send + Sync + 'static {
    /// What the handlers are for.
    const MAPPINGS: &'static [Mapping];

    /// What the handlers take and return, one for each of `MAPPINGS`, then one for each of `EXCEPTION_HANDLERS`; may be
    /// empty.
    const OPERATIONS: &'static [OperationDescription] = &[];

    /// Calls the handler of `MAPPINGS[mapping]`, which is no [stream](Mapping::stream).
    ///
    /// # Errors
    ///
    /// When an argument cannot be made, the handler fails, or its reply cannot be encoded.
    fn handle(
        &self,
        mapping: usize,
        call: OnMapping<'_>,
    ) -> impl Future<Output = Result<Vec<Outgoing>, HandlerError>> + Send;

    /// Calls the handler of `MAPPINGS[mapping]`, which is a [stream](Mapping::stream), and has what it returns
    /// [run](Feed::run). The future is dropped when the subscription ends.
    ///
    /// # Errors
    ///
    /// When an argument cannot be made, the handler fails, or an item cannot be sent.
    fn stream(
        self: Arc<Self>,
        mapping: usize,
        message: MessageParts,
        feed: Feed,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send {
        let _ = (mapping, message, feed);
        async { Ok(()) }
    }

    /// Which errors of the handlers there are methods for.
    const EXCEPTION_HANDLERS: &'static [ExceptionHandler] = &[];

    /// Calls the handler of `EXCEPTION_HANDLERS[handler]`.
    ///
    /// # Errors
    ///
    /// When it fails itself.
    fn handle_exception(
        &self,
        handler: usize,
        call: OnException<'_>,
    ) -> impl Future<Output = Result<Vec<Outgoing>, HandlerError>> + Send {
        let _ = (handler, call);
        async { Ok(Vec::new()) }
    }

    /// Tells when the application is built which methods could never be called: it lacks state that they ask
    /// for, for example. With any, it does not build.
    fn check(state: &AppState) -> Vec<Uncallable> {
        let _ = state;
        Vec::new()
    }
}

/// A method of a controller that could never be called, and why.
#[derive(Debug)]
pub struct Uncallable {
    /// Its name.
    pub method: &'static str,
    /// What keeps its arguments from being made.
    pub reason: HandlerError,
}

/// What one handler is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub(super) kind: MappingKind,
    pub(super) pattern: &'static str,
    pub(super) returns: Returns,
}

/// What a handler returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returns {
    Value,
    Stream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum MappingKind {
    Message,
    Subscribe,
}

impl Mapping {
    /// Messages sent to destinations of this pattern.
    pub const fn message(pattern: &'static str) -> Self {
        Self { kind: MappingKind::Message, pattern, returns: Returns::Value }
    }

    /// Subscriptions to destinations of this pattern.
    pub const fn subscribe(pattern: &'static str) -> Self {
        Self { kind: MappingKind::Subscribe, pattern, returns: Returns::Value }
    }

    /// Subscriptions to destinations of this pattern, each answered with a stream.
    pub const fn stream(pattern: &'static str) -> Self {
        Self { kind: MappingKind::Subscribe, pattern, returns: Returns::Stream }
    }

    pub(crate) fn pattern(&self) -> &'static str {
        self.pattern
    }

    /// Whether it is for messages, and not for subscriptions.
    pub(crate) fn is_message(&self) -> bool {
        self.kind == MappingKind::Message
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attribute = match self.kind {
            MappingKind::Message => "message_mapping",
            MappingKind::Subscribe => "subscribe_mapping",
        };
        write!(f, "#[{attribute}(\"{}\")]", self.pattern)
    }
}

pub(super) type Handling<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Outgoing>, HandlerError>> + Send + 'a>>;

pub(super) type Streaming = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send>>;

/// A controller whose type is forgotten.
pub(super) trait AnyController: Send + Sync {
    fn handle_any<'a>(&'a self, mapping: usize, call: OnMapping<'a>) -> Handling<'a>;
    fn stream_any(self: Arc<Self>, mapping: usize, message: MessageParts, feed: Feed) -> Streaming;
    fn has_exception_handlers(&self) -> bool;
    /// The handler whose error is nearest to this one.
    fn exception_handler(&self, error: &HandlerError) -> Option<usize>;
    fn handle_exception_any<'a>(&'a self, handler: usize, call: OnException<'a>) -> Handling<'a>;
    fn check(&self, state: &AppState) -> Vec<Uncallable>;
    fn name(&self) -> &'static str;
}

impl<C: Controller> AnyController for C {
    fn handle_any<'a>(&'a self, mapping: usize, call: OnMapping<'a>) -> Handling<'a> {
        Box::pin(self.handle(mapping, call))
    }

    fn stream_any(self: Arc<Self>, mapping: usize, message: MessageParts, feed: Feed) -> Streaming {
        Box::pin(self.stream(mapping, message, feed))
    }

    fn has_exception_handlers(&self) -> bool {
        !C::EXCEPTION_HANDLERS.is_empty()
    }

    fn exception_handler(&self, error: &HandlerError) -> Option<usize> {
        ExceptionHandler::nearest(C::EXCEPTION_HANDLERS, error)
    }

    fn handle_exception_any<'a>(&'a self, handler: usize, call: OnException<'a>) -> Handling<'a> {
        Box::pin(self.handle_exception(handler, call))
    }

    fn check(&self, state: &AppState) -> Vec<Uncallable> {
        C::check(state)
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<C>()
    }
}

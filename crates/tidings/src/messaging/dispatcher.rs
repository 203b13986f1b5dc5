use std::collections::HashMap;
use std::fmt;
use std::iter::once;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use tidings_broker::BrokerOptions;
use tidings_stomp::{Error, Headers};
use tracing::{Instrument, Span};

use super::controller::{AnyController, Mapping, MappingKind, Returns};
use super::lost_reply::LostReply;
use super::pattern::Pattern;
use super::trace_context::TraceContext;
use super::{
    Controller, Feed, HandlerError, LiveStream, MessageParts, Messenger, OnException, OnMapping,
    Outgoing, Separator, Subscriber,
};
use crate::asyncapi::{Handler, OperationDescription};
use crate::endpoint::{AppState, PathParams, Session, panic_message};
use crate::net::in_turns;

/// A message to a destination of the application, on its way to a handler.
#[derive(Debug)]
pub(crate) struct InboundMessage {
    /// Without the application prefix.
    pub(crate) destination: String,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
    pub(crate) session: Session,
    pub(crate) messenger: Messenger,
}

impl InboundMessage {
    /// As the handler whose pattern has these variables gets it, and the body.
    fn matched(self, variables: PathParams) -> (MessageParts, Bytes) {
        let Self { destination, headers, body, session, messenger } = self;
        (MessageParts { destination, variables, headers, session, messenger }, body)
    }
}

/// Finds the handler of a message, and calls it.
#[derive(Default)]
pub(crate) struct Dispatcher {
    controllers: Vec<Arc<dyn AnyController>>,
    /// Those whose exception handlers are for the errors of all controllers.
    advice: Vec<usize>,
    messages: Routes,
    subscriptions: Routes,
    separator: Separator,
}

/// Why a message was not handled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unhandled {
    /// No handler is for its destination.
    NoHandler,
    /// Its handler cannot take it, for this reason.
    NotTaken(String),
    /// Its handler failed. Why is nobody's business but the application's.
    Failed,
}

/// What a client is told.
impl From<Unhandled> for Error {
    fn from(unhandled: Unhandled) -> Self {
        match unhandled {
            Unhandled::NoHandler => Self::new(
                "no handler",
                "Nothing in this application takes messages to this destination: see how it is spelt.",
            ),
            Unhandled::NotTaken(reason) => {
                Self::new("message not taken", format!("The handler cannot take it: {reason}."))
            }
            Unhandled::Failed => {
                Self::new("handler failed", "The log of the application says why.")
            }
        }
    }
}

/// The mappings of one kind.
#[derive(Default)]
struct Routes {
    literals: HashMap<String, Route>,
    /// The most specific first.
    patterns: Vec<(Pattern, Route)>,
}

/// A handler: which of the controllers, and which of its mappings.
#[derive(Clone, Copy)]
struct Route {
    controller: usize,
    mapping: usize,
    returns: Returns,
}

/// What comes of a subscription to a handler.
#[derive(Debug)]
pub(crate) enum Answer {
    Messages(Vec<Outgoing>),
    /// Begins when it is [started](LiveStream::start).
    Stream(LiveStream),
}

/// The controllers of an application in the making.
#[derive(Default)]
pub(crate) struct Controllers {
    controllers: Vec<(Arc<dyn AnyController>, &'static [Mapping])>,
    advice: Vec<usize>,
    handlers: Vec<Handler>,
    operations: Vec<(&'static str, &'static [OperationDescription])>,
}

impl Controllers {
    pub(crate) fn add<C: Controller>(&mut self, controller: C) {
        self.controllers.push((Arc::new(controller), C::MAPPINGS));
        let name = std::any::type_name::<C>();
        let handlers = C::MAPPINGS.iter().enumerate().map(|(index, mapping)| Handler {
            controller: name,
            mapping: *mapping,
            operation: C::OPERATIONS.get(index).copied(),
        });
        self.handlers.extend(handlers);
        self.operations.push((name, C::OPERATIONS));
    }

    /// Whether messages and subscriptions may come to any of them.
    pub(crate) fn have_mappings(&self) -> bool {
        !self.handlers.is_empty()
    }

    /// The replies that could never be sent by a broker with these options, or that nobody would get.
    pub(crate) fn lost_replies(&self, broker: &BrokerOptions) -> Vec<LostReply> {
        let operations = self.operations.iter();
        operations.flat_map(|(name, operations)| LostReply::of(name, operations, broker)).collect()
    }

    /// What there is to be documented.
    pub(crate) fn take_handlers(&mut self) -> Vec<Handler> {
        std::mem::take(&mut self.handlers)
    }

    /// Adds a controller whose exception handlers are for the errors of all.
    pub(crate) fn add_advice<C: Controller>(&mut self, controller: C) {
        self.advice.push(self.controllers.len());
        self.add(controller);
    }

    /// The methods that could never be called.
    pub(crate) fn check(&self, state: &AppState) -> Vec<UncallableHandler> {
        let of = |(controller, _): &(Arc<dyn AnyController>, _)| {
            let name = controller.name();
            let uncallable = controller.check(state).into_iter();
            uncallable
                .map(|it| UncallableHandler {
                    controller: name,
                    method: it.method,
                    reason: it.reason,
                })
                .collect::<Vec<_>>()
        };
        self.controllers.iter().flat_map(of).collect()
    }

    /// Sorts all mappings by precedence. The errors are those that handle the same destinations, or none.
    pub(crate) fn build(self, separator: Separator) -> Result<Dispatcher, Vec<MappingMistake>> {
        let mut dispatcher = Dispatcher { advice: self.advice, separator, ..Dispatcher::default() };
        let mut taken = HashMap::new();
        let mut mistakes = Vec::new();
        for (index, (controller, mappings)) in self.controllers.into_iter().enumerate() {
            for (mapping, declared) in mappings.iter().enumerate() {
                let pattern = Pattern::new(declared.pattern);
                let here = (*declared, controller.name());
                if let Some(first) = taken.insert((declared.kind, pattern.shape()), here) {
                    mistakes.push(MappingMistake::Ambiguous { first, second: here });
                }
                if separator == Separator::Dot && declared.pattern.contains('.') {
                    mistakes.push(MappingMistake::Dotted(here));
                }
                let route = Route { controller: index, mapping, returns: declared.returns };
                dispatcher.routes_mut(declared.kind).add(pattern, route);
            }
            dispatcher.controllers.push(controller);
        }
        dispatcher.messages.sort();
        dispatcher.subscriptions.sort();
        if mistakes.is_empty() { Ok(dispatcher) } else { Err(mistakes) }
    }
}

impl Dispatcher {
    /// Whether messages to this destination are for a handler.
    pub(crate) fn has_handler(&self, destination: &str) -> bool {
        self.find(&self.messages, destination).is_some()
    }

    /// Handles a message. What is replied belongs to its trace.
    pub(crate) async fn dispatch_message(
        &self,
        message: InboundMessage,
    ) -> Result<Vec<Outgoing>, Unhandled> {
        let found = self.find(&self.messages, &message.destination);
        let (route, variables) = found.ok_or(Unhandled::NoHandler)?;
        let (message, body) = message.matched(variables);
        self.handle(route, message, body).await
    }

    /// Handles a subscription, perhaps by a stream for the `subscriber`.
    pub(crate) async fn dispatch_subscribe(
        self: &Arc<Self>,
        message: InboundMessage,
        subscriber: Arc<dyn Subscriber>,
    ) -> Result<Answer, Unhandled> {
        let found = self.find(&self.subscriptions, &message.destination);
        let (route, variables) = found.ok_or(Unhandled::NoHandler)?;
        let (message, body) = message.matched(variables);
        match route.returns {
            Returns::Value => self.handle(route, message, body).await.map(Answer::Messages),
            Returns::Stream => self.open_stream(route, message, subscriber).await,
        }
    }

    async fn handle(
        &self,
        route: Route,
        message: MessageParts,
        body: Bytes,
    ) -> Result<Vec<Outgoing>, Unhandled> {
        let controller = &self.controllers[route.controller];
        // A handler that has the body alone takes it without a copy.
        let kept = self.may_handle_exceptions(route.controller).then(|| body.clone());
        let trace = TraceContext::of(&message.headers);
        let call = OnMapping::new(&message, body);
        let replies = match caught(controller.handle_any(route.mapping, call)).await {
            Ok(replies) => replies,
            Err(error) => {
                let body = kept.unwrap_or_default();
                // In a box of its own: it is rare, and all handlers' futures hold it.
                Box::pin(self.handle_exception(route.controller, &message, body, error)).await?
            }
        };
        Ok(trace.continued_by_all(replies))
    }

    /// Has a handler make a stream, in a task of its own, which goes on when there is one, in the span that this is
    /// called in.
    async fn open_stream(
        self: &Arc<Self>,
        route: Route,
        message: MessageParts,
        subscriber: Arc<dyn Subscriber>,
    ) -> Result<Answer, Unhandled> {
        let (feed, live, begun) = Feed::new(&message, subscriber);
        let stream = Arc::clone(self).stream(route, message, feed);
        let task = tokio::spawn(in_turns(stream).instrument(Span::current()));
        live.runs_in(task.abort_handle());
        if begun.await.is_ok() {
            return Ok(Answer::Stream(live));
        }
        // The task has ended without a stream. It cannot have been aborted, nor can it panic.
        task.await.unwrap_or(Err(Unhandled::Failed)).map(Answer::Messages)
    }

    /// Runs a stream to its end. What is to be sent then is what became of its error.
    async fn stream(
        self: Arc<Self>,
        route: Route,
        message: MessageParts,
        feed: Feed,
    ) -> Result<Vec<Outgoing>, Unhandled> {
        let ending = feed.ending();
        let controller = Arc::clone(&self.controllers[route.controller]);
        let stream = controller.stream_any(route.mapping, message.clone(), feed);
        let Err(error) = caught(stream).await else { return Ok(Vec::new()) };
        let handled = self.handle_exception(route.controller, &message, Bytes::new(), error).await;
        let replies = handled.inspect_err(|unhandled| ending.failed(unhandled.clone()))?;
        for reply in TraceContext::of(&message.headers).continued_by_all(replies) {
            reply.publish(&message.messenger).await;
        }
        Ok(Vec::new())
    }

    /// Has the controller's own exception handlers take an error, or if none of them does, those for all.
    async fn handle_exception(
        &self,
        controller: usize,
        message: &MessageParts,
        body: Bytes,
        error: HandlerError,
    ) -> Result<Vec<Outgoing>, Unhandled> {
        let destination = &message.destination;
        for taker in self.exception_takers(controller) {
            let Some(handler) = taker.exception_handler(&error) else { continue };
            let call = OnException::new(message, body, &error);
            let handled = caught(taker.handle_exception_any(handler, call)).await;
            let (failure, controller) = match handled {
                Ok(replies) => return Ok(replies),
                Err(failure) => (failure, taker.name()),
            };
            if failure.is_fault_of_client() {
                // It could not take the message either, which leaves the error to nobody.
                tracing::debug!(%failure, destination, controller, "exception handler was not called");
                break;
            }
            tracing::error!(%failure, %error, destination, controller, "exception handler failed");
            return Err(Unhandled::Failed);
        }
        Err(log_unhandled(&error, destination, self.controllers[controller].name()))
    }

    /// Those whose exception handlers are asked about the errors of a controller, in this order.
    fn exception_takers(&self, controller: usize) -> impl Iterator<Item = &Arc<dyn AnyController>> {
        let advice = self.advice.iter().copied().filter(move |advice| *advice != controller);
        once(controller).chain(advice).map(|index| &self.controllers[index])
    }

    fn may_handle_exceptions(&self, controller: usize) -> bool {
        self.exception_takers(controller).any(|taker| taker.has_exception_handlers())
    }

    /// The handler that is for a destination, and the values of its variables.
    fn find(&self, routes: &Routes, destination: &str) -> Option<(Route, PathParams)> {
        routes.find(&self.separator.path(destination)?)
    }

    fn routes_mut(&mut self, kind: MappingKind) -> &mut Routes {
        match kind {
            MappingKind::Message => &mut self.messages,
            MappingKind::Subscribe => &mut self.subscriptions,
        }
    }
}

impl Routes {
    fn add(&mut self, pattern: Pattern, route: Route) {
        match pattern.literal() {
            Some(literal) => {
                self.literals.insert(literal, route);
            }
            None => self.patterns.push((pattern, route)),
        }
    }

    fn sort(&mut self) {
        self.patterns.sort_by_cached_key(|(pattern, _)| pattern.precedence());
    }

    fn find(&self, destination: &str) -> Option<(Route, PathParams)> {
        if let Some(route) = self.literals.get(destination) {
            return Some((*route, PathParams::default()));
        }
        let mut matching = self
            .patterns
            .iter()
            .filter_map(|(pattern, route)| Some((*route, pattern.matches(destination)?)));
        matching.next()
    }
}

/// What a handler returns, or that it has panicked.
async fn caught<T>(
    handling: impl Future<Output = Result<T, HandlerError>>,
) -> Result<T, HandlerError> {
    let caught = AssertUnwindSafe(handling).catch_unwind().await;
    caught.unwrap_or_else(|panic| Err(HandlerError::Panic(panic_message(&*panic))))
}

/// What a client has caused is logged where it does not fill the log.
fn log_unhandled(error: &HandlerError, destination: &str, controller: &str) -> Unhandled {
    if error.is_fault_of_client() {
        tracing::debug!(%error, destination, controller, "handler was not called");
        return Unhandled::NotTaken(error.to_string());
    }
    match error {
        HandlerError::Panic(_) => {
            tracing::error!(%error, destination, controller, "handler panicked");
        }
        error => tracing::warn!(%error, destination, controller, "handler failed"),
    }
    Unhandled::Failed
}

/// A method of a controller that could never be called.
#[derive(Debug)]
pub(crate) struct UncallableHandler {
    controller: &'static str,
    method: &'static str,
    reason: HandlerError,
}

impl fmt::Display for UncallableHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}: {}", self.controller, self.method, self.reason)
    }
}

/// What is wrong with mappings, each with the name of its controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MappingMistake {
    /// Two handlers for the same destinations.
    Ambiguous { first: (Mapping, &'static str), second: (Mapping, &'static str) },
    /// A dot in a segment, where clients have dots between segments.
    Dotted((Mapping, &'static str)),
}

impl fmt::Display for MappingMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous { first: (first, of_first), second: (second, of_second) } => {
                write!(
                    f,
                    "{first} of {of_first} and {second} of {of_second} handle the same messages"
                )
            }
            Self::Dotted((mapping, controller)) => write!(
                f,
                "{mapping} of {controller} can never be called: a dot separates segments here (Separator::Dot), \
                 so write a slash in its place",
            ),
        }
    }
}

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures_util::FutureExt;
use tidings_stomp::{Error, Headers};

use super::controller::{AnyController, Mapping, MappingKind};
use super::pattern::Pattern;
use super::{Controller, HandlerError, MessageParts, Messenger, OnMapping, Outgoing};
use crate::endpoint::{AppState, PathParams, Session};

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

/// Finds the handler of a message, and calls it.
#[derive(Default)]
pub(crate) struct Dispatcher {
    controllers: Vec<Box<dyn AnyController>>,
    messages: Routes,
    subscriptions: Routes,
}

/// Why a message was not handled.
#[derive(Debug, PartialEq, Eq)]
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
}

/// The controllers of an application in the making.
#[derive(Default)]
pub(crate) struct Controllers(Vec<(Box<dyn AnyController>, &'static [Mapping])>);

impl Controllers {
    pub(crate) fn add<C: Controller>(&mut self, controller: C) {
        self.0.push((Box::new(controller), C::MAPPINGS));
    }

    /// The methods that could never be called.
    pub(crate) fn check(&self, state: &AppState) -> Vec<UncallableHandler> {
        let of = |(controller, _): &(Box<dyn AnyController>, _)| {
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
        self.0.iter().flat_map(of).collect()
    }

    /// Sorts all mappings by precedence. The errors are those that handle the same destinations.
    pub(crate) fn build(self) -> Result<Dispatcher, Vec<AmbiguousMapping>> {
        let mut dispatcher = Dispatcher::default();
        let mut taken = HashMap::new();
        let mut ambiguities = Vec::new();
        for (index, (controller, mappings)) in self.0.into_iter().enumerate() {
            for (mapping, declared) in mappings.iter().enumerate() {
                let pattern = Pattern::new(declared.pattern);
                let here = (*declared, controller.name());
                if let Some(first) = taken.insert((declared.kind, pattern.shape()), here) {
                    ambiguities.push(AmbiguousMapping { first, second: here });
                }
                let route = Route { controller: index, mapping };
                dispatcher.routes_mut(declared.kind).add(pattern, route);
            }
            dispatcher.controllers.push(controller);
        }
        dispatcher.messages.sort();
        dispatcher.subscriptions.sort();
        if ambiguities.is_empty() { Ok(dispatcher) } else { Err(ambiguities) }
    }
}

impl Dispatcher {
    /// Whether messages to this destination are for a handler.
    pub(crate) fn has_handler(&self, destination: &str) -> bool {
        self.messages.find(destination).is_some()
    }

    /// Handles a message.
    pub(crate) async fn dispatch_message(
        &self,
        message: InboundMessage,
    ) -> Result<Vec<Outgoing>, Unhandled> {
        self.dispatch(&self.messages, message).await
    }

    /// Handles a subscription. The replies are for the subscriber alone.
    pub(crate) async fn dispatch_subscribe(
        &self,
        message: InboundMessage,
    ) -> Result<Vec<Outgoing>, Unhandled> {
        self.dispatch(&self.subscriptions, message).await
    }

    /// A handler that fails or panics is logged. What a client has caused is logged where it does not fill
    /// the log.
    async fn dispatch(
        &self,
        routes: &Routes,
        message: InboundMessage,
    ) -> Result<Vec<Outgoing>, Unhandled> {
        let (route, variables) = routes.find(&message.destination).ok_or(Unhandled::NoHandler)?;
        let InboundMessage { destination, headers, body, session, messenger } = message;
        let controller = &self.controllers[route.controller];
        let parts = MessageParts {
            destination: destination.clone(),
            variables,
            headers,
            session,
            messenger,
        };
        let call = OnMapping::new(&parts, body);
        let handling = controller.handle_any(route.mapping, call);
        let handled = AssertUnwindSafe(handling).catch_unwind().await;
        let controller = controller.name();
        match handled {
            Ok(Ok(replies)) => Ok(replies),
            Ok(Err(error)) if error.is_fault_of_client() => {
                tracing::debug!(%error, destination, controller, "handler was not called");
                Err(Unhandled::NotTaken(error.to_string()))
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, destination, controller, "handler failed");
                Err(Unhandled::Failed)
            }
            Err(_) => {
                tracing::error!(destination, controller, "handler panicked");
                Err(Unhandled::Failed)
            }
        }
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

/// Two handlers for the same destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AmbiguousMapping {
    first: (Mapping, &'static str),
    second: (Mapping, &'static str),
}

impl fmt::Display for AmbiguousMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((first, first_type), (second, second_type)) = (self.first, self.second);
        write!(f, "{first} of {first_type} and {second} of {second_type} handle the same messages")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A controller that only has mappings.
    struct Mapped<const N: usize>;

    macro_rules! mapped {
        ($n:literal: $($mapping:expr),*) => {
            impl Controller for Mapped<$n> {
                const MAPPINGS: &'static [Mapping] = &[$($mapping),*];

                async fn handle(
                    &self,
                    _: usize,
                    _: OnMapping<'_>,
                ) -> Result<Vec<Outgoing>, HandlerError> {
                    Ok(Vec::new())
                }
            }
        };
    }

    mapped!(1: Mapping::message("/a/{b}"), Mapping::message("/a/b"), Mapping::subscribe("/a"));
    mapped!(2: Mapping::message("/a/*"), Mapping::message("/a"), Mapping::subscribe("/a"));

    fn controllers() -> Controllers {
        let mut controllers = Controllers::default();
        controllers.add(Mapped::<1>);
        controllers
    }

    #[test]
    fn a_destination_finds_the_most_specific_mapping_of_its_kind() {
        let dispatcher = controllers().build().unwrap_or_default();
        let message = |destination| {
            let (route, variables) = dispatcher.messages.find(destination)?;
            Some((route.mapping, variables.get("b").map(str::to_owned)))
        };
        assert_eq!(message("/a/b"), Some((1, None)));
        assert_eq!(message("/a/c"), Some((0, Some("c".into()))));
        assert_eq!(message("/a"), None);
        let subscription = dispatcher.subscriptions.find("/a");
        assert_eq!(subscription.map(|(route, _)| route.mapping), Some(2));
    }

    #[test]
    fn mappings_for_the_same_destinations_are_all_told() {
        let mut controllers = controllers();
        controllers.add(Mapped::<2>);
        let Err(ambiguities) = controllers.build() else { panic!("there are two") };
        let told: Vec<_> = ambiguities.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2);
        let patterns =
            told[0].contains("message_mapping(\"/a/{b}\")") && told[0].contains("(\"/a/*\")");
        assert!(patterns, "{told:?}");
        assert!(told[1].contains("subscribe_mapping(\"/a\")"), "{told:?}");
    }
}

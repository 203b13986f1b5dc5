use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures_util::FutureExt;
use tidings_stomp::Headers;

use super::controller::{AnyController, Mapping, MappingKind};
use super::pattern::Pattern;
use super::{Controller, MessageParts, Messenger, Outgoing};
use crate::endpoint::{PathParams, Session};

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
    /// The most specific first.
    routes: Vec<Route>,
}

struct Route {
    kind: MappingKind,
    pattern: Pattern,
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
                let route = Route { kind: declared.kind, pattern, controller: index, mapping };
                dispatcher.routes.push(route);
            }
            dispatcher.controllers.push(controller);
        }
        dispatcher.routes.sort_by(|a, b| a.pattern.compare_specificity(&b.pattern));
        if ambiguities.is_empty() { Ok(dispatcher) } else { Err(ambiguities) }
    }
}

impl Dispatcher {
    /// Handles a message. `None` when no handler is for its destination.
    pub(crate) async fn dispatch_message(&self, message: InboundMessage) -> Option<Vec<Outgoing>> {
        self.dispatch(MappingKind::Message, message).await
    }

    /// Handles a subscription. The replies are for the subscriber alone.
    pub(crate) async fn dispatch_subscribe(
        &self,
        message: InboundMessage,
    ) -> Option<Vec<Outgoing>> {
        self.dispatch(MappingKind::Subscribe, message).await
    }

    /// A handler that fails or panics is logged, and answers nothing.
    async fn dispatch(&self, kind: MappingKind, message: InboundMessage) -> Option<Vec<Outgoing>> {
        let (route, variables) = self.find(kind, &message.destination)?;
        let InboundMessage { destination, headers, body, session, messenger } = message;
        let controller = &self.controllers[route.controller];
        let parts = MessageParts {
            destination: destination.clone(),
            variables,
            headers,
            session,
            messenger,
        };
        let handling = controller.handle_any(route.mapping, parts, body);
        let handled = AssertUnwindSafe(handling).catch_unwind().await;
        Some(match handled {
            Ok(Ok(replies)) => replies,
            Ok(Err(error)) => {
                tracing::warn!(%error, destination, controller = controller.name(), "handler failed");
                Vec::new()
            }
            Err(_) => {
                tracing::error!(destination, controller = controller.name(), "handler panicked");
                Vec::new()
            }
        })
    }

    fn find(&self, kind: MappingKind, destination: &str) -> Option<(&Route, PathParams)> {
        let routes = self.routes.iter().filter(|route| route.kind == kind);
        let mut matching =
            routes.filter_map(|route| Some((route, route.pattern.matches(destination)?)));
        matching.next()
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

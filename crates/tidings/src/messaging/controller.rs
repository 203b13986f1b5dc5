use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::{HandlerError, OnMapping, Outgoing};
use crate::endpoint::AppState;

/// A value with message handlers. `#[controller]` generates the implementation.
pub trait Controller: Send + Sync + 'static {
    /// What the handlers are for.
    const MAPPINGS: &'static [Mapping];

    /// Calls the handler of `MAPPINGS[mapping]`.
    ///
    /// # Errors
    ///
    /// When an argument cannot be made, the handler fails, or its reply cannot be encoded.
    fn handle(
        &self,
        mapping: usize,
        call: OnMapping<'_>,
    ) -> impl Future<Output = Result<Vec<Outgoing>, HandlerError>> + Send;

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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum MappingKind {
    Message,
    Subscribe,
}

impl Mapping {
    /// Messages sent to destinations of this pattern.
    pub const fn message(pattern: &'static str) -> Self {
        Self { kind: MappingKind::Message, pattern }
    }

    /// Subscriptions to destinations of this pattern.
    pub const fn subscribe(pattern: &'static str) -> Self {
        Self { kind: MappingKind::Subscribe, pattern }
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

/// A controller whose type is forgotten.
pub(super) trait AnyController: Send + Sync {
    fn handle_any<'a>(&'a self, mapping: usize, call: OnMapping<'a>) -> Handling<'a>;
    fn check(&self, state: &AppState) -> Vec<Uncallable>;
    fn name(&self) -> &'static str;
}

impl<C: Controller> AnyController for C {
    fn handle_any<'a>(&'a self, mapping: usize, call: OnMapping<'a>) -> Handling<'a> {
        Box::pin(self.handle(mapping, call))
    }

    fn check(&self, state: &AppState) -> Vec<Uncallable> {
        C::check(state)
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<C>()
    }
}

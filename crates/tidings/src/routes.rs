//! Which endpoint a request is for.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::endpoint::PathParams;
use crate::endpoints::EndpointRoute;

/// The endpoints that are in service now, in the order of precedence: the first that matches is the one.
#[derive(Default)]
pub(crate) struct Routes(RwLock<Vec<Arc<EndpointRoute>>>);

/// What a path matches.
pub(crate) enum Matched {
    Endpoint(Arc<EndpointRoute>, PathParams),
    /// The value of a variable is not UTF-8.
    InvalidPathParam,
}

impl Routes {
    pub(crate) fn new(routes: Vec<EndpointRoute>) -> Self {
        let new = Self::default();
        new.change(|known| known.extend(routes.into_iter().map(Arc::new)));
        new
    }

    /// Finds the endpoint for a path without dot segments.
    pub(crate) fn find(&self, path: &str) -> Option<Matched> {
        self.read().iter().find_map(|route| match route.template.matches(path)? {
            Ok(params) => Some(Matched::Endpoint(Arc::clone(route), params)),
            Err(_) => Some(Matched::InvalidPathParam),
        })
    }

    /// Changes what is in service; nobody else can meanwhile.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut Vec<Arc<EndpointRoute>>) -> R) -> R {
        let mut routes = self.write();
        let changed = change(&mut routes);
        routes.sort_by_cached_key(|route| route.template.precedence());
        changed
    }

    /// What `of` says of each of them.
    pub(crate) fn map<R>(&self, of: impl Fn(&EndpointRoute) -> R) -> Vec<R> {
        self.read().iter().map(|route| of(route)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.read().len()
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Arc<EndpointRoute>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Arc<EndpointRoute>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

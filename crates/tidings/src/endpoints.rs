use std::any::{TypeId, type_name};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::asyncapi::{OperationDescription, SocketEndpoint};
use crate::build_error::Mistake;
use crate::endpoint::{
    Endpoint, EndpointConfig, Handshake, PathTemplate, ServerEndpoint, Shared, SharedEndpoint,
};
use crate::ground::Ground;
use crate::net::{ConnectionOptions, Terms};
use crate::server::{Admission, WebSocketDoor};
use crate::socket::{SocketHandler, SocketOutcome, WebSocket};

/// Endpoints that are deployed together by [`App::deploy`](crate::App::deploy): all of them, or none.
///
/// Its methods are those of the [`AppBuilder`](crate::AppBuilder).
pub struct Endpoints {
    pub(crate) ground: Ground,
    candidates: Vec<EndpointRoute>,
    mistakes: Vec<Mistake>,
}

/// A WebSocket endpoint at its path.
pub(crate) struct EndpointRoute {
    pub(crate) template: PathTemplate,
    pub(crate) door: WebSocketDoor,
    /// The template as it was written.
    pub(crate) path: String,
    type_name: &'static str,
    /// Of annotated endpoints, which have only one path.
    annotated: Option<TypeId>,
    operations: &'static [OperationDescription],
}

impl Endpoints {
    pub(crate) fn new(ground: Ground) -> Self {
        Self { ground, candidates: Vec::new(), mistakes: Vec::new() }
    }

    /// As [`AppBuilder::endpoint`](crate::AppBuilder::endpoint).
    #[must_use]
    pub fn endpoint<E: ServerEndpoint + Endpoint>(
        self,
        factory: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        self.endpoint_with(E::config(), move |_| factory())
    }

    /// As [`AppBuilder::endpoint_with`](crate::AppBuilder::endpoint_with).
    #[must_use]
    pub fn endpoint_with<E: ServerEndpoint + Endpoint>(
        mut self,
        config: EndpointConfig,
        factory: impl Fn(&Handshake) -> E + Send + Sync + 'static,
    ) -> Self {
        let manners = Manners {
            admission: Admission::of::<E>(),
            annotated: Some(TypeId::of::<E>()),
            operations: E::OPERATIONS,
        };
        self.add(E::PATH, config, manners, factory);
        self
    }

    /// As [`AppBuilder::shared_endpoint`](crate::AppBuilder::shared_endpoint).
    #[must_use]
    pub fn shared_endpoint<E>(self, endpoint: impl Into<Arc<E>>) -> Self
    where
        E: ServerEndpoint + SharedEndpoint,
    {
        self.shared_endpoint_with(E::config(), endpoint)
    }

    /// As [`AppBuilder::shared_endpoint_with`](crate::AppBuilder::shared_endpoint_with).
    #[must_use]
    pub fn shared_endpoint_with<E>(
        self,
        config: EndpointConfig,
        endpoint: impl Into<Arc<E>>,
    ) -> Self
    where
        E: ServerEndpoint + SharedEndpoint,
    {
        let shared = Shared::new(endpoint);
        self.endpoint_with(config, move |_| shared.clone())
    }

    /// As [`AppBuilder::endpoint_at`](crate::AppBuilder::endpoint_at).
    #[must_use]
    pub fn endpoint_at<E: Endpoint>(
        self,
        path: &str,
        factory: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        self.endpoint_at_with(path, (E::admission().config)(), move |_| factory())
    }

    /// As [`AppBuilder::endpoint_at_with`](crate::AppBuilder::endpoint_at_with).
    #[must_use]
    pub fn endpoint_at_with<E: Endpoint>(
        mut self,
        path: &str,
        config: EndpointConfig,
        factory: impl Fn(&Handshake) -> E + Send + Sync + 'static,
    ) -> Self {
        let manners = Manners { admission: E::admission(), ..Manners::default() };
        self.add(path, config, manners, factory);
        self
    }

    /// As [`AppBuilder::socket`](crate::AppBuilder::socket).
    #[must_use]
    pub fn socket<F>(
        self,
        path: &str,
        handler: impl Fn(WebSocket) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output: SocketOutcome> + Send + 'static,
    {
        self.socket_with(path, EndpointConfig::new(), handler)
    }

    /// As [`AppBuilder::socket_with`](crate::AppBuilder::socket_with).
    #[must_use]
    pub fn socket_with<F>(
        mut self,
        path: &str,
        config: EndpointConfig,
        handler: impl Fn(WebSocket) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output: SocketOutcome> + Send + 'static,
    {
        let (handler, tasks) = (Arc::new(handler), self.ground.tasks.clone());
        let factory = move |_: &_| SocketHandler::new(Arc::clone(&handler), tasks.clone());
        self.add(path, config, Manners::default(), factory);
        self
    }

    /// As [`AppBuilder::connection_options`](crate::AppBuilder::connection_options).
    #[must_use]
    pub fn connection_options(mut self, options: ConnectionOptions) -> Self {
        self.ground.terms = Terms::new(options);
        self
    }

    fn add<E: Endpoint>(
        &mut self,
        path: &str,
        config: EndpointConfig,
        manners: Manners,
        factory: impl Fn(&Handshake) -> E + Send + Sync + 'static,
    ) {
        let template = match PathTemplate::parse(path) {
            Ok(template) => template,
            Err(error) => return self.mistakes.push(Mistake::Path(error)),
        };
        let Manners { admission, annotated, operations } = manners;
        let door = self.ground.door(config, admission, factory);
        let (path, type_name) = (path.to_owned(), type_name::<E>());
        let route = EndpointRoute { template, door, path, type_name, annotated, operations };
        self.candidates.push(route);
    }

    /// The routes that can be deployed beside what has `taken` its paths, and the mistakes that speak against
    /// it.
    pub(crate) fn check(self, taken: &mut TakenPaths) -> (Vec<EndpointRoute>, Vec<Mistake>) {
        let Self { ground, candidates, mut mistakes } = self;
        let mut routes = Vec::new();
        for route in candidates {
            if let Err(missing) = (route.door.admission.check_state)(&ground.state) {
                mistakes.push(Mistake::State { endpoint: route.type_name, missing });
            }
            match taken.claim(route.template.shape(), route.owner()) {
                Ok(Claim::First) => routes.push(route),
                Ok(Claim::Again) => {
                    tracing::warn!(path = route.path, "endpoint is deployed already");
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
        (routes, mistakes)
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self.candidates.iter().map(|it| &it.path).collect();
        f.debug_struct("Endpoints").field("paths", &paths).finish_non_exhaustive()
    }
}

impl EndpointRoute {
    pub(crate) fn owner(&self) -> PathOwner {
        let Self { path, type_name, annotated, .. } = self;
        let place = format!("`{path}` ({type_name})");
        PathOwner { place, annotated: *annotated, extent: Extent::Path }
    }

    /// What there is to be documented.
    pub(crate) fn described(&self) -> SocketEndpoint {
        let Self { path, type_name, operations, .. } = self;
        SocketEndpoint { path: path.clone(), type_name, operations }
    }
}

/// What is to be known of an endpoint's type.
#[derive(Default)]
struct Manners {
    admission: Admission,
    /// Of annotated endpoints at their own path.
    annotated: Option<TypeId>,
    operations: &'static [OperationDescription],
}

/// Which paths are taken, by the shapes of their templates.
#[derive(Clone, Debug, Default)]
pub(crate) struct TakenPaths(HashMap<String, PathOwner>);

/// Who has a path.
#[derive(Clone, Debug)]
pub(crate) struct PathOwner {
    /// The path and what is there.
    place: String,
    annotated: Option<TypeId>,
    extent: Extent,
}

/// What somebody answers who has a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The path itself.
    Path,
    /// Everything beneath it, too.
    Beneath,
}

/// A path that may be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nobody had it.
    First,
    /// The same annotated endpoint has it.
    Again,
}

impl TakenPaths {
    /// Claims the paths of a shape. The error is a conflict with who has them.
    pub(crate) fn claim(&mut self, shape: String, owner: PathOwner) -> Result<Claim, Mistake> {
        if let Some(first) = self.0.get(&shape) {
            if first.annotated.is_some() && first.annotated == owner.annotated {
                return Ok(Claim::Again);
            }
            let first = first.place.clone();
            return Err(Mistake::Conflict { first, second: owner.place });
        }
        self.0.insert(shape, owner);
        Ok(Claim::First)
    }

    /// Claims the paths of another application, which is asked last. The errors are conflicts, and paths that are answered
    /// before.
    pub(crate) fn claim_all(&mut self, others: Self) -> Vec<Mistake> {
        let others: BTreeMap<_, _> = others.0.into_iter().collect();
        let unreachable: Vec<_> =
            others.iter().filter_map(|(path, owner)| self.answered_before(path, owner)).collect();
        let claims = others.into_iter().map(|(shape, owner)| self.claim(shape, owner));
        unreachable.into_iter().chain(claims.filter_map(Result::err)).collect()
    }

    fn answered_before(&self, path: &str, owner: &PathOwner) -> Option<Mistake> {
        let is_beneath =
            |above: &str| path.strip_prefix(above).is_some_and(|it| it.starts_with('/'));
        let mut services = self.0.iter().filter(|(_, it)| it.extent == Extent::Beneath);
        let (_, service) =
            services.find(|(above, _)| above.len() < path.len() && is_beneath(above))?;
        Some(Mistake::Unreachable { path: owner.place.clone(), by: service.place.clone() })
    }

    /// Claims a path for a service.
    pub(crate) fn claim_service(
        &mut self,
        path: &str,
        service: &str,
        extent: Extent,
    ) -> Result<Claim, Mistake> {
        let owner = PathOwner { place: format!("`{path}` ({service})"), annotated: None, extent };
        self.claim(path.to_owned(), owner)
    }
}

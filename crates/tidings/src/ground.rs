//! What the endpoints of one application have in common.

use std::sync::Arc;

use tokio_util::task::TaskTracker;

use crate::endpoint::{AllSessions, AppState, Deployed, Endpoint, EndpointConfig, Handshake};
use crate::net::{ConnectionOptions, Framing, Terms};
use crate::server::{Admission, Deployment, WebSocketDoor};
use crate::stats::Counters;

/// What endpoints are deployed on. Cheap to clone: all clones are of the same application.
#[derive(Clone)]
pub(crate) struct Ground {
    /// Of endpoints without connection options of their own.
    pub(crate) terms: Arc<Terms>,
    pub(crate) state: AppState,
    pub(crate) tasks: TaskTracker,
    pub(crate) sessions: Arc<AllSessions>,
    pub(crate) counters: Arc<Counters>,
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self {
            terms: Terms::new(ConnectionOptions::default()),
            state: AppState::default(),
            tasks: TaskTracker::new(),
            sessions: Arc::default(),
            counters: Arc::default(),
        }
    }

    /// Puts an endpoint of the application into service, for WebSocket and SockJS.
    pub(crate) fn deployment<E: Endpoint>(
        &self,
        config: EndpointConfig,
        factory: impl Fn(&Handshake) -> E + Send + Sync + 'static,
    ) -> Deployment {
        self.known(Deployment::new(&self.tasks, self.deployed(config), factory))
    }

    /// The same for an endpoint of the library, which other doors may lead to.
    pub(crate) fn deployment_behind_every_door<E: Endpoint>(
        &self,
        config: EndpointConfig,
        factory: impl Fn(&Handshake) -> E + Send + Sync + 'static,
    ) -> Deployment {
        self.known(Deployment::behind_every_door(&self.tasks, self.deployed(config), factory))
    }

    fn deployed(&self, config: EndpointConfig) -> Deployed {
        Deployed {
            config,
            state: self.state.clone(),
            counters: Arc::clone(&self.counters),
            ..Deployed::default()
        }
    }

    /// Its sessions are those of the application.
    fn known(&self, deployment: Deployment) -> Deployment {
        self.sessions.add(deployment.open_sessions());
        deployment
    }

    /// The door of an endpoint that WebSockets come to.
    pub(crate) fn door<E: Endpoint>(
        &self,
        config: EndpointConfig,
        admission: Admission,
        factory: impl Fn(&Handshake) -> E + Send + Sync + 'static,
    ) -> WebSocketDoor {
        self.door_to(self.deployment(config.clone(), factory), config, admission)
    }

    /// A door of what is deployed already.
    pub(crate) fn door_to(
        &self,
        deployment: Deployment,
        config: EndpointConfig,
        admission: Admission,
    ) -> WebSocketDoor {
        let terms = match config.own_connection_options() {
            None => Arc::clone(&self.terms),
            Some(options) => Terms::new(options.clone()),
        };
        WebSocketDoor {
            deployment,
            framing: Framing::WebSocket,
            config,
            admission,
            terms,
            heartbeat_delay: None,
        }
    }
}

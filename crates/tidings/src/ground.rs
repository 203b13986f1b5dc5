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

    /// Puts an endpoint into service, for whichever door.
    pub(crate) fn deployment<E: Endpoint>(
        &self,
        config: EndpointConfig,
        factory: impl Fn(&Handshake) -> E + Send + Sync + 'static,
    ) -> Deployment {
        let deployed = Deployed {
            config,
            state: self.state.clone(),
            counters: Arc::clone(&self.counters),
            ..Deployed::default()
        };
        let deployment = Deployment::new(&self.tasks, deployed, factory);
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
        let terms = match config.own_connection_options() {
            None => Arc::clone(&self.terms),
            Some(options) => Terms::new(options.clone()),
        };
        WebSocketDoor {
            deployment: self.deployment(config.clone(), factory),
            framing: Framing::WebSocket,
            config,
            admission,
            terms,
            heartbeat_delay: None,
        }
    }
}

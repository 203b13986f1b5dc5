//! Connections from within the process.

use std::sync::Arc;

use tokio::io::{DuplexStream, duplex};
use tokio_util::sync::CancellationToken;

use super::http::{Caller, HttpService};
use super::{NotFound, Secure, ServerOptions};
use crate::App;
use crate::endpoint::Principal;

/// What a connection holds of what its peer has not read, each way: 64 KiB.
const BUFFER_OCTETS: usize = 64 * 1024;

/// The way to an application in the same process, which leaves out the network.
#[derive(Clone)]
pub(crate) struct InProcess {
    app: App,
    /// Who connects, if that is known without asking.
    principal: Option<Principal>,
}

impl InProcess {
    pub(crate) fn new(app: App, principal: Option<Principal>) -> Self {
        Self { app, principal }
    }

    /// Connects to where HTTP is spoken. In a tokio runtime.
    pub(crate) fn http(&self, secure: Option<Secure>) -> DuplexStream {
        let (near, far) = duplex(BUFFER_OCTETS);
        let service = HttpService {
            app: self.app.clone(),
            fallback: NotFound,
            options: Arc::new(ServerOptions::default()),
            stop: CancellationToken::new(),
            known_hosts: None,
        };
        tokio::spawn(service.serve(far, self.caller(secure)));
        near
    }

    /// Connects to where STOMP is spoken without HTTP. In a tokio runtime.
    pub(crate) fn stomp(&self, secure: Option<Secure>) -> DuplexStream {
        let (near, far) = duplex(BUFFER_OCTETS);
        self.app.serve_stomp_stream(far, self.caller(secure));
        near
    }

    fn caller(&self, secure: Option<Secure>) -> Caller {
        Caller { secure, principal: self.principal.clone(), ..Caller::default() }
    }
}

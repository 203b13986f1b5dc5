//! The servers that are made with the peers' crates, and the limit. Each is written as its crate's own
//! examples are, a task for each connection; broadcasting goes through a queue for each connection,
//! which is written as a whole and then flushed.

mod axum;
mod fastwebsockets;
mod limit;
mod subscribers;
mod tokio_websockets;
mod tungstenite;

use std::error::Error;
use std::future::Future;
use std::net::Ipv4Addr;

use tokio::net::{TcpListener, TcpStream};

/// What a server does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Sends it back.
    Echo,
    /// Sends it to all that are connected.
    Broadcast,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Broadcast => "broadcast",
        }
    }

    /// # Errors
    ///
    /// When there is no kind of this name.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let kinds = [Self::Echo, Self::Broadcast];
        let kind = kinds.into_iter().find(|kind| kind.name() == name);
        kind.ok_or(format!("there is no kind `{name}`"))
    }
}

/// Which server to be.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// How long messages are.
    pub(crate) octets: usize,
}

/// Serves until the process is ended.
///
/// # Errors
///
/// When there is no such server, or it cannot listen.
pub(crate) fn serve(task: &Task) -> Result<(), Box<dyn Error>> {
    if task.name == crate::contestant::LIMIT {
        return limit::serve(task.kind, task.octets);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match (task.name.as_str(), task.kind) {
        ("axum", kind) => runtime.block_on(axum::serve(kind)),
        ("fastwebsockets", kind) => runtime.block_on(fastwebsockets::serve(kind)),
        ("tokio-websockets", kind) => runtime.block_on(tokio_websockets::serve(kind)),
        ("tungstenite", kind) => runtime.block_on(tungstenite::serve(kind)),
        (name, _) => Err(format!("there is no server `{name}`").into()),
    }
}

async fn listen() -> Result<TcpListener, Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}

/// A task for each connection, on the runtime's workers as a server's are.
async fn accept<F>(connection: impl Fn(TcpStream) -> F) -> Result<(), Box<dyn Error>>
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = listen().await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(connection(stream));
    }
}

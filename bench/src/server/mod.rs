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
use std::path::PathBuf;

use tokio::net::{TcpListener, TcpStream};

use crate::contestant::LIMIT;

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    /// WebSockets.
    WebSocket(Kind),
    /// SockJS services of either kind.
    SockJs,
    /// A broker.
    Broker,
}

/// What a server does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Sends it back.
    Echo,
    /// Sends it to all that are connected.
    Broadcast,
}

impl Job {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WebSocket(Kind::Echo) => "echo",
            Self::WebSocket(Kind::Broadcast) => "broadcast",
            Self::SockJs => "sockjs",
            Self::Broker => "broker",
        }
    }

    /// # Errors
    ///
    /// When there is no job of this name.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let [echo, broadcast] = [Kind::Echo, Kind::Broadcast].map(Self::WebSocket);
        let jobs = [echo, broadcast, Self::SockJs, Self::Broker];
        let job = jobs.into_iter().find(|job| job.name() == name);
        job.ok_or(format!("there is no kind `{name}`"))
    }
}

/// Which server to be.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) job: Job,
    /// How long messages are.
    pub(crate) octets: usize,
    /// Where a broker keeps what it keeps.
    pub(crate) data: PathBuf,
    /// Where the peers from elsewhere are installed.
    pub(crate) peers: PathBuf,
}

/// Serves until the process is ended.
///
/// # Errors
///
/// When there is no such server, or it cannot listen.
pub(crate) fn serve(task: &Task) -> Result<(), Box<dyn Error>> {
    let kind = match (task.job, task.name == LIMIT) {
        (Job::WebSocket(kind), true) => return limit::serve(kind, task.octets),
        (Job::SockJs, true) => return crate::sockjs::limit::serve(),
        (Job::Broker, _) => return crate::stomp::peer::serve(&task.name, &task.data, &task.peers),
        (Job::WebSocket(kind), false) => kind,
        (Job::SockJs, false) => return Err(format!("{} has no SockJS", task.name).into()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match task.name.as_str() {
        "axum" => runtime.block_on(axum::serve(kind)),
        "fastwebsockets" => runtime.block_on(fastwebsockets::serve(kind)),
        "tokio-websockets" => runtime.block_on(tokio_websockets::serve(kind)),
        "tungstenite" => runtime.block_on(tungstenite::serve(kind)),
        name => Err(format!("there is no server `{name}`").into()),
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

//! Brokers that are started for the cases, each with a folder and a port of its own.

mod activemq;
mod rabbitmq;
mod tidings;

use std::fmt;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ::tidings::client::stomp::{StompClient, StompClientBuilder};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// How long a broker may take to answer CONNECT, on a machine that does other things too.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// How long it may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a broker that starts is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    RabbitMq,
    ActiveMq,
    Tidings,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::RabbitMq, Self::ActiveMq, Self::Tidings];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RabbitMq => "RabbitMQ",
            Self::ActiveMq => "ActiveMQ",
            Self::Tidings => "Tidings",
        })
    }
}

/// A running broker. Dropped, it is killed.
pub(crate) struct Broker {
    kind: Kind,
    port: u16,
    folder: Folder,
    processes: Mutex<Processes>,
}

/// The broker itself, and what it needs beside it.
struct Processes {
    broker: Child,
    beside: Option<Child>,
}

/// What starts a broker.
struct Start {
    broker: Command,
    beside: Option<Command>,
}

impl Broker {
    pub(crate) async fn start(kind: Kind) -> Result<Self, String> {
        let folder = Folder::create(kind)?;
        let port = free_port()?;
        let start = match kind {
            Kind::RabbitMq => rabbitmq::prepare(&folder.0, port)?,
            Kind::ActiveMq => activemq::prepare(&folder.0, port)?,
            Kind::Tidings => tidings::prepare(&folder.0, port),
        };
        let processes = Mutex::new(start.spawn(&folder.0)?);
        let broker = Self { kind, port, folder, processes };
        broker.ready().await?;
        Ok(broker)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn url(&self) -> String {
        format!("stomp://127.0.0.1:{}", self.port)
    }

    pub(crate) fn addr(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port)
    }

    /// A client that logs in as the brokers' installations let everybody in.
    pub(crate) fn client(&self) -> StompClientBuilder {
        StompClient::builder().login("guest", "guest")
    }

    pub(crate) async fn connect(&self) -> StompClient {
        let connected = self.client().connect(&self.url()).await;
        connected.unwrap_or_else(|error| panic!("{}: {error}", self.kind))
    }

    /// Stops it as an operator does, and starts it again at the same port.
    pub(crate) async fn restart(&self) {
        self.stop().await.unwrap_or_else(|why| panic!("{why}"));
        let start = match self.kind {
            Kind::RabbitMq => rabbitmq::prepare(&self.folder.0, self.port),
            Kind::ActiveMq => activemq::prepare(&self.folder.0, self.port),
            Kind::Tidings => Ok(tidings::prepare(&self.folder.0, self.port)),
        };
        let started = start.and_then(|start| start.spawn(&self.folder.0));
        *self.processes.lock().await = started.unwrap_or_else(|why| panic!("{why}"));
        self.ready().await.unwrap_or_else(|why| panic!("{why}"));
    }

    pub(crate) async fn end(self) -> Result<(), String> {
        self.stop().await
    }

    async fn stop(&self) -> Result<(), String> {
        let mut processes = self.processes.lock().await;
        if let Some(pid) = processes.broker.id() {
            let kill = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await;
            kill.map_err(|error| format!("kill: {error}"))?;
        }
        let stopped = tokio::time::timeout(STOP_TIMEOUT, processes.broker.wait()).await;
        stopped.map_err(|_| self.complaint("does not stop"))?.map_err(|error| error.to_string())?;
        if let Some(beside) = &mut processes.beside {
            beside.kill().await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Waits until it answers CONNECT.
    async fn ready(&self) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < START_TIMEOUT {
            if let Ok(Some(status)) = self.processes.lock().await.broker.try_wait() {
                return Err(self.complaint(&format!("ended with {status}")));
            }
            if let Ok(client) = self.client().reconnect(None).connect(&self.url()).await {
                let _ = client.disconnect().await;
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
        Err(self.complaint("does not start"))
    }

    /// With what it has printed.
    fn complaint(&self, what: &str) -> String {
        let log = std::fs::read_to_string(self.folder.0.join("log")).unwrap_or_default();
        format!("{} {what}\n{log}", self.kind)
    }
}

impl Start {
    fn spawn(self, folder: &Path) -> Result<Processes, String> {
        let Self { mut broker, beside } = self;
        let spawn = |command: &mut Command| {
            let log = std::fs::File::options().create(true).append(true).open(folder.join("log"));
            let log = log.map_err(|error| error.to_string())?;
            let log_too = log.try_clone().map_err(|error| error.to_string())?;
            command.stdin(Stdio::null()).stdout(log).stderr(log_too).kill_on_drop(true);
            command
                .spawn()
                .map_err(|error| format!("{:?}: {error}", command.as_std().get_program()))
        };
        let beside = beside.map(|mut beside| spawn(&mut beside)).transpose()?;
        Ok(Processes { broker: spawn(&mut broker)?, beside })
    }
}

/// A folder that is removed with its broker.
struct Folder(PathBuf);

impl Folder {
    fn create(kind: Kind) -> Result<Self, String> {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("tidings-brokers-{}-{number}-{kind}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A port that was free a moment ago: a broker that is started again needs the same one.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|addr| addr.port()).map_err(|error| error.to_string())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

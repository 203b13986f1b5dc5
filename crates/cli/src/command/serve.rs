mod announcement;
mod destinations;
mod stomp;
mod tls;

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use tidings::server::{Server, ServerOptions, raise_open_file_limit};
use tidings::store::RedbStore;
use tidings::{App, AppBuilder, BuildError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use self::announcement::Announcement;
use self::destinations::DestinationSettings;
use self::stomp::StompSettings;
use self::tls::TlsSettings;
use crate::control::{self, Control, ControlSocket};
use crate::log::LogLevel;
use crate::{demo, site};

#[derive(Args, Clone, Debug)]
#[group(id = "serve")]
pub(crate) struct Arguments {
    /// Address for HTTP: WebSocket, SockJS, STOMP over both, event streams, and the site; or `off`. Port 0
    /// takes a free one. Whoever reaches it may log in as anybody.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: Listen,
    /// Address for STOMP over TCP, or `off`. Whoever reaches it may log in as anybody.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:61613")]
    stomp_listen: Listen,
    /// Let pages call the server by this name too, such as that of a proxy in front; may be repeated. `localhost`
    /// and addresses always will do. Without this, pages may call a server on loopback by nothing else, and any
    /// other by any name.
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    #[command(flatten)]
    tls: TlsSettings,
    #[command(flatten)]
    stomp: StompSettings,
    /// Serve the files of this directory instead of the bundled site.
    #[arg(long, value_name = "DIR")]
    www: Option<PathBuf>,
    /// Directory for durable queues, created with the first persistent message.
    #[arg(long, value_name = "DIR", default_value = "./tidings-data")]
    data_dir: PathBuf,
    /// Unix socket at which `tidings queues` reaches the server, or `off`. Default: the data directory
    /// with `.sock` behind its name.
    #[arg(long, value_name = "PATH")]
    control: Option<Control>,
    /// Set how destinations behave: '/queue/jobs.* message-ttl=1h,deliveries-max=5'. `--help` lists the
    /// settings.
    #[arg(
        long,
        value_name = "PATTERN SETTING=VALUE,…",
        long_help = destinations::help()
    )]
    destination: Vec<DestinationSettings>,
    /// How much to log on standard error.
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_enum)]
    pub(crate) log: LogLevel,
}

#[derive(Clone, Copy, Debug)]
enum Listen {
    Off,
    At(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            address => address
                .parse()
                .map(Self::At)
                .map_err(|_| "expected an address such as 127.0.0.1:8080, or `off`".to_owned()),
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected an address and a port, such as 0.0.0.0:8080")
}

/// Serves until Ctrl-C or SIGTERM.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    if let Some(directory) = arguments.www.as_ref().filter(|directory| !directory.is_dir()) {
        return Err(format!("{} is not a directory (--www)", directory.display()).into());
    }
    if let Err(error) = raise_open_file_limit() {
        tracing::warn!(%error, "cannot raise the limit on open files, and so on connections");
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(serve(arguments));
    // Peers that did not answer in time are left behind.
    runtime.shutdown_background();
    result
}

async fn serve(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    // Set up first: a signal must stop the server cleanly from the moment it says that it listens.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let site = match &arguments.www {
        None => site::bundled(),
        Some(directory) => site::directory(directory),
    };
    let lab = demo::Lab::new()?;
    let app = application(arguments).store(RedbStore::new(&arguments.data_dir));
    let app = tokio::task::spawn_blocking(|| app.build()).await?;
    let app = app.map_err(cannot_build)?;
    let recovery = app.recovery();
    let queues = app.queues();
    let control = control_socket(arguments)?;
    let server = listen(arguments, app).await?.fallback(lab.clone().before(site));
    let announcement = Announcement {
        http: server.http_addrs().first().copied(),
        stomp: server.stomp_addrs().first().copied(),
        stomp_tls: server.stomp_tls_addrs().first().copied(),
        data_dir: &arguments.data_dir,
        recovery,
    };
    announcement.print()?;
    let (stop, stopping) = oneshot::channel();
    let stopped = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        println!("Stopping …");
        drop(stop);
    };
    let lab_stopped = async {
        let _: Result<(), _> = stopping.await;
        lab.shut_down().await;
    };
    let controlled = async {
        match control {
            None => std::future::pending().await,
            Some(socket) => socket.serve(queues).await,
        }
    };
    tokio::select! {
        _ = async { tokio::join!(server.run_until(stopped), lab_stopped) } => {}
        () = controlled => {}
    }
    Ok(())
}

/// What is served, as flags have it. Its own policies come behind those of the flags, since the first one counts that is for
/// a destination.
fn application(arguments: &Arguments) -> AppBuilder {
    let set = App::builder().stomp_options(arguments.stomp.options());
    let policies = arguments.destination.iter().cloned();
    demo::deployed_on(policies.fold(set, |set, DestinationSettings { pattern, policy }| {
        set.destination_policy(&pattern, policy)
    }))
}

/// What keeps the server from starting: the application is made here, but for what flags say.
fn cannot_build(error: BuildError) -> Box<dyn Error> {
    let Some(store) = error.store() else {
        let mistakes: Vec<_> = error.mistakes().map(|mistake| mistake.to_string()).collect();
        return mistakes.join("\n").into();
    };
    let cause = store.source().map(|cause| format!(" ({cause})")).unwrap_or_default();
    format!("{store}{cause}; --data-dir says which directory it is").into()
}

/// Where commands are taken. A server needs no such place: only if one was asked for, its lack is an
/// error.
fn control_socket(arguments: &Arguments) -> Result<Option<ControlSocket>, String> {
    let path = match &arguments.control {
        Some(Control::Off) => return Ok(None),
        Some(Control::At(path)) => path.clone(),
        None => control::beside(&arguments.data_dir),
    };
    match ControlSocket::bind(&path) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if arguments.control.is_some() => {
            Err(format!("cannot listen at {} (--control): {error}", path.display()))
        }
        Err(error) => {
            let path = path.display();
            tracing::warn!(%error, %path, "no control socket: `tidings queues` will not find this server");
            Ok(None)
        }
    }
}

async fn listen(arguments: &Arguments, app: App) -> Result<Server, Box<dyn Error>> {
    let options = ServerOptions { hosts: arguments.allow_host.clone(), ..ServerOptions::default() };
    let server = Server::new(app).options(options);
    let tls = arguments.tls.listener()?;
    if let (Listen::Off, Listen::Off, None) = (arguments.listen, arguments.stomp_listen, &tls) {
        let flags = "--listen, --stomp-listen and --stomp-tls-listen";
        return Err(format!("nothing to listen at: give one of {flags} an address").into());
    }
    let server = match arguments.listen {
        Listen::Off => server,
        Listen::At(address) => {
            let http = server.listen(address).await;
            http.map_err(|error| Taken::new(address, "--listen", error))?
        }
    };
    let server = match arguments.stomp_listen {
        Listen::Off => server,
        Listen::At(address) => {
            let stomp = server.stomp_listen(address).await;
            stomp.map_err(|error| Taken::new(address, "--stomp-listen", error))?
        }
    };
    match tls {
        None => Ok(server),
        Some((address, config)) => {
            let stomp = server.stomp_listen_tls(address, config).await;
            Ok(stomp.map_err(|error| Taken::new(address, "--stomp-tls-listen", error))?)
        }
    }
}

/// An address that cannot be listened at, and the flag that chooses another.
#[derive(Debug)]
struct Taken {
    address: SocketAddr,
    flag: &'static str,
    error: io::Error,
}

impl Taken {
    fn new(address: SocketAddr, flag: &'static str, error: io::Error) -> Self {
        Self { address, flag, error }
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, flag, error } = self;
        let port = address.port();
        if error.kind() == io::ErrorKind::AddrInUse {
            write!(f, "port {port} on {} is taken; choose another with {flag}", address.ip())
        } else {
            write!(f, "cannot listen on port {port} of {} ({flag}): {error}", address.ip())
        }
    }
}

impl Error for Taken {}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tidings::testing::TestApp;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        serve: Arguments,
    }

    #[tokio::test(start_paused = true)]
    async fn what_flags_say_of_a_destination_comes_before_what_the_demos_say() {
        let seen_in = async |flags: &[&str], room: &str| {
            let flags = Flags::parse_from([&["serve"], flags].concat());
            let app = TestApp::new(application(&flags.serve).build().unwrap());
            let presence = format!("/presence/topic/chat/rooms/{room}");
            app.stomp().user("ann").connect().await.try_subscribe(&presence).await.is_ok()
        };
        let of_harbour = ["--destination", "/topic/chat/rooms/harbour slow-consumers=drop-oldest"];
        assert!(seen_in(&[], "harbour").await);
        assert!(!seen_in(&of_harbour, "harbour").await, "it has a policy without presence");
        assert!(seen_in(&of_harbour, "pier").await);
    }
}

//! The peers, which Debian has as packages: each is started with a configuration made for the occasion, on free
//! ports, with its data in a folder of the comparison's.

use std::error::Error;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const NATS: &str = "nats";
pub(crate) const RABBITMQ: &str = "rabbitmq";
pub(crate) const ACTIVEMQ: &str = "activemq";

/// How long a broker may take until it listens.
const START_TIME_MAX: Duration = Duration::from_secs(120);

/// How often to look whether it does.
const LOOK: Duration = Duration::from_millis(50);

/// Starts a peer, tells its address, and goes on until it ends.
///
/// # Errors
///
/// When it cannot be started, or ends.
pub(crate) fn serve(name: &str, data: &Path, peers: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(data)?;
    let addr = free_addr()?;
    let mut child = match name {
        NATS => nats(addr, data)?,
        RABBITMQ => rabbitmq(addr, data)?,
        ACTIVEMQ => activemq(addr, data, peers)?,
        name => return Err(format!("there is no broker `{name}`").into()),
    };
    let start = Instant::now();
    while TcpStream::connect(addr).is_err() {
        if let Some(status) = child.try_wait()? {
            return Err(format!("{name} ended, {status}").into());
        }
        if start.elapsed() > START_TIME_MAX {
            return Err(format!("{name} does not listen at {addr}").into());
        }
        thread::sleep(LOOK);
    }
    println!("listening on {addr}");
    let status = child.wait()?;
    Err(format!("{name} ended, {status}").into())
}

/// Core NATS without TLS, accounts or JetStream. It would look after idle clients in the window.
fn nats(addr: SocketAddr, data: &Path) -> Result<Child, Box<dyn Error>> {
    let config = data.join("nats.conf");
    fs::write(&config, format!("listen: \"{addr}\"\nping_interval: \"1h\"\n"))?;
    Ok(quiet(Command::new("nats-server").arg("-c").arg(config)).spawn()?)
}

/// Only STOMP, and only what STOMP needs. Its port mapper is started here, or it would outlive it.
fn rabbitmq(addr: SocketAddr, data: &Path) -> Result<Child, Box<dyn Error>> {
    let config = data.join("rabbitmq.conf");
    let listeners = format!("listeners.tcp = none\nstomp.listeners.tcp.1 = {addr}\n");
    fs::write(&config, listeners)?;
    let plugins = data.join("enabled_plugins");
    fs::write(&plugins, "[rabbitmq_stomp].\n")?;
    let (mapper, distribution) = (free_addr()?.port(), free_addr()?.port());
    let mut epmd = Command::new("epmd");
    epmd.args(["-address", "127.0.0.1", "-port", &mapper.to_string()]);
    quiet(&mut epmd).spawn()?;
    let mut server = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
    server
        .env("HOME", data)
        .env("ERL_EPMD_PORT", mapper.to_string())
        .env("RABBITMQ_NODENAME", "bench@localhost")
        .env("RABBITMQ_DIST_PORT", distribution.to_string())
        .env("RABBITMQ_CONFIG_FILE", &config)
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", &plugins)
        .env("RABBITMQ_MNESIA_BASE", data.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", data.join("log"))
        .env("RABBITMQ_PID_FILE", data.join("pid"));
    Ok(quiet(&mut server).spawn()?)
}

/// `Broker.java`, with the store that ActiveMQ has by default.
fn activemq(addr: SocketAddr, data: &Path, peers: &Path) -> Result<Child, Box<dyn Error>> {
    let arguments = peers.join("activemq/java.args");
    let mut java = Command::new("java");
    java.arg(format!("@{}", arguments.display())).arg("Broker");
    java.arg(addr.to_string()).arg(data.join("activemq"));
    Ok(quiet(&mut java).spawn()?)
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null())
}

/// An address that nobody has, for a moment at least.
fn free_addr() -> Result<SocketAddr, Box<dyn Error>> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

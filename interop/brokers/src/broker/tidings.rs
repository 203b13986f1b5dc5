//! Our own server, as it is started from the command line.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::Start;

pub(super) fn prepare(folder: &Path, port: u16) -> Start {
    let binary = std::env::var_os("TIDINGS_BIN")
        .map_or_else(|| PathBuf::from("target/debug/tidings"), PathBuf::from);
    let mut broker = Command::new(binary);
    broker.args(["serve", "--listen", "127.0.0.1:0", "--stomp-listen"]);
    broker.arg(format!("127.0.0.1:{port}")).arg("--data-dir").arg(folder.join("data"));
    Start { broker, beside: None }
}

//! Who is compared, and how each is started.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arguments::Options;
use crate::frame::Compression;
use crate::machine::first_line;
use crate::row::Work;
use crate::server::Job;
use crate::stomp::Dialect;
use crate::stomp::peer::{ACTIVEMQ, NATS, RABBITMQ};

/// The name that ratios refer to.
pub(crate) const LIMIT: &str = "limit";

/// The name whose ratios to the others are told.
pub(crate) const OURS: &str = "tidings";

/// One server.
#[derive(Debug)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    program: Program,
    deflate: Deflate,
}

#[derive(Debug)]
enum Program {
    /// A program of `examples`, as a user would build it.
    Examples,
    /// A server of this binary, made with a crate of this name; `None` uses none.
    Crate(Option<&'static str>),
    Node,
    Tomcat,
    /// npm's sockjs.
    SockJsNode,
    /// A broker of Debian's, which this binary starts: the package.
    Debian(&'static str),
}

/// How a server comes to compress messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deflate {
    /// Not at all.
    Never,
    /// With this argument, for the rows that need it.
    When(&'static [&'static str]),
    /// In these rows only: another setting of a contestant that is in the other rows already.
    Only(&'static [&'static str]),
}

/// Those of WebSocket, in the order of the tables.
pub(crate) const WEBSOCKET: &[Contestant] = &[
    Contestant { name: LIMIT, program: Program::Crate(None), deflate: Deflate::Never },
    Contestant {
        name: OURS,
        program: Program::Examples,
        deflate: Deflate::When(&["--deflate", "shared"]),
    },
    Contestant {
        name: "tidings-history",
        program: Program::Examples,
        deflate: Deflate::Only(&["--deflate", "history"]),
    },
    Contestant {
        name: "tidings-dedicated",
        program: Program::Examples,
        deflate: Deflate::Only(&["--deflate", "dedicated"]),
    },
    Contestant {
        name: "fastwebsockets",
        program: Program::Crate(Some("fastwebsockets")),
        deflate: Deflate::Never,
    },
    Contestant {
        name: "tokio-websockets",
        program: Program::Crate(Some("tokio-websockets")),
        deflate: Deflate::Never,
    },
    Contestant {
        name: "tungstenite",
        program: Program::Crate(Some("tokio-tungstenite")),
        deflate: Deflate::Never,
    },
    Contestant { name: "axum", program: Program::Crate(Some("axum")), deflate: Deflate::Never },
    Contestant { name: "ws", program: Program::Node, deflate: Deflate::When(&["--deflate"]) },
    // Compresses whenever a client offers to.
    Contestant { name: "tomcat", program: Program::Tomcat, deflate: Deflate::When(&[]) },
];

/// The name of npm's sockjs.
pub(crate) const SOCKJS_NODE: &str = "sockjs-node";

/// Those of SockJS.
pub(crate) const SOCKJS: &[Contestant] = &[
    Contestant { name: LIMIT, program: Program::Crate(None), deflate: Deflate::Never },
    Contestant { name: OURS, program: Program::Examples, deflate: Deflate::Never },
    Contestant { name: SOCKJS_NODE, program: Program::SockJsNode, deflate: Deflate::Never },
];

/// Those of STOMP, and NATS, which does the same work in a language of its own.
pub(crate) const STOMP: &[Contestant] = &[
    Contestant { name: OURS, program: Program::Examples, deflate: Deflate::Never },
    Contestant { name: NATS, program: Program::Debian("nats-server"), deflate: Deflate::Never },
    Contestant {
        name: RABBITMQ,
        program: Program::Debian("rabbitmq-server"),
        deflate: Deflate::Never,
    },
    Contestant {
        name: ACTIVEMQ,
        program: Program::Debian("libactivemq-java"),
        deflate: Deflate::Never,
    },
];

/// When a server runs at its full speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compiled {
    AheadOfTime,
    JustInTime,
}

impl Contestant {
    pub(crate) fn compiled(&self) -> Compiled {
        match self.program {
            Program::Examples | Program::Crate(_) => Compiled::AheadOfTime,
            Program::Debian(_) if self.name != ACTIVEMQ => Compiled::AheadOfTime,
            Program::Node | Program::Tomcat | Program::SockJsNode | Program::Debian(_) => {
                Compiled::JustInTime
            }
        }
    }

    /// Whether what it sends back is what it got: the limit only moves as many octets.
    pub(crate) fn echoes(&self) -> bool {
        self.name != LIMIT
    }

    /// What it speaks as a broker.
    pub(crate) fn dialect(&self) -> Dialect {
        if self.name == NATS { Dialect::Nats } else { Dialect::Stomp }
    }

    /// Whether it does such work.
    pub(crate) fn takes_part(&self, work: &Work) -> bool {
        if let Work::Stomp(work) = work {
            return work.is_for(self);
        }
        match work.message().compression() {
            Compression::Off => !matches!(self.deflate, Deflate::Only(_)),
            Compression::Deflate => self.deflate != Deflate::Never,
        }
    }

    /// The command that starts it, for messages of so many octets.
    ///
    /// # Errors
    ///
    /// What is not installed.
    pub(crate) fn command(
        &self,
        job: Job,
        octets: usize,
        compression: Compression,
        options: &Options,
    ) -> Result<Command, String> {
        if let Some((_, why)) = options.missing.iter().find(|(name, _)| name == self.name) {
            return Err(why.clone());
        }
        let executable = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = match self.program {
            Program::Examples => {
                let folder = executable.parent().unwrap_or(Path::new("."));
                let mut command = Command::new(built(folder.join("examples").join(job.name()))?);
                command.args(["--listen", "127.0.0.1:0"]);
                command
            }
            Program::Crate(_) | Program::Debian(_) => {
                let mut command = Command::new(executable);
                command.args(["server", self.name]).arg("--peers").arg(&options.peers);
                command
            }
            Program::Node => {
                let folder = options.peers.join("node");
                built(folder.join("node_modules/ws/package.json"))?;
                let mut command = Command::new("node");
                command.arg(built(folder.join("server.mjs"))?);
                command
            }
            Program::SockJsNode => {
                let folder = options.peers.join("sockjs-node");
                built(folder.join("node_modules/sockjs/package.json"))?;
                let mut command = Command::new("node");
                command.arg(built(folder.join("sockjs.mjs"))?);
                command
            }
            Program::Tomcat => {
                let folder = options.peers.join("tomcat");
                built(folder.join("Server.class"))?;
                let arguments = built(folder.join("java.args"))?;
                let mut command = Command::new("java");
                command.arg(format!("@{}", arguments.display())).arg("Server");
                command
            }
        };
        if !matches!(self.program, Program::Examples) {
            command.args(["--kind", job.name(), "--octets", &octets.to_string()]);
        }
        if let (Compression::Deflate, Deflate::When(arguments) | Deflate::Only(arguments)) =
            (compression, self.deflate)
        {
            command.args(arguments);
        }
        // Or memory comes in steps of 2 MiB, which says nothing about a connection.
        command.env("_RJEM_MALLOC_CONF", "thp:never");
        Ok(command)
    }

    /// What was measured, to the letter.
    pub(crate) fn version(&self, options: &Options) -> String {
        let version = match self.program {
            Program::Examples => {
                let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
                let commit = commit.map(|output| output.stdout).unwrap_or_default();
                let commit = String::from_utf8_lossy(&commit).trim().to_owned();
                Some(format!("{} at {commit}", env!("CARGO_PKG_VERSION")))
            }
            Program::Crate(None) => Some("epoll, one thread".to_owned()),
            Program::Crate(Some(name)) => locked_version(name),
            Program::Node => node_version(&options.peers, "node", "ws"),
            Program::SockJsNode => node_version(&options.peers, "sockjs-node", "sockjs"),
            Program::Tomcat => tomcat_version(),
            Program::Debian(package) => debian_version(package),
        };
        version.unwrap_or("unknown version".to_owned())
    }
}

fn built(path: PathBuf) -> Result<PathBuf, String> {
    if path.exists() { Ok(path) } else { Err(format!("{} does not exist", path.display())) }
}

/// The version that the workspace is locked to; the last one, where there are several.
fn locked_version(name: &str) -> Option<String> {
    let lock = include_str!("../../Cargo.lock");
    let after = lock.rsplit_once(&format!("name = \"{name}\"\nversion = \""))?.1;
    Some(after.split('"').next()?.to_owned())
}

fn node_version(peers: &Path, folder: &str, package: &str) -> Option<String> {
    let package = peers.join(folder).join("node_modules").join(package).join("package.json");
    let package: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(package).ok()?).ok()?;
    let node = first_line(Command::new("node").arg("--version"))?;
    Some(format!("{} on Node {}", package["version"].as_str()?, node.trim_start_matches('v')))
}

fn debian_version(package: &str) -> Option<String> {
    let show = ["--show", "--showformat", "${Version}", package];
    first_line(Command::new("dpkg-query").args(show))
}

fn tomcat_version() -> Option<String> {
    let tomcat = debian_version("libtomcat10-java")?;
    let java = first_line(Command::new("java").arg("--version"))?;
    Some(format!("{tomcat} on {java}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    #[test]
    fn every_crate_that_is_measured_is_in_the_lock_file() {
        for contestant in WEBSOCKET.iter().chain(SOCKJS) {
            if let Program::Crate(Some(name)) = contestant.program {
                assert!(locked_version(name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn other_settings_of_deflate_are_in_no_other_rows() {
        let names = |compression| {
            let message = match compression {
                Compression::Off => Message::Text(1),
                Compression::Deflate => Message::CompressedJson,
            };
            let work = Work::PingPong { message };
            let taking_part = WEBSOCKET.iter().filter(move |one| one.takes_part(&work));
            taking_part.map(|contestant| contestant.name).collect::<Vec<_>>()
        };
        assert!(!names(Compression::Off).contains(&"tidings-history"));
        let deflate = names(Compression::Deflate);
        assert_eq!(deflate, ["tidings", "tidings-history", "tidings-dedicated", "ws", "tomcat"]);
    }
}

//! The peers that are not written in Rust: Node's packages ws and sockjs, and Debian's Tomcat and brokers.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::prepare::{debian_packages, is_installed, sh};

/// Installs a peer in a folder of its own, from the sources in the first folder.
pub(super) type Install = fn(sources: &Path, folder: &Path) -> Result<(), String>;

/// The peers, by the names that the comparison has for them, with the comparison.
pub(super) const PEERS: [(&str, &str, Install); 6] = [
    ("ws", "websocket", ws),
    ("tomcat", "websocket", tomcat),
    ("sockjs-node", "sockjs", sockjs),
    ("nats", "stomp", nats),
    ("rabbitmq", "stomp", rabbitmq),
    ("activemq", "stomp", activemq),
];

const WS: &str = "ws@8.23.0";
const SOCKJS: &str = "sockjs@0.3.24";

/// Where Debian has jars.
const JARS: &str = "/usr/share/java";

/// What a server with WebSocket is made of.
const TOMCAT: [&str; 15] = [
    "annotations-api",
    "api",
    "catalina",
    "coyote",
    "el-api",
    "jaspic-api",
    "jni",
    "jsp-api",
    "juli",
    "servlet-api",
    "util",
    "util-scan",
    "websocket",
    "websocket-api",
    "websocket-client-api",
];

/// What a broker with STOMP and its own store is made of.
const ACTIVEMQ: [&str; 15] = [
    "activemq-broker",
    "activemq-client",
    "activemq-kahadb-store",
    "activemq-openwire-legacy",
    "activemq-protobuf",
    "activemq-stomp",
    "geronimo-j2ee-management-1.1-spec",
    "geronimo-jms_1.1_spec",
    "hawtbuf",
    "jackson-annotations",
    "jackson-core",
    "jackson-databind",
    "slf4j-api",
    "slf4j-nop",
    "xpp3",
];

fn ws(sources: &Path, folder: &Path) -> Result<(), String> {
    node(WS, &sources.join("server.mjs"), &folder.join("node"))
}

fn sockjs(sources: &Path, folder: &Path) -> Result<(), String> {
    node(SOCKJS, &sources.join("sockjs.mjs"), &folder.join("sockjs-node"))
}

/// A package of npm's, and the script that makes a server of it.
fn node(package: &str, script: &Path, folder: &Path) -> Result<(), String> {
    let wanted = [("node", "nodejs"), ("npm", "npm")];
    let missing = wanted.into_iter().filter(|(program, _)| !is_installed(program));
    debian_packages(&missing.map(|(_, package)| package).collect::<Vec<_>>())?;
    create(folder)?;
    let quiet = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--prefix"];
    sh(Command::new("npm").args(quiet).arg(folder).arg(package))?;
    let name = script.file_name().ok_or("the script has no name")?;
    fs::copy(script, folder.join(name))
        .map_err(|error| format!("{}: {error}", script.display()))?;
    Ok(())
}

fn tomcat(sources: &Path, folder: &Path) -> Result<(), String> {
    let jars: Vec<String> = TOMCAT.map(|name| format!("tomcat10-{name}")).into();
    java("libtomcat10-java", &jars, &sources.join("Server.java"), &folder.join("tomcat"))
}

fn activemq(sources: &Path, folder: &Path) -> Result<(), String> {
    let jars: Vec<String> = ACTIVEMQ.map(str::to_owned).into();
    java("libactivemq-java", &jars, &sources.join("Broker.java"), &folder.join("activemq"))
}

fn nats(_: &Path, _: &Path) -> Result<(), String> {
    if is_installed("nats-server") { Ok(()) } else { debian_packages(&["nats-server"]) }
}

fn rabbitmq(_: &Path, _: &Path) -> Result<(), String> {
    if is_installed("rabbitmq-server") { Ok(()) } else { debian_packages(&["rabbitmq-server"]) }
}

/// Jars of a package of Debian's, and the class that makes a server of them.
fn java(package: &str, jars: &[String], class: &Path, folder: &Path) -> Result<(), String> {
    let mut missing = Vec::new();
    if !is_installed("javac") {
        missing.push("default-jdk-headless");
    }
    let jars: Vec<String> = jars.iter().map(|name| format!("{JARS}/{name}.jar")).collect();
    if !jars.iter().all(|jar| Path::new(jar).exists()) {
        missing.push(package);
    }
    debian_packages(&missing)?;
    create(folder)?;
    // The comparison starts the server with the same file.
    let arguments = folder.join("java.args");
    let class_path = format!("-cp \"{}:{}\"\n", folder.display(), jars.join(":"));
    fs::write(&arguments, class_path).map_err(|error| error.to_string())?;
    let mut javac = Command::new("javac");
    sh(javac.arg(format!("@{}", arguments.display())).arg("-d").arg(folder).arg(class))
}

fn create(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

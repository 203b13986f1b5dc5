//! Debian's RabbitMQ with its plugin for STOMP, in a folder of its own, with a port mapper of its own.

use std::path::Path;

use tokio::process::Command;

use super::{Start, free_port, write};

/// Beneath Debian's wrapper, which would run it as somebody else.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

pub(super) fn prepare(folder: &Path, port: u16) -> Result<Start, String> {
    let config = format!(
        "listeners.tcp = none\n\
         stomp.listeners.tcp.1 = 127.0.0.1:{port}\n\
         log.file = false\nlog.console = true\nlog.console.level = warning\n"
    );
    write(&folder.join("rabbitmq.conf"), &config)?;
    write(&folder.join("enabled_plugins"), "[rabbitmq_stomp].\n")?;
    let mapper_port = free_port()?.to_string();
    let mut mapper = Command::new("epmd");
    mapper.args(["-port", &mapper_port, "-address", "127.0.0.1"]);
    let mut broker = Command::new(SERVER);
    broker
        .env("HOME", folder)
        .env("ERL_EPMD_PORT", &mapper_port)
        .env("RABBITMQ_NODENAME", "tidings@localhost")
        .env("RABBITMQ_DIST_PORT", free_port()?.to_string())
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-start_epmd false")
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
    for (variable, name) in [
        ("RABBITMQ_MNESIA_BASE", "mnesia"),
        ("RABBITMQ_LOG_BASE", "logs"),
        ("RABBITMQ_GENERATED_CONFIG_DIR", "generated"),
        ("RABBITMQ_FEATURE_FLAGS_FILE", "feature_flags"),
        ("RABBITMQ_PID_FILE", "pid"),
        ("RABBITMQ_CONFIG_FILE", "rabbitmq.conf"),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", "advanced.config"),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", "enabled_plugins"),
    ] {
        broker.env(variable, folder.join(name));
    }
    Ok(Start { broker, beside: Some(mapper) })
}

use std::time::Duration;

use clap::Args;
use http::{HeaderName, HeaderValue};

use super::Transport;
use crate::command::ws::header;

/// Open every transport to a server, send the same messages by each, and compare: time to connect, latency,
/// octets on the wire, requests.
///
/// Of a `tidings serve` all transports of its lab are measured, polling and streaming without SockJS too; of any
/// other SockJS server, those of its echo service.
#[derive(Args, Clone, Debug)]
#[group(id = "lab")]
pub(crate) struct Arguments {
    /// A Tidings server, `http://HOST:PORT/`, or a SockJS service that echoes, `http://HOST:PORT/echo`.
    pub(super) url: String,
    /// How many messages are sent by each transport, one after the other.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) messages: u32,
    /// Octets of each message.
    #[arg(long, value_name = "OCTETS", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=16_384))]
    pub(super) size: u32,
    /// How long plain polling waits between two requests.
    #[arg(long, value_name = "MILLISECONDS", default_value = "1000", value_parser = milliseconds)]
    pub(super) interval: Duration,
    /// Measure only this transport; may be repeated.
    #[arg(long = "transport", short = 't', value_name = "NAME")]
    transports: Vec<String>,
    /// Add a header field to every request; may be repeated.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Print one JSON object, for other programs to read.
    #[arg(long)]
    pub(super) json: bool,
}

impl Arguments {
    pub(super) fn wants(&self, transport: Transport) -> bool {
        self.transports.is_empty() || self.transports.iter().any(|name| name == transport.name())
    }

    /// The message of this number: of the size that is asked for, as far as that lets it be told from others.
    pub(super) fn message(&self, number: u32) -> String {
        format!("{number:0>width$}", width = self.size as usize)
    }
}

fn milliseconds(text: &str) -> Result<Duration, &'static str> {
    match text.parse() {
        Ok(milliseconds @ 1..=60_000) => Ok(Duration::from_millis(milliseconds)),
        _ => Err("expected a number from 1 to 60000"),
    }
}

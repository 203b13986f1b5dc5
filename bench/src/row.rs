//! What is measured: the rows, in their tables.

use crate::contestant::{LIMIT, SOCKJS_NODE};
use crate::machine::Cores;
use crate::message::Message;
use crate::sockjs::{SockJsWork, Transport};
use crate::stomp::StompWork;

/// One piece of work, done by every contestant.
#[derive(Debug)]
pub(crate) struct Row {
    /// Unique, and what `--rows` looks into.
    pub(crate) name: &'static str,
    pub(crate) work: Work,
    pub(crate) metrics: &'static [Metric],
    pub(crate) aims: &'static [Aim],
}

/// What ours is meant to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Aim {
    /// The first metric is at most so many times that of a contestant.
    Ratio(&'static str, f64),
    /// A metric is at most so much.
    AtMost(Metric, f64),
    /// A metric is at least so much.
    AtLeast(Metric, f64),
    /// A metric is at most so much above that of another row.
    AtMostAbove(Metric, &'static str, f64),
}

/// Rows that are printed as one table, a contestant a line.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: &'static str,
    pub(crate) rows: &'static [Row],
}

/// What clients and server do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    /// Each connection keeps `depth` messages in flight.
    Echo {
        connections: usize,
        depth: usize,
        message: Message,
        cores: Cores,
    },
    /// One connection publishes `burst` messages at a time, to all.
    Broadcast {
        connections: usize,
        burst: usize,
        message: Message,
    },
    /// Connections are opened, each sends one message, and all are idle from then on.
    Open {
        connections: usize,
        message: Message,
    },
    /// A ping-pong on one connection, with and without a flood on another.
    PingPong {
        message: Message,
    },
    SockJs(SockJsWork),
    Stomp(StompWork),
}

/// What is told of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// CPU microseconds of the server for each message that it delivered.
    CpuPerMessage,
    /// Octets on the wire of each message that it delivered.
    ReplyOctets,
    /// Messages that it delivered in a second.
    MessagesPerSecond,
    /// Octets of resident memory for each connection that is idle.
    IdleOctets,
    /// CPU microseconds for accept, handshake and first message.
    CpuPerConnection,
    /// Milliseconds that 99 in 100 answers took at most, without and with a flood.
    DelayP99,
    FloodedDelayP99,
    /// The longest that an answer took, in milliseconds, without and with a flood.
    DelayMax,
    FloodedDelayMax,
    /// Of the time, how much the clients ran: near 100 they set the pace themselves.
    ClientsShare,
}

impl Metric {
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::CpuPerMessage | Self::CpuPerConnection => "µs",
            Self::ReplyOctets | Self::IdleOctets => "octets",
            Self::MessagesPerSecond => "messages/s",
            Self::DelayP99 => "ms, p99",
            Self::FloodedDelayP99 => "ms, p99 flooded",
            Self::DelayMax => "ms, max",
            Self::FloodedDelayMax => "ms, max flooded",
            Self::ClientsShare => "% of the clients' core",
        }
    }
}

impl Work {
    pub(crate) fn message(&self) -> Message {
        match *self {
            Self::Echo { message, .. }
            | Self::Broadcast { message, .. }
            | Self::Open { message, .. }
            | Self::PingPong { message } => message,
            Self::SockJs(work) => Message::Text(work.octets()),
            Self::Stomp(work) => Message::Text(work.octets()),
        }
    }
}

const ECHO_CONNECTIONS: usize = 64;
const RECEIVERS: usize = 1000;
const IDLE_CONNECTIONS: usize = 10_000;
/// Fewer, because some hold half a megabyte for each.
const IDLE_DEFLATE_CONNECTIONS: usize = 2000;

const CPU: &[Metric] = &[Metric::CpuPerMessage];

/// All of them.
pub(crate) const WEBSOCKET: &[Table] = &[
    Table {
        title: "Echo, 64 connections, 1 or 16 messages in flight each",
        rows: &[
            echo("echo 1 × 32 B", 1, 32),
            echo("echo 1 × 1 KiB", 1, 1024),
            echo("echo 1 × 64 KiB", 1, 64 * 1024),
            echo("echo 16 × 32 B", 16, 32),
            echo("echo 16 × 1 KiB", 16, 1024),
            echo("echo 16 × 64 KiB", 16, 64 * 1024),
        ],
    },
    Table {
        title: "Broadcast of 128 B to 1,000 connections; what a connection costs",
        rows: &[
            broadcast("broadcast, burst 1", 1),
            broadcast("broadcast, burst 8", 8),
            Row {
                name: "10,000 connections",
                work: Work::Open { connections: IDLE_CONNECTIONS, message: Message::Text(32) },
                metrics: &[Metric::IdleOctets, Metric::CpuPerConnection],
                aims: &[],
            },
        ],
    },
    Table {
        title: "permessage-deflate, 1 KiB of JSON, 64 connections",
        rows: &[
            Row {
                name: "deflate 1 × 1 KiB",
                work: deflate_echo(1),
                metrics: &[Metric::CpuPerMessage, Metric::ReplyOctets],
                aims: &[],
            },
            Row { name: "deflate 16 × 1 KiB", work: deflate_echo(16), metrics: CPU, aims: &[] },
            Row {
                name: "2,000 deflate connections",
                work: Work::Open {
                    connections: IDLE_DEFLATE_CONNECTIONS,
                    message: Message::CompressedJson,
                },
                metrics: &[Metric::IdleOctets],
                aims: &[],
            },
        ],
    },
    Table {
        title: "Two cores for the server: echo, 64 connections",
        rows: &[Row {
            name: "two cores, echo 16 × 32 B",
            work: Work::Echo {
                connections: ECHO_CONNECTIONS,
                depth: 16,
                message: Message::Text(32),
                cores: Cores::Both,
            },
            metrics: &[Metric::MessagesPerSecond, Metric::CpuPerMessage],
            aims: &[],
        }],
    },
    Table {
        title: "Fairness: a ping-pong of 32 B, alone and beside a connection that floods",
        rows: &[Row {
            name: "fairness",
            work: Work::PingPong { message: Message::Text(32) },
            metrics: &[
                Metric::DelayP99,
                Metric::FloodedDelayP99,
                Metric::DelayMax,
                Metric::FloodedDelayMax,
            ],
            aims: &[],
        }],
    },
];

const STREAMING: Transport = Transport::XhrStreaming;
const EVENTS: Transport = Transport::EventSource;
const POLLING: Transport = Transport::XhrPolling;
const SOCKET: Transport = Transport::WebSocket;

/// Idle streaming sessions whose memory is measured.
const IDLE_SESSIONS: usize = 5000;

/// Those of SockJS.
pub(crate) const SOCKJS: &[Table] = &[
    Table {
        title: "Echo of 32 B, 64 sessions, 1 or 8 messages in flight each",
        rows: &[
            sockjs_echo(
                "xhr_streaming 1 × 32 B",
                STREAMING,
                1,
                32,
                &[Aim::Ratio(SOCKJS_NODE, 0.25), Aim::Ratio(LIMIT, 2.0)],
            ),
            sockjs_echo(
                "xhr_streaming 8 × 32 B",
                STREAMING,
                8,
                32,
                &[Aim::Ratio(SOCKJS_NODE, 0.25), Aim::Ratio(LIMIT, 2.5)],
            ),
            sockjs_echo(
                "eventsource 1 × 32 B",
                EVENTS,
                1,
                32,
                &[Aim::Ratio(SOCKJS_NODE, 0.25), Aim::Ratio(LIMIT, 2.0)],
            ),
            sockjs_echo(
                "eventsource 8 × 32 B",
                EVENTS,
                8,
                32,
                &[Aim::Ratio(SOCKJS_NODE, 0.25), Aim::Ratio(LIMIT, 2.5)],
            ),
            sockjs_echo(
                "xhr 1 × 32 B",
                POLLING,
                1,
                32,
                &[Aim::Ratio(SOCKJS_NODE, 0.22), Aim::Ratio(LIMIT, 2.0)],
            ),
            sockjs_echo(
                "xhr 8 × 32 B",
                POLLING,
                8,
                32,
                &[Aim::Ratio(SOCKJS_NODE, 0.15), Aim::Ratio(LIMIT, 2.5)],
            ),
            sockjs_echo(
                "websocket 1 × 32 B",
                SOCKET,
                1,
                32,
                &[Aim::Ratio(SOCKJS_NODE, 0.40), Aim::Ratio(LIMIT, 1.2)],
            ),
            sockjs_echo(
                "websocket 8 × 32 B",
                SOCKET,
                8,
                32,
                &[Aim::Ratio(SOCKJS_NODE, 0.10), Aim::Ratio(LIMIT, 1.6)],
            ),
        ],
    },
    Table {
        title: "Echo of 1 KiB, 64 sessions, 1 or 8 messages in flight each",
        rows: &[
            sockjs_echo("xhr_streaming 1 × 1 KiB", STREAMING, 1, 1024, &[]),
            sockjs_echo("xhr_streaming 8 × 1 KiB", STREAMING, 8, 1024, &[]),
            sockjs_echo("xhr 1 × 1 KiB", POLLING, 1, 1024, &[]),
            sockjs_echo("xhr 8 × 1 KiB", POLLING, 8, 1024, &[]),
            sockjs_echo("websocket 1 × 1 KiB", SOCKET, 1, 1024, &[]),
            sockjs_echo("websocket 8 × 1 KiB", SOCKET, 8, 1024, &[]),
        ],
    },
    Table {
        title: "A message of 128 B to 1,000 sessions; what an idle streaming session takes",
        rows: &[
            sockjs_fan_out(
                "fan-out, xhr_streaming",
                STREAMING,
                &[Aim::Ratio(SOCKJS_NODE, 0.5), Aim::Ratio(LIMIT, 1.6)],
            ),
            sockjs_fan_out(
                "fan-out, xhr",
                POLLING,
                &[Aim::Ratio(SOCKJS_NODE, 0.15), Aim::Ratio(LIMIT, 1.8)],
            ),
            sockjs_fan_out(
                "fan-out, websocket",
                SOCKET,
                &[Aim::Ratio(SOCKJS_NODE, 0.40), Aim::Ratio(LIMIT, 1.15)],
            ),
            Row {
                name: "5,000 sessions",
                work: Work::SockJs(SockJsWork::Idle { sessions: IDLE_SESSIONS }),
                metrics: &[Metric::IdleOctets],
                aims: &[Aim::Ratio(SOCKJS_NODE, 0.25)],
            },
        ],
    },
];

const fn echo(name: &'static str, depth: usize, octets: usize) -> Row {
    let message = Message::Text(octets);
    let cores = Cores::Apart;
    let work = Work::Echo { connections: ECHO_CONNECTIONS, depth, message, cores };
    Row { name, work, metrics: CPU, aims: &[] }
}

const fn broadcast(name: &'static str, burst: usize) -> Row {
    let message = Message::Text(128);
    let work = Work::Broadcast { connections: RECEIVERS, burst, message };
    Row { name, work, metrics: CPU, aims: &[] }
}

const fn sockjs_echo(
    name: &'static str,
    transport: Transport,
    depth: usize,
    octets: usize,
    aims: &'static [Aim],
) -> Row {
    let work = SockJsWork::Echo { transport, sessions: ECHO_CONNECTIONS, depth, octets };
    Row { name, work: Work::SockJs(work), metrics: CPU, aims }
}

const fn sockjs_fan_out(name: &'static str, transport: Transport, aims: &'static [Aim]) -> Row {
    let work = SockJsWork::FanOut { transport, sessions: RECEIVERS, octets: 128 };
    Row { name, work: Work::SockJs(work), metrics: CPU, aims }
}

const fn deflate_echo(depth: usize) -> Work {
    let message = Message::CompressedJson;
    Work::Echo { connections: ECHO_CONNECTIONS, depth, message, cores: Cores::Apart }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rows_have_the_same_name() {
        let tables = WEBSOCKET.iter().chain(SOCKJS).chain(crate::stomp::TABLES);
        let rows = tables.flat_map(|table| table.rows);
        let mut names: Vec<&str> = rows.map(|row| row.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}

//! What is measured of brokers.

use super::{Door, Path, StompWork};
use crate::row::{Aim, Metric, Row, Table, Work};

/// Clients that have subscribed and are idle.
const IDLE_CONNECTIONS: usize = 10_000;

/// Octets of a message of a topic, and of one of a queue.
const TOPIC_OCTETS: usize = 128;
const QUEUE_OCTETS: usize = 256;

/// Messages that are stored before the first consumer comes.
const BACKLOG_MESSAGES: u64 = 50_000;

const DELIVERY: &[Metric] =
    &[Metric::CpuPerMessage, Metric::MessagesPerSecond, Metric::ClientsShare];

/// What a handler is compared with.
const BROKER_ALONE: &str = "broker alone, 1 to 1";

/// All of them.
pub(crate) const TABLES: &[Table] = &[
    Table {
        title: "A topic: messages of 128 octets, by STOMP over TCP or by NATS's own protocol",
        rows: &[
            fan_out("topic 1 to 1", Door::Tcp, 1, 1024, &[Aim::AtMost(Metric::CpuPerMessage, 1.0)]),
            fan_out(
                "topic 1 to 100",
                Door::Tcp,
                100,
                64,
                &[Aim::AtMost(Metric::CpuPerMessage, 0.5)],
            ),
            fan_out(
                "topic 1 to 1000",
                Door::Tcp,
                1000,
                16,
                &[Aim::AtMost(Metric::CpuPerMessage, 0.9)],
            ),
        ],
    },
    Table {
        title: "The same topic, its 1,000 subscribers by other doors",
        rows: &[
            fan_out("topic 1 to 1000, WebSocket", Door::WebSocket, 1000, 16, &[]),
            fan_out("topic 1 to 1000, SockJS websocket", Door::SockJsWebSocket, 1000, 16, &[]),
            fan_out("topic 1 to 1000, SockJS xhr_streaming", Door::XhrStreaming, 1000, 16, &[]),
        ],
    },
    Table {
        title: "The whole path: a message is sent to /app, and a handler's reply goes to the topic; beside the broker alone",
        rows: &[
            fan_out(BROKER_ALONE, Door::Tcp, 1, 1024, &[]),
            through_handler(
                "handler, 1 to 1",
                1,
                1024,
                &[Aim::AtMostAbove(Metric::CpuPerMessage, BROKER_ALONE, 1.0)],
            ),
            fan_out("broker alone, 1 to 1000", Door::Tcp, 1000, 16, &[]),
            through_handler("handler, 1 to 1000", 1000, 16, &[]),
        ],
    },
    Table {
        title: "A durable queue: persistent messages of 256 octets with receipts, each acknowledged by itself",
        rows: &[
            Row {
                name: "queue, consumers keep up",
                work: Work::Stomp(StompWork::Turnover { octets: QUEUE_OCTETS }),
                metrics: DELIVERY,
                aims: &[
                    Aim::AtMost(Metric::CpuPerMessage, 10.0),
                    Aim::AtLeast(Metric::MessagesPerSecond, 100_000.0),
                ],
            },
            Row {
                name: "queue, stored before it is consumed",
                work: Work::Stomp(StompWork::Backlog {
                    messages: BACKLOG_MESSAGES,
                    octets: QUEUE_OCTETS,
                }),
                metrics: DELIVERY,
                aims: &[],
            },
        ],
    },
    Table {
        title: "What a client takes that has subscribed to a topic, and its connection, CONNECT and SUBSCRIBE",
        rows: &[Row {
            name: "10,000 subscribers",
            work: Work::Stomp(StompWork::Idle { connections: IDLE_CONNECTIONS }),
            metrics: &[Metric::IdleOctets, Metric::CpuPerConnection],
            aims: &[
                Aim::AtMost(Metric::IdleOctets, 3000.0),
                Aim::AtMost(Metric::CpuPerConnection, 55.0),
            ],
        }],
    },
];

const fn fan_out(
    name: &'static str,
    door: Door,
    subscribers: usize,
    depth: usize,
    aims: &'static [Aim],
) -> Row {
    fan_out_by(Path::Broker, door, (subscribers, depth), name, aims)
}

const fn through_handler(
    name: &'static str,
    subscribers: usize,
    depth: usize,
    aims: &'static [Aim],
) -> Row {
    fan_out_by(Path::Handler, Door::Tcp, (subscribers, depth), name, aims)
}

const fn fan_out_by(
    path: Path,
    door: Door,
    (subscribers, depth): (usize, usize),
    name: &'static str,
    aims: &'static [Aim],
) -> Row {
    let work = StompWork::FanOut { path, door, subscribers, depth, octets: TOPIC_OCTETS };
    Row { name, work: Work::Stomp(work), metrics: DELIVERY, aims }
}

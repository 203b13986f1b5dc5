//! The octets that a client says, in STOMP and in NATS's own protocol.

use std::fmt::Write;

use super::Path;

/// What a broker speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// STOMP 1.2.
    Stomp,
    /// The text protocol of core NATS.
    Nats,
}

/// Something that a client says, and what the broker has said once it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) say: String,
    pub(super) until: &'static str,
}

/// What clients want of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// To be connected.
    Publisher,
    /// Each message of the topic, once.
    Subscriber,
    /// Some of the messages of the queue, to acknowledge each of them.
    Consumer,
}

/// Messages of a queue that a consumer may have before it acknowledges them.
const PREFETCH: u32 = 256;

impl Dialect {
    /// How a client gets to its role: as the usual clients do, which wait for each answer.
    pub(super) fn opening(self, role: Role) -> Vec<Step> {
        let step = |say: &str, until| Step { say: say.to_owned(), until };
        let mut steps = match self {
            Self::Stomp => vec![step(
                "CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\nheart-beat:0,0\n\n\0",
                "\n\n\0",
            )],
            Self::Nats => vec![
                step("", "\r\n"),
                step(
                    "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":true}\r\nPING\r\n",
                    "PONG\r\n",
                ),
            ],
        };
        match (self, role) {
            (_, Role::Publisher) => {}
            (Self::Stomp, Role::Subscriber) => steps.push(step(
                "SUBSCRIBE\nid:0\ndestination:/topic/bench\nreceipt:ready\n\n\0",
                "receipt-id:ready\n\n\0",
            )),
            (Self::Stomp, Role::Consumer) => steps.push(Step {
                say: format!(
                    "SUBSCRIBE\nid:0\ndestination:/queue/bench\nack:client-individual\n\
                     prefetch-count:{PREFETCH}\nactivemq.prefetchSize:{PREFETCH}\nreceipt:ready\n\n\0"
                ),
                until: "receipt-id:ready\n\n\0",
            }),
            (Self::Nats, _) => steps.push(step("SUB bench 1\r\nPING\r\n", "PONG\r\n")),
        }
        steps
    }

    /// Messages for the topic, one after the other.
    pub(super) fn publications(self, path: Path, octets: usize, count: usize) -> Vec<u8> {
        let destination = match path {
            Path::Broker => "/topic/bench",
            Path::Handler => "/app/bench",
        };
        let mut one = String::new();
        let body = body(octets);
        // Writing to a string does not fail.
        let _ = match self {
            Self::Stomp => {
                write!(one, "SEND\ndestination:{destination}\ncontent-length:{octets}\n\n{body}\0")
            }
            Self::Nats => write!(one, "PUB bench {octets}\r\n{body}\r\n"),
        };
        one.into_bytes().repeat(count)
    }

    /// The octets of a message of the topic, where all of them have as many.
    pub(super) fn delivery_octets(self, octets: usize) -> usize {
        match self {
            Self::Stomp => 0,
            Self::Nats => format!("MSG bench 1 {octets}\r\n\r\n").len() + octets,
        }
    }
}

/// What every message says. No octet of it means anything in either protocol.
pub(super) fn body(octets: usize) -> String {
    "x".repeat(octets)
}

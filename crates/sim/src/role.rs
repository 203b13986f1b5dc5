use tidings_stomp::AckMode;

use crate::model::{DEAD_DURABLE, DURABLE, Place};

/// What a client does, as long as it is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Sends to these.
    Producer(&'static [Place]),
    /// Sends to queues in transactions, some of which it aborts.
    Transactor,
    /// Moves messages from one queue to another, each in a transaction.
    Mover,
    /// Consumes from a queue, or from the durable subscription.
    Consumer { place: Place, ack: AckMode },
    /// Listens to a topic by this name or pattern.
    Listener(&'static str),
    /// Takes whatever is left.
    Drain,
}

pub(crate) const TOPIC: Place = "/topic/t.x";
pub(crate) const MOVED_FROM: Place = "/queue/in";
pub(crate) const MOVED_TO: Place = "/queue/out";

/// Everything in which something may be left at the end, dead letters first: nothing comes to them
/// any more by then.
pub(crate) const PLACES: &[Place] = &[
    "/queue/DLQ.a",
    "/queue/DLQ.b",
    "/queue/DLQ.in",
    "/queue/DLQ.out",
    DEAD_DURABLE,
    "/queue/a",
    "/queue/b",
    MOVED_FROM,
    MOVED_TO,
    DURABLE,
];

/// The clients of a run.
pub(crate) const CLIENTS: &[Role] = &[
    Role::Producer(&["/queue/a", "/queue/b", MOVED_FROM]),
    Role::Producer(&["/queue/a", MOVED_FROM]),
    Role::Producer(&[TOPIC]),
    Role::Producer(&[TOPIC]),
    Role::Transactor,
    Role::Mover,
    Role::Mover,
    Role::Consumer { place: "/queue/a", ack: AckMode::ClientIndividual },
    Role::Consumer { place: "/queue/a", ack: AckMode::ClientIndividual },
    Role::Consumer { place: "/queue/b", ack: AckMode::Client },
    Role::Consumer { place: DURABLE, ack: AckMode::ClientIndividual },
    Role::Listener("/topic/t.*"),
    Role::Listener(TOPIC),
];

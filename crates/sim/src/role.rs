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
    /// Listens to what is sent to a topic or to a user, by this name or pattern.
    Listener { destination: &'static str, place: Place },
    /// Takes whatever is left.
    Drain,
}

pub(crate) const TOPIC: Place = "/topic/t.x";
/// Where users subscribe, and where each gets what is sent to it.
const OWN_NEWS: &str = "/user/news";
const TO_ANN: Place = "/user/ann/news";
const TO_BOB: Place = "/user/bob/news";
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
    Role::Listener { destination: "/topic/t.*", place: TOPIC },
    Role::Listener { destination: TOPIC, place: TOPIC },
    Role::Producer(&[TO_ANN]),
    Role::Producer(&[TO_BOB]),
    Role::Listener { destination: OWN_NEWS, place: TO_ANN },
    Role::Listener { destination: OWN_NEWS, place: TO_ANN },
    Role::Listener { destination: OWN_NEWS, place: TO_BOB },
];

impl Role {
    /// Who the client says it is.
    pub(crate) fn login(self) -> Option<String> {
        let user = match self {
            Self::Listener { place: TO_ANN, .. } => "ann",
            Self::Listener { place: TO_BOB, .. } => "bob",
            _ => return None,
        };
        Some(user.to_owned())
    }
}

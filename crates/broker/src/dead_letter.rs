use std::fmt;
use std::sync::Arc;

use crate::destination::Destination;
use crate::message::Message;

/// A message that its queue gives up, on its way to where such messages are kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The message as it was sent.
    pub message: Arc<Message>,
    /// The queue that gives it up.
    pub queue: Destination,
    /// Why.
    pub reason: DeathReason,
    /// How many times it was delivered.
    pub deliveries: u32,
    /// Where it goes. `None` if nowhere.
    pub target: Option<Destination>,
}

/// Why a queue gave up a message: the `x-death-reason` header of dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeathReason {
    /// A consumer refused it for good.
    Rejected,
    /// Nobody consumed it in time.
    Expired,
    /// The queue was full.
    MaxLength,
    /// It was delivered as often as its queue allows, and never acknowledged.
    DeliveryLimit,
}

impl DeathReason {
    /// The reason as it is written in the header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery-limit",
        }
    }
}

impl fmt::Display for DeathReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

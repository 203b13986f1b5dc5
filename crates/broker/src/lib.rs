//! Destinations, subscriptions and queues, without I/O.
//!
//! [`Broker`] takes the SEND, SUBSCRIBE, UNSUBSCRIBE, ACK and NACK of sessions and says through a
//! [`Sink`] who gets which message. It reads no clock and opens no socket; the shell around it knows
//! how to reach a session and what a frame looks like.
//!
//! A destination is of a [`Kind`], which the start of its name decides: a **topic** hands every
//! message to all who have subscribed to it, by name or by [`DestinationPattern`]; a **queue** keeps
//! every message until one of its consumers has settled it; the destination of a **user** hands every
//! message to those sessions of the user that have subscribed to it.
//!
//! STOMP is where the terms come from. Only `stomp.rs` names the crate that implements it.

mod acknowledgement;
mod address;
mod alarms;
mod arguments;
mod base36;
mod binding;
mod bindings;
mod broker;
mod dead_letter;
mod destination;
mod durable_name;
mod error;
mod history;
mod index;
mod json;
mod kind;
mod limits;
mod message;
mod operation;
mod options;
mod pattern;
mod policy;
mod presence;
mod record;
#[cfg(test)]
mod recording;
mod retained;
mod routing;
mod selector;
mod session;
mod short_text;
mod sink;
mod spelling;
mod stats;
mod stomp;
mod storing;
mod subscribers;
mod subscription;
mod sync;
mod timestamp;
mod token;
mod trie;
mod user_destination;

pub use acknowledgement::{AckId, AckTarget, NackAction};
pub use address::RoutingType;
pub use arguments::QueueArguments;
pub use binding::Binding;
pub use broker::{
    Action, Broker, Claim, CommitError, CommitFailure, Consumers, Extent, Intent, RecoverError,
    Selection, Sender, Sent,
};
pub use dead_letter::{DeadLetter, DeathReason};
pub use destination::{Destination, DestinationError};
pub use durable_name::{DurableName, Owner, Sharing};
pub use error::{
    AckError, DeleteError, InvalidHeader, MoveError, MoveFailure, QueueLimit, SendError,
    SubscribeError, UnknownDestination,
};
pub use history::{Beginning, HistoryPosition, NoHistoryPosition, Recovery, Rewind};
pub use kind::Kind;
pub use limits::Limits;
pub use message::{Durability, Kept, Message, MessageId, Properties, Retain};
pub use options::{BrokerOptions, Unprepared};
pub use pattern::DestinationPattern;
pub use policy::{
    DeadLetters, DestinationPolicies, DestinationPolicy, HistoryPolicy, IdleReason, IdleSetting,
    PresencePolicy, QueueOverflow, RedeliveryDelay, Retention, SlowConsumers,
};
pub use presence::{Member, MemberInfo, Members};
pub use record::{
    Change, Position, QueueDefinition, QueueId, RecordError, StoredMessage, StoredQueue,
};
pub use selector::{Selector, SelectorError};
pub use sink::{CancelCause, Cancelled, Delivered, Delivery, Sink, Storage};
pub use spelling::Misspelling;
pub use stats::{BrokerStats, DestinationStats};
pub use storing::{Batch, BatchCollector, BatchNumber, HeldBack, Snapshot};
pub use subscribers::{Group, Groups, Subscribers};
pub use subscription::{
    Access, EncodingClass, Exclusivity, Format, MissingQueue, OwnMessages, SessionKey, Subscribe,
    SubscribeOptions, Subscription,
};
pub use timestamp::Timestamp;
pub use token::TokenSource;
pub use user_destination::UserDestination;

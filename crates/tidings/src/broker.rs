//! How the broker behind the destinations behaves: policies for names of topics and queues, limits.
//!
//! ```
//! use std::time::Duration;
//! use tidings::App;
//! use tidings::broker::{DeadLetters, DestinationPolicy, QueueOverflow};
//!
//! let app = App::builder()
//!     .destination_policy("/queue/prices.*", DestinationPolicy {
//!         message_ttl: Some(Duration::from_secs(60)),
//!         overflow: QueueOverflow::DropHead,
//!         dead_letters: DeadLetters::Discard,
//!         ..DestinationPolicy::default()
//!     })
//!     .build()?;
//! # let _ = app;
//! # Ok::<(), tidings::BuildError>(())
//! ```

pub use tidings_broker::{
    DeadLetters, Destination, DestinationError, DestinationPattern, DestinationPolicy,
    HistoryPolicy, Limits, Member, MemberInfo, Members, PresencePolicy, QueueOverflow,
    RedeliveryDelay, Retention, SlowConsumers,
};

//! What a shell does with [`Change`](crate::Change)s, as far as it needs neither threads nor files:
//! gather them in batches, and hold back whatever must not be said before they are stored.

mod batch;
mod collector;
mod held_back;
mod snapshot;

pub use self::batch::Batch;
pub use self::collector::{BatchCollector, BatchNumber};
pub use self::held_back::HeldBack;
pub use self::snapshot::Snapshot;

//! The broker, its sessions and its store in virtual time, with failures on purpose.
//!
//! Everything that happens in a [run] follows from its seed: what clients send and acknowledge, how
//! long octets are on their way and in which pieces they arrive, which connections are cut, when
//! commits fail and when the server crashes, with a commit under way or not, how long operations take, and
//! in the middle of which of them the next batch begins. Messages have priorities, expire, and are given up by
//! queues that are full; an operator sends dead letters back. The broker, both sides
//! of STOMP and the sessions of SockJS are those that servers run; network, disk and what little is
//! around them are simulated. A plain model knows what a server owes its clients, and checks every
//! delivery:
//!
//! - Nothing is lost that has a receipt, and what a receipt is for is stored by then.
//! - Nothing comes twice without a mark, nothing again that was settled with a receipt, and nothing is in two
//!   places.
//! - What one producer sends to one destination with one priority comes in its order.
//! - Transactions take effect as a whole, or not at all.
//! - Subscribers of topics miss nothing as long as they last.
//!
//! `cargo run -p tidings-sim -- --seed N` replays one run; `--seeds N` tries many.

mod client;
mod disk;
mod door;
mod model;
mod plan;
mod random;
mod role;
mod schedule;
mod server;
mod session;
mod trace;
mod world;

use std::error::Error;
use std::fmt;

pub use model::Counts;
pub use plan::{Plan, Plant};

/// Runs one simulation, and says what it has seen.
///
/// # Errors
///
/// [`Failure`] with the first thing that a server must not do.
pub fn run(seed: u64, plan: Plan) -> Result<Counts, Failure> {
    let mut world = world::World::new(seed, plan);
    match world.run() {
        Ok(()) => Ok(world.model.counts),
        Err(what) => Err(Failure { seed, what, trace: world.trace.to_string() }),
    }
}

/// What went wrong, and what had happened before.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed of the run.
    pub seed: u64,
    /// What the server did.
    pub what: String,
    trace: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, what, trace } = self;
        writeln!(f, "seed {seed}: {what}\n\nwhat has happened before:\n{trace}")?;
        write!(f, "again: cargo run -p tidings-sim -- --seed {seed}")
    }
}

impl Error for Failure {}

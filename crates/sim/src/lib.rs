//! The broker, its sessions and its store in virtual time, with failures on purpose.
//!
//! Everything that happens in a [run] follows from its seed: what clients send and acknowledge, how
//! long octets are on their way and in which pieces they arrive, which connections are cut, when
//! commits fail and when the server crashes, with a commit under way or not, how long operations take, in
//! the middle of which of them the next batch begins, and in the middle of which the application itself sends
//! something. Messages have priorities, expire, and are given up by queues that are full, or their senders wait
//! for room; an operator sends dead letters back. Clients speak all versions of STOMP, leave and come back with
//! UNSUBSCRIBE, DISCONNECT or neither, and use again what they have acknowledged in a transaction that they have
//! aborted. The broker, both sides of STOMP and the sessions of SockJS are those that servers run; network,
//! disk and what little is around them are simulated. Not there are several destinations in one frame,
//! selectors, browsers, temporary queues, retained messages, presence, histories and heart-beats.
//!
//! A plain model knows what a server owes its clients, and checks every delivery:
//!
//! - Nothing is lost that has a receipt, and what a receipt is for is stored by then.
//! - Nothing comes twice without a mark, nothing again that was settled with a receipt, and nothing is in two
//!   places.
//! - Nothing has a mark that nobody can have had before.
//! - What one producer sends to one destination with one priority comes in its order.
//! - Transactions take effect as a whole, or not at all.
//! - Subscribers of topics miss nothing as long as they last.
//! - Once everybody has left, exactly what the server has is stored.
//! - Once nothing goes wrong any more, no message of a queue waits for a consumer that would take it, no
//!   subscription waits to be confirmed, and no sender waits for room that there is.
//!
//! A failure that is about a message tells what has happened to it.
//!
//! `cargo run -p tidings-sim -- --seed N` replays one run; `--seeds N` tries many.

mod client;
mod counts;
mod disk;
mod door;
mod model;
mod outside;
mod plan;
mod publication;
mod random;
mod role;
mod schedule;
mod server;
mod session;
mod sink;
mod trace;
mod world;
mod wrong;

use std::error::Error;
use std::fmt;

pub use counts::Counts;
pub use plan::{Plan, Plant};

use trace::Trace;
use world::World;
use wrong::Wrong;

/// Runs one simulation, and says what it has seen.
///
/// # Errors
///
/// [`Failure`] with the first thing that a server must not do.
pub fn run(seed: u64, plan: Plan) -> Result<Counts, Failure> {
    let mut trace = Trace::default();
    let mut world = World::new(seed, plan, trace.clone());
    let Err(Wrong { what, message }) = world.run() else { return Ok(world.model.counts) };
    if let Some(message) = message {
        // The same once more, with an eye on the message.
        trace = Trace::following(message);
        let again = World::new(seed, plan, trace.clone()).run();
        debug_assert_eq!(again.err().map(|wrong| wrong.what).as_ref(), Some(&what));
    }
    Err(Failure { seed, what, trace: trace.to_string() })
}

/// What went wrong, and what had happened before, above all to the message concerned.
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

use std::path::PathBuf;

use clap::{Args, Subcommand, value_parser};

use crate::control::{Control, SHOWN_MAX};

/// Look at the queues of the running server, and move or remove what is in them.
///
/// The server is found by the control socket beside its data directory.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) action: Option<Action>,
    /// The data directory of the server.
    #[arg(long, global = true, value_name = "DIR", default_value = "./tidings-data")]
    pub(crate) data_dir: PathBuf,
    /// The control socket of the server, if it is not beside the data directory.
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) control: Option<Control>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Action {
    /// List all queues. Done too when nothing else is said.
    List,
    Browse(Browse),
    Purge(Purge),
    Move(Move),
    Delete(Delete),
}

/// Show the messages of a queue that no consumer has, and leave them there.
#[derive(Args, Clone, Debug)]
pub(crate) struct Browse {
    /// Name of the queue: `/queue/jobs`, or `jobs` for short.
    pub(crate) queue: String,
    /// How many at most, from 1 to 10000.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u16).range(1..=i64::from(SHOWN_MAX)))]
    pub(crate) limit: u16,
}

/// Delete a queue with all its messages, or a durable subscription. Consumers are told.
#[derive(Args, Clone, Debug)]
pub(crate) struct Delete {
    /// Name of the queue: `/queue/jobs`, or `jobs` for short, or `/dsub/OWNER/NAME`.
    pub(crate) queue: String,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Remove all messages of a queue that no consumer has.
#[derive(Args, Clone, Debug)]
pub(crate) struct Purge {
    /// Name of the queue.
    pub(crate) queue: String,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Move messages to another queue or, dead letters, back to where they came from.
#[derive(Args, Clone, Debug)]
pub(crate) struct Move {
    /// Name of the queue, such as `DLQ.jobs`.
    pub(crate) queue: String,
    /// Where to. Without it each message goes back to where it was sent to before it became a dead
    /// letter.
    #[arg(long, value_name = "QUEUE")]
    pub(crate) to: Option<String>,
    /// How many at most. Without it all of them.
    #[arg(long, value_name = "N", conflicts_with = "message")]
    pub(crate) limit: Option<usize>,
    /// The id of the only message to move, as `browse` shows it.
    #[arg(long, value_name = "ID")]
    pub(crate) message: Option<String>,
}

//! The client's side, without I/O: which transport to try, what its octets say, and what is to be sent.

mod attempts;
mod frame_reader;
mod outgoing;
mod session;

pub use attempts::{Attempt, Attempts, ClientTransport};
pub use frame_reader::{FrameReader, FrameTooLong};
pub use outgoing::Outgoing;
pub use session::{ClientEvent, ClientSession, Watchdog};

//! Destinations as event streams: the server side of browsers' `EventSource`, as the HTML standard has it in
//! "Server-sent events".

mod door;
mod event;
mod options;
mod request;
mod stream;

pub(crate) use door::EventStreamDoor;
pub(crate) use event::SharedEvent;
pub use options::EventSourceOptions;
pub(crate) use stream::{EventStream, EventStreamSource};

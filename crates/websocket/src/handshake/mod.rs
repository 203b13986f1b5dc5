//! The opening handshake: RFC 6455, section 4.
//!
//! Reads and makes the header fields of an HTTP/1.1 upgrade. Sending and receiving them is the
//! driver's, and so is the check of `Origin`, since which origins may connect is a matter of the
//! server's policy.

pub mod client;
mod key;
pub(crate) mod list;
pub mod server;

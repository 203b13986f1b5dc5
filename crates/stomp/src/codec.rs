//! Frames from octets, and octets from frames.

mod decoder;
mod encode;
mod error;
mod escaping;

pub use decoder::{Decoder, LineEnds, UnknownCommands};
pub use encode::{MessageParts, encode, encode_message};
pub use error::DecodeError;

pub(crate) use encode::is_reserved;

/// The header that counts the octets of the body.
pub(crate) const CONTENT_LENGTH: &str = "content-length";

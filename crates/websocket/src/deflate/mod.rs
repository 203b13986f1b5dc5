//! Compression of messages: RFC 7692, permessage-deflate.

mod deflater;
mod inflater;
mod offer;
mod pool;
#[cfg(test)]
mod tests;

pub(crate) use deflater::{Deflated, Deflater, SharedSetting};
pub(crate) use inflater::{InflateError, Inflater};
pub use offer::{
    ContextTakeover, DeflateAnswerError, DeflateMode, DeflateOptions, PerMessageDeflate,
};

/// What a sync flush ends with, and what is left out at the end of a message: RFC 7692, section 7.2.1.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Octets that are compressed or decompressed before they are moved on.
const CHUNK_OCTETS: usize = 16 * 1024;

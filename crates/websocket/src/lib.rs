//! The WebSocket protocol, RFC 6455, without I/O.
//!
//! [`Connection`] is one end of an established WebSocket. It is fed what the stream gave and says
//! what happened and what must be written, and [`Encoder`] makes frames of what is sent; reading,
//! writing, timing and randomness are its driver's. The opening handshake, from and to header maps,
//! is in [`handshake`].
//!
//! Messages are compressed where both ends agree on permessage-deflate, RFC 7692; no other extension is
//! known.
//!
//! # Examples
//!
//! ```
//! use tidings_websocket::{Connection, Encoder, Event, Limits, MaskingKey, Message};
//!
//! let mut client = Encoder::new_client(|| MaskingKey([7, 1, 8, 2]));
//! let mut server = Connection::new_server(Limits::default());
//!
//! let mut stream = Vec::new();
//! client.encode(&Message::from("hello"), &mut stream);
//! let mut input = &mut stream[..];
//!
//! let received = server.poll_event(&mut input);
//! assert_eq!(received, Some(Event::Message(Message::from("hello"))));
//! assert_eq!(server.poll_event(&mut input), None);
//! ```

mod close;
mod connection;
mod decoder;
mod deflate;
mod encoder;
mod error;
mod extension;
mod frame;
pub mod handshake;
mod limits;
mod mask;
mod message;
mod utf8;

pub use close::{CloseCode, CloseCodeOutOfRange, CloseReason, CloseReasonError, close_payload};
pub use connection::{Closed, Connection, Event, Initiator, Role};
pub use deflate::{
    ContextTakeover, DeflateAnswerError, DeflateMode, DeflateOptions, PerMessageDeflate,
};
pub use encoder::{Encoder, SharedEncoding};
pub use error::ProtocolError;
pub use extension::{Extension, InvalidExtension};
pub use frame::{EncodedHeader, FrameStart, Opcode, encode_frame, encode_header, shared_frame};
pub use limits::Limits;
pub use mask::{MaskingKey, apply_mask};
pub use message::{Message, MessageKind, MessagePart, Reception};

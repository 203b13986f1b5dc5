//! The WebSocket protocol, RFC 6455, without I/O.
//!
//! [`Connection`] is one end of an established WebSocket. It is fed what the stream gave and says
//! what happened and what must be written; reading, writing, timing and randomness are its
//! driver's. The opening handshake, from and to header maps, is in [`handshake`].
//!
//! No extension is negotiated, so the reserved bits of every frame must be zero.
//!
//! # Examples
//!
//! ```
//! use tidings_websocket::{Connection, Event, Limits, MaskingKey, Message};
//!
//! let mut client = Connection::new_client(Limits::default(), || MaskingKey([7, 1, 8, 2]));
//! let mut server = Connection::new_server(Limits::default());
//!
//! let mut stream = Vec::new();
//! client.encode(&Message::from("hello"), &mut stream)?;
//! server.handle_input(&mut stream);
//!
//! assert_eq!(server.poll_event(), Some(Event::Message(Message::from("hello"))));
//! # Ok::<(), tidings_websocket::AlreadyClosing>(())
//! ```

mod close;
mod connection;
mod decoder;
mod error;
mod frame;
pub mod handshake;
mod limits;
mod mask;
mod message;
mod utf8;

pub use close::{CloseCode, CloseCodeOutOfRange, CloseReason, CloseReasonError, close_payload};
pub use connection::{AlreadyClosing, Closed, Connection, Event, Initiator, Role};
pub use error::ProtocolError;
pub use frame::{EncodedHeader, Opcode, encode_frame, encode_header, shared_frame};
pub use limits::Limits;
pub use mask::{MaskingKey, apply_mask};
pub use message::Message;

//! STOMP 1.0, 1.1 and 1.2 without I/O: the codec, and both sides of a session.
//!
//! [`Server`] is one end of a STOMP session. It is fed what the stream gave, answers what the
//! protocol itself decides, and hands the rest out as [`Event`]s; reading, writing and timing are
//! its driver's, and so is everything that happens to a message. [`Decoder`] and [`encode`] are the
//! codec beneath it, [`encode_message`] is for the many MESSAGE frames that pass the session by.
//!
//! # Lenient where it does no harm
//!
//! Lines may end in CR LF in every version. Header values may hold raw colons. `host` may be
//! missing. A body on a frame that should have none is dropped. ACK and NACK of version 1.2 may
//! name their message as version 1.1 does. Everything else that is malformed ends the session with
//! an ERROR frame that says what was wrong and what to do.
//!
//! # Examples
//!
//! ```
//! # #![allow(clippy::disallowed_methods)]
//! use std::time::Instant;
//!
//! use bytes::Bytes;
//! use tidings_stomp::{Event, Server, ServerOptions};
//!
//! let now = Instant::now();
//! let mut server = Server::new(now, ServerOptions::default());
//! let input = "CONNECT\naccept-version:1.2\nhost:example\n\n\0\
//!              SEND\ndestination:/queue/a\n\nhello\0";
//! server.handle_input(now, Bytes::from(input));
//!
//! assert!(matches!(server.poll_event(), Some(Event::Connect(_))));
//! server.accept("session-1", None);
//! let connected = server.poll_transmit().expect("accepting answers");
//! assert!(connected.starts_with(b"CONNECTED\nversion:1.2\n"));
//!
//! let Some(Event::Send(send)) = server.poll_event() else { panic!("not a SEND") };
//! assert_eq!((&*send.destination, &send.body[..]), ("/queue/a", &b"hello"[..]));
//! ```

mod ack_mode;
mod client;
mod codec;
mod command;
mod error;
mod flag;
mod frame;
mod headers;
mod heart_beat;
mod ids;
mod limits;
mod server;
mod version;

pub use ack_mode::{AckMode, UnknownAckMode};
pub use client::{Client, ClientError, ClientEvent, ClientOptions, Message, NotSent};
pub use codec::{
    DecodeError, Decoder, LineEnds, MessageParts, UnknownCommands, encode, encode_message,
};
pub use command::Command;
pub use error::Error;
pub use flag::{NotAFlag, parse_flag};
pub use frame::Frame;
pub use headers::Headers;
pub use heart_beat::{HeartBeat, HeartBeatAction, PeerSilent};
pub use ids::{MessageId, ReceiptId, SubscriptionId, TransactionId};
pub use limits::Limits;
pub use server::{
    AckTarget, Acknowledge, Connect, ErrorFrames, Event, Requeue, Send, Server, ServerOptions,
    Severity, Subscribe, TransactionAction,
};
pub use version::Version;

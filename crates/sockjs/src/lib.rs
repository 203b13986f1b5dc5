//! SockJS 0.3.3, without I/O.
//!
//! SockJS gives a browser a message channel where a WebSocket cannot go: the same frames travel in
//! WebSocket messages or in the responses to HTTP requests that come one after another.
//!
//! - [`route`] finds out what a request asks for, and [`TRANSPORTS`] is the table of the ways that
//!   messages can travel.
//! - [`Session`] is the server's side of one session over HTTP. Receive requests are attached to it
//!   and leave it; it says what to write to which, and when it has something to do without them.
//! - [`Frame`] and the functions around it encode and decode what is sent to clients,
//!   [`SendRequests`] and [`decode_websocket_text`] what clients send.
//! - [`client`] is the other side of it all.
//! - [`headers`], [`refusal`], [`Info`], [`IframePage`] and [`StickyCookie`] are the rest of the answers.
//!
//! Nothing here reads a clock or draws a random number: the time is an argument.
//!
//! # Examples
//!
//! A client polls for a message that the application has not sent yet:
//!
//! ```
//! use std::time::Instant;
//! use tidings_sockjs::{Output, ReceiverId, Route, Session, SessionOptions, encode_message, route};
//! use tidings_sockjs::TransportKind::Receive;
//!
//! let Some(Route::Session { transport, .. }) = route("/000/k3wq2p1x/xhr") else { panic!() };
//! let Receive(receive) = transport.kind else { panic!() };
//! let now = Instant::now();
//! let mut session = Session::new(SessionOptions::default());
//!
//! session.attach(now, ReceiverId(1), receive, "");
//! let opening = Output::Write { receiver: ReceiverId(1), chunk: "o\n".into() };
//! assert_eq!(session.poll_output(), Some(opening));
//! assert_eq!(session.poll_output(), Some(Output::End { receiver: ReceiverId(1) }));
//! assert_eq!(session.poll_output(), Some(Output::Opened));
//!
//! session.attach(now, ReceiverId(2), receive, "");
//! assert_eq!(session.poll_output(), None);
//!
//! let mut message = Vec::new();
//! encode_message("hello", &mut message);
//! session.send(now, message.into())?;
//! let array = Output::Write { receiver: ReceiverId(2), chunk: "a[\"hello\"]\n".into() };
//! assert_eq!(session.poll_output(), Some(array));
//! # Ok::<(), tidings_sockjs::SendError>(())
//! ```

mod body;
mod callback;
pub mod client;
mod cookie;
mod frame;
pub mod headers;
pub mod hixie76;
mod iframe;
mod info;
mod json;
mod message;
mod receive;
pub mod refusal;
mod scan;
mod session;
mod transport;
mod url;

pub use body::{SendBodyError, parse_jsonp_send, parse_send};
pub use callback::{CallbackError, callback};
pub use cookie::{CookieError, SameSite, StickyCookie};
pub use frame::{Frame, FrameError, encode_array, encode_close};
pub use iframe::{IFRAME_SCRIPT_HASH, IframePage, SockJsUrlError};
pub use info::{Info, InfoError};
pub use message::{
    DecodeError, MESSAGES_MAX, decode_messages, decode_websocket_text, encode_message,
};
pub use receive::{Callback, Prelude, Receive, ResponseEnds};
pub use session::{CloseCause, Closed, Output, ReceiverId, SendError, Session, SessionOptions};
pub use transport::{
    Cors, EVENTSOURCE, HTMLFILE, JSONP, JSONP_SEND, ParseMessages, SendRequests, TRANSPORTS,
    Transport, TransportKind, TransportType, Transports, WEBSOCKET, XHR, XHR_SEND, XHR_STREAMING,
    transport,
};
pub use url::{Route, route};

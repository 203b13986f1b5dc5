//! Spans of frames.

use tidings_stomp::Event;
use tracing::{Level, Span};

use crate::endpoint::Session;
use crate::messaging::{TRACEPARENT, TRACESTATE};

/// What filters know the spans by.
const TARGET: &str = "tidings::frames";

/// Whether somebody wants spans of frames.
fn are_frames_traced() -> bool {
    tracing::enabled!(target: TARGET, Level::DEBUG)
}

/// The span of what is done of a frame.
pub(super) fn span_of_frame(session: &Session, event: &Event) -> Span {
    if !are_frames_traced() {
        return Span::none();
    }
    let (command, destination, headers) = match event {
        Event::Connect(connect) => ("CONNECT", None, Some(&connect.headers)),
        Event::Send(send) => ("SEND", Some(&*send.destination), Some(&send.headers)),
        Event::Subscribe(it) => ("SUBSCRIBE", Some(&*it.destination), Some(&it.headers)),
        Event::Unsubscribe { headers, .. } | Event::UnsubscribeUnknown { headers, .. } => {
            ("UNSUBSCRIBE", None, Some(headers))
        }
        Event::Ack(_) => ("ACK", None, None),
        Event::Nack(_) => ("NACK", None, None),
        Event::Transaction(..) => ("COMMIT", None, None),
        Event::Disconnect { .. } => ("DISCONNECT", None, None),
        _ => return Span::none(),
    };
    let header = |name| headers.and_then(|headers| headers.get(name));
    tracing::debug_span!(
        target: TARGET,
        "frame",
        command,
        session = %session.log_id(),
        destination,
        traceparent = header(TRACEPARENT),
        tracestate = header(TRACESTATE),
    )
}

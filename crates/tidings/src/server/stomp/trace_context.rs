//! Spans of frames, and the [Trace Context](https://www.w3.org/TR/trace-context/) that messages carry.

use tidings_stomp::{Event, Headers};
use tracing::{Level, Span};

use crate::endpoint::Session;
use crate::messaging::Outgoing;

/// What filters know the spans by.
const TARGET: &str = "tidings::frames";

/// The headers of a trace.
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// Whether somebody wants spans of frames.
pub(super) fn are_frames_traced() -> bool {
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

/// The trace that a message belongs to.
pub(super) struct TraceContext(Vec<(&'static str, String)>);

impl TraceContext {
    pub(super) fn of(headers: &Headers) -> Self {
        // Without a parent there is no trace.
        let parent = headers.get(TRACEPARENT).map(|parent| (TRACEPARENT, parent.to_owned()));
        let state = parent.is_some().then(|| headers.get(TRACESTATE)).flatten();
        let state = state.map(|state| (TRACESTATE, state.to_owned()));
        Self(parent.into_iter().chain(state).collect())
    }

    /// Has a reply belong to the trace, unless it belongs to one.
    pub(super) fn continued_by(&self, reply: Outgoing) -> Outgoing {
        if self.0.is_empty() || reply.headers.get(TRACEPARENT).is_some() {
            return reply;
        }
        self.0.iter().fold(reply, |reply, (name, value)| reply.header(name, value))
    }
}

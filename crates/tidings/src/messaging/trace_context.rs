//! The [Trace Context](https://www.w3.org/TR/trace-context/) that messages carry.

use tidings_stomp::Headers;

use super::Outgoing;

/// The headers of a trace.
pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const TRACESTATE: &str = "tracestate";

/// The trace that a message belongs to.
#[derive(Debug)]
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

    /// The same with each of several replies.
    pub(super) fn continued_by_all(&self, mut replies: Vec<Outgoing>) -> Vec<Outgoing> {
        if !self.0.is_empty() {
            replies = replies.into_iter().map(|reply| self.continued_by(reply)).collect();
        }
        replies
    }
}

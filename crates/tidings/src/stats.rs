//! What has come of an application's sessions, in the manner of Spring's `WebSocketMessageBrokerStats`.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tidings_sockjs::TransportType;

use crate::endpoint::{CloseInfo, CloseInitiator, Session};
use crate::net::{Framing, Link, slow_consumer};

/// Statistics of an [application](crate::App::stats) at one moment. Written in full by `Display`, and as JSON by serde.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions of all doors.
    pub sessions: SessionStats,
    /// What STOMP's clients have asked for.
    pub stomp: StompStats,
}

/// Sessions: how many there are by each kind of door, and how many there have been.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SessionStats {
    /// Those over WebSocket that are open now, those of SockJS among them.
    pub websocket: usize,
    /// Those of SockJS over a streaming response.
    pub http_streaming: usize,
    /// Those of SockJS by polling.
    pub http_polling: usize,
    /// Event streams.
    pub event_stream: usize,
    /// STOMP over TCP, TLS or a Unix socket.
    pub tcp: usize,
    /// All that have been opened since the application was built.
    pub total: u64,
    /// Those that have ended otherwise than by either end's will.
    pub closed_abnormally: AbnormalClosures,
}

/// Sessions that have ended otherwise than by either end's will, by what was wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AbnormalClosures {
    /// No CONNECT came [in time](crate::server::StompOptions::connect_timeout), or the client was not let in.
    pub connect_failure: u64,
    /// The client did not read what was sent: its outbox was full, or a write took too long.
    pub send_limit: u64,
    /// The connection broke or just ended, but for that of an event stream, which its client ends so, or the other end was
    /// silent for too long.
    pub transport_error: u64,
}

/// Frames of STOMP since the application was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StompStats {
    /// Users who are online.
    pub users: usize,
    /// CONNECT and STOMP frames that have come.
    pub connect: u64,
    /// CONNECTED frames that were sent.
    pub connected: u64,
    /// DISCONNECT frames that have come.
    pub disconnect: u64,
}

/// Counts what cannot be seen of a moment. All sessions of an application have one of these.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    sessions: AtomicU64,
    connect_failures: AtomicU64,
    send_limits: AtomicU64,
    transport_errors: AtomicU64,
    pub(crate) connect: Counter,
    pub(crate) connected: Counter,
    pub(crate) disconnect: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counters {
    pub(crate) fn opened(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self, info: &CloseInfo, link: &Link) {
        let is_left = info.initiator == CloseInitiator::Transport;
        if matches!(link, Link::Events(_)) && is_left {
            // A client has no other way to end an event stream.
            return;
        }
        let counter = match info.initiator {
            _ if info.reason == slow_consumer() => &self.send_limits,
            CloseInitiator::Transport | CloseInitiator::Timeout => &self.transport_errors,
            CloseInitiator::Local | CloseInitiator::Remote => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A session of STOMP has ended because its client was not let in.
    pub(crate) fn not_connected(&self, info: &CloseInfo) {
        // Otherwise it is counted as what has ended it.
        let is_by_either = matches!(info.initiator, CloseInitiator::Local | CloseInitiator::Remote);
        if is_by_either && info.reason != slow_consumer() {
            self.connect_failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted, beside the sessions that are `open`.
    pub(crate) fn stats<'s>(&self, open: impl Iterator<Item = &'s Session>, users: usize) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut sessions = SessionStats {
            total: read(&self.sessions),
            closed_abnormally: AbnormalClosures {
                connect_failure: read(&self.connect_failures),
                send_limit: read(&self.send_limits),
                transport_error: read(&self.transport_errors),
            },
            ..SessionStats::default()
        };
        for session in open {
            sessions.count(session.link());
        }
        let stomp = StompStats {
            users,
            connect: read(&self.connect.0),
            connected: read(&self.connected.0),
            disconnect: read(&self.disconnect.0),
        };
        Stats { sessions, stomp }
    }
}

impl SessionStats {
    /// Those of all doors that are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        let Self { websocket, http_streaming, http_polling, event_stream, tcp, .. } = self;
        websocket + http_streaming + http_polling + event_stream + tcp
    }

    fn count(&mut self, link: &Link) {
        let number = match link {
            Link::Stream { framing: Framing::Octets, .. } => &mut self.tcp,
            Link::Stream { .. } => &mut self.websocket,
            Link::Http(session) => match session.transport() {
                TransportType::XhrPolling | TransportType::JsonpPolling => &mut self.http_polling,
                _ => &mut self.http_streaming,
            },
            Link::Events(_) => &mut self.event_stream,
            // A client's, which is no session of the application.
            Link::Requests(_) => return,
        };
        *number += 1;
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, stomp } = self;
        let SessionStats {
            websocket, http_streaming, http_polling, event_stream, tcp, total, ..
        } = sessions;
        let AbnormalClosures { connect_failure, send_limit, transport_error } =
            sessions.closed_abnormally;
        let abnormally = connect_failure + send_limit + transport_error;
        write!(
            f,
            "sessions: {open} open ({websocket} WebSocket, {http_streaming} HTTP streaming, {http_polling} HTTP polling, \
             {event_stream} event streams, {tcp} TCP), {total} in all, {abnormally} closed abnormally ({connect_failure} \
             connect failures, {send_limit} send limits, {transport_error} transport errors); STOMP: {users} users \
             online, {connect} CONNECT, {connected} CONNECTED, {disconnect} DISCONNECT",
            open = sessions.open(),
            users = stomp.users,
            connect = stomp.connect,
            connected = stomp.connected,
            disconnect = stomp.disconnect,
        )
    }
}

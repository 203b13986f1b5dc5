use std::collections::VecDeque;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tidings_sockjs::client::{ClientEvent, ClientSession, Watchdog};
use tidings_websocket::{CloseCode, CloseReason, Message};

use super::super::error::ConnectError;
use super::SockJsError;
use super::error::told;
use super::request_transport::RequestTransport;
use super::websocket_transport::WebSocketTransport;
use crate::clock;
use crate::endpoint::{CloseInfo, CloseInitiator, Handshake};
use crate::net::{Alarm, Incoming, Source, application_reason};

/// Messages handled before other sessions of the worker get their turn.
const TURN_MESSAGES_MAX: u32 = 256;

/// A SockJS session as its client's door: what the frames of one transport mean.
pub(super) struct SockJsSource {
    transport: Transport,
    session: ClientSession,
    /// Of the last array, what is still to be delivered.
    messages: VecDeque<String>,
    delivered: u32,
    watchdog: Alarm,
}

/// What the frames come by.
pub(super) enum Transport {
    WebSocket(Box<WebSocketTransport>),
    Requests(Box<RequestTransport>),
}

/// What a transport has to tell.
pub(super) enum TransportEvent {
    /// A frame, or what should be one.
    Frame(String),
    /// Octets came, and there may be a frame.
    Octets,
    /// It can go on no more.
    Lost(ConnectError),
    /// Nothing more comes, and nothing more can be sent.
    Over(Box<CloseInfo>),
}

impl Transport {
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<TransportEvent> {
        match self {
            Self::WebSocket(transport) => transport.poll_event(cx),
            Self::Requests(transport) => transport.poll_event(cx),
        }
    }

    /// The session has ended like this: what is left to do is up to the transport, until it is over.
    fn end(&mut self, info: CloseInfo) {
        match self {
            Self::WebSocket(transport) => transport.end(info),
            Self::Requests(transport) => transport.end(info),
        }
    }

    fn source(&self) -> &dyn LastSeen {
        match self {
            Self::WebSocket(transport) => &**transport,
            Self::Requests(transport) => &**transport,
        }
    }
}

/// When there was anything on the wire.
pub(super) trait LastSeen {
    fn last_received(&self) -> Instant;
    fn last_sent(&self) -> Instant;
}

impl SockJsSource {
    pub(super) fn new(transport: Transport, watchdog: Watchdog) -> Self {
        Self {
            transport,
            session: ClientSession::new(watchdog),
            messages: VecDeque::new(),
            delivered: 0,
            watchdog: Alarm::default(),
        }
    }

    /// Waits for the opening frame.
    pub(super) fn poll_opened(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        loop {
            match ready!(self.transport.poll_event(cx)) {
                TransportEvent::Octets => {}
                TransportEvent::Lost(error) => return Poll::Ready(Err(error)),
                TransportEvent::Over(info) => {
                    return Poll::Ready(Err(SockJsError::Lost(info.reason).into()));
                }
                TransportEvent::Frame(frame) => {
                    match self.session.handle_frame(clock::instant(), &frame) {
                        Some(ClientEvent::Opened) => return Poll::Ready(Ok(())),
                        Some(ClientEvent::Closed { code, reason }) => {
                            let reason = application_reason(code, &reason);
                            return Poll::Ready(Err(SockJsError::Closed(reason).into()));
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// What the first answer told, where that was HTTP.
    pub(super) fn take_handshake(&mut self) -> Option<Handshake> {
        match &mut self.transport {
            Transport::WebSocket(_) => None,
            Transport::Requests(transport) => transport.take_handshake(),
        }
    }

    fn handle_event(&mut self, event: TransportEvent) -> Option<Box<CloseInfo>> {
        let event = match event {
            TransportEvent::Octets => None,
            TransportEvent::Over(info) => return Some(info),
            TransportEvent::Frame(frame) => self.session.handle_frame(clock::instant(), &frame),
            TransportEvent::Lost(error) => {
                let initiator = CloseInitiator::Transport;
                if let Some(ClientEvent::Closed { code, reason }) =
                    self.session.handle_lost(&told(&error))
                {
                    self.transport.end(ended(code, &reason, initiator));
                }
                None
            }
        };
        match event {
            Some(ClientEvent::Messages(messages)) => self.messages.extend(messages),
            Some(ClientEvent::Closed { code: 1006, reason }) => {
                self.transport.end(ended(1006, &reason, CloseInitiator::Transport));
            }
            Some(ClientEvent::Closed { code, reason }) => {
                self.transport.end(ended(code, &reason, CloseInitiator::Remote).cleanly());
            }
            Some(ClientEvent::Opened | ClientEvent::Heartbeat) | None => {}
        }
        None
    }

    /// Ends a session whose server is silent. Whether it did.
    fn poll_watchdog(&mut self, cx: &mut Context<'_>) -> bool {
        self.session.handle_octets(self.transport.source().last_received());
        let deadline = self.session.next_deadline();
        self.watchdog.set(deadline);
        if self.watchdog.poll(cx).is_pending() {
            return false;
        }
        match deadline.and_then(|deadline| self.session.handle_timeout(deadline)) {
            Some(ClientEvent::Closed { code, reason }) => {
                self.transport.end(ended(code, &reason, CloseInitiator::Timeout));
                true
            }
            _ => false,
        }
    }
}

fn ended(code: u16, reason: &str, initiator: CloseInitiator) -> CloseInfo {
    let code = CloseCode::new(code).unwrap_or(CloseCode::ABNORMAL_CLOSURE);
    CloseInfo::new(CloseReason::truncated(code, reason), initiator)
}

impl Source for SockJsSource {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        loop {
            if self.delivered >= TURN_MESSAGES_MAX {
                self.delivered = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(message) = self.messages.pop_front() {
                self.delivered += 1;
                return Poll::Ready(Message::Text(message).into());
            }
            match self.transport.poll_event(cx) {
                Poll::Ready(event) => {
                    if let Some(info) = self.handle_event(event) {
                        return Poll::Ready(Incoming::Closed(info));
                    }
                }
                Poll::Pending if self.poll_watchdog(cx) => {}
                Poll::Pending => {
                    self.delivered = 0;
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_background(&mut self, cx: &mut Context<'_>) {
        match &mut self.transport {
            Transport::WebSocket(transport) => transport.poll_background(cx),
            Transport::Requests(transport) => transport.poll_background(cx),
        }
    }

    fn last_received(&self) -> Instant {
        self.transport.source().last_received()
    }

    fn last_sent(&self) -> Instant {
        self.transport.source().last_sent()
    }

    async fn finish(&mut self) {
        if let Transport::WebSocket(transport) = &mut self.transport {
            transport.finish().await;
        }
    }
}

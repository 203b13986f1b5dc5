//! Responses that sessions write themselves.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::HttpSession;
use super::receiver::Receiver;
use crate::net::{Alarm, Outbox, Phase, Stream, TurnGuard};
use crate::server::handover::{ResponseHead, Served, Socket, Successor};

/// A response that has its connection: whoever sends to the session writes to the socket, as with a WebSocket,
/// and an idle session keeps no buffers.
#[derive(Debug)]
pub(super) struct DirectResponse {
    receiver: Arc<Receiver>,
    session: Arc<HttpSession>,
    /// What is not written of its head.
    head: Option<ResponseHead>,
}

impl DirectResponse {
    pub(super) fn new(
        receiver: Arc<Receiver>,
        session: Arc<HttpSession>,
        head: Option<ResponseHead>,
    ) -> Self {
        Self { receiver, session, head }
    }
}

impl Successor for DirectResponse {
    fn take_over(self: Box<Self>, socket: Socket) -> Served {
        let Self { receiver, session, head } = *self;
        let terms = Arc::clone(session.response_terms());
        let (stream, outbox) = Stream::tcp(socket.stream, terms, None);
        {
            // All there is goes out as one write.
            let _turn = TurnGuard::enter();
            receiver.hand_over(&outbox, head);
        }
        let driver = Driver {
            stream: Some(stream),
            outbox,
            receiver,
            session,
            alarm: Alarm::default(),
            early: socket.early,
        };
        Box::pin(driver.run())
    }

    fn give_up(self: Box<Self>) {
        self.session.handle_aborted(self.receiver.id());
    }
}

/// What the task of the connection does meanwhile: writes what the socket did not take, and notices when the
/// client is gone.
struct Driver {
    /// `None` once the response has ended as it should.
    stream: Option<Stream>,
    outbox: Arc<Outbox>,
    receiver: Arc<Receiver>,
    session: Arc<HttpSession>,
    alarm: Alarm,
    /// What came of the next request. Nothing more is read then.
    early: Bytes,
}

/// The client went away, or reads nothing.
struct Lost;

impl Driver {
    async fn run(mut self) -> Option<Socket> {
        poll_fn(|cx| self.poll_end(cx)).await.ok()?;
        let stream = self.stream.take()?.into_tcp(&self.outbox)?;
        Some(Socket { stream, early: std::mem::take(&mut self.early) })
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        let Some(stream) = &mut self.stream else { return Poll::Ready(Err(Lost)) };
        self.outbox.flush();
        if let Some(driven) = stream.drive(cx, &self.outbox, None) {
            match driven.phase {
                Phase::Finished(_) if stream.poll_drive(cx, &self.outbox).is_ready() => {
                    return Poll::Ready(Ok(()));
                }
                Phase::Broken(_) => return Poll::Ready(Err(Lost)),
                _ => {}
            }
            let since = driven.blocked_since;
            self.alarm.set(since.and_then(|since| self.outbox.blocked_deadline(since)));
            if self.alarm.poll(cx).is_ready() {
                tracing::debug!("client does not read its response: connection dropped");
                return Poll::Ready(Err(Lost));
            }
        } else {
            self.alarm.set(None);
        }
        if self.early.is_empty() {
            match stream.poll_early(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(octets)) if !octets.is_empty() => self.early = octets,
                Poll::Ready(_) => return Poll::Ready(Err(Lost)),
            }
        }
        // The session may have stopped writing for want of room.
        self.session.handle_read(&self.receiver);
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            stream.abandon(&self.outbox);
            self.session.handle_aborted(self.receiver.id());
        }
    }
}

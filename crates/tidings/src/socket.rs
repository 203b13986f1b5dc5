use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::{FutureExt, Sink, Stream};
use tidings_websocket::{CloseCode, CloseReason, Message};
use tokio_util::task::TaskTracker;

use crate::endpoint::{
    BoxError, CloseInfo, Endpoint, EndpointError, SendError, SendOrWait, Sending, Session,
};
use crate::handoff::{Custody, Handoff};
use crate::net::in_turns;

/// A WebSocket as a loop sees it: messages come out one after the other, and are sent in between.
///
/// Neither endpoint nor callbacks: [`Client::open`](crate::client::Client::open) gives one, and
/// [`AppBuilder::socket`](crate::AppBuilder::socket) serves a path with a function of one. Pings are
/// answered whether or not messages are taken. Of messages that are not taken a few wait here, and the
/// rest with the peer.
///
/// What a [`Session`] can do beyond sending and closing is at [`session`](Self::session); a clone of it
/// sends from another task. A socket that is dropped is closed with 1000; inside a function that serves
/// a path, once that returns, and with 1011 if it returns an error or panics.
///
/// # Examples
///
/// ```
/// use tidings::{App, WebSocket};
///
/// let app = App::builder().socket("/echo", |mut socket: WebSocket| async move {
///     while let Some(message) = socket.next().await {
///         socket.send(message).await?;
///     }
///     Ok::<_, tidings::endpoint::SendError>(())
/// });
/// # app.build().unwrap();
/// ```
#[derive(Debug)]
pub struct WebSocket {
    session: Session,
    handoff: Arc<Handoff>,
    /// What was given to the sink while there was no room.
    waiting: Option<Waiting>,
}

impl WebSocket {
    /// The next message, in the order of arrival; `None` at the end, which
    /// [`close_reason`](Self::close_reason) explains.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has taken no message.
    pub async fn next(&mut self) -> Option<Message> {
        poll_fn(|cx| self.handoff.poll_take(cx)).await
    }

    /// Sends a whole message: as [`Session::send`].
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] when the session is closed or closing, [`SendError::Timeout`] when the
    /// peer does not read.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has either queued the message as a whole or not at all.
    pub async fn send(&self, message: impl Into<Message> + Send) -> Result<(), SendError> {
        self.session.send(message).await
    }

    /// Starts the closing handshake. Messages that came before can still be taken.
    pub fn close(&self, reason: CloseReason) {
        self.session.close(reason);
    }

    /// Why the session is over; `None` while it is not.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.handoff.close_reason()
    }

    /// The session behind the socket.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// An endpoint that hands its messages over to a socket, which is made once there is a session.
    pub(crate) fn endpoint() -> (SocketEndpoint, impl FnOnce(Session) -> Self) {
        let handoff = Arc::<Handoff>::default();
        let endpoint = SocketEndpoint(Arc::clone(&handoff));
        (endpoint, |session| Self { session, handoff, waiting: None })
    }
}

impl Stream for WebSocket {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.handoff.poll_take(cx)
    }
}

/// Takes a message at a time; ready once there is room for it. Closing closes the session with 1000.
impl Sink<Message> for WebSocket {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Some(waiting) = &mut self.waiting else { return Poll::Ready(Ok(())) };
        let sent = ready!(waiting.future().as_mut().poll(cx));
        self.waiting = None;
        Poll::Ready(sent)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        match self.session.send_or_wait(message) {
            Ok(()) => Ok(()),
            Err(SendOrWait::Refused(error)) => Err(error),
            Err(SendOrWait::Wait(waiting)) => {
                self.waiting = Some(Waiting(Mutex::new(waiting)));
                Ok(())
            }
        }
    }

    /// Ready once all is queued: what is queued is written without being asked.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_ready(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let flushed = ready!(self.as_mut().poll_ready(cx));
        self.session.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
        Poll::Ready(flushed)
    }
}

/// A message on its way into the outbox. The lock is never waited for; it lets sockets be shared.
struct Waiting(Mutex<Sending>);

impl Waiting {
    fn future(&mut self) -> &mut Sending {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        if self.handoff.abandon() == Custody::Socket {
            self.session.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
        }
    }
}

/// Puts the messages of a session where its socket takes them.
pub(crate) struct SocketEndpoint(Arc<Handoff>);

impl Endpoint for SocketEndpoint {
    async fn on_message(&mut self, _: &Session, message: Message) -> Result<(), EndpointError> {
        poll_fn(|cx| self.0.poll_room(cx)).await;
        self.0.put(message);
        Ok(())
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        let reason = &info.reason;
        self.0.close(reason.clone());
    }
}

/// What a function that serves a [`WebSocket`] may return: nothing, or a `Result` whose error is
/// logged and closes the session with 1011.
pub trait SocketOutcome {
    /// The error, if there is one.
    fn into_error(self) -> Option<BoxError>;
}

impl SocketOutcome for () {
    fn into_error(self) -> Option<BoxError> {
        None
    }
}

impl<E: Into<BoxError>> SocketOutcome for Result<(), E> {
    fn into_error(self) -> Option<BoxError> {
        self.err().map(Into::into)
    }
}

/// Hands the messages of a session over to a function, which runs in a task of its own.
pub(crate) struct SocketHandler<H> {
    handler: Arc<H>,
    tasks: TaskTracker,
    endpoint: SocketEndpoint,
}

impl<H, F> SocketHandler<H>
where
    H: Fn(WebSocket) -> F + Send + Sync + 'static,
    F: Future<Output: SocketOutcome> + Send + 'static,
{
    pub(crate) fn new(handler: Arc<H>, tasks: TaskTracker) -> Self {
        let endpoint = SocketEndpoint(Arc::new(Handoff::held_by_handler()));
        Self { handler, tasks, endpoint }
    }

    /// Runs the function. Neither a panic nor an error of it goes further than this.
    async fn serve(handler: Arc<H>, session: Session, handoff: Arc<Handoff>) {
        let (session_of_socket, kept) = (session.clone(), Arc::clone(&handoff));
        let socket = WebSocket { session: session_of_socket, handoff: kept, waiting: None };
        let outcome = AssertUnwindSafe(async { handler(socket).await }).catch_unwind().await;
        let is_dropped = handoff.end_handler();
        let error = match outcome {
            Ok(outcome) => outcome.into_error(),
            Err(_) => Some("it panicked".into()),
        };
        if let Some(error) = error {
            tracing::warn!(session = %session.log_id(), %error, "handler of a socket failed");
            session.close(CloseReason::truncated(CloseCode::INTERNAL_ERROR, "internal error"));
        } else if is_dropped {
            session.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
        }
    }
}

impl<H, F> Endpoint for SocketHandler<H>
where
    H: Fn(WebSocket) -> F + Send + Sync + 'static,
    F: Future<Output: SocketOutcome> + Send + 'static,
{
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        let handoff = Arc::clone(&self.endpoint.0);
        // What the function sends while it has messages to take goes out in one write.
        let serving = in_turns(Self::serve(Arc::clone(&self.handler), session.clone(), handoff));
        self.tasks.spawn(serving);
        Ok(())
    }

    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        self.endpoint.on_message(session, message).await
    }

    async fn on_close(&mut self, session: &Session, info: &CloseInfo) {
        self.endpoint.on_close(session, info).await;
    }
}

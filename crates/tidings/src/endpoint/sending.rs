//! How a session sends: Jakarta WebSocket's `RemoteEndpoint`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tidings_websocket::{Message, Opcode};
use tokio::sync::oneshot;

use super::{Encoder, IntoMessage, SendError, SendObjectError, Session, SessionId};
use crate::net::{EndOfBatch, Payload, PushError, SharedMessage, slow_consumer};

impl Session {
    /// Sends a whole message. For JSON and other values there is [`send_object`](Self::send_object).
    ///
    /// Returns once the message is in the session's outbox, and waits while that is full (unless the
    /// [overflow policy](super::OverflowPolicy) says otherwise). Messages of one task arrive in the order of
    /// its calls, whole, however many tasks send; none is refused because others send.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] when the session is closed or closing; [`SendError::Timeout`] when the
    /// peer made no room for the whole [send timeout](super::ConnectionOptions::send_timeout), in which
    /// case the session has been closed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has either queued the message as a whole or not at all.
    pub async fn send(&self, message: impl Into<Message> + Send) -> Result<(), SendError> {
        let message = message.into();
        if self.link().push_short(&message) {
            return Ok(());
        }
        self.send_payload(message.into()).await
    }

    /// Sends a value of any type that makes a message, such as [`Json`](super::Json): Jakarta WebSocket's
    /// `sendObject`.
    ///
    /// # Errors
    ///
    /// [`SendObjectError::Encode`] when it makes none, in which case nothing is sent;
    /// [`SendObjectError::Send`] as for [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    pub async fn send_object(&self, value: impl IntoMessage + Send) -> Result<(), SendObjectError> {
        let message = value.into_message().map_err(SendObjectError::Encode)?;
        self.send(message).await.map_err(SendObjectError::Send)
    }

    /// Sends a value that the endpoint's codec, a `C`, encodes.
    ///
    /// # Errors
    ///
    /// [`SendObjectError::Encode`] when the codec cannot, or the session has no `C`, in which case nothing is
    /// sent; [`SendObjectError::Send`] as for [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As for [`send`](Self::send).
    pub async fn send_encoded<C, T>(&self, value: T) -> Result<(), SendObjectError>
    where
        C: Encoder<T> + 'static,
        T: Send,
    {
        let encoded = self.with_codec(|codec: &mut C| codec.encode(value));
        let message = encoded.unwrap_or_else(|| Err("the session has no such codec".into()));
        self.send(message.map_err(SendObjectError::Encode)?).await.map_err(SendObjectError::Send)
    }

    /// Sends a message at once if there is room for it.
    #[inline]
    pub(crate) fn send_or_wait(&self, message: Message) -> Result<(), SendOrWait> {
        if self.link().push_short(&message) {
            return Ok(());
        }
        self.push_or_wait(message.into())
    }

    pub(super) async fn send_payload(&self, payload: Payload) -> Result<(), SendError> {
        match self.push_or_wait(payload) {
            Ok(()) => Ok(()),
            Err(SendOrWait::Refused(error)) => Err(error),
            // Boxed, so that a future that need not wait is small.
            Err(SendOrWait::Wait(waiting)) => waiting.await,
        }
    }

    fn push_or_wait(&self, payload: Payload) -> Result<(), SendOrWait> {
        match self.link().push(&payload) {
            Ok(()) => Ok(()),
            Err(PushError::Full) => {
                let session = self.clone();
                let wait = async move { session.wait_and_send(payload).await };
                Err(SendOrWait::Wait(Box::pin(wait)))
            }
            Err(error) => Err(SendOrWait::Refused(error.into())),
        }
    }

    async fn wait_and_send(&self, payload: Payload) -> Result<(), SendError> {
        loop {
            self.wait_for_room().await?;
            match self.link().push(&payload) {
                Err(PushError::Full) => {}
                Err(PushError::Closed(_)) if self.link().is_given_up() => {
                    return Err(SendError::Timeout);
                }
                pushed => return Ok(pushed?),
            }
        }
    }

    /// Waits until there is room again where there was none.
    pub(crate) async fn wait_for_room(&self) -> Result<(), SendError> {
        self.in_time(self.link().drained()).await
    }

    /// Waits for something that the peer has to do. Gives the session up if that takes too long.
    pub(super) async fn in_time(&self, wait: impl Future<Output = ()>) -> Result<(), SendError> {
        let Some(timeout) = self.send_timeout() else {
            wait.await;
            return Ok(());
        };
        if tokio::time::timeout(timeout, wait).await.is_err() {
            self.link().give_up();
            return Err(SendError::Timeout);
        }
        Ok(())
    }

    /// How long a send waits for room, and the stream may take none of what is offered to it, before the peer
    /// is given up; `None` for ever.
    pub fn send_timeout(&self) -> Option<Duration> {
        self.link().send_timeout()
    }

    /// Changes the [send timeout](Self::send_timeout) of this session, for sends that begin from now on;
    /// `None` and zero are for ever. Does nothing over SockJS.
    pub fn set_send_timeout(&self, timeout: Option<Duration>) {
        if let Some(outbox) = self.link().websocket() {
            outbox.set_send_timeout(timeout);
        }
    }

    /// Sends a whole message if the outbox has room for it now.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] when it has not, [`SendError::Closed`] as for [`send`](Self::send).
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        let message = message.into();
        if self.link().push_short(&message) {
            return Ok(());
        }
        self.link().push(&Payload::from(message)).map_err(SendError::from)
    }

    /// Sends a whole message if the outbox has room for it now, and gives a ticket to learn by when it
    /// is written: Jakarta WebSocket's asynchronous remote.
    ///
    /// # Errors
    ///
    /// As for [`try_send`](Self::try_send).
    pub fn post(&self, message: impl Into<Message>) -> Result<SendTicket, SendError> {
        let (sender, written) = oneshot::channel();
        self.link().push_with_ticket(&Payload::from(message), sender)?;
        Ok(SendTicket { session: self.clone(), written })
    }

    /// Sends what other sessions are sent too. A session without room is closed with 1013: one slow
    /// consumer must not hold up the others.
    pub(crate) fn send_shared(&self, message: &SharedMessage) -> Result<(), SendError> {
        let pushed = self.link().push_shared(message);
        if pushed == Err(PushError::Full) {
            tracing::debug!(session = %self.log_id(), "slow consumer closed");
            self.close(slow_consumer());
        }
        pushed.map_err(SendError::from)
    }

    /// Gathers what `send` sends into one write: it leaves with a [`flush`](Self::flush), the end of the
    /// batch, or the end of the session, and before that only when the outbox is full, with a ping or pong,
    /// or behind earlier messages that the peer had not read. Sends of other tasks meanwhile are part of the
    /// batch.
    ///
    /// Over SockJS, which gathers by itself, messages may leave earlier.
    pub fn batch(&self) -> Batch<'_> {
        if let Some(outbox) = self.link().outbox() {
            outbox.hold();
        }
        Batch(self)
    }

    /// Writes at once what would otherwise be written at the end of the turn, or of a batch.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] when the session is closed or closing.
    pub fn flush(&self) -> Result<(), SendError> {
        match self.link().outbox() {
            Some(outbox) => Ok(outbox.flush_batch(EndOfBatch::GoesOn)?),
            None => self.check_open(),
        }
    }

    /// Sends a ping: RFC 6455, section 5.5.2. The peer answers with a pong of the same payload. Does
    /// nothing over SockJS, which has none.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] when the session is closed or closing, [`SendError::Full`] when the outbox
    /// is full.
    pub fn ping(&self, payload: impl Into<ControlPayload>) -> Result<(), SendError> {
        self.send_control(Opcode::Ping, &payload.into())
    }

    /// Sends a pong that answers no ping: RFC 6455, section 5.5.3. Pings are answered by themselves.
    ///
    /// # Errors
    ///
    /// As for [`ping`](Self::ping).
    pub fn pong(&self, payload: impl Into<ControlPayload>) -> Result<(), SendError> {
        self.send_control(Opcode::Pong, &payload.into())
    }

    fn send_control(&self, opcode: Opcode, payload: &ControlPayload) -> Result<(), SendError> {
        match self.link().websocket() {
            Some(outbox) => Ok(outbox.push_ping(opcode, payload.as_ref())?),
            None => self.check_open(),
        }
    }

    fn check_open(&self) -> Result<(), SendError> {
        match self.is_open() {
            true => Ok(()),
            false => Err(SendError::Closed(self.link().close_reason())),
        }
    }
}

impl From<PushError> for SendError {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Full => Self::Full,
            PushError::Closed(reason) => Self::Closed(reason),
            PushError::NotText => Self::NotText,
        }
    }
}

/// Why a message was not sent at once.
pub(crate) enum SendOrWait {
    Refused(SendError),
    /// The outbox is full; this waits for room.
    Wait(Sending),
}

/// A message on its way into the outbox.
pub(crate) type Sending = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send>>;

/// Tells when a [posted](Session::post) message is written. Whoever does not care drops it.
#[derive(Debug)]
#[must_use = "drop it, or await it to learn whether the message was written"]
pub struct SendTicket {
    session: Session,
    written: oneshot::Receiver<()>,
}

impl SendTicket {
    /// The session that the message was sent to.
    pub fn session_id(&self) -> SessionId {
        self.session.id()
    }
}

/// Completes once the stream has taken the message, or with [`SendError::Closed`] or [`SendError::Dropped`] when
/// it never will.
impl Future for SendTicket {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let written = ready!(Pin::new(&mut self.written).poll(cx));
        let link = self.session.link();
        Poll::Ready(written.map_err(|_| match link.is_open() {
            true => SendError::Dropped,
            false => SendError::Closed(link.close_reason()),
        }))
    }
}

/// While this lives, what is sent is gathered: what [`Session::batch`] gives.
#[derive(Debug)]
pub struct Batch<'a>(&'a Session);

impl Batch<'_> {
    /// Ends the batch, and writes it.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] when the session is closed or closing.
    pub fn end(self) -> Result<(), SendError> {
        match self.0.link().outbox() {
            Some(outbox) => Ok(outbox.flush_batch(EndOfBatch::Ends)?),
            None => self.0.check_open(),
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if let Some(outbox) = self.0.link().outbox() {
            // A session that is closed has flushed its batch.
            let _ = outbox.flush_batch(EndOfBatch::Ends);
        }
    }
}

/// The payload of a ping or a pong: at most 125 octets, RFC 6455, section 5.5.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlPayload(Bytes);

/// A payload has more octets, given here, than the 125 that a control frame can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlPayloadTooLong {
    /// The length in octets.
    pub len: usize,
}

impl fmt::Display for ControlPayloadTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "payload of a ping or pong has {} octets, and may have 125", self.len)
    }
}

impl std::error::Error for ControlPayloadTooLong {}

impl ControlPayload {
    /// The most octets that it may have.
    pub const OCTETS_MAX: usize = 125;
}

impl TryFrom<Bytes> for ControlPayload {
    type Error = ControlPayloadTooLong;

    fn try_from(octets: Bytes) -> Result<Self, ControlPayloadTooLong> {
        match octets.len() {
            0..=Self::OCTETS_MAX => Ok(Self(octets)),
            len => Err(ControlPayloadTooLong { len }),
        }
    }
}

impl TryFrom<&[u8]> for ControlPayload {
    type Error = ControlPayloadTooLong;

    fn try_from(octets: &[u8]) -> Result<Self, ControlPayloadTooLong> {
        Bytes::copy_from_slice(octets).try_into()
    }
}

impl TryFrom<&str> for ControlPayload {
    type Error = ControlPayloadTooLong;

    fn try_from(text: &str) -> Result<Self, ControlPayloadTooLong> {
        text.as_bytes().try_into()
    }
}

/// No payload.
impl From<()> for ControlPayload {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl AsRef<[u8]> for ControlPayload {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

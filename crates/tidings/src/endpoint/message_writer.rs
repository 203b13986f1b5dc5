//! Messages that are written in parts: Jakarta WebSocket's partial messages, `Writer` and `OutputStream`.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tidings_websocket::{CloseCode, CloseReason, FrameStart, Opcode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::{SendError, SendFromError, Session};
use crate::net::{Payload, PushError};

/// Octets of the frames that [`Session::send_from`] sends: 16 KiB.
const FRAME_OCTETS: usize = 16 * 1024;

impl Session {
    /// Starts a text message that is written in parts.
    ///
    /// Waits while another message is being written in parts.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub async fn start_text(&self) -> Result<TextWriter, SendError> {
        Ok(TextWriter(self.start_message(Opcode::Text).await?))
    }

    /// Starts a binary message that is written in parts.
    ///
    /// Waits while another message is being written in parts.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub async fn start_binary(&self) -> Result<BinaryWriter, SendError> {
        Ok(BinaryWriter(self.start_message(Opcode::Binary).await?))
    }

    /// Sends all that a reader gives as one binary message, a file for example, without ever holding all of
    /// it. If the reader gives nothing, no message is sent.
    ///
    /// # Errors
    ///
    /// [`SendFromError::Read`] when the reader fails. If a part of the message is sent by then, the session is
    /// closed with 1011, as nothing else can follow half a message. [`SendFromError::Send`] as for
    /// [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped when a part of the message is sent closes the session with 1011.
    pub async fn send_from(
        &self,
        mut reader: impl AsyncRead + Unpin + Send,
    ) -> Result<(), SendFromError> {
        let mut writer = self.start_binary().await.map_err(SendFromError::Send)?;
        let mut buffer = vec![0; FRAME_OCTETS];
        loop {
            let read = reader.read(&mut buffer).await.map_err(SendFromError::Read)?;
            let Some(part @ [_, ..]) = buffer.get(..read) else {
                return writer.finish().await.map_err(SendFromError::Send);
            };
            writer.write(part).await.map_err(SendFromError::Send)?;
        }
    }

    async fn start_message(&self, opcode: Opcode) -> Result<MessageWriter, SendError> {
        let gathered = match self.link().websocket() {
            None => Some(Vec::new()),
            Some(outbox) => {
                while let Err(error) = outbox.begin_message() {
                    match error {
                        PushError::Full => outbox.message_ended().await,
                        error => return Err(error.into()),
                    }
                }
                None
            }
        };
        let (session, progress, waiting) = (self.clone(), Progress::Nothing, None);
        Ok(MessageWriter { session, opcode, progress, gathered, waiting })
    }
}

/// A message that is written in parts, each of them a frame: RFC 6455, section 5.4.
struct MessageWriter {
    session: Session,
    opcode: Opcode,
    progress: Progress,
    /// All parts so far, where there are no frames.
    gathered: Option<Vec<u8>>,
    /// What has to end before anything else can be done.
    waiting: Option<Waiting>,
}

type Waiting = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send>>;

/// How far a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Nothing,
    Begun,
    Finished,
}

impl fmt::Debug for MessageWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session, progress, .. } = self;
        f.debug_struct("MessageWriter")
            .field("session", session)
            .field("progress", progress)
            .finish_non_exhaustive()
    }
}

impl MessageWriter {
    async fn write(&mut self, part: &[u8]) -> Result<(), SendError> {
        poll_fn(|cx| self.poll_write(cx, part)).await
    }

    /// Ends the message, with a last part if there is one.
    async fn finish(mut self, last: Option<&[u8]>) -> Result<(), SendError> {
        poll_fn(|cx| self.poll_finish(cx, last)).await
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, part: &[u8]) -> Poll<Result<(), SendError>> {
        if self.progress == Progress::Finished {
            return Poll::Ready(Err(SendError::MessageEnded));
        }
        if let Some(gathered) = &mut self.gathered {
            gathered.extend_from_slice(part);
        } else {
            ready!(self.poll_push(cx, FrameStart::unfinished(self.next_opcode()), part))?;
        }
        self.progress = Progress::Begun;
        Poll::Ready(Ok(()))
    }

    fn poll_finish(
        &mut self,
        cx: &mut Context<'_>,
        last: Option<&[u8]>,
    ) -> Poll<Result<(), SendError>> {
        if self.progress == Progress::Begun || last.is_some() {
            let part = last.unwrap_or_default();
            if self.gathered.is_some() {
                ready!(self.poll_send_gathered(cx, part))?;
            } else {
                ready!(self.poll_push(cx, FrameStart::last(self.next_opcode()), part))?;
            }
        }
        self.end();
        Poll::Ready(Ok(()))
    }

    /// Lets those go on that wait behind the message.
    fn end(&mut self) {
        if std::mem::replace(&mut self.progress, Progress::Finished) != Progress::Finished
            && let Some(outbox) = self.session.link().websocket()
        {
            outbox.end_message();
        }
    }

    fn next_opcode(&self) -> Opcode {
        match self.progress {
            Progress::Nothing => self.opcode,
            Progress::Begun | Progress::Finished => Opcode::Continuation,
        }
    }

    fn poll_push(
        &mut self,
        cx: &mut Context<'_>,
        start: FrameStart,
        part: &[u8],
    ) -> Poll<Result<(), SendError>> {
        loop {
            ready!(self.poll_waiting(cx))?;
            let Some(outbox) = self.session.link().websocket() else { return Poll::Ready(Ok(())) };
            match outbox.push_fragment(start, part) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(PushError::Closed(_)) if outbox.is_given_up() => {
                    return Poll::Ready(Err(SendError::Timeout));
                }
                Err(PushError::Full) => {
                    let (session, outbox) = (self.session.clone(), outbox.clone());
                    let drained = async move { session.in_time(outbox.fragment_drained()).await };
                    self.waiting = Some(Box::pin(drained));
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn poll_send_gathered(
        &mut self,
        cx: &mut Context<'_>,
        part: &[u8],
    ) -> Poll<Result<(), SendError>> {
        if self.waiting.is_none() {
            let mut octets = self.gathered.take().unwrap_or_default();
            octets.extend_from_slice(part);
            self.gathered = Some(Vec::new());
            let (session, payload) =
                (self.session.clone(), Payload::new(self.opcode, octets.into()));
            self.waiting = Some(Box::pin(async move { session.send_payload(payload).await }));
        }
        self.poll_waiting(cx)
    }

    /// `Ready` once nothing is waited for.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Some(waiting) = &mut self.waiting else { return Poll::Ready(Ok(())) };
        let waited = ready!(waiting.as_mut().poll(cx));
        self.waiting = None;
        Poll::Ready(waited)
    }
}

impl Drop for MessageWriter {
    fn drop(&mut self) {
        if self.progress == Progress::Begun && self.gathered.is_none() {
            let reason = "a message was not finished";
            self.session.close(CloseReason::truncated(CloseCode::INTERNAL_ERROR, reason));
        }
        self.end();
    }
}

/// Writes a text message in parts: what [`Session::start_text`] gives.
///
/// Only one can be open in a session, and whole messages that are sent meanwhile, from wherever, wait
/// behind it: the parts of different messages cannot mix. So a task that has one open must not wait for the
/// next one, nor for a whole message that it sends. Over SockJS, which has no frames, the parts
/// are gathered and sent as one message in the end.
///
/// If nothing is written, there is no message; of an empty part there is one, which is empty. One that is
/// dropped after it has written, but before [`finish`](Self::finish), leaves half a message behind: the session
/// is closed with 1011.
#[derive(Debug)]
pub struct TextWriter(MessageWriter);

impl TextWriter {
    /// Writes a part, which may be empty.
    ///
    /// # Errors
    ///
    /// As for [`Session::send`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future has either queued the part as a whole or not at all.
    pub async fn write(&mut self, part: &str) -> Result<(), SendError> {
        self.0.write(part.as_bytes()).await
    }

    /// Ends the message.
    ///
    /// # Errors
    ///
    /// As for [`Session::send`].
    pub async fn finish(self) -> Result<(), SendError> {
        self.0.finish(None).await
    }

    /// Writes the last part, which may be empty, and ends the message with it.
    ///
    /// # Errors
    ///
    /// As for [`Session::send`].
    pub async fn finish_with(self, last: &str) -> Result<(), SendError> {
        self.0.finish(Some(last.as_bytes())).await
    }
}

/// Writes a binary message in parts: what [`Session::start_binary`] gives. It behaves as
/// [`TextWriter`].
///
/// As an [`AsyncWrite`], each write is a part, and shutting down ends the message:
///
/// ```
/// use tidings::endpoint::Session;
/// use tokio::io::AsyncWriteExt;
///
/// async fn send_two_lines(session: &Session) -> std::io::Result<()> {
///     let mut writer = session.start_binary().await?;
///     writer.write_all(b"one\n").await?;
///     writer.write_all(b"two\n").await?;
///     writer.shutdown().await
/// }
/// ```
#[derive(Debug)]
pub struct BinaryWriter(MessageWriter);

impl BinaryWriter {
    /// Writes a part, which may be empty.
    ///
    /// # Errors
    ///
    /// As for [`Session::send`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future has either queued the part as a whole or not at all.
    pub async fn write(&mut self, part: &[u8]) -> Result<(), SendError> {
        self.0.write(part).await
    }

    /// Ends the message.
    ///
    /// # Errors
    ///
    /// As for [`Session::send`].
    pub async fn finish(self) -> Result<(), SendError> {
        self.0.finish(None).await
    }

    /// Writes the last part, which may be empty, and ends the message with it.
    ///
    /// # Errors
    ///
    /// As for [`Session::send`].
    pub async fn finish_with(self, last: &[u8]) -> Result<(), SendError> {
        self.0.finish(Some(last)).await
    }
}

impl AsyncWrite for BinaryWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.0.poll_write(cx, octets))?;
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = if self.0.gathered.is_some() { Ok(()) } else { self.0.session.flush() };
        Poll::Ready(Ok(flushed?))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.0.poll_finish(cx, None))?;
        Poll::Ready(Ok(()))
    }
}

//! A message that its handler reads while it arrives: Jakarta WebSocket's `Reader` and `InputStream`.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::Stream;
use tidings_websocket::{MessageKind, MessagePart};
use tokio::io::{AsyncRead, ReadBuf};

/// A message on its way in, as [`Endpoint::on_stream`](super::Endpoint::on_stream) gets it.
#[derive(Debug)]
pub enum MessageStream {
    /// A text message.
    Text(TextStream),
    /// A binary message.
    Binary(BinaryStream),
}

/// The parts of a text message, none of which ends within a character.
///
/// The connection reads on as the stream is read, so that a slow reader slows the peer down. What is
/// left of the message when the stream is dropped or its handler returns is skipped.
#[derive(Debug)]
pub struct TextStream(Parts);

/// The parts of a binary message. It behaves as [`TextStream`].
///
/// As an [`AsyncRead`], it gives the octets wherever the parts are cut, and fails with
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) when the session ends before the message.
#[derive(Debug)]
pub struct BinaryStream(Parts);

/// The session ended before the message did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageCutOff;

impl fmt::Display for MessageCutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("session ended before the message did")
    }
}

impl Error for MessageCutOff {}

impl From<MessageCutOff> for io::Error {
    fn from(error: MessageCutOff) -> Self {
        Self::new(io::ErrorKind::UnexpectedEof, error)
    }
}

impl TextStream {
    /// The next part; `None` at the end of the message.
    ///
    /// # Errors
    ///
    /// [`MessageCutOff`] when the session ended before the message did.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has taken no part.
    pub async fn next(&mut self) -> Option<Result<String, MessageCutOff>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The rest of the message.
    ///
    /// # Errors
    ///
    /// [`MessageCutOff`] when the session ended before the message did.
    pub async fn read_to_string(mut self) -> Result<String, MessageCutOff> {
        let mut text = String::new();
        while let Some(part) = self.next().await {
            text.push_str(&part?);
        }
        Ok(text)
    }

    /// The same text as octets, for those who read by [`AsyncRead`].
    pub fn into_octets(self) -> BinaryStream {
        BinaryStream(self.0)
    }
}

impl BinaryStream {
    /// The next part; `None` at the end of the message.
    ///
    /// # Errors
    ///
    /// [`MessageCutOff`] when the session ended before the message did.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has taken no part.
    pub async fn next(&mut self) -> Option<Result<Bytes, MessageCutOff>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// The rest of the message.
    ///
    /// # Errors
    ///
    /// [`MessageCutOff`] when the session ended before the message did.
    pub async fn read_to_end(mut self) -> Result<Vec<u8>, MessageCutOff> {
        let mut octets = Vec::new();
        while let Some(part) = self.next().await {
            octets.extend_from_slice(&part?);
        }
        Ok(octets)
    }
}

impl Stream for TextStream {
    type Item = Result<String, MessageCutOff>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_take(cx).map(|part| match part? {
            Ok(MessagePart::Text { data, .. }) => Some(Ok(data)),
            Ok(MessagePart::Binary { .. }) => None,
            Err(cut_off) => Some(Err(cut_off)),
        })
    }
}

impl Stream for BinaryStream {
    type Item = Result<Bytes, MessageCutOff>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_take_octets(cx)
    }
}

impl AsyncRead for BinaryStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // An empty part is not the end.
        while room.remaining() > 0 {
            let Some(part) = ready!(self.0.poll_take_octets(cx)) else { break };
            let mut part = part?;
            let taken = part.split_to(part.len().min(room.remaining()));
            self.0.put_back(part);
            if !taken.is_empty() {
                room.put_slice(&taken);
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The reader's end.
#[derive(Debug)]
struct Parts(Arc<Slot>);

/// The runner's end.
#[derive(Debug)]
pub(crate) struct Feeder(Arc<Slot>);

/// Room for one part.
#[derive(Debug, Default)]
struct Slot(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    part: Option<MessagePart>,
    /// Of a part that was taken: what its reader had no room for.
    rest: Bytes,
    end: End,
    reader: Option<Waker>,
    feeder: Option<Waker>,
}

/// What comes after the part in the slot.
#[derive(Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    MoreToCome,
    /// The last part has been put, or nobody reads.
    Ended,
    CutOff,
}

/// A stream that has its first part.
pub(crate) fn message_stream(first: MessagePart) -> (Feeder, MessageStream) {
    let kind = first.kind();
    let feeder = Feeder(Arc::default());
    feeder.put(first);
    let parts = Parts(Arc::clone(&feeder.0));
    let stream = match kind {
        MessageKind::Text => MessageStream::Text(TextStream(parts)),
        MessageKind::Binary => MessageStream::Binary(BinaryStream(parts)),
    };
    (feeder, stream)
}

impl Feeder {
    /// Whether the next part is wanted now. Later, `cx` is woken when it is.
    pub(crate) fn poll_wants(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.end == End::MoreToCome && state.part.is_none() {
            return Poll::Ready(());
        }
        state.feeder = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(crate) fn put(&self, part: MessagePart) {
        let mut state = self.0.lock();
        if part.is_last() {
            state.end = End::Ended;
        }
        state.part = Some(part);
        wake(&mut state.reader);
    }

    /// No more parts will come, although the message has not ended.
    pub(crate) fn cut_off(&self) {
        let mut state = self.0.lock();
        if state.end == End::MoreToCome {
            state.end = End::CutOff;
            wake(&mut state.reader);
        }
    }
}

impl Parts {
    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Result<MessagePart, MessageCutOff>>> {
        let mut state = self.0.lock();
        if let Some(part) = state.part.take() {
            wake(&mut state.feeder);
            return Poll::Ready(Some(Ok(part)));
        }
        match state.end {
            End::MoreToCome => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            End::Ended => Poll::Ready(None),
            End::CutOff => {
                state.end = End::Ended;
                Poll::Ready(Some(Err(MessageCutOff)))
            }
        }
    }

    fn poll_take_octets(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, MessageCutOff>>> {
        let rest = std::mem::take(&mut self.0.lock().rest);
        if !rest.is_empty() {
            return Poll::Ready(Some(Ok(rest)));
        }
        self.poll_take(cx).map(|part| match part? {
            Ok(MessagePart::Binary { data, .. }) => Some(Ok(data)),
            Ok(MessagePart::Text { data, .. }) => Some(Ok(data.into())),
            Err(cut_off) => Some(Err(cut_off)),
        })
    }

    fn put_back(&self, rest: Bytes) {
        self.0.lock().rest = rest;
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(data: &str) -> MessagePart {
        MessagePart::Text { data: data.to_owned(), last: false }
    }

    fn last(data: &str) -> MessagePart {
        MessagePart::Text { data: data.to_owned(), last: true }
    }

    fn text_stream(first: MessagePart) -> (Feeder, TextStream) {
        match message_stream(first) {
            (feeder, MessageStream::Text(stream)) => (feeder, stream),
            other => panic!("{other:?}"),
        }
    }

    async fn wanted(feeder: &Feeder) {
        std::future::poll_fn(|cx| feeder.poll_wants(cx)).await;
    }

    #[tokio::test]
    async fn parts_come_one_by_one_as_they_are_read() {
        let (feeder, stream) = text_stream(part("a"));
        let reading = tokio::spawn(stream.read_to_string());
        wanted(&feeder).await;
        feeder.put(part("b"));
        wanted(&feeder).await;
        feeder.put(last("c"));
        assert_eq!(reading.await.unwrap().as_deref(), Ok("abc"));
    }

    #[tokio::test]
    async fn octets_are_read_wherever_the_parts_are_cut() {
        use tokio::io::AsyncReadExt;
        for room in 1..5 {
            let (feeder, stream) = text_stream(part("ab"));
            let reading = tokio::spawn(async move {
                let (mut stream, mut read) = (stream.into_octets(), Vec::new());
                let mut buffer = vec![0; room];
                loop {
                    match stream.read(&mut buffer).await {
                        Ok(0) => return (read, None),
                        Ok(len) => read.extend_from_slice(&buffer[..len]),
                        Err(error) => return (read, Some(error.kind())),
                    }
                }
            });
            for part in [part(""), part("c")] {
                wanted(&feeder).await;
                feeder.put(part);
            }
            wanted(&feeder).await;
            let expected = match room {
                1 => {
                    feeder.cut_off();
                    Some(io::ErrorKind::UnexpectedEof)
                }
                _ => {
                    feeder.put(last(""));
                    None
                }
            };
            assert_eq!(reading.await.unwrap(), (b"abc".to_vec(), expected), "room for {room}");
        }
    }

    #[tokio::test]
    async fn a_message_that_is_cut_off_is_no_message() {
        let (feeder, mut stream) = text_stream(part("a"));
        feeder.cut_off();
        assert_eq!(stream.next().await, Some(Ok("a".to_owned())));
        assert_eq!(stream.next().await, Some(Err(MessageCutOff)));
        assert_eq!(stream.next().await, None);
    }
}

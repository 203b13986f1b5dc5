use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Sink, Stream};
use tidings_websocket::{CloseReason, Message};

use crate::WebSocket;
use crate::endpoint::{SendError, Session};

/// A SockJS session as a loop sees it: messages come out one after the other, and are sent in between.
///
/// Made by [`SockJsClient::open`](super::SockJsClient::open). As a [`WebSocket`], but that all messages are
/// texts. One that is dropped is closed with 1000.
#[derive(Debug)]
pub struct SockJs(WebSocket);

impl SockJs {
    pub(super) fn new(socket: WebSocket) -> Self {
        Self(socket)
    }

    /// The next message, in the order of arrival; `None` at the end, which
    /// [`close_reason`](Self::close_reason) explains.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has taken no message.
    pub async fn next(&mut self) -> Option<String> {
        self.0.next().await.map(text)
    }

    /// Sends a message: as [`Session::send`].
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] when the session is closed or closing, [`SendError::Timeout`] when the
    /// server does not take it.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has either queued the message as a whole or not at all.
    pub async fn send(&self, message: impl Into<String> + Send) -> Result<(), SendError> {
        self.0.send(message.into()).await
    }

    /// Closes the session. What was sent before still goes out, and messages that came before can still be
    /// taken.
    pub fn close(&self, reason: CloseReason) {
        self.0.close(reason);
    }

    /// Why the session is over; `None` while it is not.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.0.close_reason()
    }

    /// The session behind the socket.
    pub fn session(&self) -> &Session {
        self.0.session()
    }
}

/// No transport of SockJS delivers anything else.
fn text(message: Message) -> String {
    match message {
        Message::Text(text) => text,
        Message::Binary(octets) => String::from_utf8_lossy(&octets).into_owned(),
    }
}

impl Stream for SockJs {
    type Item = String;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<String>> {
        Pin::new(&mut self.0).poll_next(cx).map(|message| message.map(text))
    }
}

/// As that of [`WebSocket`].
impl Sink<String> for SockJs {
    type Error = SendError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.0).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: String) -> Result<(), SendError> {
        Pin::new(&mut self.0).start_send(message.into())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

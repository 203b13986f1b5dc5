//! What is still read and done after the peer is gone.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::ready;

use bytes::Bytes;
use tidings_websocket::{Connection, FrameStart, Limits, MaskingKey, Opcode, encode_frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant as Time, sleep_until};

use super::*;
use crate::endpoint::CloseInitiator;
use crate::net::{ConnectionOptions, Framing, OctetSource, Terms, WebSocketSource};

/// How often a piece of what the peer has sent comes: hardly before it would be too late.
const EVERY: Duration = REST_TIME_MAX.saturating_sub(Duration::from_millis(100));

/// What a stream does when it is written to.
#[derive(Clone, Copy)]
enum Writing {
    Breaks,
    Blocks,
}

/// A stream whose peer is gone, or does not read.
struct Pieces {
    writing: Writing,
    left: usize,
    next: Pin<Box<Sleep>>,
}

impl Pieces {
    fn new(writing: Writing, left: usize) -> Self {
        Self { writing, left, next: Box::pin(sleep_until(Time::now() + EVERY)) }
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Pending;
        }
        ready!(self.next.as_mut().poll(cx));
        self.left -= 1;
        self.next.as_mut().reset(Time::now() + EVERY);
        let mut piece = Vec::new();
        let key = Some(MaskingKey([0; 4]));
        encode_frame(FrameStart::last(Opcode::Binary), b"sent before", key, &mut piece);
        buffer.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match self.writing {
            Writing::Breaks => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Writing::Blocks => Poll::Pending,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Something is written to each, so that it learns of its peer.
fn streams(writing: Writing, pieces: usize) -> [(Stream, Arc<Outbox>); 2] {
    [(); 2].map(|()| {
        let terms = Terms::new(ConnectionOptions::default());
        let (stream, outbox) = Stream::other(Pieces::new(writing, pieces), terms, None);
        outbox.push_control(b"for nobody");
        (stream, outbox)
    })
}

fn websocket(stream: Stream, outbox: &Arc<Outbox>) -> WebSocketSource {
    let connection = Connection::new_server(Limits::default());
    WebSocketSource::new(stream, Arc::clone(outbox), connection, Framing::WebSocket, &[])
}

fn octets(stream: Stream, outbox: &Arc<Outbox>) -> OctetSource {
    OctetSource::new(stream, Arc::clone(outbox), Arc::new(|_| Bytes::new()), None)
}

/// How many messages come, and how it ends.
async fn delivered(mut source: impl Source) -> (usize, CloseInfo) {
    let mut messages = 0;
    loop {
        match poll_fn(|cx| source.poll_next(cx)).await {
            Incoming::Payload(_) => messages += 1,
            Incoming::Octets => {}
            Incoming::Closed(info) => return (messages, *info),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_slowly_is_read_to_its_end() {
    let [first, second] = streams(Writing::Breaks, 5);
    for (messages, info) in [
        delivered(websocket(first.0, &first.1)).await,
        delivered(octets(second.0, &second.1)).await,
    ] {
        assert_eq!((messages, info.initiator), (5, CloseInitiator::Transport));
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_is_read_for_so_long_only() {
    let [first, second] = streams(Writing::Breaks, usize::MAX);
    let pieces = LOST_TIME_MAX.div_duration_f64(EVERY) as usize;
    for (messages, info) in [
        delivered(websocket(first.0, &first.1)).await,
        delivered(octets(second.0, &second.1)).await,
    ] {
        assert!((pieces - 2..=pieces + 2).contains(&messages), "{messages} of {pieces}");
        assert_eq!(info.initiator, CloseInitiator::Timeout);
    }
}

/// Runs a handler for as long as one may go on without its peer, and then longer.
async fn outlasted(mut source: impl Source, outbox: &Outbox) -> CloseInfo {
    let mut handler = pin!(sleep_until(Time::now() + LOST_TIME_MAX + REST_TIME_MAX));
    poll_fn(|cx| {
        source.poll_background(cx);
        handler.as_mut().poll(cx)
    })
    .await;
    assert!(outbox.lost().is_none(), "the handler is not told");
    delivered(source).await.1
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_long_learns_that_it_is_too_late() {
    let [first, second] = streams(Writing::Breaks, 0);
    for info in [
        outlasted(websocket(first.0, &first.1), &first.1).await,
        outlasted(octets(second.0, &second.1), &second.1).await,
    ] {
        assert_eq!(info.initiator, CloseInitiator::Timeout);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_given_up_for_not_reading_is_not_lost() {
    let [first, second] = streams(Writing::Blocks, 0);
    for (outbox, (_, info)) in [
        (&first.1, delivered(websocket(first.0, &first.1)).await),
        (&second.1, delivered(octets(second.0, &second.1)).await),
    ] {
        assert_eq!(info.initiator, CloseInitiator::Timeout);
        assert!(outbox.lost().is_none(), "what it has sent would be done");
    }
}

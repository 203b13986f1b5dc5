use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tidings_websocket::Opcode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A frame that went over a connection: RFC 6455, section 5.2.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObservedFrame {
    /// Which way it went.
    pub direction: Direction,
    /// What it is.
    pub opcode: Opcode,
    /// Whether it is the last frame of its message.
    pub fin: bool,
    /// Whether its message is compressed (RSV1, on the first frame of a message): RFC 7692, section 6.
    pub compressed: bool,
    /// Octets of the payload as they went over the connection.
    pub payload_octets: u64,
    /// The payload of a control frame, unmasked. Empty for other frames.
    pub control_payload: Bytes,
}

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From this end.
    Sent,
    /// From the peer.
    Received,
}

/// Who is told of each frame.
#[derive(Clone)]
pub(crate) struct FrameObserver(Arc<dyn Fn(&ObservedFrame) + Send + Sync>);

impl FrameObserver {
    pub(crate) fn new(observer: impl Fn(&ObservedFrame) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observer))
    }
}

impl fmt::Debug for FrameObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameObserver")
    }
}

/// A stream that tells of each frame when its last octet has passed.
pub(crate) struct Observed<S> {
    stream: S,
    received: FrameScanner,
    sent: FrameScanner,
    observer: FrameObserver,
}

impl<S> Observed<S> {
    /// `early` are octets that were read before.
    pub(crate) fn new(stream: S, observer: FrameObserver, early: &[u8]) -> Self {
        let received = FrameScanner::new(Direction::Received);
        let sent = FrameScanner::new(Direction::Sent);
        let mut observed = Self { stream, received, sent, observer };
        observed.received.scan(early, &observed.observer);
        observed
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Observed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let this = &mut *self;
        this.received.scan(buffer.filled().get(before..).unwrap_or_default(), &this.observer);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Observed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, octets))?;
        let this = &mut *self;
        this.sent.scan(octets.get(..written).unwrap_or_default(), &this.observer);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The most octets that a frame header has.
const HEADER_OCTETS_MAX: usize = 14;

/// Finds the frames in one direction of a stream. What is no frame ends the search.
#[derive(Debug)]
struct FrameScanner {
    direction: Direction,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Inside a header; the octets so far.
    Header(Vec<u8>),
    /// Inside a payload.
    Payload { frame: ObservedFrame, left: u64, key: Option<[u8; 4]>, control: Vec<u8> },
    /// The stream is no sequence of frames.
    Lost,
}

impl FrameScanner {
    fn new(direction: Direction) -> Self {
        Self { direction, state: State::Header(Vec::new()) }
    }

    fn scan(&mut self, mut octets: &[u8], observer: &FrameObserver) {
        while !octets.is_empty() {
            match &mut self.state {
                State::Lost => return,
                State::Header(header) => {
                    let Some((first, rest)) = octets.split_first() else { return };
                    header.push(*first);
                    octets = rest;
                    self.state = match parse_header(header, self.direction) {
                        Header::Incomplete if header.len() < HEADER_OCTETS_MAX => continue,
                        Header::Incomplete | Header::Invalid => State::Lost,
                        Header::Complete { frame, key } => {
                            let left = frame.payload_octets;
                            State::Payload { frame, left, key, control: Vec::new() }
                        }
                    };
                }
                State::Payload { frame, left, control, .. } => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(octets.len());
                    let (payload, rest) = octets.split_at(here);
                    if frame.opcode.is_control() {
                        control.extend_from_slice(payload);
                    }
                    *left -= u64::try_from(here).unwrap_or(*left).min(*left);
                    octets = rest;
                }
            }
            self.finish_frame(observer);
        }
    }

    /// Tells of the frame if its payload is complete.
    fn finish_frame(&mut self, observer: &FrameObserver) {
        if !matches!(self.state, State::Payload { left: 0, .. }) {
            return;
        }
        let state = std::mem::replace(&mut self.state, State::Header(Vec::new()));
        if let State::Payload { mut frame, key, mut control, .. } = state {
            if let Some(key) = key {
                control.iter_mut().zip(key.iter().cycle()).for_each(|(octet, key)| *octet ^= key);
            }
            frame.control_payload = control.into();
            observer.0(&frame);
        }
    }
}

enum Header {
    Incomplete,
    Complete { frame: ObservedFrame, key: Option<[u8; 4]> },
    Invalid,
}

fn parse_header(octets: &[u8], direction: Direction) -> Header {
    let [first, second, rest @ ..] = octets else { return Header::Incomplete };
    let (payload_octets, rest) = match second & 0x7f {
        126 => match rest.split_first_chunk() {
            Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest),
            None => return Header::Incomplete,
        },
        127 => match rest.split_first_chunk() {
            Some((len, rest)) => (u64::from_be_bytes(*len), rest),
            None => return Header::Incomplete,
        },
        len => (u64::from(len), rest),
    };
    let key = match (second & 0x80, rest.first_chunk()) {
        (0, _) => None,
        (_, Some(key)) => Some(*key),
        (_, None) => return Header::Incomplete,
    };
    let opcode = match first & 0x0f {
        0x0 => Opcode::Continuation,
        0x1 => Opcode::Text,
        0x2 => Opcode::Binary,
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xa => Opcode::Pong,
        _ => return Header::Invalid,
    };
    if opcode.is_control() && payload_octets > 125 {
        return Header::Invalid;
    }
    let frame = ObservedFrame {
        direction,
        opcode,
        fin: first & 0x80 != 0,
        compressed: first & 0x40 != 0,
        payload_octets,
        control_payload: Bytes::new(),
    };
    Header::Complete { frame, key }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tidings_websocket::{FrameStart, MaskingKey, encode_frame};

    use super::*;

    /// The frames that are seen in `octets`, which come in pieces of `size`.
    fn seen(octets: &[u8], size: usize) -> Vec<ObservedFrame> {
        let frames = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&frames);
        let observer = FrameObserver::new(move |frame| told.lock().unwrap().push(frame.clone()));
        let mut scanner = FrameScanner::new(Direction::Sent);
        for piece in octets.chunks(size) {
            scanner.scan(piece, &observer);
        }
        frames.lock().unwrap().clone()
    }

    fn stream() -> Vec<u8> {
        let mut octets = Vec::new();
        let key = Some(MaskingKey([1, 2, 3, 4]));
        encode_frame(
            FrameStart::unfinished(Opcode::Text).compressed(),
            &[0; 300],
            None,
            &mut octets,
        );
        encode_frame(Opcode::Ping, b"hello", key, &mut octets);
        encode_frame(Opcode::Continuation, b"", None, &mut octets);
        encode_frame(Opcode::Binary, &[0; 70_000], key, &mut octets);
        octets
    }

    #[test]
    fn frames_are_seen_however_the_stream_is_cut() {
        let whole = seen(&stream(), usize::MAX);
        let facts: Vec<_> = whole
            .iter()
            .map(|it| (it.opcode, it.fin, it.compressed, it.payload_octets, &*it.control_payload))
            .collect();
        assert_eq!(
            facts,
            [
                (Opcode::Text, false, true, 300, &b""[..]),
                (Opcode::Ping, true, false, 5, b"hello"),
                (Opcode::Continuation, true, false, 0, b""),
                (Opcode::Binary, true, false, 70_000, b""),
            ]
        );
        for size in [1, 2, 3, 7, 100] {
            assert_eq!(seen(&stream(), size), whole, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_frame_ends_the_search() {
        for octets in [&[0x83, 0][..], &[0x89, 126, 0, 126]] {
            let octets = [octets, b"\x81\x00"].concat();
            assert_eq!(seen(&octets, 1), []);
        }
        let huge = [&[0x82, 127][..], &[0xff; 8], &[0; 100]].concat();
        assert_eq!(seen(&huge, 9), []);
    }
}

//! Counts what the requests of a row, and the answers to them, have for octets on the wire.
//!
//! They are counted as HTTP/1.1 writes them. hyper has parsed the head of a request already when it comes
//! here, and writes that of an answer afterwards, so both are spelled out again: a test compares the sums
//! with what a socket sent and received.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::{CONTENT_LENGTH, DATE, FORWARDED, HeaderMap, TRANSFER_ENCODING, UPGRADE, VIA};
use http::request::Parts;
use http::{HeaderName, Method, Response, StatusCode, Version};
use http_body::{Body as _, Frame, SizeHint};
use serde::Serialize;
use tidings::endpoint::BoxError;
use tidings::server::Body;

use super::runs::Row;

/// What the requests of one row came to.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Tally {
    /// Requests that came.
    pub(super) requests: u64,
    /// Requests whose answers have not ended.
    pub(super) open: u64,
    /// Octets of request lines and header fields, up to the empty line.
    pub(super) request_head_octets: u64,
    pub(super) request_body_octets: u64,
    /// Octets of status lines and header fields, up to the empty line.
    pub(super) response_head_octets: u64,
    /// Octets of bodies, with what frames their chunks.
    pub(super) response_body_octets: u64,
    /// Octets of bodies without that: what a browser calls their encoded size.
    pub(super) response_data_octets: u64,
    /// Requests that asked to become a WebSocket.
    pub(super) upgrades_asked: u64,
    /// Those that have.
    pub(super) upgrades_done: u64,
    /// Requests that a proxy says to have passed on.
    pub(super) forwarded: u64,
    /// The status of the last answer that was an error.
    pub(super) last_error: Option<u16>,
    /// The version of the last request, "HTTP/1.1".
    pub(super) http: String,
}

/// `HTTP/1.1 200`, the spaces around the target, and the ends of the line and of the head.
const REQUEST_LINE: usize = " HTTP/1.1\r\n".len() + " ".len();
const STATUS_LINE: usize = "HTTP/1.1 200 \r\n".len();
const END_OF_LINE: usize = "\r\n".len();
const DATE_FIELD: usize = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n".len();
const CHUNKED_FIELD: usize = "transfer-encoding: chunked\r\n".len();
const LAST_CHUNK: usize = "0\r\n\r\n".len();

/// No constant of the crate `http`.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Tally {
    pub(super) fn request(&mut self, parts: &Parts) {
        let Parts { method, uri, headers, .. } = parts;
        let target = uri.path_and_query().map_or(1, |target| target.as_str().len());
        let line = method.as_str().len() + target + REQUEST_LINE;
        self.requests += 1;
        self.open += 1;
        self.request_head_octets += (line + fields(headers) + END_OF_LINE) as u64;
        self.upgrades_asked += u64::from(asks_for_upgrade(parts));
        let forwarded = [VIA, FORWARDED, X_FORWARDED_FOR];
        self.forwarded += u64::from(forwarded.iter().any(|name| headers.contains_key(name)));
        self.http = format!("{:?}", parts.version);
    }

    /// Counts the head of an answer, and tells how its body will be written.
    fn response(&mut self, response: &Response<Body>, asked: &Asked) -> Framing {
        let status = response.status();
        let headers = response.headers();
        if status.is_client_error() || status.is_server_error() {
            self.last_error = Some(status.as_u16());
        }
        let upgraded = status == StatusCode::SWITCHING_PROTOCOLS
            || asked.method == Method::CONNECT && status.is_success();
        self.upgrades_done += u64::from(upgraded);
        let mut octets = STATUS_LINE
            + status.canonical_reason().map_or(0, str::len)
            + fields(headers)
            + END_OF_LINE;
        if !headers.contains_key(DATE) {
            octets += DATE_FIELD;
        }
        let length = response.body().size_hint().exact();
        let has_no_body = status.is_informational() || status == StatusCode::NO_CONTENT;
        let mut framing = Framing::Plain;
        if !has_no_body && !headers.contains_key(CONTENT_LENGTH) {
            match length {
                Some(length) => octets += format!("content-length: {length}\r\n").len(),
                None if asked.version != Version::HTTP_10 => {
                    framing = Framing::Chunked;
                    let stated = headers.contains_key(TRANSFER_ENCODING);
                    octets += if stated { 0 } else { CHUNKED_FIELD };
                }
                None => {}
            }
        }
        self.response_head_octets += octets as u64;
        framing
    }

    /// Counts a piece of a body.
    fn chunk(&mut self, len: usize, framing: Framing) {
        let around = match framing {
            Framing::Chunked if len > 0 => format!("{len:X}\r\n\r\n").len(),
            _ => 0,
        };
        self.response_data_octets += len as u64;
        self.response_body_octets += (len + around) as u64;
    }

    /// Counts what ends a body.
    fn end(&mut self, framing: Framing) {
        if framing == Framing::Chunked {
            self.response_body_octets += LAST_CHUNK as u64;
        }
    }
}

fn fields(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}

fn asks_for_upgrade(parts: &Parts) -> bool {
    let upgrade = parts.headers.get(UPGRADE).map(|value| value.as_bytes());
    parts.method == Method::CONNECT
        || upgrade.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
}

/// How the body of an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Plain,
    Chunked,
}

/// What has to be known of a request when it is answered.
#[derive(Debug)]
pub(super) struct Asked {
    row: Arc<Row>,
    method: Method,
    version: Version,
}

impl Asked {
    /// Counts the head of a request.
    pub(super) fn count(parts: &Parts, row: &Arc<Row>) -> Self {
        row.tally().request(parts);
        Self { row: Arc::clone(row), method: parts.method.clone(), version: parts.version }
    }

    /// Counts an answer, now and while it is sent.
    pub(super) fn answer(self, response: Response<Body>) -> Response<Body> {
        let framing = self.row.tally().response(&response, &self);
        response.map(|body| {
            let answer = Answer { body, asked: self, framing, ended: false };
            // One that is over has to remain so for hyper.
            if answer.body.is_end_stream() { Body::empty() } else { Body::new(answer) }
        })
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.row.tally().open -= 1;
        self.row.touch();
    }
}

/// The body of a request, counted.
#[derive(Debug)]
pub(super) struct Brought<B> {
    body: B,
    row: Arc<Row>,
}

impl<B> Brought<B> {
    pub(super) fn new(body: B, row: &Arc<Row>) -> Self {
        Self { body, row: Arc::clone(row) }
    }
}

impl<B: http_body::Body + Unpin> http_body::Body for Brought<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.row.tally().request_body_octets += data.remaining() as u64;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer, counted.
#[derive(Debug)]
struct Answer {
    body: Body,
    asked: Asked,
    framing: Framing,
    ended: bool,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
        let failed = matches!(frame, Some(Err(_)));
        let ends = !failed && (frame.is_none() || self.body.is_end_stream());
        let is_end = ends && !mem::replace(&mut self.ended, ends);
        let mut tally = self.asked.row.tally();
        tally.chunk(data.map_or(0, Bytes::len), self.framing);
        if is_end {
            tally.end(self.framing);
        }
        drop(tally);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

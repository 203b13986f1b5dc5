use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use http_body::Body;
use hyper::body::Incoming;
use tidings_sockjs::client::{ClientTransport, FrameReader};

use super::super::connecting::handshake;
use super::super::error::ConnectError;
use super::super::exchange::ExchangeError;
use super::super::url::{UrlError, WebSocketUrl};
use super::SockJsError;
use super::lane::{Lane, Question};
use super::requester::{Answer, Requester};
use super::requests::Requests;
use super::source::{LastSeen, TransportEvent};
use crate::endpoint::{CloseInfo, Handshake};
use crate::net::Alarm;

/// How much of the answer to a request that sends is read: nobody wants to know.
const SEND_ANSWER_OCTETS_MAX: usize = 4 * 1024;

/// How long the next request waits after an answer without frames, which no server gives twice: 1 s.
const EMPTY_ANSWER_DELAY: Duration = Duration::from_secs(1);

/// Octets of frames that are read while nobody takes any, so that there is always a request that waits for the
/// next: a server forgets sessions that have none. Beyond that nothing more is asked for: 1 MiB.
const AHEAD_OCTETS_MAX: usize = 1024 * 1024;

/// What a frame counts for beside its octets.
const FRAME_OVERHEAD_OCTETS: usize = 64;

/// The transports over HTTP: what is received comes in the answers to one request after the other, and
/// what is sent goes in others.
pub(super) struct RequestTransport {
    requester: Arc<Requester>,
    link: Arc<Requests>,
    transport: ClientTransport,
    receive_url: WebSocketUrl,
    send_url: WebSocketUrl,
    receiving: Receiving,
    /// Frames that came while nobody took any.
    ahead: VecDeque<String>,
    ahead_octets: usize,
    sending: Sending,
    handshake: Option<Handshake>,
    last_received: Instant,
    /// How long what was sent before the end may take.
    patience: Alarm,
    closing_since: Option<Instant>,
    end: Option<CloseInfo>,
}

type Asking<T> = Pin<Box<dyn Future<Output = (Lane, Result<T, ConnectError>)> + Send>>;

enum Receiving {
    Asking(Asking<Answer>),
    Reading(Box<Reading>),
    Over,
}

/// An answer under way.
struct Reading {
    lane: Lane,
    body: Incoming,
    reader: FrameReader,
    frames: u64,
}

enum Sending {
    Idle(Lane),
    Asking(Asking<()>),
    Over,
}

impl RequestTransport {
    /// Begins to ask for the frames of the session at `url`.
    pub(super) fn new(
        requester: Arc<Requester>,
        link: Arc<Requests>,
        transport: ClientTransport,
        url: &WebSocketUrl,
    ) -> Result<Self, UrlError> {
        let mut this = Self {
            requester,
            link,
            transport,
            receive_url: url.beneath(&format!("/{}", transport.path()))?,
            send_url: url.beneath("/xhr_send")?,
            receiving: Receiving::Over,
            ahead: VecDeque::new(),
            ahead_octets: 0,
            sending: Sending::Idle(Lane::default()),
            handshake: None,
            last_received: Instant::now(),
            patience: Alarm::default(),
            closing_since: None,
            end: None,
        };
        this.receive(Lane::default(), Duration::ZERO);
        Ok(this)
    }

    /// What the first answer told, once it is there.
    pub(super) fn take_handshake(&mut self) -> Option<Handshake> {
        self.handshake.take()
    }

    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<TransportEvent> {
        self.poll_sending(cx);
        if let Some(info) = &self.end {
            return Poll::Ready(TransportEvent::Over(Box::new(info.clone())));
        }
        if let Some(info) = self.link.closing() {
            return self.poll_closing(cx, info);
        }
        if let Some(frame) = self.ahead.pop_front() {
            self.ahead_octets -= frame.len() + FRAME_OVERHEAD_OCTETS;
            return Poll::Ready(TransportEvent::Frame(frame));
        }
        Poll::Ready(match ready!(self.poll_frame(cx)) {
            Ok(frame) => TransportEvent::Frame(frame),
            Err(error) => TransportEvent::Lost(error),
        })
    }

    /// Goes on sending and asking while nothing can be delivered.
    pub(super) fn poll_background(&mut self, cx: &mut Context<'_>) {
        self.poll_sending(cx);
        if let Err(error) = self.read_ahead(cx) {
            self.lose(error);
        }
    }

    /// Reads the frames that have come, as far as there is room for them.
    fn read_ahead(&mut self, cx: &mut Context<'_>) -> Result<(), ConnectError> {
        while self.ahead_octets < AHEAD_OCTETS_MAX
            && let Poll::Ready(frame) = self.poll_frame(cx)
        {
            let frame = frame?;
            self.ahead_octets += frame.len() + FRAME_OVERHEAD_OCTETS;
            self.ahead.push_back(frame);
        }
        Ok(())
    }

    /// Nothing more comes, which is told after what came before.
    fn lose(&mut self, error: ConnectError) {
        self.receiving = Receiving::Asking(Box::pin(async { (Lane::default(), Err(error)) }));
    }

    /// Lets go of all connections, which the server notices.
    pub(super) fn end(&mut self, info: CloseInfo) {
        self.receiving = Receiving::Over;
        self.sending = Sending::Over;
        self.link.end(info.clone());
        self.end.get_or_insert(info);
    }

    /// Waits until the server has what was sent before this end closed.
    fn poll_closing(&mut self, cx: &mut Context<'_>, info: CloseInfo) -> Poll<TransportEvent> {
        let since = *self.closing_since.get_or_insert_with(Instant::now);
        self.patience.set(since.checked_add(self.link.limits().close_timeout));
        let is_patient = self.patience.poll(cx).is_pending();
        if matches!(self.sending, Sending::Asking(_)) && is_patient {
            return Poll::Pending;
        }
        self.end(CloseInfo { clean: is_patient, ..info.clone() });
        Poll::Ready(TransportEvent::Over(Box::new(CloseInfo { clean: is_patient, ..info })))
    }

    /// Makes the next request for frames.
    fn receive(&mut self, mut lane: Lane, delay: Duration) {
        let (requester, url) = (Arc::clone(&self.requester), self.receive_url.clone());
        let question = receive_question(self.transport);
        self.receiving = Receiving::Asking(Box::pin(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            let answer = match requester.ask(&mut lane, &url, &question).await {
                Ok(answer) => answer.successful().await,
                Err(error) => Err(error),
            };
            (lane, answer)
        }));
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<String, ConnectError>> {
        loop {
            match &mut self.receiving {
                Receiving::Asking(asking) => {
                    let (lane, answer) = ready!(asking.as_mut().poll(cx));
                    match answer {
                        Ok(answer) => self.read(lane, answer)?,
                        Err(error) => {
                            self.receiving = Receiving::Over;
                            return Poll::Ready(Err(error));
                        }
                    }
                }
                Receiving::Reading(reading) => {
                    let frame = ready!(reading.poll_frame(cx, &mut self.last_received));
                    match frame {
                        Ok(Some(frame)) => return Poll::Ready(Ok(frame)),
                        Ok(None) => self.receive_more(),
                        Err(error) => {
                            self.receiving = Receiving::Over;
                            return Poll::Ready(Err(error));
                        }
                    }
                }
                Receiving::Over => return Poll::Pending,
            }
        }
    }

    fn read(&mut self, lane: Lane, answer: Answer) -> Result<(), UrlError> {
        self.last_received = Instant::now();
        let Answer { response, url } = answer;
        if self.handshake.is_none() {
            let uri = url.to_uri()?;
            self.handshake = Some(handshake(&uri, response.headers(), lane.remote_addr()));
        }
        let octets_max = self.link.limits().frame_octets_max;
        let reader = match self.transport {
            ClientTransport::EventSource => FrameReader::events(octets_max),
            _ => FrameReader::lines(octets_max),
        };
        let body = response.into_body();
        self.receiving = Receiving::Reading(Box::new(Reading { lane, body, reader, frames: 0 }));
        Ok(())
    }

    /// An answer has ended, as all do: there is more in the next one.
    fn receive_more(&mut self) {
        if let Receiving::Reading(reading) = mem::replace(&mut self.receiving, Receiving::Over) {
            let Reading { mut lane, frames, .. } = *reading;
            lane.rest();
            self.receive(lane, if frames == 0 { EMPTY_ANSWER_DELAY } else { Duration::ZERO });
        }
    }

    /// Sends what waits.
    fn poll_sending(&mut self, cx: &mut Context<'_>) {
        self.link.register(cx.waker());
        loop {
            match &mut self.sending {
                Sending::Idle(lane) => {
                    let Some(body) = self.link.next_body() else { return };
                    let lane = mem::take(lane);
                    self.send(lane, body);
                }
                Sending::Asking(asking) => {
                    let Poll::Ready((lane, answer)) = asking.as_mut().poll(cx) else { return };
                    if let Err(error) = answer {
                        self.sending = Sending::Over;
                        // What has come before that is not lost, nor is why nothing else comes.
                        let error = self.read_ahead(cx).err().unwrap_or(error);
                        return self.lose(error);
                    }
                    self.link.handle_sent();
                    self.sending = Sending::Idle(lane);
                }
                Sending::Over => return,
            }
        }
    }

    fn send(&mut self, mut lane: Lane, body: String) {
        let (requester, url) = (Arc::clone(&self.requester), self.send_url.clone());
        let timeout = self.link.limits().send_timeout;
        self.sending = Sending::Asking(Box::pin(async move {
            let sending = async {
                let question = send_question(body);
                let answer = requester.ask(&mut lane, &url, &question).await?.successful().await?;
                // Only so that the connection can be used again.
                if answer.body(SEND_ANSWER_OCTETS_MAX).await.is_ok() {
                    lane.rest();
                }
                Ok(())
            };
            let sent = match timeout.is_zero() {
                true => sending.await,
                false => tokio::time::timeout(timeout, sending)
                    .await
                    .unwrap_or(Err(ConnectError::Timeout(timeout))),
            };
            (lane, sent)
        }));
    }
}

impl Reading {
    /// The next frame; `None` at the end of the answer.
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        last_received: &mut Instant,
    ) -> Poll<Result<Option<String>, ConnectError>> {
        loop {
            let frame = self.reader.next_frame();
            if let Some(frame) = frame.map_err(|error| SockJsError::FrameTooLong(error.0))? {
                self.frames += 1;
                return Poll::Ready(Ok(Some(frame)));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(part)) => {
                    *last_received = Instant::now();
                    self.reader.push(&part.into_data().unwrap_or_default());
                }
                Some(Err(error)) => {
                    return Poll::Ready(Err(ExchangeError::of(error, 0).into()));
                }
                None => return Poll::Ready(Ok(None)),
            }
        }
    }
}

fn receive_question(transport: ClientTransport) -> Question {
    let mut headers = HeaderMap::new();
    let method = match transport {
        ClientTransport::EventSource => {
            headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
            Method::GET
        }
        _ => Method::POST,
    };
    Question { method, headers, body: Bytes::new() }
}

fn send_question(body: String) -> Question {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    Question { method: Method::POST, headers, body: body.into() }
}

impl LastSeen for RequestTransport {
    fn last_received(&self) -> Instant {
        self.last_received
    }

    fn last_sent(&self) -> Instant {
        self.link.last_sent()
    }
}

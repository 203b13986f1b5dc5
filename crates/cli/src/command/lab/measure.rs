//! One transport: connecting, then one message after the other.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;
use tidings::WebSocket;
use tidings::client::sockjs::{ClientTransport, SockJs};
use tidings::client::{Client, ClientBuilder, ConnectError, Proxy};
use tidings::endpoint::Message;
use tokio::time::{Instant, timeout};

use super::plain::{Answer, Lines, PlainClient};
use super::relay::{Octets, Relay};
use super::{Arguments, Target, Transport};

type BoxError = Box<dyn Error + Send + Sync>;

/// How long connecting may take, or an answer: 10 s.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of a transport.
pub(super) struct Row {
    pub(super) transport: Transport,
    /// The error is why it does not work here.
    pub(super) outcome: Result<Measured, String>,
}

pub(super) struct Measured {
    pub(super) connect: Duration,
    /// Of each message, from sending it to having it back; sorted.
    pub(super) latencies: Vec<Duration>,
    /// Of all messages, without connecting.
    pub(super) octets: Octets,
    /// All, those for connecting included.
    pub(super) requests: u64,
}

/// One transport that is to be measured.
pub(super) struct Measurement<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) target: &'a Target,
    pub(super) transport: Transport,
}

impl Measurement<'_> {
    pub(super) async fn run(&self) -> Result<Measured, String> {
        self.measure().await.map_err(|error| self.explain(error.as_ref()))
    }

    async fn measure(&self) -> Result<Measured, BoxError> {
        let relay = Relay::start(self.target.authority()).await?;
        let requests = Arc::<AtomicU64>::default();
        let since = Instant::now();
        let mut line = timeout(PATIENCE, self.connect(&relay, &requests))
            .await
            .map_err(|_| format!("no connection within {PATIENCE:?}"))??;
        let connect = since.elapsed();
        let before = relay.octets();
        let mut latencies = Vec::new();
        for number in 0..self.arguments.messages {
            let message = self.arguments.message(number);
            let since = Instant::now();
            let echoed = timeout(PATIENCE + self.arguments.interval, line.echo(&message)).await;
            if echoed.map_err(|_| "connected, but a message did not come back")?? != message {
                return Err("another message came back than was sent: does the URL echo?".into());
            }
            latencies.push(since.elapsed());
        }
        latencies.sort_unstable();
        let octets = relay.octets() - before;
        Ok(Measured { connect, latencies, octets, requests: requests.load(Ordering::Relaxed) })
    }

    async fn connect(&self, relay: &Relay, requests: &Arc<AtomicU64>) -> Result<Line, BoxError> {
        let row = self.transport.name();
        match self.transport {
            Transport::SockJs(transport) => {
                let client = self.client(relay, requests)?.sockjs().transports([transport]).build();
                Ok(Line::SockJs(client.open(&self.target.sockjs_url(row)).await?))
            }
            Transport::WebSocket => {
                let client = self.client(relay, requests)?.build();
                Ok(Line::WebSocket(client.open(&self.target.websocket_url(row)).await?))
            }
            Transport::Polling => {
                let interval = self.arguments.interval;
                Ok(Line::Polling(self.plain(relay, requests).await?, interval))
            }
            Transport::LongPolling => Ok(Line::LongPolling(self.plain(relay, requests).await?)),
            Transport::Streaming => {
                let mut plain = self.plain(relay, requests).await?;
                let mut lines = plain.get("stream").await?.lines();
                // An empty line tells that it gets through.
                lines.next().await?;
                Ok(Line::Streaming(plain, lines))
            }
        }
    }

    async fn plain(&self, relay: &Relay, requests: &Arc<AtomicU64>) -> Result<Plain, BoxError> {
        let (sender, receiver) = tokio::try_join!(
            PlainClient::connect(self.target, relay),
            PlainClient::connect(self.target, relay)
        )?;
        let path = self.target.row_path(self.transport.name(), "");
        Ok(Plain { sender, receiver, path, requests: Arc::clone(requests) })
    }

    /// A client whose connections and requests are counted.
    fn client(&self, relay: &Relay, requests: &Arc<AtomicU64>) -> Result<ClientBuilder, BoxError> {
        let requests = Arc::clone(requests);
        let mut client = Client::builder()
            .proxy(Proxy::new(&format!("http://{}", relay.addr))?)
            .before_request(move |_| {
                requests.fetch_add(1, Ordering::Relaxed);
            });
        for (name, value) in &self.target.headers {
            client = client.header(name.clone(), value.clone());
        }
        Ok(client)
    }

    /// What a person can do about it, as far as that can be told.
    fn explain(&self, error: &(dyn Error + 'static)) -> String {
        let told = told(error);
        let advice = match self.transport {
            Transport::WebSocket | Transport::SockJs(ClientTransport::WebSocket)
                if status(error).is_some() =>
            {
                "a proxy on the way may not pass Upgrade on"
            }
            Transport::Streaming
            | Transport::SockJs(ClientTransport::XhrStreaming | ClientTransport::EventSource)
                if told.contains("within") =>
            {
                "a proxy on the way may keep answers until their end: turn its buffering off"
            }
            _ => return told,
        };
        format!("{told}; {advice}")
    }
}

/// The status that an upgrade was refused with.
fn status(error: &(dyn Error + 'static)) -> Option<u16> {
    let error = error.downcast_ref::<ConnectError>()?;
    error.response().map(|response| response.status().as_u16())
}

/// An error with its causes, in one line.
fn told(error: &(dyn Error + 'static)) -> String {
    let (mut told, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        told.push_str(&format!(": {error}"));
        cause = error.source();
    }
    told
}

/// A transport that is connected.
enum Line {
    Polling(Plain, Duration),
    LongPolling(Plain),
    Streaming(Plain, Lines),
    SockJs(SockJs),
    WebSocket(WebSocket),
}

impl Line {
    /// Sends a message, and waits for what comes.
    async fn echo(&mut self, message: &str) -> Result<String, BoxError> {
        const GONE: &str = "the connection was lost";
        match self {
            Self::Polling(plain, interval) => {
                plain.post(message).await?;
                loop {
                    tokio::time::sleep(*interval).await;
                    if let Some(echo) = plain.line("poll").await? {
                        return Ok(echo);
                    }
                }
            }
            Self::LongPolling(plain) => {
                // The request that waits is there before the message.
                let (waiting, sent) = plain.line_and_post("wait", message).await;
                sent?;
                waiting?.ok_or_else(|| "the request that waits was answered with nothing".into())
            }
            Self::Streaming(plain, lines) => {
                plain.post(message).await?;
                loop {
                    let line = lines.next().await?;
                    if !line.is_empty() {
                        return Ok(line);
                    }
                }
            }
            Self::SockJs(socket) => {
                socket.send(message).await?;
                Ok(socket.next().await.ok_or(GONE)?)
            }
            Self::WebSocket(socket) => {
                socket.send(message).await?;
                match socket.next().await.ok_or(GONE)? {
                    Message::Text(text) => Ok(text),
                    Message::Binary(_) => Err("a binary message came back".into()),
                }
            }
        }
    }
}

/// The connections of a transport without SockJS.
struct Plain {
    sender: PlainClient,
    receiver: PlainClient,
    /// Of the row, with a slash at its end.
    path: String,
    requests: Arc<AtomicU64>,
}

impl Plain {
    async fn post(&mut self, message: &str) -> Result<(), BoxError> {
        Self::post_by(&mut self.sender, &self.path, &self.requests, message).await
    }

    async fn get(&mut self, what: &str) -> Result<Answer, BoxError> {
        Self::get_by(&mut self.receiver, &self.path, &self.requests, what).await
    }

    /// The message that a request gets, if it gets one.
    async fn line(&mut self, what: &str) -> Result<Option<String>, BoxError> {
        first_line(self.get(what).await?).await
    }

    async fn line_and_post(
        &mut self,
        what: &str,
        message: &str,
    ) -> (Result<Option<String>, BoxError>, Result<(), BoxError>) {
        let Self { sender, receiver, path, requests } = self;
        let waiting =
            async { first_line(Self::get_by(receiver, path, requests, what).await?).await };
        tokio::join!(waiting, Self::post_by(sender, path, requests, message))
    }

    async fn post_by(
        client: &mut PlainClient,
        path: &str,
        requests: &AtomicU64,
        message: &str,
    ) -> Result<(), BoxError> {
        requests.fetch_add(1, Ordering::Relaxed);
        let path = format!("{path}messages");
        let answer = client.request(Method::POST, &path, message.to_owned()).await?;
        answer.successful()?.whole_body().await.map(drop)
    }

    async fn get_by(
        client: &mut PlainClient,
        path: &str,
        requests: &AtomicU64,
        what: &str,
    ) -> Result<Answer, BoxError> {
        requests.fetch_add(1, Ordering::Relaxed);
        let path = format!("{path}{what}");
        client.request(Method::GET, &path, String::new()).await?.successful()
    }
}

async fn first_line(answer: Answer) -> Result<Option<String>, BoxError> {
    let body = answer.whole_body().await?;
    let text = String::from_utf8_lossy(&body);
    Ok(text.lines().next().map(str::to_owned))
}

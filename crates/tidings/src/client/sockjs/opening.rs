//! The way to an open session: what the server can, then one transport after the other.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};
use tidings_sockjs::Info;
use tidings_sockjs::client::{Attempt, Attempts, ClientTransport};
use tokio::time::Instant;

use super::super::connecting::{Client, Established};
use super::super::error::ConnectError;
use super::super::exchange::ExchangeError;
use super::super::url::{Scheme, WebSocketUrl};
use super::client::SockJsClientOptions;
use super::lane::{Lane, Question};
use super::request_transport::RequestTransport;
use super::requester::Requester;
use super::requests::{RequestLimits, Requests};
use super::source::{SockJsSource, Transport};
use super::websocket_transport::WebSocketTransport;
use super::{SockJsError, TransportFailure};
use crate::endpoint::Handshake;
use crate::net::{Framing, Link};

/// Octets of the answer of `/info` that are read: 64 KiB.
const INFO_OCTETS_MAX: usize = 64 * 1024;

/// A session whose opening frame has come.
pub(super) struct Opened {
    pub(super) handshake: Handshake,
    pub(super) link: Link,
    pub(super) source: SockJsSource,
}

/// Opens a session with the service at `url`.
pub(super) async fn open(
    client: &Client,
    options: &SockJsClientOptions,
    url: &str,
) -> Result<Opened, ConnectError> {
    let home = WebSocketUrl::parse_service(url)?;
    let requester = Arc::new(Requester::new(client.clone(), home.clone()));
    let service = ask_for_info(&requester, &home).await?;
    let opening = Opening { requester, options, base: service.base };
    let mut failures = Vec::new();
    for attempt in Attempts::new(&options.transports, &service.info, service.round_trip) {
        match opening.attempt(attempt).await {
            // The server has decided.
            Err(error @ ConnectError::SockJs(SockJsError::Closed(_))) => return Err(error),
            Err(error) => {
                tracing::debug!(transport = attempt.transport.path(), %error, "transport failed");
                failures.push(TransportFailure { transport: attempt.transport, error });
            }
            opened => return opened,
        }
    }
    Err(SockJsError::AllTransportsFailed(failures).into())
}

/// A service, as it presents itself.
struct Service {
    info: Info,
    base: WebSocketUrl,
    round_trip: Duration,
}

async fn ask_for_info(requester: &Requester, home: &WebSocketUrl) -> Result<Service, ConnectError> {
    let timeout = requester.client().opening_options().connect_timeout;
    let asking = async {
        let url = home.beneath("/info")?;
        let question =
            Question { method: Method::GET, headers: HeaderMap::new(), body: Default::default() };
        let since = Instant::now();
        let answer = requester.ask(&mut Lane::default(), &url, &question).await?;
        let answer = answer.successful().await?;
        let round_trip = since.elapsed();
        // Where redirections have led.
        let base = answer.url.above("/info").unwrap_or_else(|| home.clone());
        let json = answer.body(INFO_OCTETS_MAX).await;
        let json = json.map_err(|error| ExchangeError::of(error, 0))?;
        // As all clients do, take what is no answer for one that says nothing.
        let info = Info::from_json(&json).unwrap_or_default();
        let base = match &info.base_url {
            Some(base_url) => elsewhere(&base, base_url)?,
            None => base,
        };
        Ok(Service { info, base, round_trip })
    };
    let answered = tokio::time::timeout(timeout, asking).await;
    answered.unwrap_or(Err(ConnectError::Timeout(timeout)))
}

/// Where `/info` says that the transports are. As with redirections, nothing leads out of TLS. A query that
/// the client was given goes along within its origin, unless there is another.
fn elsewhere(base: &WebSocketUrl, base_url: &str) -> Result<WebSocketUrl, ConnectError> {
    let url = base.join_service(base_url)?;
    match (base.scheme(), url.scheme()) {
        (Scheme::Wss, Scheme::Ws) => Err(ConnectError::InsecureRedirect(url.to_string())),
        _ if base.has_same_origin(&url) => Ok(url.or_query_of(base)?),
        _ => Ok(url),
    }
}

/// What all attempts share.
struct Opening<'a> {
    requester: Arc<Requester>,
    options: &'a SockJsClientOptions,
    base: WebSocketUrl,
}

impl Opening<'_> {
    async fn attempt(&self, attempt: Attempt) -> Result<Opened, ConnectError> {
        let timeout = attempt.timeout.max(self.options.transport_timeout_min);
        let opening = async {
            // A session that did not come about may yet be there: the next one has another name.
            let url = self.base.beneath(&session_path())?;
            match attempt.transport {
                ClientTransport::WebSocket => self.open_websocket(&url).await,
                transport => self.open_requests(transport, &url).await,
            }
        };
        let opened = tokio::time::timeout(timeout, opening).await;
        opened.unwrap_or(Err(ConnectError::Timeout(timeout)))
    }

    async fn open_websocket(&self, url: &WebSocketUrl) -> Result<Opened, ConnectError> {
        let client = self.requester.client();
        let url = url.beneath("/websocket")?;
        let course = self.requester.course(&url);
        let opening = client.opening_options().open_on(course, Vec::new()).await?;
        let Established { handshake, outbox, source } = client.establish(opening);
        let transport = WebSocketTransport::new(source, Arc::clone(&outbox));
        let link = Link::Stream { outbox, framing: Framing::SockJsClient };
        let source = self.opened(Transport::WebSocket(Box::new(transport))).await?;
        Ok(Opened { handshake, link, source })
    }

    async fn open_requests(
        &self,
        transport: ClientTransport,
        url: &WebSocketUrl,
    ) -> Result<Opened, ConnectError> {
        let terms = self.requester.client().terms();
        let limits = RequestLimits {
            outgoing_octets_max: terms.outbox_octets_max,
            frame_octets_max: self.options.frame_octets_max,
            send_timeout: terms.send_timeout,
            close_timeout: terms.close_timeout,
        };
        let link = Arc::new(Requests::new(transport.transport_type(), limits));
        let requester = Arc::clone(&self.requester);
        let transport = RequestTransport::new(requester, Arc::clone(&link), transport, url)?;
        let mut source = self.opened(Transport::Requests(Box::new(transport))).await?;
        let handshake = source.take_handshake().expect("frames come in answers");
        Ok(Opened { handshake, link: Link::Requests(link), source })
    }

    async fn opened(&self, transport: Transport) -> Result<SockJsSource, ConnectError> {
        let mut source = SockJsSource::new(transport, self.options.watchdog);
        poll_fn(|cx| source.poll_opened(cx)).await?;
        Ok(source)
    }
}

/// The server's id, which balances load, and the session's, which nobody must guess.
fn session_path() -> String {
    let mut octets = [0; 20];
    getrandom::fill(&mut octets).expect("the operating system provides randomness");
    let (server, session) = octets.split_first_chunk::<4>().expect("twenty octets");
    let server = u32::from_ne_bytes(*server) % 1000;
    let session: String = session.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("/{server:03}/{session}")
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use super::*;

    #[test]
    fn a_query_goes_along_within_its_origin() {
        let base = WebSocketUrl::parse_service("https://example.org/echo?token=1").unwrap();
        let check = |base_url: &str, expected: &str| {
            assert_eq!(elsewhere(&base, base_url).unwrap().to_string(), expected);
        };
        check("/sub", "wss://example.org/sub?token=1");
        check("/sub?token=2", "wss://example.org/sub?token=2");
        check("https://other.example/sub", "wss://other.example/sub");
    }

    #[test]
    fn no_base_url_leads_out_of_tls() {
        let base = WebSocketUrl::parse_service("https://example.org/echo").unwrap();
        let there = elsewhere(&base, "https://other.example/echo/").unwrap();
        assert_eq!(there.to_string(), "wss://other.example/echo");
        assert_eq!(elsewhere(&base, "/sub").unwrap().to_string(), "wss://example.org/sub");
        let error = elsewhere(&base, "http://example.org/echo").unwrap_err();
        assert!(matches!(error, ConnectError::InsecureRedirect(_)), "{error:?}");
    }
}

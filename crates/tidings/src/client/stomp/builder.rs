use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tidings_stomp::{ClientOptions, Limits, Version};

use super::StompConnectError;
use super::client::StompClient;
use super::dial::Dialer;
use super::driver::{Connectivity, Connector, OnChange};
use super::operation::ConnectionNumber;
use super::shared::{Bounds, Shared};
use super::subscriptions::SlowConsumer;
use super::url::StompUrl;
use crate::client::{Backoff, Client, ClientBuilder};
use crate::net::in_turns;

/// Longer than [a server waits](crate::AppBuilder::publish_wait_max) before it refuses a message.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(45);

/// Says how a [`StompClient`] connects. Made by [`StompClient::builder`] and [`ClientBuilder::stomp`].
#[must_use = "nothing happens until it connects"]
pub struct StompClientBuilder {
    client: ClientBuilder,
    options: ClientOptions,
    bounds: Bounds,
    backoff: Option<Backoff>,
    on_change: Option<OnChange>,
}

impl ClientBuilder {
    /// A client of STOMP servers that is connected like this one: TLS, proxies and Unix sockets by every door; header
    /// fields and credentials by WebSocket and SockJS.
    pub fn stomp(self) -> StompClientBuilder {
        StompClientBuilder {
            client: self,
            options: ClientOptions::default(),
            bounds: Bounds {
                queue_octets_max: 8 * 1024 * 1024,
                inbox_octets_max: 1024 * 1024,
                slow_consumer: SlowConsumer::default(),
                receipt_timeout: RECEIPT_TIMEOUT,
                leave_timeout: Duration::from_secs(60),
            },
            backoff: Some(Backoff::default()),
            on_change: None,
        }
    }
}

impl StompClient {
    /// Starts with the defaults. To begin with what is to be said of connections, use [`ClientBuilder::stomp`].
    pub fn builder() -> StompClientBuilder {
        Client::builder().stomp()
    }
}

impl StompClientBuilder {
    /// Logs in. Default: as nobody.
    pub fn login(mut self, login: impl Into<String>, passcode: impl Into<String>) -> Self {
        self.options.login = Some(login.into());
        self.options.passcode = Some(passcode.into());
        self
    }

    /// The virtual host: the header `host`. Default: `/`, RabbitMQ's own, which other brokers pass over.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.options.host = host.into();
        self
    }

    /// Adds a header to CONNECT, such as `client-id`.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.options.headers.push(name, value);
        self
    }

    /// The versions to offer. Default: 1.2, 1.1 and 1.0.
    pub fn versions(mut self, versions: impl IntoIterator<Item = Version>) -> Self {
        self.options.versions = versions.into_iter().collect();
        self
    }

    /// How often to send heart-beats, and how often to receive them; zero for never. Default: 10 s each.
    pub fn heart_beat(mut self, send: Duration, receive: Duration) -> Self {
        self.options.heart_beat = (send, receive);
        self
    }

    /// How long the server may be silent, in percent of the interval of heart-beats that it promised, before the
    /// connection is given up; at least 100. ActiveMQ may be silent for almost two intervals. Default: 300.
    pub fn heart_beat_margin_percent(mut self, percent: u32) -> Self {
        self.options.heart_beat_margin_percent = percent;
        self
    }

    /// How long it may take to connect, and the server to answer CONNECT. Default: 10 s each.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.options.connect_timeout = timeout;
        self.client = self.client.connect_timeout(timeout);
        self
    }

    /// How long a receipt is waited for, from when it is asked for. What was not even sent by then is not sent any
    /// more. Default: 45 s, since a server may wait 30 s for room in a queue before it says that the queue is full.
    pub fn receipt_timeout(mut self, timeout: Duration) -> Self {
        self.bounds.receipt_timeout = timeout;
        self
    }

    /// How long a client that is left without a connection goes on trying to get one, to send what waits. What is not
    /// sent by then never is, which the log is told; [`StompClient::disconnect`] does not wait longer than the receipt
    /// timeout. Default: 60 s.
    pub fn leave_timeout(mut self, timeout: Duration) -> Self {
        self.bounds.leave_timeout = timeout;
        self
    }

    /// How often and how soon to connect again when the connection is lost; `None` for never. Default: for ever, with
    /// the waits of [`Backoff::default`].
    pub fn reconnect(mut self, backoff: Option<Backoff>) -> Self {
        self.backoff = backoff;
        self
    }

    /// Calls `hook` whenever a connection comes about or is lost. It is called by the task that keeps the client
    /// connected, so it must not wait.
    pub fn on_change(mut self, hook: impl Fn(&Connectivity<'_>) + Send + Sync + 'static) -> Self {
        self.on_change = Some(Box::new(hook));
        self
    }

    /// Octets that may wait to be sent, or may have to be [sent again](super::SendRequest::resend). Beyond that, sending waits while there is a connection, and fails with
    /// [`StompError::QueueFull`](super::StompError::QueueFull) while there is none. One message may go beyond it.
    /// Default: 8 MiB.
    pub fn queue_octets_max(mut self, octets: usize) -> Self {
        self.bounds.queue_octets_max = octets;
        self
    }

    /// Octets of messages that may wait in each subscription to be taken, at most 512 MiB. One message may go beyond
    /// it. Default: 1 MiB.
    pub fn inbox_octets_max(mut self, octets: usize) -> Self {
        self.bounds.inbox_octets_max = octets;
        self
    }

    /// What happens when messages come faster than a subscription's are taken. Default: the connection is not read.
    pub fn slow_consumer(mut self, policy: SlowConsumer) -> Self {
        self.bounds.slow_consumer = policy;
        self
    }

    /// What the server may make this end hold.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Connects to the server at a URL, which says by which door:
    ///
    /// | URL | door |
    /// |---|---|
    /// | `stomp://HOST[:61613]`, `tcp://…` | TCP |
    /// | `stomp+ssl://HOST[:61614]`, `tls://…` | TLS |
    /// | `ws://…`, `wss://…` | WebSocket |
    /// | `http://…`, `https://…` | SockJS, by whichever transport works |
    ///
    /// # Errors
    ///
    /// [`StompConnectError`] says what did not go well. Only a connection that was there is made again, so it is told
    /// at once.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves no connection.
    pub async fn connect(self, url: &str) -> Result<StompClient, StompConnectError> {
        let Self { client, options, bounds, backoff, on_change } = self;
        let url = StompUrl::parse(url)?;
        let client = client
            .message_octets_max(frame_octets_max(&options.limits))
            .subprotocols(options.versions.iter().map(|version| version.subprotocol()));
        let dialer = Dialer::new(client, url);
        let connector = Connector { dialer, options, backoff, on_change };
        let shared = Arc::new(Shared::new(bounds, connector.dialer.text()));
        let first = connector.connect(&shared, ConnectionNumber(1)).await?;
        // Nobody has a handle yet to leave by.
        connector.open(&shared, &first);
        tokio::spawn(in_turns(connector.run(Arc::clone(&shared), first)));
        Ok(StompClient::new(shared))
    }
}

/// The longest frame within the limits.
fn frame_octets_max(limits: &Limits) -> usize {
    let headers =
        limits.headers_max.saturating_mul(limits.header_line_octets_max.saturating_add(1));
    limits.command_octets_max.saturating_add(headers).saturating_add(limits.body_octets_max)
}

/// Leaves out the passcode.
impl fmt::Debug for StompClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StompClientBuilder")
            .field("options", &self.options)
            .field("bounds", &self.bounds)
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_by_a_server_that_a_queue_is_full_before_it_gives_up() {
        let patience = StompClient::builder().bounds.receipt_timeout;
        assert!(patience > crate::builder::PUBLISH_WAIT_MAX + Duration::from_secs(5));
    }
}

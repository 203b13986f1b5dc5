//! Connections to a STOMP server, by the door that its URL names.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::shared::Text;
use super::url::StompUrl;
use crate::client::course::Course;
use crate::client::sockjs::SockJsClient;
use crate::client::url::{Scheme, WebSocketUrl};
use crate::client::{Client, ConnectError};
use crate::endpoint::{CloseInfo, ConnectionOptions, Endpoint, Handshake, Session};
use crate::net::{Framing, Link, OctetSource, Terms};
use crate::server::{Caller, RemoteAddr};

/// Who connects, and where to.
pub(super) enum Dialer {
    Octets { client: Client, terms: Arc<Terms>, url: WebSocketUrl },
    WebSocket { client: Client, url: String },
    SockJs { client: SockJsClient, url: String },
}

impl Dialer {
    pub(super) fn new(client: crate::client::ClientBuilder, url: StompUrl) -> Self {
        match url {
            StompUrl::Octets(url) => {
                let client = client.build();
                // TCP has no pings; STOMP's own heart-beats take their place.
                let options = ConnectionOptions { keepalive: None, ..(***client.terms()).clone() };
                Self::Octets { client, terms: Terms::new(options), url }
            }
            StompUrl::WebSocket(url) => Self::WebSocket { client: client.build(), url },
            StompUrl::SockJs(url) => Self::SockJs { client: client.sockjs().build(), url },
        }
    }

    /// Connects, and serves the connection with `endpoint` in a task of its own.
    pub(super) async fn dial<E: Endpoint>(
        &self,
        endpoint: E,
    ) -> Result<(Session, JoinHandle<CloseInfo>), ConnectError> {
        match self {
            Self::Octets { client, terms, url } => {
                let options = client.opening_options();
                let connecting = Course::new(options, url.clone(), None).connect_without_http();
                let timeout = options.connect_timeout;
                let wire = tokio::time::timeout(timeout, connecting).await;
                let wire = wire.unwrap_or(Err(ConnectError::Timeout(timeout)))?;
                let mut handshake = Handshake::without_request(&Caller {
                    remote_addr: wire.remote_addr().map(RemoteAddr),
                    ..Caller::default()
                });
                if url.scheme() == Scheme::Wss {
                    handshake.set_secure();
                }
                let (stream, outbox) = wire.into_stream(Arc::clone(terms), None);
                let nothing = |_: &_| Bytes::new();
                let source = OctetSource::new(stream, Arc::clone(&outbox), Arc::new(nothing), None);
                let link = Link::Stream { outbox, framing: Framing::Octets };
                Ok(client.run(handshake, link, source, endpoint))
            }
            Self::WebSocket { client, url } => client.connect_and_watch(url, endpoint).await,
            Self::SockJs { client, url } => client.connect_and_watch(url, endpoint).await,
        }
    }

    /// Whether nothing but text can be sent.
    pub(super) fn text(&self) -> Text {
        match self {
            Self::SockJs { .. } => Text::Only,
            Self::Octets { .. } | Self::WebSocket { .. } => Text::OrOctets,
        }
    }

    /// Whether a frame need not be text or not: it is octets anyway.
    pub(super) fn is_octets(&self) -> bool {
        matches!(self, Self::Octets { .. })
    }
}

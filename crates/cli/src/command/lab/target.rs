use std::error::Error;
use std::time::Duration;

use http::header::HeaderMap;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde::Deserialize;

use super::plain::PlainClient;
use super::relay::Relay;

/// How long the server may take to say whether it has a lab.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is measured.
pub(super) struct Target {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    /// The id of the run in the server's lab, if it has one.
    run: Option<String>,
}

#[derive(Deserialize)]
struct Begun {
    run: String,
}

impl Target {
    /// Asks the server whether it has a lab.
    pub(super) async fn find(
        url: &str,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Self, Box<dyn Error>> {
        let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            return Err(format!("{url}: begin it with http:// or https:// and a host").into());
        }
        let mut target = Self { uri, headers: headers.iter().cloned().collect(), run: None };
        let relay = Relay::start(target.authority()).await?;
        let asking = async {
            let mut client = PlainClient::connect(&target, &relay).await?;
            client.request(Method::POST, &target.path("/lab/runs"), String::new()).await
        };
        let answer = tokio::time::timeout(TIMEOUT, asking).await;
        let answer = answer.map_err(|_| format!("{url} does not answer within {TIMEOUT:?}"))?;
        let answer = answer.map_err(|error| format!("{url}: {error}"))?;
        if answer.status() == StatusCode::CREATED {
            let body = answer.whole_body().await.map_err(|error| format!("{url}: {error}"))?;
            let begun: Begun = serde_json::from_slice(&body)?;
            target.run = Some(begun.run);
        } else {
            target.check_service(&relay).await.map_err(|error| format!("{url}: {error}"))?;
        }
        Ok(target)
    }

    /// Asks a server without a lab whether it has a SockJS service at the URL.
    async fn check_service(&self, relay: &Relay) -> Result<(), Box<dyn Error>> {
        let asking = async {
            let mut client = PlainClient::connect(self, relay).await?;
            client.request(Method::GET, &self.path("/info"), String::new()).await
        };
        let answer = tokio::time::timeout(TIMEOUT, asking).await;
        let answer = answer.map_err(|_| "it does not answer in time")?;
        let status = answer.map_err(|error| error.to_string())?.status();
        if status == StatusCode::NOT_FOUND {
            let info = self.url(&self.path("/info"));
            return Err(
                format!("there is neither a lab nor a SockJS service: {info} is 404").into()
            );
        }
        Ok(())
    }

    pub(super) fn has_lab(&self) -> bool {
        self.run.is_some()
    }

    /// Lets the server forget the run.
    pub(super) async fn leave(&self) {
        let Some(run) = &self.run else { return };
        let leaving = async {
            let relay = Relay::start(self.authority()).await?;
            let mut client = PlainClient::connect(self, &relay).await?;
            client
                .request(Method::DELETE, &self.path(&format!("/lab/runs/{run}")), String::new())
                .await
        };
        // It forgets by itself, after a while.
        let _ = tokio::time::timeout(TIMEOUT, leaving).await;
    }

    /// Host and port, always with both.
    pub(super) fn authority(&self) -> String {
        let port = self.uri.port_u16().unwrap_or(if self.is_secure() { 443 } else { 80 });
        format!("{}:{port}", self.host())
    }

    /// With the brackets of an IPv6 address.
    pub(super) fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    pub(super) fn is_secure(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// The path of what is beneath the row of a run: what is there belongs to the lab.
    pub(super) fn row_path(&self, row: &str, what: &str) -> String {
        let run = self.run.as_deref().unwrap_or_default();
        self.path(&format!("/lab/runs/{run}/{row}/{what}"))
    }

    /// The URL of the SockJS service that echoes.
    pub(super) fn sockjs_url(&self, row: &str) -> String {
        match self.run {
            Some(_) => self.url(&self.row_path(row, "sockjs")),
            None => self.url(&self.path("")),
        }
    }

    /// The URL of the WebSocket that echoes.
    pub(super) fn websocket_url(&self, row: &str) -> String {
        let path = match self.run {
            Some(_) => self.row_path(row, "websocket"),
            None => self.path("/websocket"),
        };
        self.url(&path).replacen("http", "ws", 1)
    }

    fn url(&self, path: &str) -> String {
        let scheme = if self.is_secure() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.authority())
    }

    /// Beneath the path that was given.
    fn path(&self, what: &str) -> String {
        format!("{}{what}", self.uri.path().trim_end_matches('/'))
    }
}

use std::error::Error;
use std::fmt;
use std::time::Duration;

use clap::Args;
use tidings::client::Client;
use tidings::client::stomp::{StompClient, StompClientBuilder, StompConnectError, Version};

use crate::command::client_tls::ClientTls;
use crate::demo::STOMP_PATH;

/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// What the answer to HTTP begins with at a port of Tidings for STOMP alone.
const PLAIN_PORT: &[u8] = b"This port speaks STOMP";

/// How to reach a server, and as whom.
#[derive(Args, Clone)]
pub(super) struct Connection {
    /// Server to connect to, with a scheme for the way: `stomp://` TCP, `stomp+ssl://` TLS, `ws://` and `wss://`
    /// WebSocket, `http://` and `https://` SockJS. `tidings serve` is also at
    /// `ws://127.0.0.1:8080/gs-guide-websocket`, and by SockJS at `http://` and the same.
    #[arg(long, short = 'U', value_name = "URL", default_value = "stomp://127.0.0.1:61613")]
    url: String,
    #[command(flatten)]
    tls: ClientTls,
    /// Log in.
    #[arg(long, short = 'u', value_name = "LOGIN:PASSCODE", value_parser = user)]
    user: Option<(String, String)>,
    /// Virtual host.
    #[arg(long, value_name = "NAME", default_value = "/")]
    host: String,
    /// Add a header to CONNECT, such as `client-id:me`; may be repeated.
    #[arg(long, value_name = "NAME:VALUE", value_parser = header)]
    connect_header: Vec<(String, String)>,
    /// Speak this version of STOMP, rather than the newest that the server knows.
    #[arg(long, value_name = "VERSION", value_parser = version)]
    stomp_version: Option<Version>,
    /// Give up if the server is silent for so long when it is asked for something. Without it, after 30 s when
    /// connecting, and 45 s for a receipt: a server may wait 30 s until there is room in a queue.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

impl Connection {
    /// The server, without what may be secret in its URL.
    pub(super) fn server(&self) -> String {
        without_secrets(&self.url)
    }

    pub(super) fn builder(&self) -> Result<StompClientBuilder, Box<dyn Error>> {
        let mut client = Client::builder();
        if let Some(config) = self.tls.config(&self.url)? {
            client = client.tls(&config);
        }
        let mut builder = client.stomp().host(&self.host);
        builder = builder.connect_timeout(self.timeout.unwrap_or(CONNECT_TIMEOUT));
        if let Some(timeout) = self.timeout {
            builder = builder.receipt_timeout(timeout);
        }
        if let Some((login, passcode)) = &self.user {
            builder = builder.login(login, passcode);
        }
        if let Some(version) = self.stomp_version {
            builder = builder.versions([version]);
        }
        for (name, value) in &self.connect_header {
            builder = builder.header(name, value);
        }
        Ok(builder)
    }

    /// Connects; the error is one line that says what is wrong, with its causes.
    pub(super) async fn connect(
        &self,
        builder: StompClientBuilder,
    ) -> Result<StompClient, Box<dyn Error>> {
        builder.connect(&self.url).await.map_err(|error| {
            let mut line = format!("cannot connect to {}: {error}", self.server());
            let mut cause = error.source();
            while let Some(error) = cause {
                line.push_str(&format!(": {error}"));
                cause = error.source();
            }
            let response = match &error {
                StompConnectError::Transport(error) => error.response(),
                _ => None,
            };
            if response.is_some_and(|response| response.body().starts_with(PLAIN_PORT)) {
                let line = line.trim_end_matches('.');
                return format!("{line}; use --url stomp://{}", host_of(&self.url)).into();
            }
            // Some server is there, which has something else at its root.
            if response.is_some() && is_without_path(&self.url) {
                line += "; the URL lacks the path of STOMP, which is ";
                line += STOMP_PATH;
                line += " of `tidings serve`";
            }
            line.into()
        })
    }
}

/// Leaves out what may be secret: the passcode, and tokens in headers and the URL.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.connect_header.iter().map(|(name, _)| name).collect();
        f.debug_struct("Connection")
            .field("server", &self.server())
            .field("tls", &self.tls)
            .field("login", &self.user.as_ref().map(|(login, _)| login))
            .field("host", &self.host)
            .field("connect_header", &headers)
            .field("stomp_version", &self.stomp_version)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// A URL without user, query and fragment.
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// The host and the port of a URL, without who logs in.
fn host_of(url: &str) -> String {
    let url = without_secrets(url);
    let rest = url.split_once("://").map_or(&*url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

fn is_without_path(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    !authority.strip_suffix('/').unwrap_or(authority).contains('/')
}

fn user(text: &str) -> Result<(String, String), &'static str> {
    let (login, passcode) = text.split_once(':').ok_or("expected a login and a passcode: `a:b`")?;
    Ok((login.to_owned(), passcode.to_owned()))
}

/// A header of STOMP, as it is written in frames. Blanks at its edges are part of it.
pub(super) fn header(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected `name:value`"),
    }
}

fn version(text: &str) -> Result<Version, &'static str> {
    let known = Version::ALL.into_iter().find(|version| version.as_str() == text);
    known.ok_or("expected 1.0, 1.1 or 1.2")
}

pub(super) fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "expected a number of seconds, not negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_keeps_what_stands_behind_its_first_colon() {
        let parsed = header("a: b:c ").unwrap();
        assert_eq!(parsed, ("a".to_owned(), " b:c ".to_owned()));
        assert_eq!(header("a:").unwrap(), ("a".to_owned(), String::new()));
        assert!(header("a").is_err() && header(":b").is_err());
    }

    #[test]
    fn urls_are_told_without_secrets() {
        for (url, told) in [
            ("stomp://127.0.0.1:61613", "stomp://127.0.0.1:61613"),
            ("ws://ann:secret@host/stomp?token=secret", "ws://host/stomp"),
            ("wss://host?token=a/b@c", "wss://host"),
            ("https://host/a@b#secret", "https://host/a@b"),
            ("host", "host"),
        ] {
            assert_eq!(without_secrets(url), told);
        }
        assert_eq!(host_of("http://ann:secret@host:1/path?token=secret"), "host:1");
    }

    #[test]
    fn a_slash_alone_is_no_path() {
        for (url, is_without) in [
            ("ws://host", true),
            ("ws://host:1/", true),
            ("ws://host/stomp", false),
            ("http://h/a/", false),
        ] {
            assert_eq!(is_without_path(url), is_without, "{url}");
        }
    }

    #[test]
    fn versions_are_those_that_there_are() {
        assert_eq!(version("1.1"), Ok(Version::V1_1));
        assert!(version("2.0").is_err());
    }
}

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::{HeaderName, HeaderValue};
use tidings::client::Credentials;

use super::Wait;
use super::report::Format;
use crate::command::client_tls::ClientTls;

/// Connect to a WebSocket server, send each line of the input as a text message, and show what comes
/// back.
///
/// Lines that begin with a slash are commands: /help lists them. At the end of the input the
/// connection is closed once what was sent has been answered.
#[derive(Args, Clone, Debug)]
#[group(id = "ws")]
pub(crate) struct Arguments {
    /// Where to connect: `ws://HOST:PORT/PATH`, or `wss://` for TLS.
    pub(super) url: String,
    /// Offer a subprotocol; may be repeated, the favourite first.
    #[arg(long = "subprotocol", short = 's', value_name = "NAME")]
    pub(super) subprotocols: Vec<String>,
    /// Add a header field to the request; may be repeated.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Name an origin, as a browser would.
    #[arg(long, value_name = "ORIGIN")]
    pub(super) origin: Option<HeaderValue>,
    /// Answer a server that asks for a login: Basic or Digest.
    #[arg(long, short = 'u', value_name = "USER:PASSWORD", value_parser = user)]
    pub(super) user: Option<Credentials>,
    /// Offer to compress messages; what is compressed is shown with its ratio.
    #[arg(long)]
    pub(super) deflate: bool,
    /// Connect to this Unix socket, whatever host the URL names.
    #[arg(long, value_name = "PATH")]
    pub(super) unix_socket: Option<PathBuf>,
    #[command(flatten)]
    pub(super) tls: ClientTls,
    /// Print one JSON object for each event, for other programs to read.
    #[arg(long)]
    json: bool,
    /// Stay so long after the end of the input.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    wait: Option<Duration>,
}

impl Arguments {
    pub(super) fn format(&self) -> Format {
        if self.json { Format::Json } else { Format::for_people() }
    }

    pub(super) fn wait(&self) -> Wait {
        self.wait.map_or(Wait::ForAnswers, Wait::For)
    }
}

/// A header field, as it is given by `--header`.
pub(crate) fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("expected `Name: value`")?;
    let name =
        name.trim().parse().map_err(|_| format!("`{name}` cannot be the name of a field"))?;
    let value = value.trim().parse().map_err(|_| format!("`{value}` cannot be a field's value"))?;
    Ok((name, value))
}

fn user(text: &str) -> Result<Credentials, &'static str> {
    let (user, password) = text.split_once(':').ok_or("expected a user and a password: `a:b`")?;
    Ok(Credentials::new(user, password))
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "expected a number of seconds, not negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value() {
        let (name, value) = header("X-Token:  a: b ").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-token", "a: b"));
        for text in ["X-Token", "a b: c", "a: \u{1}"] {
            assert!(header(text).is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_may_have_a_fraction_and_are_not_negative() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for text in ["-1", "NaN", "inf", "soon"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write, stderr, stdout};

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tidings::client::stomp::{ConnectionEnd, Connectivity, Message};

use crate::command::visible::{Visible, hex};

/// Octets of a body that is no text that are shown.
const BINARY_OCTETS_SHOWN: usize = 64;

/// Headers that every message has, or that the line shows in its own way.
const HEADERS_NOT_SHOWN: &[&str] =
    &["destination", "message-id", "subscription", "ack", "content-length"];

/// How messages are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON object a line.
    Json,
    /// The body alone, a line each.
    Body,
    /// A line with destination and headers, and the body beneath.
    Plain,
    /// The same in colour.
    Terminal,
}

impl Format {
    pub(super) fn for_people() -> Self {
        if stdout().is_terminal() { Self::Terminal } else { Self::Plain }
    }
}

/// Prints a message.
pub(super) fn message(format: Format, message: &Message<Bytes>) -> io::Result<()> {
    let mut out = stdout().lock();
    match format {
        Format::Json => writeln!(out, "{}", object(message)),
        Format::Body => {
            out.write_all(&message.payload)?;
            out.write_all(b"\n")
        }
        Format::Plain => writeln!(out, "{}\n{}\n", head(message), body(&message.payload)),
        Format::Terminal => {
            writeln!(out, "\x1b[2m{}\x1b[0m\n{}\n", head(message), body(&message.payload))
        }
    }?;
    out.flush()
}

/// Tells on standard error what becomes of the connection.
pub(super) fn change(change: &Connectivity<'_>) {
    let (what, next) = match change {
        // That is told where it was asked for, and the command is over.
        Connectivity::Lost(ConnectionEnd::Error(error), _) if error.receipt.is_some() => return,
        Connectivity::Lost(end, next) => (end.to_string(), *next),
        Connectivity::Failed(error, next) => (error.to_string(), *next),
        _ => return,
    };
    let next = match next {
        Some(wait) => format!("; connecting again in {:.1} s", wait.as_secs_f64()),
        None => String::new(),
    };
    // The exit code tells too.
    let _ = writeln!(stderr(), "{}{next}", Visible(&what));
}

fn head(message: &Message<Bytes>) -> String {
    let mut line = format!("{}  {} B", Visible(message.destination()), message.payload.len());
    for (name, value) in message.headers().iter() {
        if !HEADERS_NOT_SHOWN.contains(&name) {
            let _ = write!(line, "  {}:{}", Visible(name), Visible(value));
        }
    }
    line
}

/// Text that may have several lines, but cannot do anything to a terminal.
fn body(octets: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(octets) else {
        let shown = octets.get(..BINARY_OCTETS_SHOWN).unwrap_or(octets);
        return format!("{}{}", hex(shown), if shown.len() < octets.len() { " …" } else { "" });
    };
    let lines: Vec<String> = text.split('\n').map(|line| Visible(line).to_string()).collect();
    lines.join("\n")
}

fn object(message: &Message<Bytes>) -> Value {
    let mut headers = Map::new();
    for (name, value) in message.headers().iter() {
        // The first of a name holds.
        headers.entry(name).or_insert_with(|| value.into());
    }
    let (name, body) = match std::str::from_utf8(&message.payload) {
        Ok(text) => ("body", text.into()),
        Err(_) => ("hex", hex(&message.payload)),
    };
    json!({
        "destination": message.destination(),
        "message_id": message.id(),
        "headers": headers,
        name: body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_keeps_its_lines_and_cannot_control_the_terminal() {
        assert_eq!(body(b"a\nb\x1b[2J"), "a\nb\\u{1b}[2J");
        assert_eq!(body(b"\xff\0"), "ff00");
        assert!(body(&[0xff; 100]).ends_with("ff …"));
    }
}

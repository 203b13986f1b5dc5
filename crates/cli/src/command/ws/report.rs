use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IsTerminal, Write, stderr, stdin, stdout};
use std::time::Duration;

use serde_json::json;
use tidings::client::{ConnectError, Direction, ObservedFrame, Opcode};
use tidings::endpoint::{CloseReason, Message};
use tokio::time::Instant;

use super::input::HELP;
use crate::command::visible::{Visible, hex};

/// Octets of a binary message that are shown.
const BINARY_OCTETS_SHOWN: usize = 64;

/// How events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON object a line.
    Json,
    /// A line for each frame.
    Plain,
    /// The same in colour, with a word on how to go on.
    Terminal,
}

impl Format {
    pub(super) fn for_people() -> Self {
        if stdout().is_terminal() { Self::Terminal } else { Self::Plain }
    }
}

/// Prints what happens.
pub(super) struct Report {
    format: Format,
    start: Instant,
    /// Frames of a message that is not complete, and what came after them.
    pending: VecDeque<(Instant, ObservedFrame)>,
}

pub(super) struct Opened<'a> {
    pub(super) url: &'a str,
    pub(super) subprotocol: Option<&'a str>,
    pub(super) extensions: Option<&'a str>,
    pub(super) elapsed: Duration,
}

pub(super) struct Closed<'a> {
    pub(super) reason: &'a CloseReason,
}

impl Report {
    pub(super) fn new(format: Format) -> Self {
        Self { format, start: Instant::now(), pending: VecDeque::new() }
    }

    pub(super) fn connect_error(&self, error: &ConnectError) {
        if self.format == Format::Json {
            let status = error.response().map(|response| response.status().as_u16());
            let object =
                json!({ "event": "error", "message": error.to_string(), "status": status });
            // The exit code tells too.
            let _ = writeln!(stdout(), "{object}");
        }
    }

    pub(super) fn opened(&mut self, opened: &Opened<'_>) -> io::Result<()> {
        let Opened { url, subprotocol, extensions, elapsed } = opened;
        self.start = Instant::now();
        if self.format == Format::Json {
            return self.print_json(json!({
                "event": "open",
                "url": url,
                "subprotocol": subprotocol,
                "extensions": extensions,
                "elapsed_ms": milliseconds(*elapsed),
            }));
        }
        let subprotocol = subprotocol.map(|name| format!("subprotocol {}", Visible(name)));
        let subprotocol = subprotocol.unwrap_or_else(|| "no subprotocol".to_owned());
        let extensions = extensions.map(|names| format!("extensions {}", Visible(names)));
        let extensions = extensions.unwrap_or_else(|| "no extensions".to_owned());
        let elapsed = milliseconds(*elapsed);
        let line = format!("Connected to {url} in {elapsed} ms; {subprotocol}, {extensions}");
        self.print(Style::Strong, &line)?;
        if self.format == Format::Terminal && stdin().is_terminal() {
            self.print(Style::Faint, "Type a message and press Enter; /help lists the commands")?;
        }
        Ok(())
    }

    /// A frame has passed. Those of a message are printed with it.
    pub(super) fn frame(&mut self, at: Instant, frame: &ObservedFrame) -> io::Result<()> {
        if self.format == Format::Json {
            return self.print_json(json!({
                "event": "frame",
                "direction": match frame.direction {
                    Direction::Sent => "sent",
                    Direction::Received => "received",
                },
                "opcode": opcode(frame.opcode),
                "fin": frame.fin,
                "compressed": frame.compressed,
                "octets": frame.payload_octets,
                "payload": frame.opcode.is_control().then(|| hex(&frame.control_payload)),
                "at_ms": milliseconds(at.saturating_duration_since(self.start)),
            }));
        }
        let is_control = frame.opcode.is_control();
        match frame.direction {
            // Whoever typed it knows.
            Direction::Sent if !is_control => Ok(()),
            _ if is_control && self.pending.is_empty() => self.print_frame(at, frame, ""),
            _ => {
                self.pending.push_back((at, frame.clone()));
                Ok(())
            }
        }
    }

    pub(super) fn message(&mut self, message: &Message) -> io::Result<()> {
        if self.format == Format::Json {
            let at = milliseconds(self.start.elapsed());
            let octets = message.len();
            return self.print_json(match message {
                Message::Text(text) => {
                    json!({ "event": "text", "text": text, "octets": octets, "at_ms": at })
                }
                Message::Binary(data) => {
                    json!({ "event": "binary", "hex": hex(data), "octets": octets, "at_ms": at })
                }
            });
        }
        let content = match message {
            Message::Text(text) => Visible(text).to_string(),
            Message::Binary(data) => {
                let shown = data.get(..BINARY_OCTETS_SHOWN).unwrap_or(data);
                format!("{}{}", hex(shown), if shown.len() < data.len() { " …" } else { "" })
            }
        };
        let (mut octets, mut compressed) = (0, false);
        while let Some((at, frame)) = self.pending.pop_front() {
            if frame.opcode.is_control() || !frame.fin {
                self.print_frame(at, &frame, "")?;
            }
            if frame.opcode.is_control() {
                continue;
            }
            octets += frame.payload_octets;
            compressed |= frame.compressed;
            if frame.fin {
                let ratio = if compressed { ratio(octets, message.len()) } else { String::new() };
                self.print_frame(at, &frame, &format!("{ratio}{content}"))?;
                break;
            }
        }
        while let Some((at, frame)) = self.pending.pop_front_if(|(_, it)| it.opcode.is_control()) {
            self.print_frame(at, &frame, "")?;
        }
        Ok(())
    }

    pub(super) fn closed(&mut self, closed: &Closed<'_>) -> io::Result<()> {
        while let Some((at, frame)) = self.pending.pop_front() {
            self.print_frame(at, &frame, "")?;
        }
        let code = closed.reason.code().as_u16();
        let reason = closed.reason.reason();
        if self.format == Format::Json {
            let at = milliseconds(self.start.elapsed());
            return self.print_json(
                json!({ "event": "close", "code": code, "reason": reason, "at_ms": at }),
            );
        }
        let reason =
            if reason.is_empty() { String::new() } else { format!(" {}", Visible(reason)) };
        self.print(Style::Strong, &format!("Closed with {code}{reason}"))
    }

    /// What was typed cannot be done.
    pub(super) fn complaint(&self, error: &dyn fmt::Display) -> io::Result<()> {
        if self.format == Format::Json {
            let object = json!({ "event": "complaint", "message": error.to_string() });
            return self.print_json(object);
        }
        writeln!(stderr(), "{error}")
    }

    pub(super) fn help(&self) -> io::Result<()> {
        writeln!(stderr(), "{HELP}")
    }

    /// Prints a frame, with the content of the message that it completes. A control frame brings its own.
    fn print_frame(&self, at: Instant, frame: &ObservedFrame, content: &str) -> io::Result<()> {
        let own = frame.opcode.is_control().then(|| control_payload(frame));
        let content = own.as_deref().unwrap_or(content);
        let (arrow, style) = match frame.direction {
            Direction::Sent => ('>', Style::Faint),
            Direction::Received => ('<', Style::Plain),
        };
        let seconds = at.saturating_duration_since(self.start).as_secs_f64();
        let opcode = opcode(frame.opcode);
        let more = if frame.fin { ' ' } else { '…' };
        let octets = frame.payload_octets;
        let line = format!("{seconds:9.3} s  {arrow} {opcode:<12}{more} {octets:>7} B  {content}");
        self.print(style, line.trim_end())
    }

    fn print(&self, style: Style, line: &str) -> io::Result<()> {
        let mut out = stdout().lock();
        match (self.format, style) {
            (Format::Terminal, Style::Strong) => writeln!(out, "\x1b[1m{line}\x1b[0m"),
            (Format::Terminal, Style::Faint) => writeln!(out, "\x1b[2m{line}\x1b[0m"),
            _ => writeln!(out, "{line}"),
        }?;
        out.flush()
    }

    fn print_json(&self, object: serde_json::Value) -> io::Result<()> {
        let mut out = stdout().lock();
        writeln!(out, "{object}")?;
        out.flush()
    }
}

#[derive(Clone, Copy, Debug)]
enum Style {
    Strong,
    Plain,
    Faint,
}

fn opcode(opcode: Opcode) -> &'static str {
    match opcode {
        Opcode::Continuation => "continuation",
        Opcode::Text => "text",
        Opcode::Binary => "binary",
        Opcode::Close => "close",
        Opcode::Ping => "ping",
        Opcode::Pong => "pong",
    }
}

/// The payload of a ping or pong as text; of a close frame its code and reason.
fn control_payload(frame: &ObservedFrame) -> String {
    let payload = &frame.control_payload;
    match (frame.opcode, payload.split_first_chunk()) {
        (Opcode::Close, Some((code, reason))) => {
            let reason = String::from_utf8_lossy(reason);
            format!("{} {}", u16::from_be_bytes(*code), Visible(&reason))
        }
        _ => Visible(&String::from_utf8_lossy(payload)).to_string(),
    }
}

/// How much smaller a message was on its way.
fn ratio(octets: u64, message_octets: usize) -> String {
    let percent = match u64::try_from(message_octets) {
        Ok(0) | Err(_) => 100,
        Ok(all) => octets.saturating_mul(100) / all,
    };
    format!("({percent} % of {message_octets} B) ")
}

/// With microseconds.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_is_told_in_percent() {
        assert_eq!(ratio(25, 100), "(25 % of 100 B) ");
        assert_eq!(ratio(1, 0), "(100 % of 0 B) ");
    }
}

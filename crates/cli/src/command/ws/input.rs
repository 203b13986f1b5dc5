use std::error::Error;
use std::fmt;
use std::str::FromStr;

use tidings::endpoint::{
    CloseCode, CloseReason, CloseReasonError, ControlPayload, ControlPayloadTooLong,
};

/// What the commands do, as `/help` shows it.
pub(super) const HELP: &str = "\
Each line is sent as a text message, but for these:
  /ping [TEXT]            send a ping
  /pong [TEXT]            send a pong that answers nothing
  /binary HEX             send a binary message, such as /binary 00 ff 10
  /close [CODE [REASON]]  close the connection; 1000 if there is no code
  /help                   show this
  //TEXT                  send a text that begins with a slash";

/// What a line of input asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Text(String),
    Binary(Vec<u8>),
    Ping(ControlPayload),
    Pong(ControlPayload),
    Close(CloseReason),
    Help,
}

/// Why a line is no command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CommandError {
    Unknown(String),
    Hex,
    Payload(ControlPayloadTooLong),
    CloseCode(String),
    CloseReason(CloseReasonError),
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(command) => {
                write!(f, "there is no command {command}; /help lists them, // sends a slash")
            }
            Self::Hex => f.write_str("expected pairs of hexadecimal digits, such as 00 ff 10"),
            Self::Payload(error) => error.fmt(f),
            Self::CloseCode(code) => write!(f, "{code} is no code that can be sent"),
            Self::CloseReason(error) => error.fmt(f),
        }
    }
}

impl Error for CommandError {}

impl FromStr for Command {
    type Err = CommandError;

    fn from_str(line: &str) -> Result<Self, CommandError> {
        let Some(command) = line.strip_prefix('/') else { return Ok(Self::Text(line.to_owned())) };
        if command.starts_with('/') {
            return Ok(Self::Text(command.to_owned()));
        }
        let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
        match name {
            "ping" => Ok(Self::Ping(control_payload(rest)?)),
            "pong" => Ok(Self::Pong(control_payload(rest)?)),
            "binary" => Ok(Self::Binary(hex(rest)?)),
            "close" => Ok(Self::Close(close_reason(rest.trim())?)),
            "help" => Ok(Self::Help),
            _ => Err(CommandError::Unknown(format!("/{name}"))),
        }
    }
}

fn control_payload(text: &str) -> Result<ControlPayload, CommandError> {
    text.try_into().map_err(CommandError::Payload)
}

fn hex(text: &str) -> Result<Vec<u8>, CommandError> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| digit.try_into().ok()))
        .collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or(CommandError::Hex)?;
    let (pairs, _) = digits.as_chunks::<2>();
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn close_reason(text: &str) -> Result<CloseReason, CommandError> {
    if text.is_empty() {
        return Ok(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
    }
    let (code, reason) = text.split_once(' ').unwrap_or((text, ""));
    let code = code
        .parse()
        .ok()
        .and_then(|code| CloseCode::new(code).ok())
        .filter(|code| code.is_sendable())
        .ok_or_else(|| CommandError::CloseCode(code.to_owned()))?;
    CloseReason::new(code, reason.trim()).map_err(CommandError::CloseReason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Command) {
        assert_eq!(line.parse(), Ok(expected), "{line}");
    }

    #[test]
    fn a_line_is_a_text_unless_it_begins_with_a_slash() {
        check("", Command::Text(String::new()));
        check(" /ping", Command::Text(" /ping".into()));
        check("//ping", Command::Text("/ping".into()));
    }

    #[test]
    fn commands_take_what_comes_after_them() {
        check("/ping", Command::Ping(().into()));
        check("/ping a b", Command::Ping("a b".try_into().unwrap()));
        check("/pong x", Command::Pong("x".try_into().unwrap()));
        check("/binary 00 fF10", Command::Binary(vec![0, 255, 16]));
        check("/binary", Command::Binary(vec![]));
        check("/help", Command::Help);
        check("/close", Command::Close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE)));
        let bye = CloseReason::new(CloseCode::new(4000).unwrap(), "bye now").unwrap();
        check("/close 4000 bye now", Command::Close(bye));
    }

    #[test]
    fn what_cannot_be_sent_is_told() {
        let error = |line: &str| line.parse::<Command>().unwrap_err();
        assert_eq!(error("/quit"), CommandError::Unknown("/quit".into()));
        assert_eq!(error("/"), CommandError::Unknown("/".into()));
        for line in ["/binary 0", "/binary xy", "/binary 0é"] {
            assert_eq!(error(line), CommandError::Hex, "{line}");
        }
        for code in ["999", "1006", "5000", "x", "65536"] {
            let expected = CommandError::CloseCode(code.into());
            assert_eq!(error(&format!("/close {code}")), expected);
        }
        let long = "x".repeat(126);
        assert!(matches!(error(&format!("/ping {long}")), CommandError::Payload(_)));
        assert!(matches!(error(&format!("/close 1000 {long}")), CommandError::CloseReason(_)));
    }
}

use std::error::Error;
use std::fmt;

use crate::json::{Reader, SyntaxError};
use crate::{DecodeError, MESSAGES_MAX, decode_messages, encode_message};

/// A frame from server to client.
///
/// # Examples
///
/// ```
/// use tidings_sockjs::Frame;
///
/// let close = Frame::Close { code: 3000, reason: "Go away!".to_owned() };
/// let mut octets = Vec::new();
/// close.encode(&mut octets);
/// assert_eq!(octets, br#"c[3000,"Go away!"]"#);
/// assert_eq!(Frame::decode(r#"c[3000,"Go away!"]"#), Ok(close));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// `o`: the session is open. The first frame of every session.
    Open,
    /// `h`: nothing but a sign of life.
    Heartbeat,
    /// `a[…]`: messages, in their order.
    Array(Vec<String>),
    /// `c[code,"reason"]`: the session is closed.
    Close {
        /// 1000 for a normal closure, from 3000 to 4999 for a meaning of the application's.
        code: u16,
        /// For a person to read.
        reason: String,
    },
}

impl Frame {
    /// Appends the frame to `out`, without the framing of a transport.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Open => out.push(b'o'),
            Self::Heartbeat => out.push(b'h'),
            Self::Array(messages) => encode_array(messages, out),
            Self::Close { code, reason } => encode_close(*code, reason, out),
        }
    }

    /// The frame that a server sent, as a client sees it.
    ///
    /// The first letter decides, as in `sockjs-client`: what follows `o` or `h` is ignored, so the
    /// first chunk of a streaming response counts as a heartbeat. `m` with one string is taken too.
    ///
    /// # Errors
    ///
    /// [`FrameError`]; clients ignore such a frame.
    pub fn decode(frame: &str) -> Result<Self, FrameError> {
        let mut chars = frame.chars();
        let letter = chars.next().ok_or(FrameError::Empty)?;
        let payload = chars.as_str();
        match letter {
            'o' => Ok(Self::Open),
            'h' => Ok(Self::Heartbeat),
            'a' => Ok(Self::Array(decode_messages(payload.as_bytes(), MESSAGES_MAX)?)),
            'm' => Ok(Self::Array(vec![decode_string(payload)?])),
            'c' => decode_close(payload),
            _ => Err(FrameError::UnknownLetter(letter)),
        }
    }
}

/// Appends the array frame with `messages`.
pub fn encode_array<M: AsRef<str>>(messages: impl IntoIterator<Item = M>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"a[");
    for (index, message) in messages.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        encode_message(message.as_ref(), out);
    }
    out.push(b']');
}

/// Appends a close frame.
pub fn encode_close(code: u16, reason: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("c[{code},").as_bytes());
    encode_message(reason, out);
    out.push(b']');
}

/// Why a text is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// There is nothing.
    Empty,
    /// No frame begins with this.
    UnknownLetter(char),
    /// What follows the `a`, `m` or `c` is not the array or string that belongs there.
    Payload(DecodeError),
    /// The code is not a number from 0 to 65535.
    CloseCode,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty frame"),
            Self::UnknownLetter(letter) => write!(f, "no frame begins with {letter:?}"),
            Self::Payload(_) => f.write_str("broken frame"),
            Self::CloseCode => f.write_str("close frame with a code that is none"),
        }
    }
}

impl Error for FrameError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Payload(error) => Some(error),
            _ => None,
        }
    }
}

impl From<DecodeError> for FrameError {
    fn from(error: DecodeError) -> Self {
        Self::Payload(error)
    }
}

impl From<SyntaxError> for FrameError {
    fn from(error: SyntaxError) -> Self {
        Self::Payload(error.into())
    }
}

fn decode_string(payload: &str) -> Result<String, SyntaxError> {
    let mut reader = Reader::new(payload);
    let string = reader.string()?;
    reader.finish()?;
    Ok(string)
}

fn decode_close(payload: &str) -> Result<Frame, FrameError> {
    let mut reader = Reader::new(payload);
    reader.punctuation('[')?;
    let code = reader.value()?;
    reader.punctuation(',')?;
    let reason = reader.string()?;
    reader.punctuation(']')?;
    reader.finish()?;
    let code = code.parse().map_err(|_| FrameError::CloseCode)?;
    Ok(Frame::Close { code, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(frame: &Frame) -> String {
        let mut octets = Vec::new();
        frame.encode(&mut octets);
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn frames_have_one_letter_and_no_spaces() {
        assert_eq!(encoded(&Frame::Open), "o");
        assert_eq!(encoded(&Frame::Heartbeat), "h");
        let messages = vec!["a".to_owned(), "\"".to_owned()];
        assert_eq!(encoded(&Frame::Array(messages)), r#"a["a","\""]"#);
        assert_eq!(encoded(&Frame::Array(Vec::new())), "a[]");
    }

    #[test]
    fn close_frames_are_safe_inside_a_script() {
        let close = Frame::Close { code: 1000, reason: "a \"b\"\u{2028}".to_owned() };
        assert_eq!(encoded(&close), r#"c[1000,"a \"b\"\u2028"]"#);
    }

    #[test]
    fn the_first_letter_decides() {
        assert_eq!(Frame::decode("o"), Ok(Frame::Open));
        assert_eq!(Frame::decode(&"h".repeat(2048)), Ok(Frame::Heartbeat));
        assert_eq!(Frame::decode(""), Err(FrameError::Empty));
        assert_eq!(Frame::decode("x[]"), Err(FrameError::UnknownLetter('x')));
        assert_eq!(Frame::decode("€"), Err(FrameError::UnknownLetter('€')));
    }

    #[test]
    fn one_message_may_come_without_an_array() {
        assert_eq!(Frame::decode("m\"a\""), Ok(Frame::Array(vec!["a".to_owned()])));
        let syntax = |offset| Err(FrameError::Payload(DecodeError::Syntax { offset }));
        assert_eq!(Frame::decode("m1"), syntax(0));
        assert_eq!(Frame::decode("m\"a\"1"), syntax(3));
    }

    #[test]
    fn broken_payloads_are_refused() {
        let payload = |error| Err(FrameError::Payload(error));
        assert_eq!(Frame::decode("a"), payload(DecodeError::Syntax { offset: 0 }));
        assert_eq!(Frame::decode("a{}"), payload(DecodeError::NotAnArray));
        assert_eq!(Frame::decode("c[3000]"), payload(DecodeError::Syntax { offset: 5 }));
        assert_eq!(Frame::decode("c[3000,\"\",1]"), payload(DecodeError::Syntax { offset: 8 }));
        for code in ["65536", "-1", "1.5", "\"1000\"", "[1]"] {
            let frame = format!("c[{code},\"\"]");
            assert_eq!(Frame::decode(&frame), Err(FrameError::CloseCode));
        }
    }
}

use std::fmt;

use bytes::Bytes;

use crate::{Command, Frame, Headers, ReceiptId, Version};

/// What an ERROR frame tells the client: STOMP 1.2, "ERROR".
///
/// Everything in it goes to the peer, so nothing internal belongs here.
///
/// # Examples
///
/// ```
/// use tidings_stomp::Error;
///
/// let error = Error::new("access denied", "Log in as somebody who may read /topic/prices.");
/// assert_eq!(error.to_frame().headers.get("message"), Some("access denied"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What went wrong, in a few words: the `message` header.
    pub message: String,
    /// What to do about it: the body, plain text.
    pub body: String,
    /// The receipt that the offending frame asked for: the `receipt-id` header.
    pub receipt: Option<ReceiptId>,
    /// Further headers.
    pub headers: Headers,
}

impl Error {
    /// An error about no frame in particular.
    pub fn new(message: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            body: body.into(),
            receipt: None,
            headers: Headers::default(),
        }
    }

    /// The same error, about the frame that asked for `receipt`.
    #[must_use]
    pub fn with_receipt(mut self, receipt: Option<ReceiptId>) -> Self {
        self.receipt = receipt;
        self
    }

    /// The ERROR frame. Its `version` header says what this server speaks.
    pub fn to_frame(&self) -> Frame {
        let mut headers = Headers::from([("message", self.message.as_str())]);
        if let Some(receipt) = &self.receipt {
            headers.push("receipt-id", receipt.as_str());
        }
        if !self.body.is_empty() {
            headers.push("content-type", "text/plain");
        }
        headers.extend(self.headers.iter_octets());
        if headers.get("version").is_none() {
            headers.push("version", Version::LIST);
        }
        Frame { command: Command::Error, headers, body: Bytes::from(self.body.clone()) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_names_the_receipt_of_the_offending_frame() {
        let error = Error::new("no", "Do not.").with_receipt(Some(ReceiptId::from("r")));
        let frame = error.to_frame();
        let headers = [
            ("message", "no"),
            ("receipt-id", "r"),
            ("content-type", "text/plain"),
            ("version", "1.0,1.1,1.2"),
        ];
        assert_eq!(frame.headers, Headers::from(headers));
        assert_eq!(&frame.body[..], b"Do not.");
    }
}

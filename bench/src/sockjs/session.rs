//! One session of the clients: which octets it sends, and what those mean that come.

use std::error::Error;

use super::Transport;
use super::http::{Answers, Part};
use crate::frame::{Compression, encode};

/// The messages of a session are all alike: this letter, over and over.
const LETTER: u8 = b'x';

/// What a session is made of, but for its sockets.
#[derive(Debug)]
pub(super) struct Session {
    transport: Transport,
    /// The request for frames.
    pub(super) receive: Vec<u8>,
    /// The URL that messages go to.
    send_line: String,
    /// What a message is as an element of an array.
    element: Vec<u8>,
    answers: Answers,
    sent_answers: Answers,
    /// Of a line, an event or a WebSocket frame, what has come.
    partial: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The opening frame has not come.
    Opening,
    Open,
}

/// What has come on the connection that receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) opened: bool,
    pub(super) messages: u64,
    /// The answer has ended, and the next request is due.
    pub(super) ended: bool,
}

impl Session {
    pub(super) fn new(
        address: &str,
        service: &str,
        transport: Transport,
        id: &str,
        octets: usize,
    ) -> Self {
        let path = format!("/{service}/000/{id}");
        let receive = match transport {
            Transport::WebSocket => format!(
                "GET {path}/websocket HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ),
            Transport::EventSource => {
                format!(
                    "GET {path}/eventsource HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n"
                )
            }
            transport => format!(
                "POST {path}/{} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n",
                transport.path()
            ),
        };
        let send_line = format!("POST {path}/xhr_send HTTP/1.1\r\nHost: {address}");
        let mut element = vec![b'"'];
        element.resize(octets + 1, LETTER);
        element.push(b'"');
        Self {
            transport,
            receive: receive.into_bytes(),
            send_line,
            element,
            answers: Answers::default(),
            sent_answers: Answers::default(),
            partial: Vec::new(),
            stage: Stage::Opening,
        }
    }

    /// The octets that send so many messages.
    pub(super) fn send(&self, messages: u64, out: &mut Vec<u8>) {
        out.clear();
        if self.transport == Transport::WebSocket {
            let array = [b"[", &self.element[..], b"]"].concat();
            for _ in 0..messages {
                encode(&array, Compression::Off, out);
            }
            return;
        }
        let mut array = vec![b'['];
        for index in 0..messages {
            if index > 0 {
                array.push(b',');
            }
            array.extend_from_slice(&self.element);
        }
        array.push(b']');
        let length = array.len();
        let head = format!(
            "{}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n",
            self.send_line
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(&array);
    }

    /// Takes in what came on the connection that sends; whether a request was answered.
    pub(super) fn take_sent(&mut self, octets: &[u8]) -> Result<bool, Box<dyn Error>> {
        self.sent_answers.push(octets);
        let mut answered = false;
        while let Some(part) = self.sent_answers.next()? {
            match part {
                Part::Head { status: 204 } => {}
                Part::End => answered = true,
                other => return Err(format!("xhr_send was answered with {other:?}").into()),
            }
        }
        Ok(answered)
    }

    /// Takes in what came on the connection that receives.
    pub(super) fn take(&mut self, octets: &[u8]) -> Result<Received, Box<dyn Error>> {
        let mut received = Received::default();
        if self.transport == Transport::WebSocket && self.stage == Stage::Open {
            self.partial.extend_from_slice(octets);
            self.take_websocket(&mut received)?;
            return Ok(received);
        }
        self.answers.push(octets);
        while let Some(part) = self.answers.next()? {
            match part {
                Part::Head { status: 200 } => {}
                Part::Head { status: 101 } if self.transport == Transport::WebSocket => {
                    self.partial = std::mem::take(&mut self.answers).into_rest();
                    self.stage = Stage::Open;
                    self.take_websocket(&mut received)?;
                    return Ok(received);
                }
                Part::Head { status } => return Err(format!("status {status}").into()),
                Part::Data(data) => {
                    self.partial.extend_from_slice(&data);
                    self.take_lines(&mut received)?;
                }
                Part::End => received.ended = true,
            }
        }
        Ok(received)
    }

    fn take_lines(&mut self, received: &mut Received) -> Result<(), Box<dyn Error>> {
        let partial = std::mem::take(&mut self.partial);
        let mut rest = &partial[..];
        while let Some(at) = rest.iter().position(|octet| *octet == b'\n') {
            let line = rest[..at].strip_suffix(b"\r").unwrap_or(&rest[..at]);
            rest = &rest[at + 1..];
            let frame = match self.transport {
                Transport::EventSource => line.strip_prefix(b"data: ").unwrap_or_default(),
                _ => line,
            };
            self.take_frame(frame, received)?;
        }
        self.partial = rest.to_vec();
        Ok(())
    }

    /// Frames without masking key, of less than 64 KiB.
    fn take_websocket(&mut self, received: &mut Received) -> Result<(), Box<dyn Error>> {
        let partial = std::mem::take(&mut self.partial);
        let mut rest = &partial[..];
        loop {
            let (start, len) = match rest {
                [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
                [_, len, ..] if *len < 126 => (2, usize::from(*len)),
                _ => break,
            };
            let Some(payload) = rest.get(start..start + len) else { break };
            match rest[0] & 0x0f {
                1 => self.take_frame(payload, received)?,
                9 | 10 => {}
                opcode => return Err(format!("a WebSocket frame with opcode {opcode}").into()),
            }
            rest = &rest[start + len..];
        }
        self.partial = rest.to_vec();
        Ok(())
    }

    fn take_frame(&self, frame: &[u8], received: &mut Received) -> Result<(), Box<dyn Error>> {
        match frame {
            [] | [b'h', ..] => Ok(()),
            b"o" => {
                received.opened = true;
                Ok(())
            }
            [b'a', b'[', elements @ .., b']'] => {
                let len = self.element.len() + 1;
                if (elements.len() + 1) % len != 0 {
                    return Err("an array of other messages".into());
                }
                for element in elements.chunks(len) {
                    if element.get(..len - 1) != Some(&self.element[..]) {
                        return Err("a message that was not sent".into());
                    }
                    received.messages += 1;
                }
                Ok(())
            }
            other => Err(format!("the frame {}", String::from_utf8_lossy(other)).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(transport: Transport) -> Session {
        Session::new("127.0.0.1:1", "echo", transport, "s", 2)
    }

    fn chunked(body: &str) -> Vec<u8> {
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}{length:x}\r\n{body}\r\n0\r\n\r\n").into_bytes()
    }

    #[test]
    fn frames_are_counted_and_compared() {
        let mut streaming = session(Transport::XhrStreaming);
        let received = streaming.take(&chunked("hhh\no\na[\"xx\",\"xx\"]\n")).unwrap();
        assert_eq!(received, Received { opened: true, messages: 2, ended: true });
        assert!(streaming.take(&chunked("a[\"xy\"]\n")).is_err());
        assert!(session(Transport::XhrPolling).take(&chunked("a[\"x\"]\n")).is_err());
        assert!(session(Transport::XhrPolling).take(&chunked("c[3000,\"\"]\n")).is_err());

        let events = "\r\ndata: o\r\n\r\ndata: a[\"xx\"]\r\n\r\n";
        let received = session(Transport::EventSource).take(&chunked(events)).unwrap();
        assert_eq!((received.opened, received.messages), (true, 1));
    }

    #[test]
    fn a_websocket_is_read_on_from_its_handshake() {
        let mut socket = session(Transport::WebSocket);
        let octets = b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x01o\x89\x00\x81\x07a[\"xx";
        let received = socket.take(octets).unwrap();
        assert_eq!((received.opened, received.messages), (true, 0));
        assert_eq!(socket.take(b"\"]").unwrap().messages, 1);
        assert!(socket.take(b"\x88\x00").is_err());
    }

    #[test]
    fn a_request_brings_all_messages_in_one_array() {
        let mut out = Vec::new();
        session(Transport::XhrPolling).send(2, &mut out);
        let request = String::from_utf8(out).unwrap();
        assert!(request.ends_with("Content-Length: 11\r\n\r\n[\"xx\",\"xx\"]"), "{request}");
        assert!(session(Transport::XhrPolling).take_sent(b"HTTP/1.1 204 No\r\n\r\n").unwrap());
        assert!(session(Transport::XhrPolling).take_sent(b"HTTP/1.1 404 No\r\n\r\n").is_err());
    }
}

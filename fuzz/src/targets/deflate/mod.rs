//! Compressed messages: any octets for an inflater, and any messages through a deflater.

mod deflating;
mod inflating;
mod reference;

use tidings_websocket::{Connection, Event, Limits, MaskingKey, MessagePart, Role};

use super::deflate_options::OPTION_OCTETS;
use crate::random::Random;
use crate::splits::Splits;
use crate::target::Target;

pub(crate) const TARGET: Target = Target {
    name: "deflate",
    check,
    sample,
    allocated_per_octet_max: INFLATED,
    dictionary: &[
        // Empty, final and empty, "Hello", final and "Hello", stored, final and stored.
        b"\x00",
        b"\x03\x00",
        b"\x03\x80",
        b"\xf2\x48\xcd\xc9\xc9\x07\x00",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        b"\x00\x00\x00\xff\xff",
        b"\x00\x05\x00\xfa\xffHello\x00",
        b"\x01\x05\x00\xfa\xffHello\x00",
        b"\x06",
        b"\xf2\x00\x11\x00\x00",
        b"\x00\x00\xff\xff",
    ],
};

/// An octet of deflate stands for a thousand, in several copies.
const INFLATED: usize = 128 * 1024;

/// Octets before what is compressed or is to be compressed: how, and how the stream is cut.
const CONTROL_OCTETS: usize = 3;

/// What every message of a sender ends with, and what is not sent of it: RFC 7692, section 7.2.1.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

fn check(input: &[u8]) {
    let Some((&[control, high, low], rest)) = input.split_first_chunk::<CONTROL_OCTETS>() else {
        return;
    };
    let seed = u64::from(u16::from_be_bytes([high, low]));
    if control & 1 == 0 {
        inflating::check(control, seed, rest);
    } else if let Some((options, rest)) = rest.split_first_chunk::<{ 2 * OPTION_OCTETS }>() {
        deflating::check(control, seed, *options, rest);
    }
}

fn sample(random: &mut Random) -> Vec<u8> {
    let mut out = random.octets(CONTROL_OCTETS);
    if out[0] & 1 == 0 {
        inflating::sample(random, &mut out);
    } else {
        deflating::sample(random, &mut out);
    }
    out
}

/// The other end of a connection.
fn peer(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

fn connection(role: Role, limits: Limits) -> Connection {
    match role {
        Role::Server => Connection::new_server(limits),
        Role::Client => Connection::new_client(limits, zero_key),
    }
}

/// Leaves what it masks as it is.
fn zero_key() -> MaskingKey {
    MaskingKey([0; 4])
}

/// What a connection makes of a stream, as messages and the code that it closes with.
#[derive(Debug, PartialEq, Eq)]
struct Received {
    messages: Vec<Vec<u8>>,
    code: u16,
}

fn receive(mut connection: Connection, stream: &[u8], splits: Splits) -> Received {
    let mut received = Received { messages: Vec::new(), code: 0 };
    let mut parts = Vec::new();
    for mut read in splits.reads(stream) {
        let mut input = &mut read[..];
        while let Some(event) = connection.poll_event(&mut input) {
            received.take(event, &mut parts);
        }
    }
    connection.handle_end_of_stream();
    while let Some(event) = connection.poll_event(&mut &mut [][..]) {
        received.take(event, &mut parts);
    }
    received
}

impl Received {
    fn take(&mut self, event: Event, parts: &mut Vec<u8>) {
        let is_last = match event {
            Event::Message(message) => return self.messages.push(message.as_octets().to_vec()),
            Event::Closed(closed) => return self.code = closed.reason.code().as_u16(),
            Event::Part(MessagePart::Text { data, last }) => {
                parts.extend_from_slice(data.as_bytes());
                last
            }
            Event::Part(MessagePart::Binary { data, last }) => {
                parts.extend_from_slice(&data);
                last
            }
            other => panic!("nobody sent what makes {other:?}"),
        };
        if is_last {
            self.messages.push(std::mem::take(parts));
        }
    }
}

/// A frame as it was written.
struct WireFrame {
    is_compressed: bool,
    payload: Vec<u8>,
}

impl WireFrame {
    /// Of one whole frame, masked with zeros if it is.
    fn parse(frame: &[u8]) -> Self {
        const MASK_OCTETS: usize = 4;
        let mask = if frame[1] & 0x80 == 0 { 0 } else { MASK_OCTETS };
        let len = match frame[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        Self { is_compressed: frame[0] & 0x40 != 0, payload: frame[2 + len + mask..].to_vec() }
    }
}

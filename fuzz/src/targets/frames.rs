//! A stream of frames, for either end of a connection.

use tidings_websocket::{
    Connection, Event, Initiator, Limits, MaskingKey, MessageKind, MessagePart, Opcode, Reception,
    Role, encode_frame,
};

use crate::random::Random;
use crate::splits::Splits;
use crate::target::{DECODING, Target};

pub(crate) const TARGET: Target = Target {
    name: "frames",
    check,
    sample,
    allocated_per_octet_max: DECODING,
    dictionary: &[
        b"\x81\x00",
        b"\x81\x80\x00\x00\x00\x00",
        b"\x82\x7e",
        b"\x82\x7f",
        b"\x82\xfe\xff\xff",
        b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x88\x02\x03\xe8",
        b"\x88\x82\x00\x00\x00\x00\x03\xe8",
        b"\x89\x80\x00\x00\x00\x00",
        b"\x00\x80\x00\x00\x00\x00",
        b"\xf0\x9f\x98\x80",
        b"\xed\xa0\x80",
    ],
};

/// Octets before the stream: how it is received, and how it is cut.
const CONTROL_OCTETS: usize = 3;

/// Limits that inputs reach.
const TIGHT: Limits = Limits {
    message_octets_max: 300,
    frame_octets_max: 200,
    fragments_max: 4,
    pong_octets_max: 300,
};

/// How a stream is received.
#[derive(Clone, Copy)]
struct Receiver {
    role: Role,
    limits: Limits,
    in_parts: Option<Reception>,
}

impl Receiver {
    fn new(control: u8) -> Self {
        Self {
            role: if control & 1 == 0 { Role::Server } else { Role::Client },
            limits: if control & 2 == 0 { Limits::default() } else { TIGHT },
            in_parts: (control & 4 != 0).then_some(Reception::Parts),
        }
    }

    fn connection(self) -> Connection {
        let mut connection = connection(self.role, self.limits);
        if let Some(reception) = self.in_parts {
            connection.set_reception(MessageKind::Text, reception);
            connection.set_reception(MessageKind::Binary, reception);
        }
        connection
    }
}

/// What can be seen of a connection from outside.
#[derive(Debug, PartialEq, Eq)]
struct Observation {
    events: Vec<Event>,
    written: Vec<u8>,
}

fn check(input: &[u8]) {
    let Some((&[control, high, low], stream)) = input.split_first_chunk::<CONTROL_OCTETS>() else {
        return;
    };
    let receiver = Receiver::new(control);
    let whole = observe(receiver, stream, Splits::Whole);
    for splits in
        [Splits::Seeded(u64::from(u16::from_be_bytes([high, low]))), Splits::octets(stream)]
    {
        assert_eq!(observe(receiver, stream, splits), whole, "{splits:?}");
    }
    check_written(receiver.role, whole.written);
}

fn observe(receiver: Receiver, stream: &[u8], splits: Splits) -> Observation {
    let mut connection = receiver.connection();
    let mut events = Vec::new();
    for mut read in splits.reads(stream) {
        let mut input = &mut read[..];
        while let Some(event) = connection.poll_event(&mut input) {
            events.push(event);
        }
        assert!(input.is_empty(), "all octets are taken");
    }
    let written = std::iter::from_fn(|| connection.poll_transmit()).flatten().collect();
    connection.handle_end_of_stream();
    while let Some(event) = connection.poll_event(&mut &mut [][..]) {
        events.push(event);
    }
    check_events(receiver, &events, stream.len());
    Observation { events: join_parts(events), written }
}

fn check_events(receiver: Receiver, events: &[Event], octets: usize) {
    let closed = events.iter().filter(|event| matches!(event, Event::Closed(_))).count();
    assert_eq!(closed, 1, "a connection closes once");
    assert!(matches!(events.last(), Some(Event::Closed(_))), "nothing follows the end");
    let mut delivered = 0;
    for event in events {
        delivered += match event {
            Event::Message(message) => {
                assert!(message.len() <= receiver.limits.message_octets_max);
                message.len()
            }
            Event::Part(MessagePart::Text { data, .. }) => data.len(),
            Event::Part(MessagePart::Binary { data, .. }) => data.len(),
            Event::Ping(payload) | Event::Pong(payload) => {
                assert!(payload.len() <= 125);
                payload.len()
            }
            _ => 0,
        };
    }
    assert!(delivered <= octets, "{delivered} octets came of {octets}");
}

/// Parts are cut where reads are, so only what they make together can be compared; and how much of an
/// unfinished message came before the end depends on the reads.
fn join_parts(events: Vec<Event>) -> Vec<Event> {
    let mut joined = Vec::new();
    let (mut text, mut binary) = (String::new(), Vec::new());
    for event in events {
        match event {
            Event::Part(MessagePart::Text { data, last }) => {
                text.push_str(&data);
                if last {
                    let data = std::mem::take(&mut text);
                    joined.push(Event::Part(MessagePart::Text { data, last }));
                }
            }
            Event::Part(MessagePart::Binary { data, last }) => {
                binary.extend_from_slice(&data);
                if last {
                    let data = std::mem::take(&mut binary).into();
                    joined.push(Event::Part(MessagePart::Binary { data, last }));
                }
            }
            other => joined.push(other),
        }
    }
    joined
}

/// What one end writes, whatever it has read, is legal for the other.
fn check_written(writer: Role, mut written: Vec<u8>) {
    let reader = match writer {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    };
    let mut reader = connection(reader, Limits::default());
    let mut input = &mut written[..];
    while let Some(event) = reader.poll_event(&mut input) {
        match event {
            Event::Pong(_) => {}
            Event::Closed(closed) if closed.initiator == Initiator::Peer => {}
            other => panic!("it wrote what makes {other:?}"),
        }
    }
}

fn connection(role: Role, limits: Limits) -> Connection {
    match role {
        Role::Server => Connection::new_server(limits),
        Role::Client => Connection::new_client(limits, || MaskingKey([7, 1, 8, 2])),
    }
}

fn sample(random: &mut Random) -> Vec<u8> {
    let mut out = random.octets(CONTROL_OCTETS);
    let mask = Receiver::new(out[0]).role == Role::Server;
    let mut within_message = false;
    for _ in 0..=random.below(12) {
        let opcode = match random.below(8) {
            0 => Opcode::Ping,
            1 => Opcode::Pong,
            2 if random.one_in(4) => Opcode::Close,
            _ if within_message => Opcode::Continuation,
            3 | 4 => Opcode::Binary,
            _ => Opcode::Text,
        };
        let start = out.len();
        let payload = payload(random, opcode);
        let key = mask.then(|| MaskingKey([random.octet(), 1, 2, random.octet()]));
        encode_frame(opcode, &payload, key, &mut out);
        if !matches!(opcode, Opcode::Ping | Opcode::Pong | Opcode::Close) {
            within_message = random.one_in(3);
            if within_message {
                out[start] &= 0x7f;
            }
        }
    }
    out
}

fn payload(random: &mut Random, opcode: Opcode) -> Vec<u8> {
    let len = random.len();
    match opcode {
        Opcode::Ping | Opcode::Pong => random.octets(len.min(125)),
        Opcode::Close => {
            let code = random.pick(&[1000_u16, 1001, 1005, 1011, 1016, 3000, 4999, 0, 999, 5000]);
            [&code.to_be_bytes()[..], b"why"].concat()
        }
        // Characters of every length, and cut anywhere.
        Opcode::Text | Opcode::Continuation => {
            let text = "a\u{e9}\u{20ac}\u{1f600}".bytes().cycle();
            text.skip(random.pick(&[0, 0, 0, 1, 2, 4])).take(len.min(2_000)).collect()
        }
        Opcode::Binary => vec![random.octet(); len],
    }
}

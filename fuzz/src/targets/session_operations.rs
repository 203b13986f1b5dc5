//! Two ends of a connection that send, close, read a little at a time and lose each other.

use std::collections::VecDeque;

use arbitrary::{Arbitrary, Unstructured};
use tidings_websocket::{
    CloseCode, CloseReason, Connection, Encoder, Event, FrameStart, Initiator, Limits, MaskingKey,
    Message, MessageKind, Opcode,
};

use crate::random::Random;
use crate::target::Target;

pub(crate) const TARGET: Target = Target {
    name: "session_operations",
    check,
    sample,
    dictionary: &[],
    allocated_per_octet_max: SENDING,
};

/// A few octets of input are an operation, which sends as much as 64 KiB; it is copied a few times.
const SENDING: usize = 256 * 1024;

/// The most operations of one input.
const OPERATIONS_MAX: usize = 300;

/// How many of 255 ends come about: most inputs are to have a long life.
const ODDS: u8 = 8;

/// Text with characters of every length.
const CHARACTERS: &str = "a\u{e9}\u{20ac}\u{1f600}";

#[derive(Arbitrary, Debug)]
enum Operation {
    /// Sends a message in one frame.
    Send {
        from: Side,
        kind: Kind,
        len: u16,
    },
    /// Sends a fragment of a message, the first or a further one.
    SendFragment {
        from: Side,
        kind: Kind,
        len: u8,
    },
    /// Sends the last fragment of the message that was begun.
    FinishMessage {
        from: Side,
        len: u8,
    },
    Ping {
        from: Side,
        len: u8,
    },
    Close {
        from: Side,
        code: u16,
        reason: String,
        odds: u8,
    },
    /// Writes what the connection has to write by itself.
    Transmit {
        from: Side,
    },
    /// Some of what was written arrives.
    Deliver {
        to: Side,
        octets: u16,
    },
    /// What is on its way is lost, and the stream ends.
    Break {
        to: Side,
        odds: u8,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Text,
    Binary,
}

fn check(input: &[u8]) {
    let mut input = Unstructured::new(input);
    let mut pair = Pair::new();
    for _ in 0..OPERATIONS_MAX {
        if input.is_empty() {
            break;
        }
        let Ok(operation) = Operation::arbitrary(&mut input) else { break };
        pair.perform(operation);
    }
    pair.settle();
}

struct Pair {
    client: End,
    server: End,
    is_broken: bool,
}

/// One end, and what is on its way to it.
struct End {
    connection: Connection,
    encoder: Encoder,
    /// A message that was begun and not finished.
    unfinished: Option<(MessageKind, Vec<u8>)>,
    incoming: Vec<u8>,
    /// The messages among that.
    expected: VecDeque<Message>,
    is_over: bool,
}

impl Pair {
    fn new() -> Self {
        let key = || MaskingKey([1, 2, 3, 4]);
        let client = Connection::new_client(Limits::default(), key);
        let server = Connection::new_server(Limits::default());
        Self {
            client: End::new(client, Encoder::new_client(key)),
            server: End::new(server, Encoder::new_server()),
            is_broken: false,
        }
    }

    /// The end that sends from this side, and the one it sends to.
    fn ends(&mut self, from: Side) -> (&mut End, &mut End) {
        match from {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        }
    }

    fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Send { from, kind, len } => {
                let (sender, receiver) = self.ends(from);
                sender.send(kind.message(usize::from(len)), receiver);
            }
            Operation::SendFragment { from, kind, len } => {
                let (sender, receiver) = self.ends(from);
                sender.send_fragment(kind, usize::from(len), receiver);
            }
            Operation::FinishMessage { from, len } => {
                let (sender, receiver) = self.ends(from);
                sender.finish_message(usize::from(len), receiver);
            }
            Operation::Ping { from, len } => {
                let (sender, receiver) = self.ends(from);
                if !sender.connection.is_closing() {
                    let payload = vec![7; usize::from(len).min(125)];
                    sender.encoder.encode_frame(Opcode::Ping, &payload, &mut receiver.incoming);
                }
            }
            Operation::Close { odds, .. } | Operation::Break { odds, .. } if odds > ODDS => {}
            Operation::Close { from, code, reason, .. } => {
                let code = CloseCode::new(code).unwrap_or(CloseCode::NORMAL_CLOSURE);
                let reason = CloseReason::truncated(code, &reason);
                self.ends(from).0.connection.close(&reason);
            }
            Operation::Transmit { from } => {
                let (sender, receiver) = self.ends(from);
                sender.transmit(receiver);
            }
            Operation::Deliver { to, octets } => self.ends(to).0.read(usize::from(octets)),
            Operation::Break { to, .. } => {
                self.is_broken = true;
                self.ends(to).0.lose_stream();
            }
        }
    }

    /// Lets everything arrive that can.
    fn settle(&mut self) {
        loop {
            self.client.transmit(&mut self.server);
            self.server.transmit(&mut self.client);
            if self.client.incoming.is_empty() && self.server.incoming.is_empty() {
                break;
            }
            self.client.read(usize::MAX);
            self.server.read(usize::MAX);
        }
        let ends = [&self.client, &self.server];
        if self.is_broken {
            return;
        }
        if ends.iter().any(|end| end.connection.is_closing()) {
            assert!(ends.iter().all(|end| end.connection.is_closed() && end.is_over));
        } else {
            assert!(ends.iter().all(|end| end.expected.is_empty()), "every message has arrived");
        }
    }
}

impl End {
    fn new(connection: Connection, encoder: Encoder) -> Self {
        let (incoming, expected) = (Vec::new(), VecDeque::new());
        Self { connection, encoder, unfinished: None, incoming, expected, is_over: false }
    }

    fn send(&mut self, message: Message, receiver: &mut Self) {
        if self.connection.is_closing() || self.unfinished.is_some() {
            return;
        }
        self.encoder.encode(&message, &mut receiver.incoming);
        receiver.expected.push_back(message);
    }

    fn send_fragment(&mut self, kind: Kind, len: usize, receiver: &mut Self) {
        if self.connection.is_closing() {
            return;
        }
        let opcode = match (&self.unfinished, kind) {
            (Some(_), _) => Opcode::Continuation,
            (None, Kind::Text) => Opcode::Text,
            (None, Kind::Binary) => Opcode::Binary,
        };
        let begin = || match kind {
            Kind::Text => (MessageKind::Text, Vec::new()),
            Kind::Binary => (MessageKind::Binary, Vec::new()),
        };
        let (_, sent) = self.unfinished.get_or_insert_with(begin);
        // The same octets for both kinds: text goes on where it was cut, within a character or not.
        let fragment: Vec<u8> = CHARACTERS.bytes().cycle().skip(sent.len()).take(len).collect();
        sent.extend_from_slice(&fragment);
        let start = FrameStart::unfinished(opcode);
        self.encoder.encode_frame(start, &fragment, &mut receiver.incoming);
    }

    fn finish_message(&mut self, len: usize, receiver: &mut Self) {
        if self.connection.is_closing() {
            return;
        }
        let Some((kind, mut message)) = self.unfinished.take() else { return };
        let rest = CHARACTERS.len() - message.len() % CHARACTERS.len();
        let fragment: Vec<u8> = CHARACTERS
            .bytes()
            .cycle()
            .skip(message.len())
            .take(rest + len * CHARACTERS.len())
            .collect();
        message.extend_from_slice(&fragment);
        let start = FrameStart::last(Opcode::Continuation);
        self.encoder.encode_frame(start, &fragment, &mut receiver.incoming);
        receiver.expected.push_back(match kind {
            MessageKind::Text => Message::from(String::from_utf8(message).expect("it is whole")),
            MessageKind::Binary => Message::from(message),
        });
    }

    fn transmit(&mut self, receiver: &mut Self) {
        while let Some(octets) = self.connection.poll_transmit() {
            receiver.incoming.extend_from_slice(&octets);
        }
    }

    fn read(&mut self, octets: usize) {
        let mut read: Vec<u8> = self.incoming.drain(..octets.min(self.incoming.len())).collect();
        self.take_events(&mut read);
    }

    fn lose_stream(&mut self) {
        self.incoming.clear();
        self.connection.handle_end_of_stream();
        self.take_events(&mut []);
    }

    fn take_events(&mut self, mut input: &mut [u8]) {
        while let Some(event) = self.connection.poll_event(&mut input) {
            assert!(!self.is_over, "nothing follows the end");
            match event {
                Event::Message(message) => assert_eq!(Some(message), self.expected.pop_front()),
                Event::Closed(closed) => {
                    self.is_over = true;
                    match closed.initiator {
                        Initiator::Peer => assert!(self.expected.is_empty(), "a message is lost"),
                        Initiator::Failure(error) => panic!("a legal frame failed: {error}"),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        assert!(input.is_empty(), "all octets are taken");
    }
}

impl Kind {
    fn message(self, len: usize) -> Message {
        match self {
            Self::Text => Message::from(CHARACTERS.repeat(len / CHARACTERS.len())),
            Self::Binary => Message::from(vec![0xff; len]),
        }
    }
}

fn sample(random: &mut Random) -> Vec<u8> {
    let len = random.below(1_000);
    random.octets(len)
}

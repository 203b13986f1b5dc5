//! Any messages through compressors, as any two ends agree on them.

use arbitrary::{Arbitrary, Unstructured};
use tidings_websocket::{
    Connection, ContextTakeover, DeflateOptions, Encoder, Extension, Limits, Opcode,
    PerMessageDeflate, Role,
};

use super::reference::{self, Stop, WINDOW_OCTETS_MAX};
use super::{Received, TAIL, WireFrame, connection, peer, receive, zero_key};
use crate::random::Random;
use crate::splits::Splits;
use crate::targets::deflate_options::{OPTION_OCTETS, deflate_options};

/// The most messages of one input.
const MESSAGES_MAX: usize = 12;

/// The most octets of them all.
const OCTETS_MAX: usize = 150_000;

/// A message, made of little input.
#[derive(Arbitrary, Debug)]
enum Payload {
    /// Octets as they are.
    Literal(Vec<u8>),
    /// Octets again and again.
    Repeated { octets: [u8; 5], len: u16 },
    /// What nobody can compress.
    Noise { seed: u64, len: u16 },
    /// An earlier message, from an octet of it on.
    Again { message: u8, from: u16 },
}

impl Payload {
    fn octets(self, earlier: &[Vec<u8>]) -> Vec<u8> {
        match self {
            Self::Literal(octets) => octets,
            Self::Repeated { octets, len } => {
                octets.into_iter().cycle().take(usize::from(len)).collect()
            }
            Self::Noise { seed, len } => Random::new(seed).octets(usize::from(len) / 8),
            Self::Again { message, from } => {
                let Some(last) = earlier.len().checked_sub(1) else { return Vec::new() };
                let message = &earlier[usize::from(message).min(last)];
                message[usize::from(from) % (message.len() + 1)..].to_vec()
            }
        }
    }
}

/// One end that sends.
struct Sender {
    role: Role,
    options: DeflateOptions,
    agreed: PerMessageDeflate,
    /// Of the other end.
    agreed_at_peer: PerMessageDeflate,
}

impl Sender {
    fn new(control: u8, options: [u8; 2 * OPTION_OCTETS]) -> Self {
        let (client, server) = options.split_at(OPTION_OCTETS);
        let [client, server] = [client, server]
            .map(|options| deflate_options(options.try_into().expect("they are as many")));
        let (at_server, answer) = server.accept(&[client.offer()]).expect("it is a good offer");
        let answered = if control & 4 == 0 { answer } else { with_window_of_eight_bits(&answer) };
        let at_client = client.agree(&[answered]).expect("it is a good answer");
        let at_client = at_client.expect("it was accepted");
        let takeover = |agreed: &PerMessageDeflate| agreed.context_takeover(Role::Server);
        assert_eq!(takeover(&at_client), takeover(&at_server));
        assert!(at_client.max_window_bits(Role::Client) <= at_server.max_window_bits(Role::Client));
        match control & 2 {
            0 => Self {
                role: Role::Client,
                options: client,
                agreed: at_client,
                agreed_at_peer: at_server,
            },
            _ => Self {
                role: Role::Server,
                options: server,
                agreed: at_server,
                agreed_at_peer: at_client,
            },
        }
    }

    fn encoder(&self) -> Encoder {
        let encoder = match self.role {
            Role::Client => Encoder::new_client(zero_key),
            Role::Server => Encoder::new_server(),
        };
        encoder.with_deflate(&self.options, &self.agreed)
    }

    fn receiver(&self) -> Connection {
        connection(peer(self.role), Limits::default()).with_deflate(&self.agreed_at_peer)
    }
}

/// What another server may answer.
fn with_window_of_eight_bits(answer: &Extension) -> Extension {
    let window = "client_max_window_bits";
    let kept = answer.to_string();
    let kept = kept.split("; ").filter(|param| !param.starts_with(window));
    let answer = kept.chain([window]).collect::<Vec<_>>().join("; ") + "=8";
    let parsed = Extension::parse_list(&answer).expect("it was one before");
    parsed.into_iter().next().expect("it is one")
}

pub(super) fn check(control: u8, seed: u64, options: [u8; 2 * OPTION_OCTETS], rest: &[u8]) {
    let sender = Sender::new(control, options);
    let mut encoder = sender.encoder();
    let mut reader = Reader::new(&sender);
    let mut stream = Vec::new();
    let messages = messages(rest);
    let mut random = Random::new(seed);
    for message in &messages {
        let frame = match encoder.shared_encoding() {
            Some(shared) if control & 8 != 0 && random.one_in(3) => {
                let frame = shared.frame(Opcode::Binary, message);
                encoder.record_shared(message, &frame);
                frame.to_vec()
            }
            _ => {
                let mut frame = Vec::new();
                encoder.encode_message(Opcode::Binary, message, &mut frame);
                frame
            }
        };
        reader.read(&WireFrame::parse(&frame), message);
        stream.extend_from_slice(&frame);
    }
    let expected = Received { messages, code: 1006 };
    for splits in [Splits::Whole, Splits::Seeded(seed), Splits::octets(&stream)] {
        let received = receive(sender.receiver(), &stream, splits);
        assert!(received == expected, "{splits:?}");
    }
}

fn messages(rest: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = Unstructured::new(rest);
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let mut octets = 0;
    while messages.len() < MESSAGES_MAX && !rest.is_empty() {
        let Ok(payload) = Payload::arbitrary(&mut rest) else { break };
        let payload = payload.octets(&messages);
        octets += payload.len();
        if octets > OCTETS_MAX {
            break;
        }
        messages.push(payload);
    }
    messages
}

/// Reads what was written by the letter of what was agreed on.
struct Reader {
    takeover: ContextTakeover,
    window_octets: usize,
    /// What was compressed in the context, and how much came of it.
    context: Vec<u8>,
    inflated: usize,
}

impl Reader {
    fn new(sender: &Sender) -> Self {
        let window_bits = sender.agreed.max_window_bits(sender.role);
        Self {
            takeover: sender.agreed.context_takeover(sender.role),
            window_octets: (1 << window_bits).min(WINDOW_OCTETS_MAX),
            context: Vec::new(),
            inflated: 0,
        }
    }

    fn read(&mut self, frame: &WireFrame, message: &[u8]) {
        if !frame.is_compressed {
            assert_eq!(frame.payload, message);
            return;
        }
        // The fastest level has one code for all messages, in which an octet takes nine bits at most.
        let longest = message.len() + message.len() / 8 + 16;
        assert!(frame.payload.len() <= longest, "it got longer");
        self.context.extend_from_slice(&frame.payload);
        self.context.extend_from_slice(&TAIL);
        let reference = reference::inflate(&self.context, OCTETS_MAX);
        assert_eq!(reference.stop, Stop::EndOfInput);
        assert!(&reference.out[self.inflated..] == message, "another message came out");
        assert!(reference.distance_max <= self.window_octets, "it refers to beyond the window");
        match self.takeover {
            ContextTakeover::Allow => self.inflated = reference.out.len(),
            ContextTakeover::Refuse => self.context.clear(),
        }
    }
}

pub(super) fn sample(random: &mut Random, out: &mut Vec<u8>) {
    out.extend_from_slice(&random.octets(2 * OPTION_OCTETS));
    let len = 40 + random.below(400);
    out.extend_from_slice(&random.octets(len));
}

//! Any octets as compressed messages.

use tidings_websocket::{
    Connection, ContextTakeover, DeflateMode, DeflateOptions, Encoder, FrameStart, Limits,
    MessageKind, Opcode, PerMessageDeflate, Reception, Role, encode_frame,
};

use super::reference::{self, Stop};
use super::{Received, TAIL, WireFrame, connection, receive, zero_key};
use crate::random::Random;
use crate::splits::Splits;

/// The longest message taken in, which is longer than any piece that is inflated at a time.
const OCTETS_MAX: usize = 50_000;

/// A limit that inputs reach.
const OCTETS_MAX_TIGHT: usize = 300;

/// The most compressed octets that are taken in parts, without a limit on what comes of them.
const COMPRESSED_IN_PARTS_MAX: usize = 2_000;

/// The most messages of one input.
const MESSAGES_MAX: usize = 8;

/// How messages are received.
#[derive(Clone, Copy)]
struct Receiver {
    role: Role,
    takeover: ContextTakeover,
    kind: MessageKind,
    reception: Reception,
}

impl Receiver {
    fn new(control: u8, compressed: usize) -> Self {
        let octets_max = if control & 8 == 0 { OCTETS_MAX } else { OCTETS_MAX_TIGHT };
        let in_parts = control & 0x10 != 0 && compressed <= COMPRESSED_IN_PARTS_MAX;
        Self {
            role: if control & 2 == 0 { Role::Server } else { Role::Client },
            takeover: match control & 4 {
                0 => ContextTakeover::Allow,
                _ => ContextTakeover::Refuse,
            },
            kind: if control & 0x20 == 0 { MessageKind::Binary } else { MessageKind::Text },
            reception: if in_parts { Reception::Parts } else { Reception::Whole { octets_max } },
        }
    }

    fn octets_max(self) -> usize {
        match self.reception {
            Reception::Whole { octets_max } => octets_max,
            Reception::Parts => usize::MAX,
        }
    }

    fn connection(self) -> Connection {
        let mut connection = connection(self.role, Limits::default()).with_deflate(&self.agreed());
        connection.set_reception(self.kind, self.reception);
        connection
    }

    fn agreed(self) -> PerMessageDeflate {
        let options = DeflateOptions {
            mode: DeflateMode::Dedicated,
            peer_context_takeover: self.takeover,
            ..DeflateOptions::default()
        };
        // Both ends want the same, whichever of them this is.
        let (agreed, _) = options.accept(&[options.offer()]).expect("they want the same");
        agreed
    }
}

pub(super) fn check(control: u8, seed: u64, rest: &[u8]) {
    let receiver = Receiver::new(control, rest.len());
    let messages = messages(rest);
    let expected = expected(receiver, &messages);
    let stream = frames(receiver, seed, &messages);
    for splits in [Splits::Whole, Splits::Seeded(seed), Splits::octets(&stream)] {
        let received = receive(receiver.connection(), &stream, splits);
        for message in &received.messages {
            assert!(message.len() <= receiver.octets_max());
        }
        assert!(received == expected, "{splits:?}: {received:?} instead of {expected:?}");
    }
}

/// Each with two octets before it that say how long it is.
fn messages(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some((len, further)) = rest.split_first_chunk::<2>() {
        if messages.len() == MESSAGES_MAX {
            break;
        }
        let len = usize::from(u16::from_be_bytes(*len)).min(further.len());
        let (message, further) = further.split_at(len);
        messages.push(message);
        rest = further;
    }
    messages
}

/// The messages as frames, in fragments now and then.
fn frames(receiver: Receiver, seed: u64, messages: &[&[u8]]) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mask = (receiver.role == Role::Server).then(zero_key);
    let mut stream = Vec::new();
    for message in messages {
        let opcode = match receiver.kind {
            MessageKind::Text => Opcode::Text,
            MessageKind::Binary => Opcode::Binary,
        };
        let (mut opcode, mut rest) = (opcode, *message);
        while random.one_in(3) {
            let (fragment, further) = rest.split_at(random.below(rest.len() + 1));
            let start = FrameStart::unfinished(opcode);
            encode_frame(compressed(start, opcode), fragment, mask, &mut stream);
            (opcode, rest) = (Opcode::Continuation, further);
        }
        encode_frame(compressed(FrameStart::last(opcode), opcode), rest, mask, &mut stream);
    }
    stream
}

/// Only the first fragment says that the message is compressed.
fn compressed(start: FrameStart, opcode: Opcode) -> FrameStart {
    if opcode == Opcode::Continuation { start } else { start.compressed() }
}

/// What a reading of the standards makes of the messages.
fn expected(receiver: Receiver, messages: &[&[u8]]) -> Received {
    const ABNORMAL_CLOSURE: u16 = 1006;
    let mut received = Received { messages: Vec::new(), code: ABNORMAL_CLOSURE };
    // What was inflated since the context began, and where blocks have ended in it.
    let (mut context, mut inflated) = (Vec::new(), 0);
    for message in messages {
        let start = context.len();
        context.extend_from_slice(message);
        let octets_max = inflated + receiver.octets_max().min(usize::MAX / 2);
        let without_tail = reference::inflate(&context, octets_max);
        // Nothing is left to be flushed after no octets, nor after a final block.
        let ends_in_block =
            context.len() > start && without_tail.final_block_end != Some(context.len());
        if ends_in_block {
            context.extend_from_slice(&TAIL);
        }
        let reference = reference::inflate(&context, octets_max);
        let out = &reference.out[inflated..];
        if let Some(code) = code(receiver.kind, out, reference.stop) {
            received.code = code;
            break;
        }
        received.messages.push(out.to_vec());
        match receiver.takeover {
            ContextTakeover::Allow => inflated = reference.out.len(),
            ContextTakeover::Refuse => context.clear(),
        }
    }
    received
}

/// The code that a message is answered with, if it is wrong in one way or another.
fn code(kind: MessageKind, out: &[u8], stop: Stop) -> Option<u16> {
    const INVALID_PAYLOAD: u16 = 1007;
    const MESSAGE_TOO_BIG: u16 = 1009;
    let text_error = match kind {
        MessageKind::Text => std::str::from_utf8(out).err(),
        MessageKind::Binary => None,
    };
    match (text_error, stop) {
        (Some(error), _) if error.error_len().is_some() => Some(INVALID_PAYLOAD),
        (_, Stop::Corrupt) => Some(INVALID_PAYLOAD),
        (_, Stop::Full) => Some(MESSAGE_TOO_BIG),
        (Some(_), Stop::EndOfInput) => Some(INVALID_PAYLOAD),
        (None, Stop::EndOfInput) => None,
    }
}

pub(super) fn sample(random: &mut Random, out: &mut Vec<u8>) {
    let mode = random.pick(&[DeflateMode::Shared, DeflateMode::Dedicated]);
    let options = DeflateOptions {
        mode,
        level: random.pick(&[1, 6, 9]),
        threshold_octets: Some(1),
        window_bits: Some(random.pick(&[9, 12, 15])),
        ..DeflateOptions::default()
    };
    let (agreed, _) = options.accept(&[options.offer()]).expect("they want the same");
    let mut encoder = Encoder::new_server().with_deflate(&options, &agreed);
    for _ in 0..=random.below(MESSAGES_MAX) {
        let mut message = Vec::new();
        for _ in 0..random.below(4) {
            add_block(random, &mut encoder, &mut message);
        }
        match random.below(8) {
            // Without what is left of a flush the message ends anywhere.
            0 => {}
            1..5 => message.push(0),
            _ => message.extend_from_slice(&compressed_text(random, &mut encoder)),
        }
        let len = u16::try_from(message.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&message);
    }
}

/// Whole blocks, so that others can follow.
fn add_block(random: &mut Random, encoder: &mut Encoder, out: &mut Vec<u8>) {
    match random.below(8) {
        0 => out.extend_from_slice(b"\x03\x00"),
        1 => out.extend_from_slice(b"\xf3\x48\xcd\xc9\xc9\x07\x00"),
        2 | 3 => {
            let len = u16::try_from(random.len()).unwrap_or(u16::MAX);
            out.push(random.pick(&[0, 0, 1]));
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(&(!len).to_le_bytes());
            out.extend((0..len).map(|_| random.pick(b"abcd\n")));
        }
        _ => {
            out.extend_from_slice(&compressed_text(random, encoder));
            out.extend_from_slice(&TAIL);
        }
    }
}

/// Text that repeats itself, up to just as long as it may be.
fn compressed_text(random: &mut Random, encoder: &mut Encoder) -> Vec<u8> {
    let word: Vec<u8> = (0..=random.below(40)).map(|_| random.pick(b"abcdefgh \n")).collect();
    let len = match random.below(4) {
        0 => random.pick(&[16_384, 32_768, OCTETS_MAX, OCTETS_MAX + 1, OCTETS_MAX_TIGHT]),
        _ => 1 + random.len(),
    };
    let text: Vec<u8> = word.iter().copied().cycle().take(len).collect();
    let mut frame = Vec::new();
    encoder.encode_message(Opcode::Text, &text, &mut frame);
    let frame = WireFrame::parse(&frame);
    if frame.is_compressed { frame.payload } else { vec![0] }
}

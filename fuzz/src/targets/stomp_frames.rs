//! A stream of STOMP frames.

use bytes::Bytes;
use tidings_stomp::{DecodeError, Decoder, Frame, Limits, Version, encode};

use crate::random::Random;
use crate::splits::Splits;
use crate::target::{DECODING, Target};

pub(crate) const TARGET: Target = Target {
    name: "stomp_frames",
    check,
    sample,
    allocated_per_octet_max: DECODING,
    dictionary: &[
        b"\0",
        b"\n",
        b"\r\n",
        b":",
        b"\\n",
        b"\\c",
        b"\\\\",
        b"CONNECT\n",
        b"SEND\n",
        b"SUBSCRIBE\n",
        b"MESSAGE\n",
        b"destination:/queue/a\n",
        b"content-length:5\n",
        b"content-length:18446744073709551616\n",
        b"content-length:-1\n",
    ],
};

/// Octets before the stream: the version, and how the stream is cut.
const CONTROL_OCTETS: usize = 3;

const VERSIONS: [Version; 3] = [Version::V1_0, Version::V1_1, Version::V1_2];

const LIMITS: Limits = Limits {
    command_octets_max: 64,
    header_line_octets_max: 200,
    headers_max: 8,
    body_octets_max: 3_000,
    before_login_octets_max: 1_000,
    subscriptions_max: 1024,
    transactions_max: 16,
    transaction_frames_max: 1024,
    transaction_octets_max: 32 * 1024 * 1024,
};

fn check(input: &[u8]) {
    let Some((&[version, high, low], stream)) = input.split_first_chunk::<CONTROL_OCTETS>() else {
        return;
    };
    let version = VERSIONS[usize::from(version) % VERSIONS.len()];
    let seed = u64::from(u16::from_be_bytes([high, low]));
    let whole = decode(version, stream, Splits::Whole);
    for splits in [Splits::Seeded(seed), Splits::octets(stream)] {
        assert_eq!(decode(version, stream, splits), whole, "{splits:?}");
    }
    for frame in &whole.0 {
        check_frame(version, frame);
    }
}

fn decode(version: Version, stream: &[u8], splits: Splits) -> (Vec<Frame>, Option<DecodeError>) {
    let mut decoder = Decoder::new(LIMITS);
    decoder.set_version(version);
    let mut frames = Vec::new();
    for read in splits.reads(stream) {
        decoder.handle_input(Bytes::from(read));
        loop {
            match decoder.poll_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

/// What was decoded keeps the limits, and is the same after another journey.
fn check_frame(version: Version, frame: &Frame) {
    assert!(frame.headers.len() <= LIMITS.headers_max);
    assert!(frame.body.len() <= LIMITS.body_octets_max);
    let once = encoded(version, frame);
    let mut decoder = Decoder::new(Limits::default());
    decoder.set_version(version);
    decoder.handle_input(Bytes::from(once.clone()));
    let again = decoder.poll_frame().expect("what was encoded decodes").expect("it is whole");
    assert_eq!((again.command, &again.body), (frame.command, &frame.body));
    assert_eq!(encoded(version, &again), once);
}

fn encoded(version: Version, frame: &Frame) -> Vec<u8> {
    let mut out = Vec::new();
    encode(frame, version, &mut out);
    out
}

fn sample(random: &mut Random) -> Vec<u8> {
    let mut out = random.octets(CONTROL_OCTETS);
    for _ in 0..=random.below(4) {
        let commands: [&[u8]; 5] = [b"SEND", b"CONNECT", b"MESSAGE", b"SUBSCRIBE", b"ACK"];
        let line_ends: [&[u8]; 2] = [b"\n", b"\r\n"];
        let line_end = random.pick(&line_ends);
        let body = vec![b'x'; random.len().min(2_000)];
        out.extend_from_slice(random.pick(&commands));
        out.extend_from_slice(line_end);
        for _ in 0..random.below(4) {
            let headers: [&[u8]; 6] = [
                b"destination:/queue/a",
                b"id:\\c\\n\\\\",
                b"empty:",
                b"a:b:c",
                b"receipt:1",
                "key:\u{20ac}".as_bytes(),
            ];
            out.extend_from_slice(random.pick(&headers));
            out.extend_from_slice(line_end);
        }
        if random.one_in(2) {
            out.extend_from_slice(format!("content-length:{}", body.len()).as_bytes());
            out.extend_from_slice(line_end);
        }
        out.extend_from_slice(line_end);
        out.extend_from_slice(&body);
        out.push(0);
    }
    out
}

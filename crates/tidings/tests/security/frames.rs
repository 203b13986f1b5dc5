//! Frames that lie, and frames without end.

use tidings::endpoint::{ConnectionOptions, Limits};
use tidings_websocket::{FrameStart, Opcode};
use tokio::io::AsyncWriteExt;

use crate::{masked, served};

/// The header of a masked binary frame with a length of eight octets.
fn long_header(len: u64) -> Vec<u8> {
    [&[0x82, 0xff][..], &len.to_be_bytes(), &[0; 4]].concat()
}
/// `len` frames of one message, each with the payload, of which the last is not final.
fn fragments(frames: usize, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    masked(FrameStart::unfinished(Opcode::Binary), payload, &mut out);
    for _ in 1..frames {
        masked(FrameStart::unfinished(Opcode::Continuation), payload, &mut out);
    }
    out
}
#[tokio::test]
async fn row_02_a_length_that_is_malformed_is_1002_at_once() {
    let mut server = served(ConnectionOptions::default()).await;
    for len in [1 << 63, u64::MAX, (1 << 63) | 5] {
        assert_eq!(server.close_code(&long_header(len)).await, 1002, "highest bit: {len:#x}");
    }
    for len in [0, 5, 125, 126, 65_535] {
        assert_eq!(server.close_code(&long_header(len)).await, 1002, "not minimal: {len}");
    }
    for len in [0_u8, 5, 125] {
        let octets = [0x82, 0xfe, 0, len, 0, 0, 0, 0];
        assert_eq!(server.close_code(&octets).await, 1002, "not minimal: {len}");
    }
    server.is_well().await;
}

#[tokio::test]
async fn row_03_a_length_of_any_size_costs_its_own_connection_only() {
    let mut server = served(ConnectionOptions::default()).await;
    for len in [1 << 21, 1 << 31, 1 << 32, 1 << 40, (1 << 62) + 1, (1 << 63) - 1] {
        assert_eq!(server.close_code(&long_header(len)).await, 1009, "{len:#x}");
    }
    // The sum of a message's fragments must not wrap around either.
    let mut octets = fragments(1, b"12345");
    octets.extend_from_slice(&[0x80, 0xff]);
    octets.extend_from_slice(&((1_u64 << 63) - 1).to_be_bytes());
    octets.extend_from_slice(&[0; 4]);
    assert_eq!(server.close_code(&octets).await, 1009);
    server.is_well().await;
}

#[tokio::test]
async fn row_07_fragments_are_counted_in_frames_and_in_octets() {
    let mut server = served(ConnectionOptions::default()).await;
    for payload in [&b""[..], b"x"] {
        assert_eq!(server.close_code(&fragments(131_073, payload)).await, 1008);
    }
    let mut one_more = fragments(1024, &[0; 1024]);
    masked(FrameStart::last(Opcode::Continuation), b"x", &mut one_more);
    assert_eq!(server.close_code(&one_more).await, 1009);
    server.is_well().await;
}

#[tokio::test]
async fn row_07_pings_are_counted() {
    let options =
        ConnectionOptions { control_frames_per_second_max: 10, ..ConnectionOptions::default() };
    let mut server = served(options).await;
    let mut client = server.open().await;
    let mut flood = Vec::new();
    for _ in 0..10_000 {
        masked(Opcode::Ping, b"x", &mut flood);
    }
    // The server may hang up before it has read them all.
    let _ = client.stream.write_all(&flood).await;
    assert_eq!(server.told().await, "closed 1008");
    server.is_well().await;
}

#[tokio::test]
async fn row_07_a_limit_of_zero_is_no_lack_of_a_limit() {
    let mut octet = Vec::new();
    masked(Opcode::Binary, b"x", &mut octet);
    let mut ping = Vec::new();
    masked(Opcode::Ping, b"x", &mut ping);
    let usual = Limits::default();
    let refused = [
        (Limits { message_octets_max: 0, ..usual }, &octet, 1009),
        (Limits { frame_octets_max: 0, ..usual }, &octet, 1009),
        (Limits { fragments_max: 0, ..usual }, &fragments(2, b""), 1008),
    ];
    for (limits, octets, code) in refused {
        let options = ConnectionOptions { limits, ..ConnectionOptions::default() };
        assert_eq!(served(options).await.close_code(octets).await, code, "{limits:?}");
    }
    let options =
        ConnectionOptions { control_frames_per_second_max: 0, ..ConnectionOptions::default() };
    assert_eq!(served(options).await.close_code(&ping).await, 1008);
}

//! What strangers can make the server hold: octets of the heap, counted by the allocator.
//!
//! The server runs in this process, on one thread; its peers are plain sockets that own nothing on
//! the heap while it is counted. The kernel's socket buffers are not counted.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod counted;
mod stomp;

use std::alloc::System;
use std::io::{Read, Write};
use std::time::Duration;

use counted::Counted;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tidings::endpoint::{
    ConnectionOptions, ContextTakeover, DeflateMode, DeflateOptions, Limits, Message, Session,
};
use tidings::server_endpoint;
use tidings_websocket::{Encoder, FrameStart, MaskingKey, Opcode, encode_frame};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Nothing in these tests takes long; this only ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Peers that do the same, so that what is counted is theirs and not by chance.
const PEERS: usize = 50;

/// What a peer may hold before it has sent a whole request: twice the limit of 64 KiB on a head.
const BEFORE_REQUEST_OCTETS_MAX: usize = 128 * 1024;

/// What an open session takes that is idle.
const IDLE_SESSION_OCTETS_MAX: usize = 6 * 1024;

/// What a session leaves behind until the wheel that watches over idle ones comes by its place.
const GONE_SESSION_OCTETS_MAX: usize = 512;

/// What a message that is not finished takes beyond its octets that have come, in multiples of them.
const UNFINISHED_MESSAGE_FACTOR: usize = 4;

/// What taking over a client's context takes, beyond what a message does.
const INFLATER_OCTETS_MAX: usize = 64 * 1024;

/// What is allocated to inflate a message up to its limit and no further, one allocation after the
/// other, in multiples of the limit; what it takes to serve is counted too.
const INFLATING_FACTOR: usize = 4;

/// Only some of the servers compress, and answer the offer.
const HANDSHAKE: &str = "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Extensions: permessage-deflate\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

struct Echo;

#[server_endpoint("/echo")]
impl Echo {
    #[on_message]
    fn said(&self, _: &Session, message: Message) -> Message {
        message
    }
}

#[track_caller]
fn check(what: &str, octets: usize, max: usize) {
    println!("{what}: {octets} octets for each peer, at most {max}");
    assert!(octets <= max, "{what}: {octets} octets for each peer, at most {max}");
}

/// The header of a masked binary frame, whose payload is left to come.
fn announced(len: u64) -> Vec<u8> {
    [&[0x82, 0xff][..], &len.to_be_bytes(), &[0; 4]].concat()
}

/// Frames of one message, of one octet each, none of them the last.
fn fragments(frames: usize) -> Vec<u8> {
    let mut out = vec![0x02, 0x81, 0, 0, 0, 0, 1];
    for _ in 1..frames {
        out.extend_from_slice(&[0x00, 0x81, 0, 0, 0, 0, 1]);
    }
    out
}

/// A server that takes compressed messages of up to `message_octets_max`.
fn inflating(takeover: ContextTakeover, message_octets_max: usize) -> Counted {
    let deflate = DeflateOptions { peer_context_takeover: takeover, ..DeflateOptions::default() };
    let server = Counted::serve_with(ConnectionOptions {
        deflate: Some(deflate),
        limits: Limits { message_octets_max, ..Limits::default() },
        ..ConnectionOptions::default()
    });
    // What the connections of a thread share.
    let mut peer = server.open();
    peer.write_all(&compressed_frame(FrameStart::last(Opcode::Binary), 1_000)).unwrap();
    server.settle();
    drop(peer);
    server.settle();
    server
}

/// The payload of a compressed message of zeros.
fn compressed(octets: usize) -> Vec<u8> {
    let options = DeflateOptions { mode: DeflateMode::Dedicated, ..DeflateOptions::default() };
    let (agreed, _) = options.accept(&[options.offer()]).unwrap();
    let mut encoder = Encoder::new_server().with_deflate(&options, &agreed);
    let mut frame = Vec::new();
    encoder.encode(&Message::from(vec![0; octets]), &mut frame);
    let header_octets = match frame[1] {
        127 => 10,
        126 => 4,
        _ => 2,
    };
    frame.split_off(header_octets)
}

/// The frame of a compressed message, or of its first fragment.
fn compressed_frame(start: FrameStart, octets: usize) -> Vec<u8> {
    let mut frame = Vec::new();
    let payload = compressed(octets);
    encode_frame(start.compressed(), &payload, Some(MaskingKey([0; 4])), &mut frame);
    frame
}

#[test]
fn before_a_request_is_whole_its_peer_holds_little() {
    let server = Counted::serve();
    let nothing = server.octets_per_peer(Counted::connect);
    check("connected", nothing, BEFORE_REQUEST_OCTETS_MAX);
    let start = "GET /echo HTTP/1.1\r\nHost: localhost\r\nX: ";
    for len in [1, 1_000, 60_000] {
        let octets = server.octets_per_peer(|server| {
            let mut peer = server.connect();
            peer.write_all(start.as_bytes()).unwrap();
            peer.write_all(&vec![b'x'; len]).unwrap();
            peer
        });
        check(&format!("half a head, {len} octets"), octets, BEFORE_REQUEST_OCTETS_MAX);
    }
    let octets = server.octets_per_peer(|server| {
        let mut peer = server.connect();
        peer.write_all(b"GET /echo HTTP/1.1\r\n").unwrap();
        for _ in 0..2_000 {
            if peer.write_all(&[b'X', b':', b'x', b'\r', b'\n'].repeat(100)).is_err() {
                break;
            }
        }
        peer
    });
    check("headers without end", octets, BEFORE_REQUEST_OCTETS_MAX);
}

#[test]
fn an_idle_session_holds_little() {
    let server = Counted::serve();
    check("idle", server.octets_per_session(&[]), IDLE_SESSION_OCTETS_MAX);
    check("half a frame header", server.octets_per_session(&[0x82]), IDLE_SESSION_OCTETS_MAX);
}

#[test]
fn an_idle_session_of_sockjs_holds_little_where_its_response_stays_open() {
    let server = Counted::serve();
    let mut number = 0;
    let octets = server.octets_per_peer(|server| {
        number += 1;
        let request = format!("POST /sockjs/000/{number}/xhr HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut peer = server.ask(&request, *b"\r\n\r\n");
        peer.write_all(request.as_bytes()).unwrap();
        // The rest of the answer to the first, so that nothing is left unread.
        peer.read_exact(&mut [0; b"2\r\no\n\r\n0\r\n\r\n".len()]).unwrap();
        peer
    });
    check("polling", octets, IDLE_SESSION_OCTETS_MAX);
    let octets = server.octets_per_peer(|server| {
        number += 1;
        let path = format!("/sockjs/000/{number}/xhr_streaming");
        let request =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        server.ask(&request, *b"o\n\r\n")
    });
    check("streaming", octets, IDLE_SESSION_OCTETS_MAX);
}

#[test]
fn row_06_memory_follows_what_came_and_not_what_was_announced() {
    let server = Counted::serve();
    for len in [1 << 17, 1 << 20, 1 << 21, 1 << 31, 1 << 40, 1 << 62, u64::MAX] {
        let what = format!("a frame of 2^{} octets announced", len.ilog2());
        check(&what, server.octets_per_session(&announced(len)), IDLE_SESSION_OCTETS_MAX);
        let begun = [announced(len), vec![0; 100]].concat();
        check(&what, server.octets_per_session(&begun), IDLE_SESSION_OCTETS_MAX);
    }
}

#[test]
fn row_07_fragments_hold_no_more_than_their_octets() {
    let server = Counted::serve();
    for frames in [1, 1_000, 20_000] {
        let max = IDLE_SESSION_OCTETS_MAX + UNFINISHED_MESSAGE_FACTOR * frames;
        let octets = server.octets_per_session(&fragments(frames));
        check(&format!("{frames} fragments of one octet"), octets, max);
    }
    // Ten million of them: the session is over before.
    let million = fragments(1_000_000);
    let octets = server.octets_per_peer(|server| {
        let mut peer = server.open();
        for _ in 0..10 {
            if peer.write_all(&million).is_err() {
                break;
            }
        }
        peer
    });
    check("fragments without end", octets, IDLE_SESSION_OCTETS_MAX);
}

#[test]
fn pings_whose_pongs_are_not_read_hold_little() {
    let server = Counted::serve();
    let mut ping = vec![0x89, 0xfd, 0, 0, 0, 0];
    ping.extend_from_slice(&[b'x'; 125]);
    let octets = server.octets_per_session(&ping.repeat(5_000));
    check("pings", octets, IDLE_SESSION_OCTETS_MAX + 16 * 1024);
}

#[test]
fn row_08_a_bomb_holds_no_more_than_a_message() {
    const LIMIT: usize = 256 * 1024;
    for takeover in [ContextTakeover::Allow, ContextTakeover::Refuse] {
        let server = inflating(takeover, LIMIT);
        let kept = match takeover {
            ContextTakeover::Allow => INFLATER_OCTETS_MAX,
            ContextTakeover::Refuse => 0,
        };
        let whole = compressed_frame(FrameStart::last(Opcode::Binary), 1_000);
        let max = IDLE_SESSION_OCTETS_MAX + kept;
        check("inflated", server.octets_per_session(&whole), max);
        let begun = compressed_frame(FrameStart::unfinished(Opcode::Binary), LIMIT);
        let max = IDLE_SESSION_OCTETS_MAX + INFLATER_OCTETS_MAX + UNFINISHED_MESSAGE_FACTOR * LIMIT;
        check("inflated to the limit", server.octets_per_session(&begun), max);
        let beyond = compressed_frame(FrameStart::unfinished(Opcode::Binary), 8 * LIMIT);
        let max = IDLE_SESSION_OCTETS_MAX;
        check("inflated beyond the limit", server.octets_per_session(&beyond), max);
    }
}

#[test]
fn row_08_a_bomb_is_stopped_while_it_is_inflated() {
    const LIMIT: usize = 1024 * 1024;
    let server = inflating(ContextTakeover::Refuse, LIMIT);
    let bomb = compressed_frame(FrameStart::last(Opcode::Binary), 64 * 1024 * 1024);
    let mut peer = server.open();
    server.settle();
    let before = ALLOCATOR.stats().bytes_allocated;
    // The server may hang up before it has read all.
    let _ = peer.write_all(&bomb);
    // Its close frame. To wait like this allocates nothing.
    let mut answer = [0; 4];
    peer.read_exact(&mut answer).unwrap();
    let allocated = ALLOCATOR.stats().bytes_allocated - before;
    assert_eq!((answer[0], &answer[2..]), (0x88, &1009_u16.to_be_bytes()[..]));
    check(&format!("a bomb of {} octets", bomb.len()), allocated, INFLATING_FACTOR * LIMIT);
}

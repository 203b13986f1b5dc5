//! What a STOMP session makes the server keep: messages that are little of the input they came with.

use std::io::{Read, Write};
use std::net::TcpStream;

use tidings_websocket::{FrameStart, MaskingKey, Opcode, encode_frame};

use crate::counted::{Counted, live_octets};
use crate::{HANDSHAKE, IDLE_SESSION_OCTETS_MAX};

/// Octets of each WebSocket message: a frame that is to be kept, and heart-beats.
const INPUT_OCTETS: usize = 128 * 1024;

/// Messages that are sent. Together they are far beyond what is kept of them.
const MESSAGES: usize = 64;

/// What a message takes beside its body.
const MESSAGE_OCTETS_MAX: usize = 1024;

/// What is kept of a body, in multiples of it: it may be half of its input.
const BODY_FACTOR: usize = 2;

/// What a session keeps of a transaction, or of a destination, beside the messages.
const REST_OCTETS_MAX: usize = IDLE_SESSION_OCTETS_MAX + 16 * 1024;

/// A STOMP client over WebSocket.
struct Client(TcpStream);

impl Client {
    fn connect(server: &Counted) -> Self {
        let handshake = HANDSHAKE.replace("/echo", "/stomp");
        let mut client = Self(server.ask(&handshake, *b"\r\n\r\n"));
        client.send(b"CONNECT\naccept-version:1.2\n\n\0");
        client.read_until(b"version:1.2");
        client
    }

    /// Sends one WebSocket message.
    fn send(&mut self, octets: &[u8]) {
        self.0.write_all(&frame(octets)).unwrap();
    }

    /// Sends one WebSocket message, which the server reads in two pieces: the first is a little less than half of
    /// it, so that the room which is made for as much again is too small.
    fn send_in_pieces(&mut self, server: &Counted, octets: &[u8]) {
        let frame = frame(octets);
        let (first, second) = frame.split_at(frame.len() * 15 / 32);
        self.0.write_all(first).unwrap();
        server.settle();
        self.0.write_all(second).unwrap();
    }

    /// Waits for an answer that has these octets.
    fn read_until<const N: usize>(&mut self, octets: &[u8; N]) {
        let mut last = [0; N];
        while last != *octets {
            last.rotate_left(1);
            self.0.read_exact(&mut last[N - 1..]).unwrap();
        }
    }
}

/// A frame of WebSocket that is a whole message.
fn frame(octets: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let key = Some(MaskingKey([0; 4]));
    encode_frame(FrameStart::last(Opcode::Binary), octets, key, &mut frame);
    frame
}

/// Octets that the server holds more after `MESSAGES` frames of STOMP with such a body, each sent by `send`.
fn held(headers: &str, body_octets: usize, send: impl Fn(&mut Client, &Counted, &[u8])) -> usize {
    let server = Counted::serve();
    let mut client = Client::connect(&server);
    client.send(b"BEGIN\ntransaction:t\nreceipt:begin\n\n\0");
    client.read_until(b"receipt-id:begin");
    let mut input = format!("SEND\n{headers}\n\n").into_bytes();
    input.resize(input.len() + body_octets, b'x');
    input.push(0);
    assert!(input.len() <= INPUT_OCTETS);
    input.resize(INPUT_OCTETS, b'\n');
    server.settle();
    let before = live_octets();
    for _ in 0..MESSAGES {
        send(&mut client, &server, &input);
    }
    client.send(b"BEGIN\ntransaction:u\nreceipt:end\n\n\0");
    client.read_until(b"receipt-id:end");
    server.settle();
    // What this test itself has allocated is gone by now.
    live_octets().saturating_sub(before)
}

/// What may be held after that.
const fn held_max(body_octets: usize) -> usize {
    REST_OCTETS_MAX + MESSAGES * (MESSAGE_OCTETS_MAX + BODY_FACTOR * body_octets)
}

#[track_caller]
fn check(what: &str, headers: &str, body_octets: usize) {
    let held = held(headers, body_octets, |client, _, input| client.send(input));
    crate::check(what, held, held_max(body_octets));
}

#[test]
fn a_transaction_keeps_no_input_alive() {
    let headers = "destination:/queue/a\ntransaction:t";
    check("small messages", headers, 1);
    check("larger messages", headers, 20_000);
}

#[test]
fn a_queue_keeps_no_input_alive() {
    check("small messages", "destination:/queue/a", 1);
    check("larger messages", "destination:/queue/a", 20_000);
}

#[test]
fn a_history_keeps_no_input_alive() {
    check("small messages", "destination:/topic/history", 1);
    check("larger messages", "destination:/topic/history", 20_000);
}

#[test]
fn a_body_that_is_most_of_its_input_is_not_copied_and_holds_no_more_than_twice_its_octets() {
    check("large messages", "destination:/topic/history", INPUT_OCTETS * 6 / 10);
}

#[test]
fn a_body_whose_input_came_in_pieces_holds_no_more_than_twice_its_octets() {
    let body_octets = INPUT_OCTETS * 6 / 10;
    let held = held("destination:/topic/history", body_octets, Client::send_in_pieces);
    crate::check("large messages in pieces", held, held_max(body_octets));
}

//! A client and a server that talk through buffers.

#[path = "support/fed.rs"]
mod fed;

use fed::Fed;
use tidings_websocket::{
    CloseCode, CloseReason, Closed, Connection, Encoder, Event, Initiator, Limits, MaskingKey,
    Message, Opcode, encode_frame, shared_frame,
};

/// Both ends, and what is on its way between them.
struct Pair {
    client: Fed,
    server: Fed,
    /// Of the client.
    encoder: Encoder,
    to_client: Vec<u8>,
    to_server: Vec<u8>,
    /// The most octets that one read gives.
    read_octets_max: usize,
}

impl Pair {
    fn new(read_octets_max: usize) -> Self {
        Self {
            client: Fed::new(Connection::new_client(Limits::default(), keys())),
            server: Fed::new(Connection::new_server(Limits::default())),
            encoder: Encoder::new_client(keys()),
            to_client: Vec::new(),
            to_server: Vec::new(),
            read_octets_max,
        }
    }

    /// Moves octets to and fro until both ends are silent.
    fn drive(&mut self) {
        loop {
            let Self { client, server, to_client, to_server, .. } = self;
            to_server.extend(std::iter::from_fn(|| client.poll_transmit()).flatten());
            to_client.extend(std::iter::from_fn(|| server.poll_transmit()).flatten());
            if to_server.is_empty() && to_client.is_empty() {
                return;
            }
            for read in std::mem::take(to_server).chunks_mut(self.read_octets_max) {
                server.handle_input(read);
            }
            for read in std::mem::take(to_client).chunks_mut(self.read_octets_max) {
                client.handle_input(read);
            }
        }
    }
}

fn keys() -> impl FnMut() -> MaskingKey {
    let mut key = 0u32;
    move || {
        key = key.wrapping_mul(0x9e37_79b9).wrapping_add(1);
        MaskingKey(key.to_be_bytes())
    }
}

fn events(connection: &mut Fed) -> Vec<Event> {
    connection.events()
}

fn closed(code: CloseCode, reason: &str, initiator: Initiator) -> (CloseReason, Initiator, bool) {
    (CloseReason::truncated(code, reason), initiator, true)
}

fn only_closed(connection: &mut Fed) -> (CloseReason, Initiator, bool) {
    match events(connection).pop() {
        Some(Event::Closed(closed)) => {
            let Closed { reason, initiator, clean, .. } = *closed;
            (reason, initiator, clean)
        }
        other => panic!("expected the connection to be closed, not {other:?}"),
    }
}

/// Runs a conversation over streams that give as much as there is, and that give little.
fn for_each_read_size(conversation: impl Fn(Pair)) {
    for read_octets_max in [1, 3, 1000, usize::MAX] {
        conversation(Pair::new(read_octets_max));
    }
}

#[test]
fn messages_arrive_in_order_both_ways() {
    let messages = [
        Message::from("grüße"),
        Message::from(""),
        Message::from(vec![0xff; 70_000]),
        Message::from("x".repeat(200)),
    ];
    for_each_read_size(|mut pair| {
        for message in &messages {
            pair.encoder.encode(message, &mut pair.to_server);
            pair.to_client.extend_from_slice(&shared_frame(message));
        }
        pair.drive();
        let expected: Vec<_> = messages.iter().cloned().map(Event::Message).collect();
        assert_eq!(events(&mut pair.server), expected);
        assert_eq!(events(&mut pair.client), expected);
    });
}

#[test]
fn a_ping_comes_back_as_a_pong() {
    for_each_read_size(|mut pair| {
        encode_frame(Opcode::Ping, b"1", None, &mut pair.to_client);
        pair.drive();
        assert_eq!(events(&mut pair.client), [Event::Ping("1".into())]);
        assert_eq!(events(&mut pair.server), [Event::Pong("1".into())]);
    });
}

#[test]
fn the_server_closes() {
    for_each_read_size(|mut pair| {
        let reason = CloseReason::new(CloseCode::GOING_AWAY, "shutting down").unwrap();
        pair.server.close(&reason);
        pair.drive();
        let (code, text) = (reason.code(), reason.reason());
        assert_eq!(only_closed(&mut pair.server), closed(code, text, Initiator::Local));
        assert_eq!(only_closed(&mut pair.client), closed(code, text, Initiator::Peer));
        assert!(pair.server.is_closed() && pair.client.is_closed());
    });
}

#[test]
fn both_close_at_once() {
    for_each_read_size(|mut pair| {
        pair.server.close(&CloseReason::from_code(CloseCode::GOING_AWAY));
        pair.client.close(&CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
        pair.drive();
        let server = closed(CloseCode::GOING_AWAY, "", Initiator::Local);
        let client = closed(CloseCode::NORMAL_CLOSURE, "", Initiator::Local);
        assert_eq!(only_closed(&mut pair.server), server);
        assert_eq!(only_closed(&mut pair.client), client);
    });
}

#[test]
fn a_failed_client_tells_the_server_why() {
    for_each_read_size(|mut pair| {
        encode_frame(Opcode::Text, b"\xff", None, &mut pair.to_client);
        pair.drive();
        let (reason, initiator, clean) = only_closed(&mut pair.server);
        assert_eq!(reason.code(), CloseCode::INVALID_PAYLOAD);
        assert_eq!((initiator, clean), (Initiator::Peer, true));
        assert!(pair.server.is_closed() && pair.client.is_closed());
    });
}

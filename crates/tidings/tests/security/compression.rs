//! Compressed messages: RFC 7692.

use tidings::endpoint::{
    CloseCode, ConnectionOptions, ContextTakeover, DeflateMode, DeflateOptions, Message,
};
use tidings_websocket::{
    Connection, Encoder, Event, Extension, FrameStart, Limits, MaskingKey, Opcode, encode_frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::WebSocket;
use crate::{Served, served};

/// The messages "Hello" and again "Hello", by reference to the first: RFC 7692, section 7.2.3.
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
const HELLO_AGAIN: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];

/// A message of nothing, in a block that says it is the last.
const NOTHING: &[u8] = &[0x03, 0x80];

/// An offer without any condition.
const OFFER: &str = "permessage-deflate; client_max_window_bits";

/// A server that compresses messages of any length.
async fn compressing(mode: DeflateMode, takeover: ContextTakeover) -> Served {
    let deflate = Some(DeflateOptions {
        mode,
        threshold_octets: Some(1),
        peer_context_takeover: takeover,
        ..DeflateOptions::default()
    });
    served(ConnectionOptions { deflate, ..ConnectionOptions::default() }).await
}

/// One that answers as it is asked where that is short.
async fn inflating(takeover: ContextTakeover) -> Served {
    let deflate =
        Some(DeflateOptions { peer_context_takeover: takeover, ..DeflateOptions::default() });
    served(ConnectionOptions { deflate, ..ConnectionOptions::default() }).await
}

/// A client that offers to compress, and what the server answers to that.
async fn offering(server: &mut Served, offer: &str) -> (WebSocket, Vec<Extension>) {
    let header = format!("Sec-WebSocket-Extensions: {offer}\r\n");
    let client = WebSocket::connect(server.running.http, "/target", &header).await.unwrap();
    assert!(server.told().await.starts_with("open "));
    let name = "sec-websocket-extensions: ";
    let answer = client.head.lines().find(|line| line.to_lowercase().starts_with(name)).unwrap();
    let answer = Extension::parse_list(&answer[name.len()..]).unwrap();
    (client, answer)
}

/// Sends an inflated message, in fragments of as many octets.
async fn send_compressed(client: &mut WebSocket, compressed: &[u8], fragment_octets: usize) {
    let mut frames = Vec::new();
    let mut opcode = Opcode::Binary;
    let mut rest = compressed;
    loop {
        let (fragment, further) = rest.split_at(fragment_octets.min(rest.len()));
        let start = match further {
            [] => FrameStart::last(opcode),
            _ => FrameStart::unfinished(opcode),
        };
        let start = if opcode == Opcode::Binary { start.compressed() } else { start };
        encode_frame(start, fragment, Some(MaskingKey([1, 2, 3, 4])), &mut frames);
        (opcode, rest) = (Opcode::Continuation, further);
        if rest.is_empty() {
            break;
        }
    }
    // The server may hang up before it has read all.
    let _ = client.stream.write_all(&frames).await;
}

/// The octets of the next frame from the server.
async fn next_frame(client: &mut WebSocket) -> Vec<u8> {
    let mut frame = vec![0; 2];
    client.stream.read_exact(&mut frame).await.unwrap();
    let len = match frame[1] {
        126 => {
            let len = client.stream.read_u16().await.unwrap();
            frame.extend_from_slice(&len.to_be_bytes());
            usize::from(len)
        }
        len => usize::from(len),
    };
    let start = frame.len();
    frame.resize(start + len, 0);
    client.stream.read_exact(&mut frame[start..]).await.unwrap();
    frame
}

fn is_compressed(frame: &[u8]) -> bool {
    frame[0] & 0x40 != 0
}

/// What another end than the client's own makes of the frame.
fn message_of(connection: &mut Connection, mut frame: Vec<u8>) -> Message {
    match connection.poll_event(&mut &mut frame[..]) {
        Some(Event::Message(message)) => message,
        other => panic!("expected a message: {other:?}"),
    }
}

/// The payload of a message that compresses as well as can be.
fn bomb(mode: DeflateMode, octets: usize) -> Vec<u8> {
    let options = DeflateOptions { mode, ..DeflateOptions::default() };
    let (agreed, _) = options.accept(&[options.offer()]).unwrap();
    let mut encoder = Encoder::new_server().with_deflate(&options, &agreed);
    let mut frame = Vec::new();
    encoder.encode(&Message::from(vec![b'0'; octets]), &mut frame);
    assert!(is_compressed(&frame) && (126..u16::MAX.into()).contains(&frame.len()));
    frame.split_off(4)
}

#[tokio::test]
async fn row_08_nothing_is_compressed_unless_the_server_asks_for_it() {
    let mut server = served(ConnectionOptions::default()).await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let mut client = WebSocket::connect(server.running.http, "/target", offer).await.unwrap();
    assert!(!client.head.to_lowercase().contains("sec-websocket-extensions"), "{}", client.head);
    server.told().await;
    client.stream.write_all(&[0xc2, 0x82, 0, 0, 0, 0, 3, 0]).await.unwrap();
    assert_eq!(client.closed().await.code(), CloseCode::PROTOCOL_ERROR);
}

#[tokio::test]
async fn row_08_a_bomb_is_1009_however_it_comes() {
    const LIMIT: usize = 1024 * 1024;
    for takeover in [ContextTakeover::Allow, ContextTakeover::Refuse] {
        let mut server = inflating(takeover).await;
        for mode in [DeflateMode::Shared, DeflateMode::Dedicated] {
            for fragment_octets in [1, 100, usize::MAX] {
                let (mut client, _) = offering(&mut server, OFFER).await;
                send_compressed(&mut client, &bomb(mode, LIMIT + 1), fragment_octets).await;
                assert_eq!(client.closed().await.code(), CloseCode::MESSAGE_TOO_BIG);
                assert_eq!(server.told().await, "closed 1009");
            }
        }
        // Just as much is allowed, and the limit is on each message.
        let (mut client, _) = offering(&mut server, OFFER).await;
        for _ in 0..2 {
            send_compressed(&mut client, &bomb(DeflateMode::Shared, LIMIT), 100).await;
            let echo = next_frame(&mut client).await;
            assert!(is_compressed(&echo));
        }
        drop(client);
        assert_eq!(server.told().await, "closed 1006");
        server.is_well().await;
    }
}

#[tokio::test]
async fn row_08_blocks_of_nothing_are_a_message_of_nothing() {
    let mut server = inflating(ContextTakeover::Allow).await;
    let (mut client, _) = offering(&mut server, OFFER).await;
    // Stored, final, final and stored.
    let blocks =
        [&[0x00, 0x00, 0x00, 0xff, 0xff][..], &[0x03, 0x00], &[0x01, 0x00, 0x00, 0xff, 0xff]];
    for block in blocks {
        let message = [&block.repeat(100_000)[..], &[0x00]].concat();
        send_compressed(&mut client, &message, 10_000).await;
        assert_eq!(client.message().await, Message::from(Vec::new()), "{block:x?}");
    }
    client.stream.shutdown().await.unwrap();
    assert_eq!(server.told().await, "closed 1006");
    server.is_well().await;
}

#[tokio::test]
async fn row_08_what_is_not_deflate_is_1007() {
    let mut server = inflating(ContextTakeover::Allow).await;
    for broken in [&[0x06, 0xff][..], &[0x00, 0x01, 0x00, 0x01, 0x00], HELLO_AGAIN] {
        let (mut client, _) = offering(&mut server, OFFER).await;
        send_compressed(&mut client, broken, usize::MAX).await;
        assert_eq!(client.closed().await.code(), CloseCode::INVALID_PAYLOAD, "{broken:x?}");
        assert_eq!(server.told().await, "closed 1007");
    }
    server.is_well().await;
}

#[tokio::test]
async fn trap_a_a_final_block_does_not_spin() {
    for takeover in [ContextTakeover::Allow, ContextTakeover::Refuse] {
        let mut server = inflating(takeover).await;
        let (mut client, _) = offering(&mut server, OFFER).await;
        for fragment_octets in [1, 2] {
            send_compressed(&mut client, NOTHING, fragment_octets).await;
            assert_eq!(client.message().await, Message::from(Vec::new()));
            send_compressed(&mut client, HELLO, usize::MAX).await;
            assert_eq!(client.message().await, Message::from(b"Hello".to_vec()));
        }
    }
}

#[tokio::test]
async fn trap_b_a_message_that_was_sent_raw_is_not_referred_to() {
    let noise: Vec<u8> =
        (0..300_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let resembling = [&noise[..200], &[7; 200]].concat();
    for mode in [DeflateMode::Shared, DeflateMode::History { octets: 1024 }] {
        let mut server = compressing(mode, ContextTakeover::Refuse).await;
        let (mut client, answer) = offering(&mut server, OFFER).await;
        let wanted = DeflateOptions {
            peer_context_takeover: ContextTakeover::Allow,
            ..DeflateOptions::default()
        };
        let agreed = wanted.agree(&answer).unwrap().unwrap();
        let mut reader =
            Connection::new_client(Limits::default(), || MaskingKey([0; 4])).with_deflate(&agreed);
        for (message, is_shorter) in [(&noise, false), (&resembling, true), (&resembling, true)] {
            client.send(message.clone()).await;
            let echo = next_frame(&mut client).await;
            assert_eq!(is_compressed(&echo), is_shorter);
            assert_eq!(message_of(&mut reader, echo), Message::from(message.clone()));
        }
    }
}

#[tokio::test]
async fn trap_c_a_client_may_take_its_context_over_unless_it_was_refused() {
    let mut server = inflating(ContextTakeover::Allow).await;
    let (mut client, answer) = offering(&mut server, OFFER).await;
    assert!(!answer[0].to_string().contains("client_no_context_takeover"));
    for message in [HELLO, HELLO_AGAIN, HELLO_AGAIN] {
        send_compressed(&mut client, message, usize::MAX).await;
        assert_eq!(client.message().await, Message::from(b"Hello".to_vec()));
    }

    let mut server = inflating(ContextTakeover::Refuse).await;
    let (mut client, answer) = offering(&mut server, OFFER).await;
    assert!(answer[0].to_string().contains("client_no_context_takeover"));
    send_compressed(&mut client, HELLO, usize::MAX).await;
    assert_eq!(client.message().await, Message::from(b"Hello".to_vec()));
    send_compressed(&mut client, HELLO_AGAIN, usize::MAX).await;
    assert_eq!(client.closed().await.code(), CloseCode::INVALID_PAYLOAD);
}

#[tokio::test]
async fn trap_e_without_context_takeover_the_server_starts_anew_with_each_message() {
    let refusing = "permessage-deflate; server_no_context_takeover";
    for mode in [DeflateMode::History { octets: 1024 }, DeflateMode::Dedicated] {
        let mut server = compressing(mode, ContextTakeover::Refuse).await;
        for (offer, starts_anew) in [(refusing, true), (OFFER, false)] {
            let (mut client, answer) = offering(&mut server, offer).await;
            let says_so = answer[0].to_string().contains("server_no_context_takeover");
            assert_eq!(says_so, starts_anew, "{mode:?}");
            let mut echoes = Vec::new();
            for _ in 0..2 {
                client.send("whatever was said before ".repeat(8)).await;
                echoes.push(next_frame(&mut client).await);
            }
            assert!(echoes.iter().all(|echo| is_compressed(echo)));
            assert_eq!(echoes[0] == echoes[1], starts_anew, "{mode:?}");
            drop(client);
            server.told().await;
        }
    }
}

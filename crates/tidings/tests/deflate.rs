//! permessage-deflate between our own server and client, in every mode.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use support::serve;
use tidings::client::Client;
use tidings::endpoint::{
    CloseCode, ConnectionOptions, ContextTakeover, DeflateMode, DeflateOptions, Limits, Message,
    Session,
};
use tidings::{App, server_endpoint};

struct Echo;

#[server_endpoint("/echo")]
impl Echo {
    #[on_message]
    async fn echo(&self, message: Message) -> Message {
        message
    }
}

struct All;

#[server_endpoint("/all")]
impl All {
    #[on_message]
    async fn send_to_all(&self, message: Message, session: &Session) {
        session.peers().broadcast(message);
    }
}

fn app(deflate: Option<DeflateOptions>) -> App {
    let limits = Limits { message_octets_max: 100_000, ..Limits::default() };
    let options = ConnectionOptions { deflate, limits, ..ConnectionOptions::default() };
    let builder = App::builder().connection_options(options);
    builder.endpoint(|| Echo).endpoint(|| All).build().unwrap()
}

fn every_way() -> impl Iterator<Item = DeflateOptions> {
    let modes =
        [DeflateMode::Shared, DeflateMode::History { octets: 1024 }, DeflateMode::Dedicated];
    let takeovers = [ContextTakeover::Allow, ContextTakeover::Refuse];
    modes.into_iter().flat_map(move |mode| {
        takeovers.map(|peer_context_takeover| DeflateOptions {
            mode,
            peer_context_takeover,
            threshold_octets: Some(16),
            ..DeflateOptions::default()
        })
    })
}

fn messages() -> Vec<Message> {
    let tick = |n: usize| format!("{{\"symbol\":\"TIDE\",\"tick\":{n},\"price\":{}}}", n * 31);
    let mut messages: Vec<Message> = (0..30).map(|n| tick(n).into()).collect();
    messages.push("".into());
    messages.push(tick(1).repeat(1000).into());
    messages.push(
        (0..50_000_u32).flat_map(|n| n.to_be_bytes()).take(90_000).collect::<Vec<u8>>().into(),
    );
    messages.push(tick(2).into());
    messages
}

#[tokio::test]
async fn what_is_sent_comes_back_whatever_both_ends_want() {
    for server_options in every_way() {
        let server = serve(app(Some(server_options))).await;
        for client_options in every_way() {
            let client = Client::builder().deflate(Some(client_options)).build();
            let mut socket = client.open(&format!("ws://{}/echo", server.http)).await.unwrap();
            for message in messages() {
                socket.send(message.clone()).await.unwrap();
                assert_eq!(
                    socket.next().await,
                    Some(message),
                    "{server_options:?} {client_options:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_broadcast_reaches_those_who_compress_and_those_who_do_not() {
    for server_options in every_way() {
        let server = serve(app(Some(server_options))).await;
        let url = format!("ws://{}/all", server.http);
        let mut sockets = vec![Client::default().open(&url).await.unwrap()];
        for client_options in every_way() {
            let client = Client::builder().deflate(Some(client_options)).build();
            sockets.push(client.open(&url).await.unwrap());
        }
        for message in messages() {
            sockets[0].send(message.clone()).await.unwrap();
            for socket in &mut sockets {
                assert_eq!(socket.next().await.as_ref(), Some(&message));
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_compressed_unless_asked_for() {
    let server = serve(app(None)).await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let client = support::WebSocket::connect(server.http, "/echo", offer).await.unwrap();
    assert!(!client.head.to_lowercase().contains("sec-websocket-extensions"));
}

#[tokio::test]
async fn a_bomb_closes_with_1009() {
    let server = serve(app(Some(DeflateOptions::default()))).await;
    let client = Client::builder().deflate(Some(DeflateOptions::default())).build();
    let mut socket = client.open(&format!("ws://{}/echo", server.http)).await.unwrap();
    socket.send(vec![0; 10_000_000]).await.unwrap();
    assert_eq!(socket.next().await, None);
    assert_eq!(socket.close_reason().unwrap().code(), CloseCode::MESSAGE_TOO_BIG);
}

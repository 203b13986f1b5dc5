//! The same by TCP, TLS, WebSocket, SockJS and a proxy.

use tidings::client::stomp::{StompClient, StompError};
use tidings::endpoint::Json;

use super::peer::{server, tcp_url, within};

#[tokio::test]
async fn every_door_reaches_the_same_destinations() {
    let server = server().await;
    let urls = [
        tcp_url(server.stomp),
        format!("tcp://{}/", server.stomp),
        format!("ws://{}/stomp", server.http),
        format!("http://{}/stomp", server.http),
    ];
    let mut clients = Vec::new();
    for url in &urls {
        let client =
            StompClient::connect(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        let numbers = client.subscribe::<Json<usize>>("/topic/doors").await.unwrap();
        clients.push((client, numbers));
    }
    for sender in 0..urls.len() {
        clients[sender].0.send("/topic/doors").json(&sender).receipt().await.unwrap();
        for (_, numbers) in &mut clients {
            let Json(number) = within(numbers.next()).await.unwrap().unwrap().payload;
            assert_eq!(number, sender);
        }
    }
    for (client, _) in clients {
        within(client.disconnect()).await.unwrap();
    }
}

#[tokio::test]
async fn octets_that_are_no_text_go_by_all_doors_but_sockjs() {
    let server = server().await;
    let octets: Vec<u8> = (0..=255).collect();
    for url in [tcp_url(server.stomp), format!("ws://{}/stomp", server.http)] {
        let client = StompClient::connect(&url).await.unwrap();
        let mut bodies = client.subscribe::<Vec<u8>>("/topic/octets").await.unwrap();
        client.send("/topic/octets").body(octets.clone()).receipt().await.unwrap();
        assert_eq!(within(bodies.next()).await.unwrap().unwrap().payload, octets);
    }
    let client = StompClient::connect(&format!("http://{}/stomp", server.http)).await.unwrap();
    let refused = client.send("/topic/octets").body(octets).receipt().await;
    assert!(matches!(refused, Err(StompError::NotText)), "{refused:?}");
    client.send("/topic/octets").text("text").receipt().await.unwrap();
}

#[tokio::test]
async fn a_megabyte_goes_both_ways() {
    let server = server().await;
    let text = "grüße 😀 ".repeat(70_000);
    for url in [
        tcp_url(server.stomp),
        format!("ws://{}/stomp", server.http),
        format!("http://{}/stomp", server.http),
    ] {
        let client = StompClient::connect(&url).await.unwrap();
        let mut texts = client.subscribe::<String>("/topic/large").await.unwrap();
        client.send("/topic/large").text(text.clone()).receipt().await.unwrap();
        let message = within(texts.next()).await.unwrap().unwrap();
        assert!(message.payload == text, "{url}: {} octets", message.payload.len());
    }
}

use futures_util::FutureExt;
use tidings::client::stomp::{AckMode, StompClient, StompError};
use tidings::endpoint::Json;
use tokio_util::task::AbortOnDropHandle;

use super::peer::{Peer, at_once, in_its_time, once, server, tcp_url, within};

#[tokio::test]
async fn a_message_has_the_headers_it_was_given_and_the_type_of_its_payload() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    client.send("/queue/q").header("odd", "a:b").persistent().json(&[1, 2]).await.unwrap();
    let send = connection.frame("SEND").await;
    for (name, value) in [
        ("destination", "/queue/q"),
        ("odd", "a\\cb"),
        ("persistent", "true"),
        ("content-type", "application/json"),
        ("content-length", "5"),
    ] {
        assert_eq!(send.header(name), Some(value), "{send:?}");
    }
    assert_eq!(send.body(), "[1,2]");
    assert_eq!(send.header("receipt"), None);
    let plain = client.send("/queue/q").header("content-type", "text/csv").text("a,b");
    plain.await.unwrap();
    let send = connection.frame("SEND").await;
    assert_eq!(send.header("content-type"), Some("text/csv"));
    assert_eq!(format!("{send:?}").matches("content-type").count(), 1, "{send:?}");
}

#[tokio::test]
async fn a_receipt_is_waited_for_and_others_go_on() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let slow = client.send("/queue/q").text("a").receipt();
    let slow = AbortOnDropHandle::new(tokio::spawn(slow.into_future()));
    let first = connection.frame("SEND").await;
    client.send("/queue/q").text("b").await.unwrap();
    assert_eq!(connection.frame("SEND").await.body(), "b");
    assert!(!slow.is_finished());
    connection.receipt(&first).await;
    within(slow).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_refused_message_is_told_with_what_the_server_says() {
    let server = server().await;
    let client = StompClient::connect(&tcp_url(server.stomp)).await.unwrap();
    let refused = client.send("/nowhere/at-all").text("x").receipt().await;
    let Err(StompError::Refused(error)) = refused else { panic!("{refused:?}") };
    assert!(!error.message.is_empty() && !error.body.is_empty(), "{error:?}");
}

#[tokio::test]
async fn a_receipt_that_does_not_come_is_not_waited_for_for_ever() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let sending = client.send("/queue/q").receipt().into_future();
    let sending = AbortOnDropHandle::new(tokio::spawn(sending));
    let send = connection.frame("SEND").await;
    let late = in_its_time("a receipt", sending).await.unwrap();
    assert!(matches!(late, Err(StompError::ReceiptTimeout(_))), "{late:?}");
    // When it does come, nothing happens.
    connection.receipt(&send).await;
    client.send("/queue/q").text("next").await.unwrap();
    assert_eq!(connection.frame("SEND").await.body(), "next");
}

#[tokio::test]
async fn without_a_connection_messages_wait_up_to_the_limit() {
    let peer = Peer::start().await;
    let builder = StompClient::builder().queue_octets_max(10_000);
    let client = peer.connect_and_lose(builder).await;
    let mut queued = 0;
    let full = loop {
        match client.send("/queue/q").body(vec![b'x'; 1000]).await {
            Ok(()) => queued += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, StompError::QueueFull { octets_max: 10_000 }), "{full}");
    let mut connection = peer.session("1.2").await;
    for _ in 0..queued {
        assert_eq!(connection.frame("SEND").await.body().len(), 1000);
    }
    client.send("/queue/q").body("there is room again").await.unwrap();
    assert_eq!(connection.frame("SEND").await.body(), "there is room again");
}

#[tokio::test]
async fn a_server_that_does_not_read_slows_senders_down_and_loses_nothing() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once().queue_octets_max(100_000)).await;
    let sender = client.clone();
    let sending = AbortOnDropHandle::new(tokio::spawn(async move {
        for n in 0..200_u32 {
            let digits = format!("{n:08}");
            let send = sender.send("/queue/q").header("n", &digits);
            send.body(vec![b'x'; 100_000]).await.unwrap();
        }
    }));
    // More than sockets hold: it waits until this reads.
    for n in 0..200 {
        let text = connection.until("xxx").await;
        assert!(text.contains(&format!("\nn:{n:08}\n")), "{n}");
        connection.until("\0").await;
    }
    within(sending).await.unwrap();
}

#[tokio::test]
async fn clones_send_at_once_and_each_keeps_its_order() {
    let server = server().await;
    let url = tcp_url(server.stomp);
    let reader = StompClient::connect(&url).await.unwrap();
    let mut numbers = reader.subscribe::<Json<(u32, u32)>>("/topic/order").await.unwrap();
    let client = at_once().connect(&url).await.unwrap();
    for clone in 0..4 {
        let client = client.clone();
        tokio::spawn(async move {
            for n in 0..100 {
                client.send("/topic/order").json(&(clone, n)).await.unwrap();
            }
        });
    }
    let mut next = [0; 4];
    for _ in 0..400 {
        let Json((clone, n)) = within(numbers.next()).await.unwrap().unwrap().payload;
        assert_eq!(n, next[clone as usize]);
        next[clone as usize] += 1;
    }
}

#[tokio::test]
async fn what_is_not_sent_in_time_never_is() {
    let peer = Peer::start().await;
    // Less than an attempt to connect may take, which nobody answers yet.
    let builder = at_once().receipt_timeout(std::time::Duration::from_secs(1));
    let client = peer.connect_and_lose(builder).await;
    let late = client.send("/queue/q").text("late").receipt();
    let late = in_its_time("a connection to send by", late).await;
    assert!(matches!(late, Err(StompError::SendTimeout(_))), "{late:?}");
    client.send("/queue/q").text("next").await.unwrap();
    assert_eq!(peer.session("1.2").await.frame("SEND").await.body(), "next");
}

#[tokio::test]
async fn what_may_have_to_be_sent_again_counts_towards_the_limit() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once().queue_octets_max(1500)).await;
    let first = client.send("/queue/q").body(vec![b'a'; 1000]).resend();
    let first = AbortOnDropHandle::new(tokio::spawn(first.into_future()));
    let send = connection.frame("SEND").await;
    let second = client.send("/queue/q").body(vec![b'b'; 1000]).into_future();
    let mut second = std::pin::pin!(second);
    assert!(second.as_mut().now_or_never().is_none());
    connection.receipt(&send).await;
    within(second).await.unwrap();
    within(first).await.unwrap().unwrap();
}

#[tokio::test]
async fn stomp_1_0_has_no_nack_which_is_told_at_once() {
    let peer = Peer::start().await;
    let url = peer.url();
    let (client, mut connection) = tokio::join!(once().connect(&url), peer.session("1.0"));
    let client = client.unwrap();
    let subscribing = client.subscribe("/queue/q").ack(AckMode::Client);
    let (mut messages, subscribe) = connection.subscription(subscribing).await;
    connection.message(&subscribe, "1", "hello").await;
    let message = within(messages.next()).await.unwrap().unwrap();
    let refused = message.nack().await;
    assert!(matches!(refused, Err(StompError::NotSent(_))), "{refused:?}");
}

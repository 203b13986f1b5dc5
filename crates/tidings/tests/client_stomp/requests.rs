//! Requests and replies, by the temporary queues of both families of brokers.

use std::time::Duration;

use tidings::client::stomp::{StompClient, StompError};
use tidings::endpoint::Json;

use super::peer::{
    Connection, Frame, Peer, at_once, in_its_time, once, server, tcp_url, telling, until_lost,
    within,
};

const REPLIES: &str = "/temp-queue/tidings-replies";

async fn reply(connection: &mut Connection, request: &Frame, body: &str) {
    let id = request.header("correlation-id").unwrap();
    let head = format!("subscription:{REPLIES}\ndestination:/temp-queue/x\nmessage-id:1");
    connection.write(&format!("MESSAGE\n{head}\ncorrelation-id:{id}\n\n{body}\0")).await;
}

#[tokio::test]
async fn replies_come_by_a_temporary_queue_that_is_subscribed_to_once() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    for n in 0..2 {
        let script = async {
            if n == 0 {
                let subscribe = connection.confirm("SUBSCRIBE").await;
                assert_eq!(subscribe.header("destination"), Some(REPLIES));
                assert_eq!(subscribe.header("id"), Some("tidings-replies"));
            }
            let request = connection.frame("SEND").await;
            assert_eq!(request.header("reply-to"), Some(REPLIES));
            assert_eq!(request.header("destination"), Some("/queue/rpc"));
            reply(&mut connection, &request, "42").await;
        };
        let request = client.request::<Json<u32>>("/queue/rpc").text("what?");
        let (replied, ()) = tokio::join!(within(request), script);
        assert_eq!(replied.unwrap().payload, Json(42));
    }
}

#[tokio::test]
async fn our_server_has_such_queues_too() {
    let server = server().await;
    let url = tcp_url(server.stomp);
    let replier = StompClient::connect(&url).await.unwrap();
    let mut requests = replier.subscribe::<Json<u32>>("/queue/squares").await.unwrap();
    let replying = tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            let request = request.unwrap();
            let Json(number) = request.payload;
            request.reply().json(&(number * number)).await.unwrap();
        }
    });
    let client = StompClient::connect(&url).await.unwrap();
    for number in 1..=3 {
        let request = client.request::<Json<u32>>("/queue/squares").json(&number);
        assert_eq!(within(request).await.unwrap().payload, Json(number * number));
    }
    replying.abort();
}

#[tokio::test]
async fn a_rabbitmq_makes_the_queue_by_itself() {
    let peer = Peer::start().await;
    let url = peer.url();
    let script = async {
        let mut connection = peer.accept().await;
        connection.frame("CONNECT").await;
        connection.write("CONNECTED\nversion:1.2\nserver:RabbitMQ/3.10.8\n\n\0").await;
        let request = connection.frame("SEND").await;
        assert_eq!(request.header("reply-to"), Some(REPLIES));
        reply(&mut connection, &request, "hello").await;
        connection
    };
    let asking = async {
        let client = StompClient::connect(&url).await.unwrap();
        client.request::<String>("/queue/rpc").await.unwrap().payload
    };
    let (replied, _connection) = tokio::join!(within(asking), script);
    assert_eq!(replied, "hello");
}

#[tokio::test]
async fn whoever_replies_repeats_the_correlation_id() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let (requests, subscribe) =
        tokio::join!(client.subscribe::<String>("/queue/rpc"), connection.confirm("SUBSCRIBE"));
    let mut requests = requests.unwrap();
    let id = subscribe.header("id").unwrap();
    let head = format!("MESSAGE\nsubscription:{id}\ndestination:/queue/rpc\nmessage-id:1");
    let more = "reply-to:/reply-queue/x\ncorrelation-id:c7";
    connection.write(&format!("{head}\n{more}\n\nwhat?\0{head}\n\nno reply\0")).await;
    let request = within(requests.next()).await.unwrap().unwrap();
    request.reply().text("that").await.unwrap();
    let reply = connection.frame("SEND").await;
    assert_eq!(reply.header("destination"), Some("/reply-queue/x"));
    assert_eq!(reply.header("correlation-id"), Some("c7"));
    let request = within(requests.next()).await.unwrap().unwrap();
    assert!(matches!(request.reply().await, Err(StompError::NoReplyTo)));
}

#[tokio::test]
async fn a_reply_that_does_not_come_or_cannot_be_read_is_told() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let late = tokio::spawn(client.request::<String>("/queue/rpc").into_future());
    connection.confirm("SUBSCRIBE").await;
    let request = connection.frame("SEND").await;
    let late = in_its_time("a reply", late).await.unwrap();
    assert!(matches!(late, Err(StompError::NoReply(_))), "{late:?}");
    // When it does come, nothing happens.
    reply(&mut connection, &request, "late").await;

    let script = async {
        let request = connection.frame("SEND").await;
        reply(&mut connection, &request, "no number").await;
    };
    let (odd, ()) = tokio::join!(within(client.request::<Json<u32>>("/queue/rpc")), script);
    assert!(matches!(odd, Err(StompError::Reply(_))), "{odd:?}");

    let script = async {
        connection.frame("SEND").await;
        connection.hang_up().await;
    };
    let (lost, ()) = tokio::join!(within(client.request::<String>("/queue/rpc")), script);
    assert!(matches!(lost, Err(StompError::Unconfirmed(_))), "{lost:?}");
}

#[tokio::test]
async fn a_request_that_is_given_up_does_not_take_the_replies_of_others() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let mut first = std::pin::pin!(client.request::<String>("/queue/rpc").into_future());
    let other = client.clone();
    let second = tokio::spawn(other.request::<String>("/queue/rpc").text("second").into_future());
    let subscribe = tokio::select! {
        _ = &mut first => panic!("there was no reply"),
        subscribe = connection.frame("SUBSCRIBE") => subscribe,
    };
    first.set(client.request::<String>("/queue/rpc").into_future());
    connection.receipt(&subscribe).await;
    let request = loop {
        let request = connection.frame("SEND").await;
        if request.body() == "second" {
            break request;
        }
    };
    reply(&mut connection, &request, "there").await;
    assert_eq!(within(second).await.unwrap().unwrap().payload, "there");
}

#[tokio::test]
async fn a_request_without_a_connection_waits_for_the_next_one_or_is_not_sent() {
    let peer = Peer::start().await;
    let (builder, mut told) = telling(at_once());
    let (client, connection) = peer.connect(builder).await;
    connection.hang_up().await;
    until_lost(&mut told).await;
    let late = client.request::<String>("/queue/rpc").text("late").timeout(Duration::from_secs(1));
    let late = in_its_time("a connection for a request", late).await;
    assert!(matches!(late, Err(StompError::NoReply(_))), "{late:?}");
    let script = async {
        let mut connection = peer.session("1.2").await;
        connection.confirm("SUBSCRIBE").await;
        let request = connection.frame("SEND").await;
        assert_eq!(request.body(), "next");
        reply(&mut connection, &request, "there").await;
        connection
    };
    let next = client.request::<String>("/queue/rpc").text("next");
    let (replied, _connection) = tokio::join!(within(next), script);
    assert_eq!(replied.unwrap().payload, "there");
}

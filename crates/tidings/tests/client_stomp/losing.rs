//! What becomes of everything when a connection is lost.

use tidings::client::Backoff;
use tidings::client::stomp::{ConnectionEnd, DeliveryError, StompClient, StompError};
use tokio_util::task::AbortOnDropHandle;

use super::peer::{Peer, at_once, once, telling, until_lost, within};

#[tokio::test]
async fn subscriptions_come_before_what_waits_to_be_sent() {
    let peer = Peer::start().await;
    let (builder, mut told) = telling(at_once());
    let (client, mut connection) = peer.connect(builder).await;
    let (mut messages, _) = connection.subscription(client.subscribe("/topic/a")).await;
    let (_others, _) = connection.subscription(client.subscribe("/topic/b")).await;
    connection.hang_up().await;
    until_lost(&mut told).await;
    client.send("/topic/a").text("first").await.unwrap();
    client.send("/topic/a").text("second").await.unwrap();

    let mut connection = peer.session("1.2").await;
    let a = connection.confirm("SUBSCRIBE").await;
    assert_eq!(a.header("destination"), Some("/topic/a"));
    assert_eq!(connection.confirm("SUBSCRIBE").await.header("destination"), Some("/topic/b"));
    for body in ["first", "second"] {
        assert_eq!(connection.frame("SEND").await.body(), body);
        connection.message(&a, body, body).await;
        let message = within(messages.next()).await.unwrap().unwrap();
        assert_eq!(message.payload, body);
    }
}

#[tokio::test]
async fn a_subscription_made_without_a_connection_waits_for_the_next_one() {
    let peer = Peer::start().await;
    let client = peer.connect_and_lose(at_once()).await;
    let script = async {
        let mut connection = peer.session("1.2").await;
        connection.confirm("SUBSCRIBE").await;
        connection
    };
    let (subscription, _connection) =
        tokio::join!(within(client.subscribe::<String>("/topic/a")), script);
    assert_eq!(subscription.unwrap().times_made(), 1);
}

#[tokio::test]
async fn whether_an_unconfirmed_message_arrived_is_not_known() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let script = async {
        connection.frame("SEND").await;
        connection.hang_up().await;
    };
    let (unconfirmed, ()) = tokio::join!(client.send("/queue/q").receipt(), script);
    let Err(StompError::Unconfirmed(ConnectionEnd::Closed(reason))) = unconfirmed else {
        panic!("{unconfirmed:?}")
    };
    assert_eq!(reason.code().as_u16(), 1006);
}

#[tokio::test]
async fn an_unconfirmed_message_is_sent_again_when_asked_for_in_order() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let send = |text: &str| {
        AbortOnDropHandle::new(tokio::spawn(
            client.send("/queue/q").text(text).resend().into_future(),
        ))
    };
    let first = send("a");
    connection.frame("SEND").await;
    let second = send("b");
    connection.frame("SEND").await;
    connection.hang_up().await;
    let mut connection = peer.session("1.2").await;
    for body in ["a", "b"] {
        assert_eq!(connection.confirm("SEND").await.body(), body);
    }
    within(first).await.unwrap().unwrap();
    within(second).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_message_that_ends_every_connection_is_not_sent_for_ever() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let poison = tokio::spawn(client.send("/queue/q").text("poison").resend().into_future());
    let mut times = 0;
    loop {
        connection.frame("SEND").await;
        times += 1;
        connection.write("ERROR\nmessage:no\n\n\0").await;
        connection.hang_up().await;
        if times == 6 {
            break;
        }
        connection = peer.session("1.2").await;
    }
    let failed = within(poison).await.unwrap();
    assert!(matches!(failed, Err(StompError::Unconfirmed(ConnectionEnd::Error(_)))), "{failed:?}");
}

#[tokio::test]
async fn without_reconnection_everything_ends_and_is_told_why() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let (mut subscription, _) = connection.subscription(client.subscribe("/topic/a")).await;
    connection.write("ERROR\nmessage:shutting down\n\n\0").await;
    connection.hang_up().await;
    let end = within(subscription.next()).await.unwrap().unwrap_err();
    assert!(matches!(&end, DeliveryError::Lost(ConnectionEnd::Error(_))), "{end}");
    assert!(end.to_string().contains("shutting down"), "{end}");
    assert!(within(subscription.next()).await.is_none());
    assert!(matches!(client.send("/topic/a").await, Err(StompError::Lost(_))));
    assert!(!client.is_connected());
    assert!(matches!(within(client.ended()).await, ConnectionEnd::Error(_)));
}

#[tokio::test]
async fn a_subscription_that_is_refused_later_ends_and_the_others_go_on() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let (mut refused, _) = connection.subscription(client.subscribe("/topic/a")).await;
    let (_kept, _) = connection.subscription(client.subscribe("/topic/b")).await;
    connection.hang_up().await;
    let mut connection = peer.session("1.2").await;
    let receipt = connection.frame("SUBSCRIBE").await.header("receipt").unwrap().to_owned();
    let error = format!("ERROR\nmessage:access refused\nreceipt-id:{receipt}\n\n\0");
    connection.write(&error).await;
    connection.hang_up().await;
    let end = within(refused.next()).await.unwrap().unwrap_err();
    assert!(matches!(end, DeliveryError::Refused(_)), "{end}");
    let mut connection = peer.session("1.2").await;
    assert_eq!(connection.confirm("SUBSCRIBE").await.header("destination"), Some("/topic/b"));
}

#[tokio::test]
async fn attempts_are_counted_and_what_waited_is_told() {
    let peer = Peer::start().await;
    let backoff =
        Backoff { initial: std::time::Duration::ZERO, attempts_max: Some(2), ..Backoff::default() };
    let client = peer.connect_and_lose(StompClient::builder().reconnect(Some(backoff))).await;
    let refusing = async {
        loop {
            peer.accept().await.hang_up().await;
        }
    };
    let waited = tokio::select! {
        biased;
        // It waits to be sent before the first attempt is refused.
        waited = within(client.send("/queue/q").receipt()) => waited,
        () = refusing => unreachable!("it refuses for ever"),
    };
    assert!(matches!(waited, Err(StompError::Lost(_))), "{waited:?}");
    let end = within(client.ended()).await;
    assert!(matches!(end, ConnectionEnd::Closed(_)), "{end}");
    let late = client.send("/queue/q").receipt().await;
    assert!(matches!(late, Err(StompError::Lost(_))), "{late:?}");
}

#[tokio::test]
async fn what_was_sent_and_cannot_be_sent_again_is_not_told_to_be_unsent() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(once()).await;
    let script = async {
        connection.frame("SEND").await;
        connection.hang_up().await;
    };
    let (sent, ()) = tokio::join!(client.send("/queue/q").resend(), script);
    assert!(matches!(sent, Err(StompError::Unconfirmed(_))), "{sent:?}");
}

/// What a RabbitMQ sends, and then hangs up.
const ACCESS_REFUSED: &str = "ERROR\nmessage:access_refused\n\nno\n\0";

#[tokio::test]
async fn a_subscription_is_refused_by_an_error_that_does_not_name_it() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let script = async {
        connection.frame("SUBSCRIBE").await;
        connection.write(ACCESS_REFUSED).await;
        connection.hang_up().await;
    };
    let (refused, ()) = tokio::join!(within(client.subscribe::<String>("/topic/a")), script);
    assert!(matches!(refused, Err(StompError::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn a_subscription_that_keeps_ending_connections_ends_and_the_others_go_on() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let (mut refused, _) = connection.subscription(client.subscribe("/topic/a")).await;
    let (_kept, _) = connection.subscription(client.subscribe("/topic/b")).await;
    connection.hang_up().await;
    for _ in 0..3 {
        let mut connection = peer.session("1.2").await;
        let subscribe = connection.frame("SUBSCRIBE").await;
        assert_eq!(subscribe.header("destination"), Some("/topic/a"));
        connection.frame("SUBSCRIBE").await;
        connection.write(ACCESS_REFUSED).await;
        connection.hang_up().await;
    }
    let end = within(refused.next()).await.unwrap().unwrap_err();
    assert!(matches!(end, DeliveryError::Refused(_)), "{end}");
    let mut connection = peer.session("1.2").await;
    assert_eq!(connection.confirm("SUBSCRIBE").await.header("destination"), Some("/topic/b"));
}

#[tokio::test]
async fn a_subscription_goes_on_in_the_history_of_its_topic() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let subscribing = client.subscribe("/topic/a").header("history", "all");
    let (mut messages, subscribe) = connection.subscription(subscribing).await;
    assert_eq!(subscribe.header("history"), Some("all"));
    assert_eq!(messages.recovered(), None);
    let id = subscribe.header("id").unwrap();
    let head = format!("MESSAGE\nsubscription:{id}\ndestination:/topic/a\nmessage-id:1");
    connection.write(&format!("{head}\nhistory-epoch:e1\nhistory-offset:57\n\nhello\0")).await;
    within(messages.next()).await.unwrap().unwrap();
    for (offset, recovered, epoch) in [("57", "true", "e1"), ("57", "false", "e2")] {
        connection.hang_up().await;
        connection = peer.session("1.2").await;
        let subscribe = connection.frame("SUBSCRIBE").await;
        assert_eq!(subscribe.header("history"), None);
        assert_eq!(subscribe.header("history-epoch"), Some("e1"));
        assert_eq!(subscribe.header("history-offset"), Some(offset));
        let receipt = subscribe.header("receipt").unwrap();
        let told = format!("recovered:{recovered}\nhistory-epoch:{epoch}\nhistory-offset:57");
        connection.write(&format!("RECEIPT\nreceipt-id:{receipt}\n{told}\n\n\0")).await;
        // The receipt has been read once what is behind it is answered.
        let (sent, _) = tokio::join!(client.send("/topic/b").receipt(), connection.confirm("SEND"));
        sent.unwrap();
        assert_eq!(messages.recovered(), Some(recovered == "true"));
    }
    connection.hang_up().await;
    connection = peer.session("1.2").await;
    assert_eq!(connection.frame("SUBSCRIBE").await.header("history-epoch"), Some("e2"));
}

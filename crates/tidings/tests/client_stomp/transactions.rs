use tidings::client::stomp::{AckMode, StompClient, StompError};

use super::peer::{Peer, at_once, server, tcp_url, within};

#[tokio::test]
async fn what_is_sent_and_acknowledged_takes_effect_with_the_commit() {
    let server = server().await;
    let client = StompClient::connect(&tcp_url(server.stomp)).await.unwrap();
    client.send("/queue/in").text("order").receipt().await.unwrap();
    let subscribe = client.subscribe::<String>("/queue/in");
    let mut orders = subscribe.ack(AckMode::ClientIndividual).await.unwrap();
    let mut out = client.subscribe::<String>("/topic/out").await.unwrap();
    let order = within(orders.next()).await.unwrap().unwrap();

    let transaction = client.begin().await.unwrap();
    transaction.send("/topic/out").text("in the transaction").receipt().await.unwrap();
    transaction.ack(&order).receipt().await.unwrap();
    client.send("/topic/out").text("at once").receipt().await.unwrap();
    transaction.commit().await.unwrap();
    let mut next = async || within(out.next()).await.unwrap().unwrap().payload;
    assert_eq!((next().await, next().await), ("at once".into(), "in the transaction".into()));
    client.disconnect().await.unwrap();

    let client = StompClient::connect(&tcp_url(server.stomp)).await.unwrap();
    client.send("/queue/in").text("next").receipt().await.unwrap();
    let mut orders = client.subscribe::<String>("/queue/in").await.unwrap();
    assert_eq!(within(orders.next()).await.unwrap().unwrap().payload, "next");
}

#[tokio::test]
async fn a_dropped_transaction_is_aborted() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    for how in ["dropped", "aborted"] {
        let transaction = client.begin().await.unwrap();
        transaction.send("/queue/q").text("never").await.unwrap();
        match how {
            "dropped" => drop(transaction),
            _ => transaction.abort(),
        }
        let id = connection.frame("BEGIN").await.header("transaction").unwrap().to_owned();
        assert_eq!(connection.frame("SEND").await.header("transaction"), Some(&*id));
        assert_eq!(connection.frame("ABORT").await.header("transaction"), Some(&*id), "{how}");
    }
}

#[tokio::test]
async fn a_transaction_ends_with_its_connection() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let transaction = client.begin().await.unwrap();
    connection.frame("BEGIN").await;
    connection.hang_up().await;
    let mut connection = peer.session("1.2").await;
    // The new session is open once something has come by it.
    let (sent, _) = tokio::join!(client.send("/queue/q").receipt(), connection.confirm("SEND"));
    sent.unwrap();
    let stale = transaction.send("/queue/q").text("never").await;
    assert!(matches!(stale, Err(StompError::Stale)), "{stale:?}");
    let stale = transaction.commit().await;
    assert!(matches!(stale, Err(StompError::Stale)), "{stale:?}");
    client.send("/queue/q").text("next").await.unwrap();
    assert_eq!(connection.frame("SEND").await.body(), "next");
}

#[tokio::test]
async fn a_refused_commit_is_told() {
    let peer = Peer::start().await;
    let (client, mut connection) = peer.connect(at_once()).await;
    let transaction = client.begin().await.unwrap();
    connection.frame("BEGIN").await;
    let script = async {
        let commit = connection.frame("COMMIT").await;
        let receipt = commit.header("receipt").unwrap();
        let error = format!("ERROR\nmessage:no\nreceipt-id:{receipt}\n\nDo not.\0");
        connection.write(&error).await;
    };
    let (refused, ()) = tokio::join!(transaction.commit(), script);
    assert_eq!(refused.unwrap_err().to_string(), "the server refused it: no: Do not.");
}

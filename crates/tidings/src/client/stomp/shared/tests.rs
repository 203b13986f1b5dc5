use std::future::Future;
use std::pin::pin;
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt;
use tidings_stomp::{ClientOptions, Send};
use tidings_websocket::{CloseCode, CloseReason};

use super::super::lifecycle::AfterLoss;
use super::super::operation::Unconfirmed;
use super::*;

fn shared(queue_octets_max: usize) -> Shared {
    let bounds = Bounds {
        queue_octets_max,
        inbox_octets_max: 1000,
        slow_consumer: SlowConsumer::default(),
        receipt_timeout: Duration::from_secs(30),
        leave_timeout: Duration::from_secs(60),
    };
    Shared::new(bounds, Text::OrOctets)
}

/// A connection whose session is open.
fn connection(number: u64) -> Arc<Connection> {
    let number = ConnectionNumber(number);
    let connection = Arc::new(Connection::new(number, ClientOptions::default()));
    let mut stomp = connection.lock();
    stomp.poll_transmit().unwrap();
    stomp.handle_input(Instant::now(), Bytes::from_static(b"CONNECTED\nversion:1.2\n\n\0"));
    while stomp.poll_event().is_some() {}
    drop(stomp);
    connection
}

fn send(body: &'static str) -> Entry {
    let (destination, headers) = ("/queue/q".into(), Headers::default());
    let send = Send { destination, headers, body: body.into(), receipt: None };
    Entry::new(Operation::Send { send, transaction: None }, Bound::Any)
}

/// What comes of a future that need not wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("it need not wait")
}

/// The frame that is sent next, as its command and its body.
fn next(shared: &Shared, connection: &Connection) -> Option<String> {
    let frame = shared.next_frame(connection).now_or_never()?;
    shared.sent();
    let text = String::from_utf8(frame.to_vec()).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap();
    let command = head.lines().next().unwrap();
    Some(format!("{command} {}", body.trim_end_matches('\0')).trim_end().to_owned())
}

fn all(shared: &Shared, connection: &Connection) -> Vec<String> {
    std::iter::from_fn(|| next(shared, connection)).collect()
}

fn record() -> Record {
    Record::new("/topic/a".to_owned(), Target::Requests)
}

/// A client that has subscribed as `a`.
fn subscribed() -> (Shared, Arc<Connection>, Arc<Standing>) {
    let (shared, connection, record) = (shared(1), connection(1), record());
    assert!(shared.open(&connection));
    let standing = Arc::clone(&record.standing);
    shared.lock().add_subscription("a".into(), record).unwrap();
    assert_eq!(all(&shared, &connection), ["SUBSCRIBE"]);
    (shared, connection, standing)
}

fn lost() -> ConnectionEnd {
    ConnectionEnd::Closed(CloseReason::from_code(CloseCode::ABNORMAL_CLOSURE))
}

#[test]
fn a_connection_that_comes_when_the_client_is_left_sends_what_waits_or_is_not_used() {
    for waiting in [false, true] {
        let shared = shared(1000);
        shared.lock().add_subscription("a".into(), record()).unwrap();
        if waiting {
            now(shared.queue(send("a"))).unwrap();
        }
        let leaving = shared.leave();
        assert_eq!(leaving.is_some(), waiting);
        let connection = connection(2);
        assert_eq!(shared.open(&connection), waiting);
        let sent = all(&shared, &connection);
        assert_eq!(sent, if waiting { vec!["SEND a", "DISCONNECT"] } else { Vec::new() });
    }
}

#[test]
fn what_a_lost_connection_leaves_of_a_client_that_was_left_is_sent_by_the_next() {
    let (shared, first, second) = (shared(1000), connection(1), connection(2));
    assert!(shared.open(&first));
    for body in ["a", "b"] {
        now(shared.queue(send(body))).unwrap();
    }
    let _leaving = shared.leave();
    assert_eq!(next(&shared, &first).unwrap(), "SEND a");
    assert_eq!(shared.lose(&lost()), AfterLoss::ConnectAgain);
    assert!(shared.open(&second));
    assert_eq!(all(&shared, &second), ["SEND b", "DISCONNECT"]);
    assert_eq!(shared.lose(&lost()), AfterLoss::End);
}

#[tokio::test]
async fn what_is_sent_again_after_a_goodbye_is_followed_by_another_one() {
    let (shared, first, second) = (shared(1000), connection(1), connection(2));
    assert!(shared.open(&first));
    let unconfirmed = Unconfirmed::IsSentAgain { times: 0 };
    let mut sending = pin!(shared.queue_and_confirm(Entry { unconfirmed, ..send("a") }));
    assert!(sending.as_mut().now_or_never().is_none());
    let _leaving = shared.leave();
    assert_eq!(all(&shared, &first), ["SEND a", "DISCONNECT"]);
    assert_eq!(shared.lose(&lost()), AfterLoss::ConnectAgain);
    assert!(shared.open(&second));
    assert_eq!(all(&shared, &second), ["SEND a", "DISCONNECT"]);
}

#[test]
fn a_server_that_does_not_take_the_goodbye_in_time_is_not_tried_again() {
    let (shared, connection) = (shared(1000), connection(1));
    assert!(shared.open(&connection));
    now(shared.queue(send("a"))).unwrap();
    let _leaving = shared.leave();
    assert_eq!(shared.lose(&ConnectionEnd::Disconnected), AfterLoss::End);
}

#[test]
fn a_frame_that_is_skipped_leaves_room() {
    let (shared, connection) = (shared(1), connection(1));
    assert!(shared.open(&connection));
    now(shared.queue(send("a"))).unwrap();
    let mut second = pin!(shared.queue(send("b")));
    assert!(second.as_mut().now_or_never().is_none());
    now(shared.next_frame(&connection));
    shared.skip(StompError::NotText);
    now(second).unwrap();
    assert_eq!(all(&shared, &connection), ["SEND b"]);
}

#[tokio::test(start_paused = true)]
async fn an_id_is_free_again_when_the_server_does_not_confirm_the_end_of_its_subscription() {
    let (shared, connection, standing) = subscribed();
    shared.abandon(&"a".into(), &standing);
    let mut second = pin!(shared.subscribe(Some("a".into()), record()));
    assert!(second.as_mut().now_or_never().is_none());
    // Its time begins when UNSUBSCRIBE is sent.
    tokio::time::advance(Duration::from_secs(20)).await;
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(all(&shared, &connection), ["UNSUBSCRIBE"]);
    // It has told that it was sent.
    assert!(second.as_mut().now_or_never().is_none());
    tokio::time::advance(Duration::from_secs(29)).await;
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(next(&shared, &connection), None);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(all(&shared, &connection), ["SUBSCRIBE"]);
    // The receipt of UNSUBSCRIBE, which was the second to be asked for: it ends nothing any more.
    shared.confirm(&"2".into(), &Headers::default());
    shared.confirm(&"3".into(), &Headers::default());
    assert_eq!(second.now_or_never().unwrap().unwrap(), "a".into());
}

#[tokio::test(start_paused = true)]
async fn an_id_is_not_waited_for_when_unsubscribe_is_never_sent() {
    let (shared, _, standing) = subscribed();
    shared.abandon(&"a".into(), &standing);
    let second = shared.subscribe(Some("a".into()), record()).await;
    assert!(matches!(second, Err(StompError::ReceiptTimeout(_))), "{second:?}");
}

#[tokio::test]
async fn an_unsubscribe_that_is_not_sent_yet_is_none_when_the_server_ends_the_subscription() {
    let (shared, connection, standing) = subscribed();
    let id = SubscriptionId::from("a");
    let mut ending = pin!(shared.unsubscribe(&id, &standing, Headers::default()));
    assert!(ending.as_mut().now_or_never().is_none());
    shared.cancel(&id, &tidings_stomp::Error::new("Server cancelled subscription", ""));
    now(ending).unwrap();
    assert_eq!(all(&shared, &connection), Vec::<String>::new());
    shared.lock().add_subscription(id.clone(), record()).unwrap();
    assert_eq!(all(&shared, &connection), ["SUBSCRIBE"]);
}

#[test]
fn the_end_of_a_transaction_needs_no_room() {
    let (shared, connection) = (shared(1), connection(1));
    assert!(shared.open(&connection));
    now(shared.queue(send("a"))).unwrap();
    let entry = |operation| Entry::new(operation, Bound::Only(connection.number));
    let commit = shared.queue_end_asking(entry(Operation::Commit("tx-1".into())));
    assert!(commit.is_ok());
    shared.queue_end(entry(Operation::Abort("tx-2".into())));
    assert_eq!(all(&shared, &connection), ["SEND a", "COMMIT", "ABORT"]);
}

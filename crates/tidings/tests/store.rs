//! Durable queues across restarts of the application, over TCP.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::{Arc, Condvar, Mutex, OnceLock};

use support::{Raw, Running, serve};
use tidings::App;
use tidings::broker::Limits;
use tidings::messaging::{Messenger, Outgoing, SessionEvent};
use tidings::server::{SockJsOptions, StompOptions};
use tidings::store::{Batch, MemoryStore, Recovered, Store, StoreError, StoreFault};
use tokio::sync::mpsc;

async fn start(store: impl Store + 'static) -> Running {
    serve(App::builder().stomp("/stomp").store(store).build().unwrap()).await
}

async fn client(server: &Running) -> Raw {
    let mut client = Raw::connect(server.stomp).await;
    client.write("CONNECT\naccept-version:1.2\nhost:x\nclient-id:c\n\n\0").await;
    client.read_until("\0").await;
    client
}

fn send(body: &str) -> String {
    format!("SEND\ndestination:/queue/a\npersistent:true\nreceipt:{body}\n\n{body}\0")
}

#[tokio::test]
async fn what_was_receipted_is_there_after_a_restart_and_in_order() {
    let store = MemoryStore::new();
    let server = start(store.clone()).await;
    let mut publisher = client(&server).await;
    for body in ["1", "2", "3"] {
        publisher.write(send(body)).await;
        publisher.read_until(&format!("receipt-id:{body}\n\n\0")).await;
    }
    server.stop().await.unwrap();
    let server = start(store.clone()).await;
    let mut consumer = client(&server).await;
    consumer
        .write("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client-individual\nreceipt:s\n\n\0")
        .await;
    let messages = consumer.read_until("\n3\0").await;
    let at = |text: &str| messages.find(text).unwrap_or_else(|| panic!("{text}: {messages}"));
    assert!(at("receipt-id:s") < at("\n1\0") && at("\n1\0") < at("\n2\0"), "{messages}");
    assert!(!messages.contains("redelivered:true"), "nobody has seen them: {messages}");
    let ack = messages.split("ack:").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    consumer.write(format!("ACK\nid:{ack}\nreceipt:acked\n\n\0")).await;
    consumer.read_until("receipt-id:acked").await;
    server.stop().await.unwrap();
    let server = start(store).await;
    let mut consumer = client(&server).await;
    consumer.write("SUBSCRIBE\nid:s\ndestination:/queue/a\n\n\0").await;
    let messages = consumer.read_until("\n3\0").await;
    assert!(!messages.contains("\n1\0"), "it was acknowledged: {messages}");
    assert_eq!(messages.matches("redelivered:true").count(), 2, "{messages}");
}

#[tokio::test]
async fn a_durable_subscription_to_several_topics_is_refused_before_anything_is_made() {
    let server = start(MemoryStore::new()).await;
    for _ in 0..2 {
        let mut subscriber = client(&server).await;
        subscriber
            .write("SUBSCRIBE\nid:s\ndestination:/topic/a,/topic/b\nactivemq.subscriptionName:n\nreceipt:s\n\n\0")
            .await;
        let answer = subscriber.read_to_end().await;
        assert!(answer.contains("message:durable subscription to several"), "{answer}");
        assert!(!answer.contains("RECEIPT"), "{answer}");
        let mut sender = client(&server).await;
        sender.write("SEND\ndestination:/topic/a\nreceipt:r\n\nm\0").await;
        sender.read_until("receipt-id:r").await;
    }
}

#[tokio::test]
async fn receipts_come_in_order_and_that_of_disconnect_last() {
    let server = start(MemoryStore::new()).await;
    let mut client = client(&server).await;
    let mut frames = String::new();
    for number in 0..100 {
        let persistent = number % 3 == 0;
        frames += &format!(
            "SEND\ndestination:/queue/a\npersistent:{persistent}\nreceipt:r{number}\n\nm\0"
        );
    }
    client.write(format!("{frames}DISCONNECT\nreceipt:end\n\n\0")).await;
    let read = client.read_to_end().await;
    let receipts: Vec<&str> =
        read.lines().filter_map(|line| line.strip_prefix("receipt-id:")).collect();
    let mut expected: Vec<String> = (0..100).map(|number| format!("r{number}")).collect();
    expected.push("end".to_owned());
    assert_eq!(receipts, expected);
}

#[tokio::test]
async fn a_durable_subscription_outlives_the_server() {
    let store = MemoryStore::new();
    let server = start(store.clone()).await;
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/n.*\nreceipt:s\n\
                     activemq.subscriptionName:news\n\n\0";
    let mut away = client(&server).await;
    away.write(format!("{subscribe}DISCONNECT\nreceipt:d\n\n\0")).await;
    away.read_to_end().await;
    let mut publisher = client(&server).await;
    publisher.write("SEND\ndestination:/topic/n.x\npersistent:true\nreceipt:r\n\nkept\0").await;
    publisher.read_until("receipt-id:r").await;
    server.stop().await.unwrap();
    let server = start(store).await;
    let mut back = client(&server).await;
    back.write(subscribe).await;
    let message = back.read_until("kept\0").await;
    assert!(message.contains("destination:/topic/n.x\n"), "{message}");
}

/// A store whose commits wait until it is opened.
#[derive(Clone, Default)]
struct Gated {
    inner: MemoryStore,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Gated {
    fn open(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }
}

impl Store for Gated {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        self.inner.recover()
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let closed = |open: &mut bool| !*open;
        drop(self.gate.1.wait_while(self.gate.0.lock().unwrap(), closed).unwrap());
        self.inner.commit(batch)
    }
}

/// A message whose receipt waits for the store, and `count` to `/topic/t` with receipts behind it.
fn one_to_store_and_many(count: usize) -> String {
    let sends = (1..=count)
        .map(|number| format!("SEND\ndestination:/topic/t\nreceipt:r{number}\n\n{number}\0"));
    send("first") + &sends.collect::<String>()
}

async fn listener(server: &Running) -> Raw {
    let mut listener = client(server).await;
    listener.write("SUBSCRIBE\nid:s\ndestination:/topic/t\nreceipt:s\n\n\0").await;
    listener.read_until("receipt-id:s\n\n\0").await;
    listener
}

#[tokio::test]
async fn a_client_whose_receipts_wait_is_not_listened_to_beyond_a_limit() {
    let store = Gated::default();
    let options = StompOptions { held_octets_max: 500, ..StompOptions::default() };
    let app = App::builder().stomp("/stomp").stomp_options(options).store(store.clone());
    let app = app.build().unwrap();
    let messenger = app.messenger().clone();
    let server = serve(app).await;
    let mut listener = listener(&server).await;
    let mut publisher = client(&server).await;
    publisher.write(one_to_store_and_many(200)).await;
    listener.read_until("\n3\0").await;
    messenger.send("/topic/t", "meanwhile").await.unwrap();
    let before = listener.read_until("meanwhile\0").await;
    // Each receipt counts for more than 64.
    assert!(before.matches("MESSAGE").count() < 8, "{before}");
    store.open();
    listener.read_until("\n200\0").await;
    publisher.read_until("receipt-id:r200\n\n\0").await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn what_a_client_has_sent_is_done_although_its_receipts_find_it_gone() {
    let store = Gated::default();
    let options = StompOptions { held_octets_max: 0, ..StompOptions::default() };
    let app = App::builder().stomp("/stomp").stomp_options(options).store(store.clone());
    let app = app.build().unwrap();
    let messenger = app.messenger().clone();
    let server = serve(app).await;
    let mut listener = listener(&server).await;
    let mut gone = client(&server).await;
    gone.write("SUBSCRIBE\nid:s\ndestination:/topic/s\nreceipt:s\n\n\0").await;
    gone.read_until("receipt-id:s\n\n\0").await;
    let frames = one_to_store_and_many(3);
    assert_eq!(gone.stream.try_write(frames.as_bytes()).unwrap(), frames.len());
    // The client is gone, and the server learns that by writing, before it has read what was sent.
    gone.stream.set_zero_linger().unwrap();
    drop(gone);
    messenger.send("/topic/s", "for nobody").await.unwrap();
    listener.read_until("\n3\0").await;
    store.open();
    server.stop().await.unwrap();
}

/// A store into whose queue `/queue/a` more comes with each commit than a subscription is prepared for.
struct Busy {
    inner: MemoryStore,
    messenger: Arc<OnceLock<Messenger>>,
}

impl Store for Busy {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        self.inner.recover()
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if let Some(messenger) = self.messenger.get() {
            for _ in 0..5_000 {
                messenger.try_send("/queue/a", "more").unwrap();
            }
        }
        self.inner.commit(batch)
    }
}

#[tokio::test]
async fn a_subscription_that_a_busy_queue_outruns_is_refused_in_the_end() {
    let messenger = Arc::new(OnceLock::new());
    let store = Busy { inner: MemoryStore::new(), messenger: Arc::clone(&messenger) };
    let app = App::builder().stomp("/stomp").store(store).build().unwrap();
    let sender = app.messenger().clone();
    let server = serve(app).await;
    let mut client = client(&server).await;
    client.write(send("first")).await;
    client.read_until("receipt-id:first\n\n\0").await;
    assert!(messenger.set(sender).is_ok());
    client.write("SUBSCRIBE\nid:s\ndestination:/queue/a\nack:client\nreceipt:s\n\n\0").await;
    let error = client.read_to_end().await;
    assert!(error.contains("message:queue is not prepared\n"), "{error}");
    assert!(error.contains("subscribe again") && !error.contains("RECEIPT"), "{error}");
}

/// A request of a SockJS session, and the body of its answer.
async fn post(server: &Running, path: &str, body: &str) -> String {
    let mut connection = Raw::connect(server.http).await;
    let head = format!("POST /stomp/0/s/{path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
    connection.write(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await;
    let answer = connection.read_to_end().await;
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// A SockJS client that polls has nowhere to get receipts from most of the time.
#[tokio::test]
async fn receipts_that_have_waited_leave_as_the_client_reads() {
    let store = Gated::default();
    let options = SockJsOptions { queue_messages_max: 4, ..SockJsOptions::default() };
    let app = App::builder().stomp_with_options("/stomp", options).store(store.clone());
    let server = serve(app.build().unwrap()).await;
    let mut listener = listener(&server).await;
    post(&server, "xhr", "").await;
    let stomp = |frames: &str| format!("[{frames:?}]").replace("\\0", "\\u0000");
    let connect = "CONNECT\naccept-version:1.2\nhost:x\n\n\0";
    post(&server, "xhr_send", &stomp(connect)).await;
    assert!(post(&server, "xhr", "").await.contains("CONNECTED"));
    post(&server, "xhr_send", &stomp(&one_to_store_and_many(50))).await;
    listener.read_until("\n50\0").await;
    store.open();
    let mut read = String::new();
    while !read.contains("receipt-id:r50") {
        read += &post(&server, "xhr", "").await;
        assert!(!read.contains("c["), "the session was closed: {read}");
    }
    assert_eq!(read.matches("receipt-id:").count(), 51, "{read}");
    server.stop().await.unwrap();
}

/// A disk without room.
struct Full;

impl Store for Full {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        MemoryStore::new().recover()
    }

    fn commit(&mut self, _: &Batch) -> Result<(), StoreError> {
        Err(StoreError::new(StoreFault::Full))
    }
}

#[tokio::test]
async fn whoever_waits_for_what_cannot_be_stored_is_told_why() {
    let server = start(Full).await;
    let mut client = client(&server).await;
    client.write(send("m")).await;
    let error = client.read_to_end().await;
    assert!(error.contains("message:cannot store") && error.contains("no room left"), "{error}");
    assert!(!error.contains("RECEIPT"), "{error}");
}

#[tokio::test]
async fn nobody_subscribes_to_what_cannot_be_stored() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let listen = move |event: SessionEvent, _: Messenger| {
        tell.send(event).unwrap();
        async {}
    };
    let app = App::builder().stomp("/stomp").store(Full).session_listener(listen);
    let server = serve(app.build().unwrap()).await;
    let mut client = client(&server).await;
    client
        .write(
            "SUBSCRIBE\nid:1\ndestination:/topic/n\nactivemq.subscriptionName:n\nreceipt:s\n\n\0",
        )
        .await;
    let error = client.read_to_end().await;
    assert!(error.contains("message:cannot store") && !error.contains("RECEIPT"), "{error}");
    assert!(matches!(told.recv().await, Some(SessionEvent::Connected { .. })));
    assert!(matches!(told.recv().await, Some(SessionEvent::Disconnected { .. })));
}

#[tokio::test]
async fn a_sender_without_receipt_is_told_when_its_message_cannot_be_stored() {
    let server = start(Full).await;
    for frames in [
        "SEND\ndestination:/queue/a\npersistent:true\n\nm\0",
        "BEGIN\ntransaction:t\n\n\0SEND\ndestination:/queue/a\npersistent:true\n\
         transaction:t\n\nm\0COMMIT\ntransaction:t\n\n\0",
    ] {
        let mut client = client(&server).await;
        client.write(frames).await;
        let error = client.read_to_end().await;
        assert!(error.contains("message:cannot store"), "{error}");
    }
}

#[tokio::test]
async fn a_messenger_knows_when_its_message_is_stored() {
    let order = || {
        let order = Outgoing::to("/queue/a", "m").unwrap();
        order.header("persistent", "true")
    };
    let store = MemoryStore::new();
    let app = App::builder().store(store.clone()).build().unwrap();
    let sent = app.messenger().publish(order()).await.unwrap();
    sent.stored().await.unwrap();
    assert_eq!(store.clone().recover().unwrap().messages(), 1);
    // What is not to be stored need not wait.
    app.messenger().send("/queue/a", "m").await.unwrap().stored().await.unwrap();
    let app = App::builder().store(Full).build().unwrap();
    let sent = app.messenger().publish(order()).await.unwrap();
    assert_eq!(sent.stored().await.unwrap_err().fault(), StoreFault::Full);
}

#[tokio::test]
async fn an_application_with_more_queues_than_it_may_have_is_not_built() {
    let store = MemoryStore::new();
    let app = App::builder().store(store.clone()).build().unwrap();
    for queue in ["/queue/a", "/queue/b"] {
        let order = Outgoing::to(queue, "m").unwrap().header("persistent", "true");
        app.messenger().publish(order).await.unwrap().stored().await.unwrap();
    }
    let limits = Limits { destinations_max: 1, ..Limits::default() };
    let error = App::builder().broker_limits(limits).store(store.clone()).build().unwrap_err();
    assert!(
        error.to_string().contains("2 queues are stored, and destinations_max is 1"),
        "{error}"
    );
    assert_eq!(store.clone().recover().unwrap().messages(), 2, "they are left alone");
}

#[test]
fn an_application_without_a_readable_store_is_not_built() {
    struct Damaged;
    impl Store for Damaged {
        fn recover(&mut self) -> Result<Recovered, StoreError> {
            Err(StoreError::new(StoreFault::Damaged))
        }

        fn commit(&mut self, _: &Batch) -> Result<(), StoreError> {
            unreachable!("it is not used")
        }
    }
    let error = App::builder().store(Damaged).build().unwrap_err();
    assert!(error.to_string().contains("cannot be understood"), "{error}");
}

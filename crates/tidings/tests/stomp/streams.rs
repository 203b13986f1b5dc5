//! Subscriptions that handlers answer with streams.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::client::{Client, EVERYWHERE, OVER_WEBSOCKET, header};
use crate::support::{PATIENCE, serve};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tidings::endpoint::{BoxError, Json, State};
use tidings::messaging::{HandlerError, Messenger, SessionEvent, Users};
use tidings::server::{StompOptions, UnhandledErrors};
use tidings::{App, controller};
use tokio::sync::{broadcast, mpsc};

/// What the streams of a test are made of, and who is told that one was dropped.
#[derive(Clone)]
struct Source {
    items: broadcast::Sender<String>,
    dropped: mpsc::UnboundedSender<()>,
    polled: Arc<AtomicUsize>,
}

/// Items of 64 KiB that the server and the kernel hold for a client: 16 MiB.
const AHEAD_MAX: usize = 256;

struct Dropped(mpsc::UnboundedSender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

struct Ticker {
    word: &'static str,
}

#[controller("/live")]
impl Ticker {
    /// It borrows the controller and an argument.
    #[subscribe_mapping("/count/{to}")]
    fn count(&self, #[destination_variable] to: &u32) -> impl Stream<Item = Json<(u32, &str)>> {
        stream::iter(1..=*to).map(|number| Json((number, self.word)))
    }

    #[subscribe_mapping("/items")]
    async fn items(&self, State(source): State<Source>) -> impl Stream<Item = Option<String>> {
        let dropped = Dropped(source.dropped);
        stream::unfold((source.items.subscribe(), dropped), async |(mut items, dropped)| {
            let item = items.recv().await.ok()?;
            Some(((item != "nothing").then_some(item), (items, dropped)))
        })
    }

    #[subscribe_mapping("/large")]
    fn large(&self, State(source): State<Source>) -> impl Stream<Item = Bytes> {
        stream::repeat_with(move || {
            source.polled.fetch_add(1, Ordering::SeqCst);
            Bytes::from(vec![b'x'; 64 * 1024])
        })
    }

    #[subscribe_mapping("/refused")]
    fn refused(&self) -> Result<impl Stream<Item = String>, BoxError> {
        if self.word.is_empty() { Ok(stream::empty()) } else { Err("no".into()) }
    }

    #[subscribe_mapping("/nothing")]
    fn nothing(&self) -> Option<Pin<Box<dyn Stream<Item = String> + Send>>> {
        None
    }

    #[subscribe_mapping("/fails")]
    fn fails(&self) -> impl Stream<Item = Result<&'static str, BoxError>> {
        stream::iter([Ok("one"), Err("two".into()), Ok("three")])
    }

    #[subscribe_mapping("/panics")]
    fn panics(&self) -> impl Stream<Item = &'static str> {
        stream::iter(["one", "two"]).inspect(|item| assert_eq!(*item, "one"))
    }

    #[subscribe_mapping("/elsewhere")]
    #[send_to("/topic/elsewhere")]
    fn elsewhere(&self) -> impl Stream<Item = &'static str> {
        stream::iter(["here"])
    }

    #[message_exception_handler]
    #[send_to("/topic/trouble")]
    fn failed(&self, error: &HandlerError) -> String {
        error.to_string()
    }
}

fn source() -> (Source, mpsc::UnboundedReceiver<()>) {
    let (dropped, told) = mpsc::unbounded_channel();
    let (items, polled) = (broadcast::channel(16).0, Arc::default());
    (Source { items, dropped, polled }, told)
}

fn app_with(source: &Source) -> App {
    let options = StompOptions { error_keeps_connection: true, ..StompOptions::default() };
    let app = App::builder().stomp("/stomp").stomp_options(options);
    app.controller(Ticker { word: "tick" }).state(source.clone()).build().unwrap()
}

fn app() -> App {
    app_with(&source().0)
}

async fn has_ended(told: &mut mpsc::UnboundedReceiver<()>) {
    tokio::time::timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
}

#[tokio::test]
async fn each_item_of_a_stream_is_a_message_of_the_subscription() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, version| {
            // The receipt comes before the first message.
            client.subscribe("id:c\ndestination:/app/live/count/3\n").await;
            for number in 1..=3 {
                let message = client.message(&format!("[{number},\"tick\"]")).await;
                assert_eq!(header(&message, "destination"), Some("/app/live/count/3"));
                assert_eq!(header(&message, "subscription"), Some("c"));
                let content_type =
                    header(&message, "content-type").map(|it| it.replace("\\c", ":"));
                assert_eq!(content_type.as_deref(), Some("application/json"), "{version}");
            }
            // It has ended, and the subscription has not.
            client.done("UNSUBSCRIBE\nid:c\n\n").await;
        })
        .await;
}

#[tokio::test]
async fn a_stream_lives_until_unsubscribe_or_the_end_and_holds_up_nothing() {
    let (source, mut told) = source();
    let server = serve(app_with(&source)).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::connect(&server, door, version).await;
        client.subscribe("id:i\ndestination:/app/live/items\n").await;
        // The stream waits for items, the session for nothing.
        client.goes_on().await;
        for item in ["a", "nothing", "b"] {
            source.items.send(item.to_owned()).unwrap();
        }
        client.message("a").await;
        client.message("b").await;
        client.done("UNSUBSCRIBE\nid:i\n\n").await;
        has_ended(&mut told).await;
        assert_eq!(source.items.receiver_count(), 0);
        // The id is free.
        client.subscribe("id:i\ndestination:/app/live/items\n").await;
        source.items.send("c".to_owned()).unwrap();
        client.message("c").await;
        client.leave().await;
        has_ended(&mut told).await;
    }
}

#[tokio::test]
async fn a_stream_is_asked_for_more_only_when_the_client_reads() {
    let (source, _told) = source();
    let server = serve(app_with(&source)).await;
    for (door, version) in OVER_WEBSOCKET.each() {
        source.polled.store(0, Ordering::SeqCst);
        let mut client = Client::connect(&server, door, version).await;
        client.send("SUBSCRIBE\nid:l\ndestination:/app/live/large\n\n\0").await;
        for read in 0..512 {
            let message = client.octets().await;
            assert!(message.starts_with(b"MESSAGE\n"));
            let ahead = source.polled.load(Ordering::SeqCst) - read;
            assert!(ahead < AHEAD_MAX, "{ahead} items are polled that nobody has read");
        }
        client.vanish();
    }
}

#[tokio::test]
async fn errors_of_streams_are_those_of_handlers() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:t\ndestination:/topic/trouble\n").await;
            client.send("SUBSCRIBE\nid:r\ndestination:/app/live/refused\n\n\0").await;
            client.message("no").await;
            client.subscribe("id:n\ndestination:/app/live/nothing\n").await;
            client.subscribe("id:f\ndestination:/app/live/fails\n").await;
            client.message("one").await;
            let told = client.message("two").await;
            assert_eq!(header(&told, "subscription"), Some("t"));
            client.subscribe("id:p\ndestination:/app/live/panics\n").await;
            client.message("one").await;
            let told = client.frame().await;
            assert!(told.contains("handler panicked"), "{told:?}");
            client.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn a_stream_may_go_elsewhere() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:e\ndestination:/topic/elsewhere\n").await;
            client.subscribe("id:s\ndestination:/app/live/elsewhere\n").await;
            let message = client.message("here").await;
            assert_eq!(header(&message, "subscription"), Some("e"));
        })
        .await;
}

#[tokio::test]
async fn sessions_that_end_without_a_word_end_their_streams() {
    let (source, mut told) = source();
    let server = serve(app_with(&source)).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::connect(&server, door, version).await;
        client.subscribe("id:i\ndestination:/app/live/items\n").await;
        client.vanish();
        has_ended(&mut told).await;
    }
}

/// What a listener was told, in short.
struct Told(mpsc::UnboundedReceiver<SessionEvent>);

impl Told {
    fn listener() -> (impl Fn(SessionEvent, Messenger) -> std::future::Ready<()> + Send + Sync, Self)
    {
        let (sender, told) = mpsc::unbounded_channel();
        let listen = move |event, _| {
            let _ = sender.send(event);
            std::future::ready(())
        };
        (listen, Self(told))
    }

    async fn next(&mut self) -> String {
        match tokio::time::timeout(PATIENCE, self.0.recv()).await.unwrap().unwrap() {
            SessionEvent::Connected { .. } => "connected".to_owned(),
            SessionEvent::Subscribed { id, destination, .. } => {
                format!("subscribed {id} {destination}")
            }
            SessionEvent::Unsubscribed { id, destination, .. } => {
                format!("unsubscribed {id} {destination}")
            }
            SessionEvent::Disconnected { .. } => "disconnected".to_owned(),
            other => panic!("{other:?}"),
        }
    }
}

fn subscriptions(users: &Users) -> Vec<(String, String)> {
    let found = users.subscriptions(|_| true).into_iter();
    found.map(|it| (it.id, it.destination)).collect()
}

#[tokio::test]
async fn a_stream_is_a_subscription_that_the_application_knows_and_ends() {
    for (door, version) in EVERYWHERE.each() {
        let (source, mut dropped) = source();
        let (listener, mut told) = Told::listener();
        let app = App::builder().stomp("/stomp").session_listener(listener);
        let app = app.controller(Ticker { word: "tick" }).state(source.clone()).build().unwrap();
        let users = app.users();
        let server = serve(app.clone()).await;
        let mut client = Client::connect(&server, door, version).await;
        assert_eq!(told.next().await, "connected");
        let items = "/app/live/items";
        for id in ["s", "t"] {
            client.subscribe(&format!("id:{id}\ndestination:{items}\n")).await;
            assert_eq!(told.next().await, format!("subscribed {id} {items}"));
        }
        let known = ["s", "t"].map(|id| (id.to_owned(), items.to_owned()));
        assert_eq!(subscriptions(&users), known);
        let session = users.sessions()[0].id();
        assert!(!users.unsubscribe(session, "u"));
        assert!(users.unsubscribe(session, "s"));
        assert!(!users.unsubscribe(session, "s"));
        let error = client.frame().await;
        assert_eq!(header(&error, "message"), Some("Server cancelled subscription"));
        assert_eq!(header(&error, "subscription"), Some("s"));
        assert_eq!(told.next().await, format!("unsubscribed s {items}"));
        has_ended(&mut dropped).await;
        // The other one goes on, and so does the session, in which the id is free.
        client.subscribe(&format!("id:s\ndestination:{items}\n")).await;
        assert_eq!(told.next().await, format!("subscribed s {items}"));
        source.items.send("a".to_owned()).unwrap();
        let messages = [client.message("a").await, client.message("a").await];
        let mut ids = messages.each_ref().map(|message| header(message, "subscription").unwrap());
        ids.sort_unstable();
        assert_eq!(ids, ["s", "t"]);
        client.done("UNSUBSCRIBE\nid:t\n\n").await;
        assert_eq!(told.next().await, format!("unsubscribed t {items}"));
        assert_eq!(subscriptions(&users), known[..1]);
        client.leave().await;
        assert_eq!(told.next().await, "disconnected");
        assert!(subscriptions(&users).is_empty() && !users.unsubscribe(session, "s"));
    }
}

/// Nobody handles its errors.
struct Bare;

#[controller("/bare")]
impl Bare {
    #[subscribe_mapping("/fails")]
    fn fails(&self) -> impl Stream<Item = Result<&'static str, BoxError>> {
        stream::iter([Ok("one"), Err("two".into()), Ok("three")])
    }
}

#[tokio::test]
async fn a_stream_that_fails_ends_its_subscription_where_that_is_told() {
    let fails = "id:f\ndestination:/app/bare/fails\n";
    for (door, version) in EVERYWHERE.each() {
        for unhandled_errors in [UnhandledErrors::Log, UnhandledErrors::ErrorFrame] {
            let options = StompOptions { unhandled_errors, ..StompOptions::default() };
            let app = App::builder().stomp("/stomp").stomp_options(options).controller(Bare);
            let app = app.build().unwrap();
            let users = app.users();
            let server = serve(app).await;
            let mut client = Client::connect(&server, door, version).await;
            // A client that has asked for a receipt is told in any case.
            client.subscribe(fails).await;
            for _ in 0..2 {
                client.message("one").await;
                let error = client.frame().await;
                assert_eq!(header(&error, "message"), Some("handler failed"), "{error:?}");
                assert_eq!(header(&error, "subscription"), Some("f"), "{error:?}");
                assert!(subscriptions(&users).is_empty());
                // The session goes on, and the id is free.
                client.send(format!("SUBSCRIBE\n{fails}\n\0")).await;
                if unhandled_errors == UnhandledErrors::Log {
                    break;
                }
            }
            client.message("one").await;
            if unhandled_errors == UnhandledErrors::ErrorFrame {
                client.frame().await;
            } else {
                client.done("UNSUBSCRIBE\nid:f\n\n").await;
            }
            client.goes_on().await;
            client.leave().await;
        }
    }
}

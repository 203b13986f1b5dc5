//! What becomes of the errors of message handlers.

use std::fmt;

use crate::client::{Client, EVERYWHERE, header};
use tidings::endpoint::{BoxError, Json, Session};
use tidings::messaging::{HandlerError, Headers};
use tidings::server::{StompOptions, UnhandledErrors};
use tidings::{App, controller};

#[derive(Debug)]
struct SoldOut {
    item: String,
}

impl fmt::Display for SoldOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is sold out", self.item)
    }
}

impl std::error::Error for SoldOut {}

/// An order that failed for a reason.
#[derive(Debug)]
struct NoOrder(SoldOut);

impl fmt::Display for NoOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no order")
    }
}

impl std::error::Error for NoOrder {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

struct Shop;

#[controller("/shop/{shop}")]
impl Shop {
    #[message_mapping("/buy")]
    fn buy(&self, item: String) -> Result<(), SoldOut> {
        Err(SoldOut { item })
    }

    #[message_mapping("/order")]
    fn order(&self, item: String) -> Result<(), NoOrder> {
        Err(NoOrder(SoldOut { item }))
    }

    #[message_mapping("/number")]
    fn number(&self, Json(number): Json<u8>) -> Result<(), BoxError> {
        Err(format!("{number} is no good").into())
    }

    #[message_mapping("/panic")]
    fn panics(&self) {
        panic!("as asked");
    }

    #[subscribe_mapping("/closed")]
    fn closed(&self) -> Result<String, SoldOut> {
        Err(SoldOut { item: "all".to_owned() })
    }

    #[message_exception_handler]
    #[send_to("/topic/trouble")]
    fn anything(&self, error: &HandlerError) -> String {
        format!("{error}")
    }

    #[message_exception_handler]
    #[send_to("/topic/trouble", "/topic/trouble/{shop}")]
    async fn sold_out(
        &self,
        error: &SoldOut,
        #[destination_variable] shop: String,
        session: Session,
        headers: Headers,
        text: &str,
    ) -> String {
        assert!(session.is_open());
        format!("{}, {shop}, {:?}, {text}", error.item, headers.get("why"))
    }
}

/// Its errors are for others to take.
struct Bare;

#[controller("/bare")]
impl Bare {
    #[message_mapping("/buy")]
    fn buy(&self, item: String) -> Result<(), SoldOut> {
        Err(SoldOut { item })
    }

    #[message_mapping("/fail")]
    fn fail(&self) -> Result<(), BoxError> {
        Err("no".into())
    }

    #[message_mapping("/number")]
    fn number(&self, _: Json<u8>) {}
}

/// Takes the errors of all, and fails at some.
struct Advice;

#[controller]
impl Advice {
    #[message_exception_handler]
    #[send_to("/topic/trouble")]
    fn sold_out(&self, error: &SoldOut) -> Result<String, BoxError> {
        if error.item == "nothing" { Err("no".into()) } else { Ok(format!("advice: {error}")) }
    }
}

/// Takes texts only, whatever is wrong with them.
struct Texts;

#[controller("/texts")]
impl Texts {
    #[message_mapping("/take")]
    fn take(&self, _: String) {}

    #[message_exception_handler]
    fn failed(&self, _: &HandlerError, text: String) -> String {
        text
    }
}

fn app() -> App {
    let options = StompOptions { error_keeps_connection: true, ..StompOptions::default() };
    let app = App::builder().stomp("/stomp").stomp_options(options);
    let app = app.controller(Shop).controller(Bare).controller(Texts);
    app.controller_advice(Advice).build().unwrap()
}

async fn listen(client: &mut Client) {
    client.subscribe("id:t\ndestination:/topic/trouble\n").await;
}

async fn fails(client: &mut Client, destination: &str, body: &str, told: &str) {
    client.send(format!("SEND\ndestination:/app{destination}\n\n{body}\0")).await;
    client.message(told).await;
}

#[tokio::test]
async fn the_handler_of_the_nearest_error_is_called() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            listen(&mut client).await;
            fails(&mut client, "/shop/7/buy", "tea", "tea, 7, None, tea").await;
            fails(&mut client, "/shop/7/buy\nwhy:thirst", "tea", "tea, 7, Some(\"thirst\"), tea")
                .await;
            // The error that is returned has nobody, what has caused it does.
            fails(&mut client, "/shop/7/order", "tea", "tea, 7, None, tea").await;
            fails(&mut client, "/shop/7/number", "5", "5 is no good").await;
            // What keeps a handler from being called is an error, too.
            fails(&mut client, "/shop/7/number", "x", "payload cannot be read as the JSON that is wanted: expected value at line 1 column 1").await;
            fails(&mut client, "/shop/7/panic", "", "handler panicked: as asked").await;
            client.send("SUBSCRIBE\nid:c\ndestination:/app/shop/7/closed\n\n\0").await;
            let told = client.message("all, 7, None, ").await;
            assert_eq!(header(&told, "subscription"), Some("t"));
        })
        .await;
}

#[tokio::test]
async fn the_reply_to_an_error_goes_where_it_is_sent_to() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:s\ndestination:/topic/trouble/7\n").await;
            fails(&mut client, "/shop/7/buy", "tea", "tea, 7, None, tea").await;
            // What was handled is done.
            client.send("SEND\nreceipt:r\ndestination:/app/shop/7/buy\n\ntea\0").await;
            let frames = [client.frame().await, client.frame().await];
            let is_done = |frame: &String| header(frame, "receipt-id") == Some("r");
            assert!(frames.iter().any(is_done), "{frames:?}");
        })
        .await;
}

#[tokio::test]
async fn advice_takes_what_a_controller_does_not() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            listen(&mut client).await;
            fails(&mut client, "/bare/buy", "tea", "advice: tea is sold out").await;
            client.refused("SEND\ndestination:/app/bare/fail\n\n", "handler failed").await;
            client.refused("SEND\ndestination:/app/bare/number\n\nx", "message not taken").await;
            // It fails itself.
            let nothing = "SEND\ndestination:/app/bare/buy\n\nnothing";
            client.refused(nothing, "handler failed").await;
            client.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn what_an_exception_handler_cannot_take_either_is_the_fault_of_the_client() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            let no_text = b"SEND\nreceipt:r\ndestination:/app/texts/take\n\n\xff\0";
            let error = client.ask(no_text).await;
            assert_eq!(header(&error, "message"), Some("message not taken"), "{error:?}");
            assert_eq!(header(&error, "receipt-id"), Some("r"), "{error:?}");
        })
        .await;
}

#[tokio::test]
async fn what_nobody_handles_is_told_where_that_is_wanted() {
    let app = || {
        let options = StompOptions {
            unhandled_errors: UnhandledErrors::ErrorFrame,
            error_keeps_connection: true,
            ..StompOptions::default()
        };
        App::builder().stomp("/stomp").stomp_options(options).controller(Bare).build().unwrap()
    };
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            for (frame, message) in [
                ("SEND\ndestination:/app/bare/fail\n\n\0", "handler failed"),
                ("SEND\ndestination:/app/bare/number\n\nx\0", "message not taken"),
                ("SEND\ndestination:/app/nobody\n\n\0", "no handler"),
                ("SUBSCRIBE\nid:1\ndestination:/app/nobody\n\n\0", "no handler"),
            ] {
                let error = client.ask(frame).await;
                assert!(error.starts_with("ERROR\n"), "{error:?}");
                assert_eq!(header(&error, "message"), Some(message), "{error:?}");
            }
            client.goes_on().await;
        })
        .await;
}

//! What message handlers are called with.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::client::{Client, EVERYWHERE};
use crate::support::{PATIENCE, serve};
use serde::Deserialize;
use tidings::endpoint::{BoxError, Json, Principal, SessionState, State, User, Valid, Validate};
use tidings::messaging::{Login, MessageParts};
use tidings::server::StompOptions;
use tidings::{App, controller};
use tokio::sync::mpsc;

struct Desk;

#[derive(Deserialize)]
struct Bid {
    cents: u64,
}

impl Validate for Bid {
    fn validate(&self) -> Result<(), BoxError> {
        if self.cents == 0 { Err("a bid is at least one cent".into()) } else { Ok(()) }
    }
}

/// Tells when it is dropped.
#[derive(Default)]
struct Basket {
    items: Mutex<Vec<String>>,
    dropped: Mutex<Option<mpsc::UnboundedSender<()>>>,
}

impl Drop for Basket {
    fn drop(&mut self) {
        if let Some(dropped) = self.dropped.lock().unwrap().take() {
            let _ = dropped.send(());
        }
    }
}

#[controller("/desk")]
#[send_to("/topic/desk")]
impl Desk {
    #[message_mapping("/who")]
    fn who(&self, User(user): User<Principal>) -> String {
        user.name().to_owned()
    }

    #[message_mapping("/anybody")]
    fn anybody(&self, user: Option<User<Principal>>) -> String {
        user.map_or("nobody".to_owned(), |User(user)| user.name().to_owned())
    }

    #[message_mapping("/state")]
    fn state(&self, State(name): State<&'static str>) -> &'static str {
        name
    }

    #[message_mapping("/buy")]
    fn buy(
        &self,
        basket: SessionState<Basket>,
        State(dropped): State<mpsc::UnboundedSender<()>>,
        item: String,
    ) -> String {
        *basket.dropped.lock().unwrap() = Some(dropped);
        let mut items = basket.items.lock().unwrap();
        items.push(item);
        items.join(" ")
    }

    #[message_mapping("/bid")]
    fn bid(&self, Valid(Json(bid)): Valid<Json<Bid>>) -> String {
        bid.cents.to_string()
    }

    #[message_mapping("/maybe")]
    fn maybe(&self, bid: Option<Json<Bid>>) -> String {
        bid.map_or("nothing".to_owned(), |Json(bid)| bid.cents.to_string())
    }

    #[message_mapping("/pages", "/pages/{page}")]
    fn page(
        &self,
        #[destination_variable] page: Option<u32>,
        #[header("lines", default = "20")] lines: u32,
        message: &MessageParts,
    ) -> String {
        format!("{} {page:?} {lines}", message.destination)
    }

    #[message_mapping("/quiet", reply = none)]
    fn quiet(&self) -> &'static str {
        "not to be heard"
    }

    #[subscribe_mapping("/news")]
    #[send_to("/topic/desk")]
    fn news(&self) -> &'static str {
        "somebody is here"
    }
}

fn app_with(dropped: mpsc::UnboundedSender<()>) -> App {
    let options = StompOptions { error_keeps_connection: true, ..StompOptions::default() };
    let app = App::builder().stomp("/stomp").stomp_options(options).controller(Desk);
    app.state("the state").state(dropped).build().unwrap()
}

fn app() -> App {
    app_with(mpsc::unbounded_channel().0)
}

async fn replies(client: &mut Client, destination: &str, body: &str, expected: &str) {
    client.send(format!("SEND\ndestination:/app/desk{destination}\n\n{body}\0")).await;
    client.message(expected).await;
}

#[tokio::test]
async fn the_user_is_whom_connect_has_made_known() {
    let named = async |login: Login| Ok(Principal::new(login.login.unwrap_or_default()));
    let app = || {
        let app = App::builder().stomp("/stomp").controller(Desk).authenticator(named);
        app.state("").state(mpsc::unbounded_channel::<()>().0).build().unwrap()
    };
    let server = serve(app()).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::connect_with(&server, door, version, "login:ann\n").await;
        client.subscribe("id:d\ndestination:/topic/desk\n").await;
        replies(&mut client, "/who", "", "ann").await;
        replies(&mut client, "/anybody", "", "ann").await;
    }
}

#[tokio::test]
async fn who_is_nobody_is_told_so_where_a_user_is_asked_for() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:d\ndestination:/topic/desk\n").await;
            replies(&mut client, "/anybody", "", "nobody").await;
            let error =
                client.refused("SEND\ndestination:/app/desk/who\n\n", "message not taken").await;
            assert!(error.contains("nobody said who the peer is"), "{error:?}");
        })
        .await;
}

#[tokio::test]
async fn state_headers_and_variables_are_arguments() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:d\ndestination:/topic/desk\n").await;
            replies(&mut client, "/state", "", "the state").await;
            replies(&mut client, "/pages", "", "/desk/pages None 20").await;
            replies(&mut client, "/pages/7\nlines:3", "", "/desk/pages/7 Some(7) 3").await;
            let many = "SEND\ndestination:/app/desk/pages\nlines:many\n\n";
            let error = client.refused(many, "message not taken").await;
            assert!(error.contains("header `lines` is not a valid u32"), "{error:?}");
        })
        .await;
}

#[tokio::test]
async fn payloads_may_be_missing_and_must_be_valid_where_the_handler_says_so() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:d\ndestination:/topic/desk\n").await;
            replies(&mut client, "/bid", "{\"cents\":5}", "5").await;
            replies(&mut client, "/maybe", "", "nothing").await;
            replies(&mut client, "/maybe", "{\"cents\":0}", "0").await;
            let free = "SEND\ndestination:/app/desk/bid\n\n{\"cents\":0}";
            let error = client.refused(free, "message not taken").await;
            assert!(
                error.contains("payload is not valid: a bid is at least one cent"),
                "{error:?}"
            );
            client.refused("SEND\ndestination:/app/desk/bid\n\n", "message not taken").await;
        })
        .await;
}

#[tokio::test]
async fn a_session_has_a_value_of_its_own_until_it_ends() {
    let (sender, mut dropped) = mpsc::unbounded_channel();
    let server = serve(app_with(sender)).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::connect(&server, door, version).await;
        client.subscribe("id:d\ndestination:/topic/desk\n").await;
        replies(&mut client, "/buy", "tea", "tea").await;
        replies(&mut client, "/buy", "milk", "tea milk").await;
        client.leave().await;
        tokio::time::timeout(PATIENCE, dropped.recv()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn replies_go_where_the_controller_or_the_method_says() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.subscribe("id:d\ndestination:/topic/desk\n").await;
            client.subscribe("id:q\ndestination:/topic/desk/quiet\n").await;
            client.done("SEND\ndestination:/app/desk/quiet\n\n").await;
            client.send("SUBSCRIBE\nid:n\ndestination:/app/desk/news\n\n\0").await;
            let news = client.message("somebody is here").await;
            assert_eq!(crate::client::header(&news, "subscription"), Some("d"));
            client.goes_on().await;
        })
        .await;
}

struct Counter(AtomicU32);

#[controller]
impl Counter {
    #[message_mapping("/count")]
    fn count(&self, State(step): State<u32>, #[header("times", default = "often")] times: u32) {
        self.0.fetch_add(step * times, Ordering::Relaxed);
    }
}

#[test]
fn an_application_whose_handlers_could_never_be_called_does_not_build() {
    let error = App::builder().controller(Counter(0.into())).build().unwrap_err().to_string();
    let name = "handlers::Counter::count";
    let state = format!("{name}: the application has no state of the type u32");
    let default = format!("{name}: default of header `times` is not a valid u32");
    assert!(error.contains(&state) && error.contains(&default), "{error}");
}

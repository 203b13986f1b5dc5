//! The kit that applications are tested with.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use tidings::endpoint::{CloseCode, Json, Message, Principal, Session, User};
use tidings::messaging::{AccessDenied, Login, Outgoing};
use tidings::testing::TestApp;
use tidings::{App, WebSocket, controller, server_endpoint};
use tidings_stomp::AckMode;

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    text: String,
}

struct Notes;

#[controller]
impl Notes {
    #[message_mapping("/note")]
    #[send_to("/topic/notes")]
    fn note(&self, Json(note): Json<Note>) -> Json<Note> {
        Json(note)
    }

    /// After an hour.
    #[message_mapping("/later")]
    #[send_to("/topic/notes")]
    async fn later(&self, text: String) -> String {
        tokio::time::sleep_until(tokio::time::Instant::now() + HOUR).await;
        text
    }
}

/// What a token says.
#[derive(Clone)]
struct Claims {
    tenant: &'static str,
}

/// Tells what it knows of who asks.
struct Tenants;

#[controller]
impl Tenants {
    #[message_mapping("/tenant")]
    #[send_to("/topic/tenants")]
    fn tenant(&self, User(claims): User<Claims>, who: Option<User<Principal>>) -> String {
        format!("{} of {}", who.as_ref().map_or("nobody", |User(it)| it.name()), claims.tenant)
    }
}

/// The same behind a WebSocket.
struct TenantEcho;

#[server_endpoint("/tenant")]
impl TenantEcho {
    #[on_open]
    fn opened(&self, claims: Option<User<Claims>>) -> &'static str {
        claims.map_or("none", |User(claims)| claims.tenant)
    }
}

struct Echo;

#[server_endpoint("/echo/{room}")]
impl Echo {
    #[on_open]
    fn opened(&self, session: Session, #[path_param] room: String) -> String {
        let principal = session.principal();
        let name = principal.as_ref().map_or("nobody", Principal::name).to_owned();
        format!("{name} in {room}")
    }

    #[on_message]
    fn echo(&self, message: Message) -> Message {
        message
    }
}

fn app() -> TestApp {
    let app = App::builder().stomp("/stomp").controller(Notes).endpoint(|| Echo);
    TestApp::new(app.build().expect("nothing is deployed twice"))
}

/// What a test panics with.
async fn panicking<T>(future: impl Future<Output = T>) -> String {
    let panicked = AssertUnwindSafe(future).catch_unwind().await;
    let panic = panicked.err().expect("it panics");
    *panic.downcast::<String>().expect("it says why")
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_replies_has_come_once_the_message_is_sent() {
    let app = app();
    let mut bob = app.stomp().user("bob").connect().await;
    let mut ann = app.stomp().connect().await;
    assert_eq!(bob.connected().get("user-name"), Some("bob"));
    assert_eq!(ann.connected().get("user-name"), None);
    let note = Note { text: "water".to_owned() };
    for client in [&mut bob, &mut ann] {
        client.subscribe("/topic/notes").await;
    }
    bob.send("/app/note", Json(&note)).await;
    for client in [&mut bob, &mut ann] {
        assert_eq!(client.next_json::<Note>().await, note);
        client.assert_silent().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_passes_when_nothing_is_left_to_do() {
    let app = app();
    let mut bob = app.stomp().connect().await;
    bob.subscribe("/topic/notes").await;
    let begin = Instant::now();
    let late = app.client().stomp().connect("tcp://test").await.unwrap();
    late.send("/app/later").text("late").await.unwrap();
    bob.assert_silent().await;
    tokio::time::advance(HOUR).await;
    assert_eq!(bob.next_text().await, "late");
    assert!(begin.elapsed() < HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_over_ends_the_session() {
    let app = app();
    let at = tokio::time::Instant::now() + Duration::from_secs(60);
    let bob = Principal::new("bob").expiring_at(at.into_std());
    let mut bob = app.stomp().principal(bob).connect().await;
    bob.subscribe("/topic/notes").await;
    bob.assert_silent().await;
    tokio::time::sleep_until(at - Duration::from_secs(5)).await;
    let error = bob.ended().await;
    assert!(error.message.contains("login"), "{error:?}");
    assert!(tokio::time::Instant::now() >= at);
}

#[tokio::test(start_paused = true)]
async fn a_client_without_heart_beats_is_found_silent() {
    let app = app();
    let second = Duration::from_secs(1);
    let mut bob = app.stomp().heart_beat(second, Duration::ZERO).connect().await;
    tokio::time::advance(60 * second).await;
    let error = bob.ended().await;
    assert!(error.message.contains("heart-beat"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_authenticator_is_asked() {
    let app = App::builder().stomp("/stomp").authenticator(|login: Login| async move {
        let known = login.verified();
        match (known, login.login.as_deref(), login.passcode.as_deref()) {
            (Some(known), ..) => Ok(known),
            (None, Some("bob"), Some("secret")) => Ok(Principal::new("bob")),
            _ => Err(AccessDenied::new("Log in.")),
        }
    });
    let app = TestApp::new(app.build().unwrap());
    let ann = app.stomp().user("ann").connect().await;
    assert_eq!(ann.connected().get("user-name"), Some("ann"));
    app.stomp().login("bob", "secret").connect().await.disconnect().await;
    let refused = app.stomp().login("bob", "guess").try_connect().await.unwrap_err();
    assert_eq!(refused.message, "access denied");
}

#[tokio::test(start_paused = true)]
async fn messages_are_acknowledged() {
    let app = app();
    let mut bob = app.stomp().connect().await;
    app.messenger().send("/queue/jobs", "dig").await.unwrap();
    let prefetch = [("prefetch-count", "1")];
    bob.subscribe_with("/queue/jobs", AckMode::ClientIndividual, prefetch).await;
    let job = bob.next_message().await;
    bob.nack(&job).await;
    let again = bob.next_message().await;
    assert_eq!(again.headers.get("redelivered"), Some("true"));
    bob.ack(&again).await;
    bob.assert_silent().await;
    bob.disconnect().await;
}

#[tokio::test(start_paused = true)]
async fn what_has_come_can_be_taken_after_unsubscribing() {
    let app = app();
    let mut bob = app.stomp().connect().await;
    let id = bob.subscribe("/topic/notes").await;
    let note = Outgoing::to("/topic/notes", "first").unwrap();
    app.messenger().publish(note).await.unwrap();
    bob.unsubscribe(&id).await;
    app.messenger().send("/topic/notes", "second").await.unwrap();
    assert_eq!(bob.next_text().await, "first");
    bob.assert_silent().await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_tested_by_a_websocket() {
    let app = app();
    let mut socket = app.websocket("/echo/kitchen").user("ann").connect().await;
    assert_eq!(socket.next_text().await, "ann in kitchen");
    socket.send("[1]").await;
    assert_eq!(socket.next_json::<Vec<u8>>().await, [1]);
    socket.send(vec![7]).await;
    assert_eq!(socket.next_message().await, Message::from(vec![7]));
    socket.assert_silent().await;
    socket.close().await;
    assert!(app.websocket("/nowhere").try_connect().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_closes_says_why() {
    let app = App::builder().socket("/bye", |socket: WebSocket| async move {
        socket.close(CloseCode::GOING_AWAY.into());
    });
    let app = TestApp::new(app.build().unwrap());
    let mut socket = app.websocket("/bye").connect().await;
    assert_eq!(socket.closed().await.code(), CloseCode::GOING_AWAY);
}

#[tokio::test(start_paused = true)]
async fn every_door_is_open_to_clients_of_the_library() {
    let app = app();
    let urls =
        ["tcp://test", "tls://test", "ws://test/stomp", "wss://test/stomp", "http://test/stomp"];
    for url in urls {
        let client = app.client().stomp().connect(url).await.unwrap();
        let mut notes = client.subscribe::<String>("/topic/notes").await.unwrap();
        app.messenger().send("/topic/notes", url).await.unwrap();
        assert_eq!(notes.next().await.unwrap().unwrap().payload, url);
        client.disconnect().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_that_fails_says_where_and_what_came() {
    let app = app();
    let mut bob = app.stomp().connect().await;
    let none = panicking(bob.next_message()).await;
    assert!(none.starts_with(file!()) && none.contains("did not come"), "{none}");

    bob.subscribe("/topic/notes").await;
    app.messenger().send("/topic/notes", "loud").await.unwrap();
    let loud = panicking(bob.assert_silent()).await;
    assert!(loud.contains("MESSAGE from /topic/notes: \"loud\""), "{loud}");

    app.messenger().send("/topic/notes", "text").await.unwrap();
    let other = panicking(bob.next_json::<Note>()).await;
    assert!(other.contains("\"text\""), "{other}");

    let nowhere = panicking(bob.send("/app/nowhere", "x")).await;
    assert!(nowhere.contains("no handler"), "{nowhere}");

    let mut socket = app.websocket("/echo/hall").connect().await;
    let silent = panicking(socket.assert_silent()).await;
    assert!(silent.starts_with(file!()) && silent.contains("nobody in hall"), "{silent}");
}

#[tokio::test(start_paused = true)]
async fn handlers_and_endpoints_get_the_claims_of_the_principal_and_of_a_new_login() {
    let by_token = async |login: Login| match login.bearer_token().as_deref() {
        Some("none") => Ok(Principal::new("ann")),
        Some("south") => Ok(Principal::new("ann").with_claims(Claims { tenant: "south" })),
        _ => Ok(Principal::new("ann").with_claims(Claims { tenant: "north" })),
    };
    let app = App::builder().controller(Tenants).endpoint(|| TenantEcho).authenticator(by_token);
    let app = TestApp::new(app.build().expect("one controller"));
    let mut ann = app.stomp().connect().await;
    ann.subscribe("/topic/tenants").await;
    let told = [("south", "ann of south"), ("north", "ann of north")];
    for (token, expected) in told {
        let header = format!("Bearer {token}");
        let renewal = [("Authorization", &*header)];
        ann.try_send_with(Login::RENEWAL_DESTINATION, "", renewal).await.expect("the same user");
        ann.send("/app/tenant", "").await;
        assert_eq!(ann.next_text().await, expected);
    }
    let without = [("Authorization", "Bearer none")];
    ann.send_with(Login::RENEWAL_DESTINATION, "", without).await;
    let refused = ann.try_send("/app/tenant", "").await.expect_err("it has no claims");
    assert!(refused.body.contains("nobody said who the peer is"), "{refused:?}");

    let known = Principal::new("bob").with_claims(Claims { tenant: "east" });
    let mut bob = app.websocket("/tenant").principal(known).connect().await;
    assert_eq!(bob.next_text().await, "east");
    let mut eve = app.websocket("/tenant").user("eve").connect().await;
    assert_eq!(eve.next_text().await, "none");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_its_headers_is_told() {
    let app = app();
    let mut bob = app.stomp().connect().await;
    let bad = [("selector", "price >")];
    let refused = bob.try_subscribe_with("/topic/a", AckMode::Auto, bad).await;
    assert!(refused.expect_err("it ends too early").message.contains("selector"));
    let mut ann = app.stomp().connect().await;
    let refused = ann.try_send_with("/queue/a", "", [("expires", "soon")]).await;
    assert!(refused.expect_err("it is no time").body.contains("expires"));
}

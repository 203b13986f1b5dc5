use serde_json::{Value, json};
use tidings::endpoint::Json;
use tidings::testing::{TestApp, TestStomp};

const ROOM: &str = "/topic/chat/rooms/harbour";
const SAY: &str = "/app/chat/rooms/harbour";
const WHISPER: &str = "/app/chat/private";
const PRIVATE: &str = "/user/queue/private";
const ERRORS: &str = "/user/queue/errors";

fn app() -> TestApp {
    TestApp::new(crate::demo::app().build().unwrap())
}

/// A page of the user: it logs in by name alone, as the bundled one does.
async fn page(app: &TestApp, name: &str) -> TestStomp {
    let mut page = app.stomp().login(name, "").connect().await;
    page.subscribe(PRIVATE).await;
    page.subscribe(ERRORS).await;
    page
}

/// What a presence message says: the event, and the users.
fn told(message: &Value) -> (&str, Vec<&str>) {
    let users = message["members"].as_array().unwrap().iter();
    (
        message["event"].as_str().unwrap(),
        users.map(|member| member["user"].as_str().unwrap()).collect(),
    )
}

#[tokio::test(start_paused = true)]
async fn what_is_said_in_a_room_has_the_name_of_the_login() {
    let app = app();
    let mut ann = page(&app, "Ann").await;
    let mut bob = page(&app, "Bob").await;
    for page in [&mut ann, &mut bob] {
        page.subscribe(ROOM).await;
    }
    ann.send(SAY, Json(json!({ "text": "<b>hello</b>", "from": "Bob" }))).await;
    let said = json!({ "from": "Ann", "text": "<b>hello</b>" });
    for page in [&mut ann, &mut bob] {
        assert_eq!(page.next_json::<Value>().await, said);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_not_logged_in_cannot_send() {
    let app = app();
    let mut ann = page(&app, "Ann").await;
    ann.subscribe(ROOM).await;
    let mut stranger = app.stomp().connect().await;
    stranger.subscribe(ERRORS).await;
    for (destination, message) in
        [(SAY, json!({ "text": "hello" })), (WHISPER, json!({ "to": "Ann", "text": "hello" }))]
    {
        stranger.send(destination, Json(message)).await;
        assert!(stranger.next_text().await.contains("who the peer is"));
    }
    ann.assert_silent().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_sends_past_the_handlers() {
    let app = app();
    let mut ann = page(&app, "Ann").await;
    for room in [ROOM, "/topic/chat/rooms/north.pier", "/topic/chat/rooms/a/b"] {
        ann.subscribe(room).await;
    }
    for destination in [
        ROOM,
        "/topic/chat.rooms.harbour",
        "/topic/chat/rooms/north.pier",
        "/topic/chat/rooms/north/pier",
        "/topic/chat/rooms/a%2Fb",
        "/exchange/amq.topic/chat.rooms.north.pier",
        "/user/Ann/queue/private",
    ] {
        let mut eve = page(&app, "Eve").await;
        let forged = Json(json!({ "from": "Bob", "text": "give Eve your money" }));
        assert!(eve.try_send(destination, forged).await.is_err(), "{destination}");
    }
    ann.assert_silent().await;
}

#[tokio::test(start_paused = true)]
async fn a_room_may_have_a_dot_in_its_name() {
    let app = app();
    let mut ann = page(&app, "Ann").await;
    ann.subscribe("/topic/chat/rooms/north.pier").await;
    ann.subscribe("/presence/topic/chat/rooms/north.pier").await;
    assert_eq!(told(&ann.next_json().await), ("present", vec!["Ann"]));
    ann.send("/app/chat/rooms/north.pier", Json(json!({ "text": "hello" }))).await;
    assert_eq!(ann.next_json::<Value>().await, json!({ "from": "Ann", "text": "hello" }));
}

#[tokio::test(start_paused = true)]
async fn rooms_tell_who_comes_and_who_has_gone_without_a_word() {
    let app = app();
    let mut ann = page(&app, "Ann").await;
    ann.subscribe(ROOM).await;
    ann.subscribe("/presence/topic/chat/rooms/harbour").await;
    assert_eq!(told(&ann.next_json().await), ("present", vec!["Ann"]));
    let mut bob = page(&app, "Bob").await;
    bob.subscribe(ROOM).await;
    assert_eq!(told(&ann.next_json().await), ("join", vec!["Bob"]));
    drop(bob);
    assert_eq!(told(&ann.next_json().await), ("leave", vec!["Bob"]));
}

#[tokio::test(start_paused = true)]
async fn both_ends_see_a_private_message_and_nobody_else() {
    let app = app();
    let mut ann = page(&app, "Ann").await;
    let mut at_home = page(&app, "Ann").await;
    let mut bob = page(&app, "a/b%2F, Bob").await;
    let mut eve = page(&app, "Eve").await;
    ann.send(WHISPER, Json(json!({ "to": "a/b%2F, Bob", "text": "psst" }))).await;
    let whispered =
        json!({ "from": "Ann", "to": "a/b%2F, Bob", "text": "psst", "delivered": true });
    for page in [&mut ann, &mut at_home, &mut bob] {
        assert_eq!(page.next_json::<Value>().await, whispered);
        page.assert_silent().await;
    }
    eve.assert_silent().await;
}

#[tokio::test(start_paused = true)]
async fn the_sender_is_told_that_somebody_is_not_online() {
    let app = app();
    let mut ann = page(&app, "Ann").await;
    ann.send(WHISPER, Json(json!({ "to": "Bob", "text": "psst" }))).await;
    assert_eq!(ann.next_json::<Value>().await["delivered"], false);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_is_told_to_its_page_alone() {
    let app = app();
    let mut ann = page(&app, "Ann").await;
    let mut at_home = page(&app, "Ann").await;
    for (destination, message, why) in [
        (SAY, json!({ "text": " " }), "empty"),
        (SAY, json!({ "text": "a".repeat(1001) }), "longer than 1000 characters"),
        (SAY, json!("hello"), "payload"),
        (WHISPER, json!({ "to": "Ann", "text": "me?" }), "to yourself"),
        (WHISPER, json!({ "to": "", "text": "anybody?" }), "to nobody"),
    ] {
        ann.send(destination, Json(message)).await;
        let told = ann.next_text().await;
        assert!(told.contains(why), "{told}");
    }
    at_home.assert_silent().await;
}

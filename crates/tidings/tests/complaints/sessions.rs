//! Complaints about sessions and the users that they belong to.

use std::time::Duration;

use tidings::messaging::Outgoing;
use tidings::{App, controller};
use tokio::time::Instant;

use crate::test;

const TEN_SECONDS: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn complaint_07_heart_beats_are_there_without_a_scheduler() {
    let app = test(App::builder());
    let living = app.client().stomp().heart_beat(TEN_SECONDS, TEN_SECONDS);
    let living = living.reconnect(None).connect("tcp://test").await.unwrap();
    let silent = app.stomp().heart_beat(TEN_SECONDS, TEN_SECONDS).connect();
    let mut silent = silent.await;
    assert_eq!(silent.connected().get("heart-beat"), Some("10000,10000"));

    let began = Instant::now();
    tokio::time::sleep_until(began + 2 * TEN_SECONDS - Duration::from_secs(1)).await;
    assert_eq!(app.app().users().session_count(), 2);
    tokio::time::sleep_until(began + 3 * TEN_SECONDS).await;
    assert_eq!(app.app().users().session_count(), 1);
    let told = silent.ended().await;
    assert!(told.message.contains("heart-beat"), "{told:?}");

    // Who has nothing to say but heart-beats stays as long as it likes.
    tokio::time::sleep_until(began + HOUR).await;
    assert!(living.is_connected());
    assert_eq!(app.app().users().session_count(), 1);
}

struct Whispers;

#[controller("/whispers")]
impl Whispers {
    #[message_mapping("/{to}")]
    fn whisper(&self, #[destination_variable] to: String, text: String) -> Outgoing {
        Outgoing::to_user(&to, "/queue/whispers", text).expect("a user has a name")
    }

    #[message_mapping("/self")]
    #[send_to_user("/queue/whispers")]
    fn to_itself(&self, text: String) -> String {
        text
    }
}

#[tokio::test(start_paused = true)]
async fn complaint_08_messages_to_users_need_no_setting_and_are_not_lost_in_silence() {
    let app = test(App::builder().controller(Whispers));
    let mut desk = app.stomp().user("ann/1").connect().await;
    let mut phone = app.stomp().user("ann/1").connect().await;
    let mut nobody = app.stomp().connect().await;
    let mut eve = app.stomp().user("eve").connect().await;
    for client in [&mut desk, &mut phone, &mut nobody] {
        client.subscribe("/user/queue/whispers").await;
    }
    for guess in ["/user/ann%2F1/queue/whispers", "/queue/whispers-userann/1", "/topic/**"] {
        eve.subscribe(guess).await;
    }
    let sent = app.messenger().send_to_user("ann/1", "/queue/whispers", "psst").await.unwrap();
    assert_eq!(sent.subscribers(), 2);
    for client in [&mut desk, &mut phone] {
        let message = client.next_message().await;
        assert_eq!(message.destination, "/user/queue/whispers");
        assert_eq!(&*message.body, b"psst");
    }
    eve.send("/app/whispers/ann%2F1", "by a handler").await;
    // Without a user a session is its own.
    nobody.send("/app/whispers/self", "to myself").await;
    assert_eq!(nobody.next_text().await, "to myself");
    for client in [&mut nobody, &mut eve] {
        client.assert_silent().await;
    }
    // Whoever sends to somebody who is away knows it.
    let away = app.messenger().send_to_user("bob", "/queue/whispers", "psst").await.unwrap();
    assert_eq!(away.subscribers(), 0);
}

#[tokio::test(start_paused = true)]
async fn complaint_09_an_application_ends_sessions_and_subscriptions() {
    let app = test(App::builder());
    let users = app.app().users();
    let mut ann = app.stomp().user("ann").connect().await;
    let mut bob = app.stomp().user("bob").connect().await;
    let subscription = ann.subscribe("/topic/news").await;
    bob.subscribe("/topic/news").await;

    let [session] = users.sessions_of("ann").try_into().unwrap();
    assert!(users.unsubscribe(session.id(), subscription.as_str()));
    let sent = app.messenger().send("/topic/news", "without Ann").await.unwrap();
    assert_eq!(sent.subscribers(), 1);
    assert_eq!(bob.next_text().await, "without Ann");
    assert!(session.is_open());

    assert_eq!(users.disconnect_user("bob", "You were logged out."), 1);
    let told = bob.ended().await;
    assert_eq!(
        (&*told.message, &*told.body),
        ("disconnected by the server", "You were logged out.\n")
    );
    assert_eq!(users.names(), ["ann"]);
}

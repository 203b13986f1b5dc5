//! What clients try to reach beyond what they may.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tidings::endpoint::{Principal, Session};
use tidings::messaging::{
    AccessDenied, InboundFrame, Interceptor, Login, Messenger, Rules, SessionEvent, Verdict,
    authenticated,
};
use tidings::testing::TestApp;
use tidings::{App, controller};
use tidings_stomp::{Command, Error};

struct Chat;

#[controller]
impl Chat {
    /// Replies to `/topic` and the rest.
    #[message_mapping("/chat/**")]
    fn chat(&self, text: String) -> String {
        text
    }

    #[message_mapping("/rooms/{tenant}/{room}")]
    #[send_to("/topic/rooms/{tenant}/{room}/messages")]
    fn say(&self, text: String) -> String {
        text
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_goes_nowhere_else_than_the_application_says() {
    let app = TestApp::new(App::builder().stomp("/stomp").controller(Chat).build().unwrap());
    let mut bob = app.stomp().connect().await;
    for elsewhere in ["/queue/jobs", "/queue/messages", "/topic/rooms/7/admin/1/messages"] {
        bob.subscribe(elsewhere).await;
    }
    for destination in [
        "/app/chat/x,/queue/jobs",
        "/app/chat/x, /queue/jobs",
        "/app/rooms/x,/queue",
        "/app/rooms/7%2Fadmin/1",
    ] {
        bob.send(destination, "mine").await;
    }
    bob.assert_silent().await;
    bob.subscribe("/topic/rooms/a,b/c/messages").await;
    bob.send("/app/rooms/a,b/c", "a comma in a name").await;
    assert_eq!(bob.next_text().await, "a comma in a name");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_says_nothing_renews_nothing() {
    let app = App::builder().stomp("/stomp").authenticator(|login: Login| async move {
        let known = login.verified().map(|known| Principal::new(known.name()));
        known.ok_or_else(|| AccessDenied::new("Log in."))
    });
    let app = TestApp::new(app.build().unwrap());
    let at = tokio::time::Instant::now() + Duration::from_secs(60);
    let bob = Principal::new("bob").expiring_at(at.into_std());
    let mut bob = app.stomp().principal(bob).connect().await;
    let refused = bob.try_send(Login::RENEWAL_DESTINATION, "").await.unwrap_err();
    assert_eq!(refused.message, "access denied");
}

#[tokio::test(start_paused = true)]
async fn whose_login_is_over_is_nobody_to_rules() {
    let rules = Rules::new().connect(authenticated()).any("/**", authenticated());
    let app = TestApp::new(App::builder().stomp("/stomp").rules(rules).build().unwrap());
    let now = tokio::time::Instant::now().into_std();
    let over = app.stomp().principal(Principal::new("bob").expiring_at(now));
    let refused = over.try_connect().await.unwrap_err();
    assert_eq!(refused.message, "login has expired");
    app.stomp().user("bob").connect().await.disconnect().await;
}

struct PanicsAtTheEnd;

impl Interceptor for PanicsAtTheEnd {
    async fn inbound(&self, frame: &mut InboundFrame, _: &Session) -> Result<Verdict, Error> {
        assert_ne!(frame.command, Command::Disconnect, "as a defect would");
        Ok(Verdict::Pass)
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_stays_online_because_an_interceptor_panics() {
    let ended = Arc::<Mutex<Vec<String>>>::default();
    let told = Arc::clone(&ended);
    let listener = move |event: SessionEvent, _: Messenger| {
        if let SessionEvent::Disconnected { user, .. } = event {
            told.lock().unwrap().extend(user);
        }
        async {}
    };
    let app = App::builder().stomp("/stomp").interceptor(PanicsAtTheEnd).session_listener(listener);
    let app = TestApp::new(app.build().unwrap());
    let bob = app.stomp().user("bob").connect().await;
    assert!(app.app().users().is_online("bob"));
    drop(bob);
    tokio::time::advance(Duration::from_secs(60)).await;
    let mut ann = app.stomp().user("ann").connect().await;
    ann.assert_silent().await;
    assert!(!app.app().users().is_online("bob"));
    assert_eq!(*ended.lock().unwrap(), ["bob"]);
}

//! Complaints about logins, rules, tokens of pages, and origins.

use std::time::Duration;

use tidings::endpoint::{Principal, User};
use tidings::http::{HeaderValue, Request, Response, header};
use tidings::messaging::{
    Access, AccessDenied, Csrf, Login, Rules, authenticated, deny, permit, role,
};
use tidings::server::{AllowedOrigins, Body};
use tidings::testing::TestApp;
use tidings::{App, controller};
use tokio::time::Instant;

use crate::test;

const MINUTE: Duration = Duration::from_secs(60);
/// How often a client renews its login.
const RENEWAL: Duration = Duration::from_secs(50);

/// Believes a token that is a name, for a minute.
async fn by_token(login: Login) -> Result<Principal, AccessDenied> {
    let token = login.bearer_token().ok_or_else(|| AccessDenied::new("Show a token."))?;
    Ok(Principal::new(&*token).expiring_at((Instant::now() + MINUTE).into_std()))
}

struct Profile;

#[controller]
impl Profile {
    #[message_mapping("/who")]
    #[send_to_user("/queue/who", session_only)]
    fn who(&self, User(user): User<Principal>) -> String {
        user.name().to_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn complaint_02_a_token_makes_a_user_for_the_whole_session_and_expires_and_is_renewed() {
    let app = test(App::builder().controller(Profile).authenticator(by_token));
    let refused = app.stomp().try_connect().await.unwrap_err();
    assert!(refused.body.contains("Show a token."), "{refused:?}");

    let mut bob = app.stomp().header("Authorization", "Bearer bob").connect().await;
    let began = Instant::now();
    bob.subscribe("/user/queue/who").await;
    let renewal = [("Authorization", "Bearer bob")];
    for time in 1..=3 {
        bob.send("/app/who", "").await;
        assert_eq!(bob.next_text().await, "bob");
        tokio::time::sleep_until(began + time * RENEWAL).await;
        bob.send_with(Login::RENEWAL_DESTINATION, "", renewal).await;
    }
    let end = began + 3 * RENEWAL + MINUTE;
    tokio::time::sleep_until(end - Duration::from_secs(5)).await;
    let told = bob.ended().await;
    assert_eq!(told.message, "login has expired");
    assert!(Instant::now() >= end);
}

/// Whether a client may, and its session goes on.
async fn may_send(app: &TestApp, who: Principal, destination: &str) -> bool {
    let mut client = app.stomp().principal(who).connect().await;
    let sent = client.try_send(destination, "").await;
    if let Err(error) = &sent {
        assert_eq!(error.message, "access denied");
        assert!(error.body.contains(destination), "it says what: {error:?}");
    }
    sent.is_ok()
}

#[tokio::test(start_paused = true)]
async fn complaint_10_rules_for_messages_are_a_few_words_and_csrf_is_asked_for_where_it_is_wanted()
{
    let in_room =
        |access: &Access| access.principal().map(Principal::name) == access.variable("owner");
    let rules = Rules::new()
        .connect(authenticated())
        .send("/topic/admin/**", role("ADMIN"))
        .send("/topic/rooms/{owner}", in_room)
        .send("/topic/closed", deny())
        .any("/topic/news", permit());
    let app = test(App::builder().rules(rules));
    assert_eq!(app.stomp().try_connect().await.unwrap_err().message, "access denied");
    let (ann, root) = (Principal::new("ann"), Principal::new("root").with_role("ADMIN"));
    for (who, destination, expected) in [
        (&ann, "/topic/news", true),
        (&ann, "/topic/admin/all", false),
        (&root, "/topic/admin/all", true),
        (&ann, "/topic/rooms/ann", true),
        (&root, "/topic/rooms/ann", false),
        (&root, "/topic/closed", false),
        // Nobody has thought of it.
        (&root, "/topic/forgotten", false),
    ] {
        let may = may_send(&app, who.clone(), destination).await;
        assert_eq!(may, expected, "{} to {destination}", who.name());
    }

    let connect = async |app: &TestApp, token: &str| {
        let cookie = HeaderValue::from_static("XSRF-TOKEN=t0ken");
        let client = app.client().header(header::COOKIE, cookie).stomp();
        client.header("X-CSRF-TOKEN", token).connect("ws://test/stomp").await.is_ok()
    };
    let without = test(App::builder().stomp("/stomp"));
    assert!(connect(&without, "guess").await);
    let with = test(App::builder().stomp("/stomp").csrf(Csrf::cookie("XSRF-TOKEN")));
    assert!(connect(&with, "t0ken").await && !connect(&with, "guess").await);
}

/// What a page of this origin is answered.
async fn info(app: &TestApp, origin: &str) -> Response<Body> {
    let request = Request::get("/stomp/info").header("host", "app.example.org");
    let request = request.header("origin", origin).body(String::new()).unwrap();
    app.app().respond(request).await.expect("SockJS is there")
}

#[tokio::test(start_paused = true)]
async fn complaint_11_one_setting_of_origins_holds_for_sockjs_with_its_cookies() {
    let own = test(App::builder().stomp("/stomp"));
    let listed = AllowedOrigins::List(vec!["https://*.example.com".to_owned()]);
    let listed = test(App::builder().stomp("/stomp").allowed_origins(listed));
    for (app, origin, status) in [
        (&own, "https://app.example.org", 200),
        (&own, "https://www.example.com", 403),
        (&listed, "https://www.example.com", 200),
        (&listed, "https://www-example.com", 403),
        (&listed, "null", 403),
    ] {
        let answer = info(app, origin).await;
        assert_eq!(answer.status(), status, "{origin}");
        let field = |name| answer.headers().get(name).map(|value| value.to_str().unwrap());
        let allowed = field(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        let with_cookies = field(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
        // A browser sends cookies only where the origin itself is named, and not for `*`.
        let expected = (status == 200).then_some((origin, "true"));
        assert_eq!(allowed.zip(with_cookies), expected, "{origin}");
    }
    // What would have meant less than it says is a mistake.
    let all = AllowedOrigins::List(vec!["*".to_owned()]);
    let mistake = App::builder().stomp("/stomp").allowed_origins(all).build().unwrap_err();
    assert!(mistake.to_string().contains("AllowedOrigins::Any"), "{mistake}");
}

//! What rules and the ends of logins keep from happening, seen in memory.

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidings::broker::{DestinationPolicy, PresencePolicy};
use tidings::endpoint::{Principal, Session};
use tidings::messaging::{
    Access, AccessDenied, InboundFrame, Interceptor, Login, Messenger, Rules, SessionEvent,
    Verdict, permit, role,
};
use tidings::server::StompOptions;
use tidings::testing::{TestApp, TestStomp};
use tidings::{App, AppBuilder, controller};
use tidings_stomp::{Command, Error};
use tokio::time::Instant;

/// Gives whoever connects the roles that the passcode names. With the role `LATE` a login is over already.
async fn with_roles(login: Login) -> Result<Principal, AccessDenied> {
    let (name, roles) = login.login.zip(login.passcode).ok_or_else(|| AccessDenied::new("Who?"))?;
    let principal = roles.split('/').fold(Principal::new(name), Principal::with_role);
    let is_over = principal.has_role("LATE");
    let now = Instant::now().into_std();
    Ok(if is_over { principal.expiring_at(now) } else { principal })
}

fn builder() -> AppBuilder {
    App::builder().stomp("/stomp").authenticator(with_roles)
}

async fn connected(app: &TestApp, roles: &str) -> TestStomp {
    app.stomp().login("ann", roles).connect().await
}

async fn renew(client: &mut TestStomp, roles: &str) {
    let headers = [("login", "ann"), ("passcode", roles)];
    client.send_with(Login::RENEWAL_DESTINATION, "", headers).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_there_is_told_to_those_who_may_be_there_themselves() {
    let rules = Rules::new()
        .connect(permit())
        .any("/presence/topic/shown/**", permit())
        .any("/topic/shown/**", role("ADMIN"))
        .any("/topic/secret/**", role("ADMIN"))
        .rest(permit());
    let presence =
        DestinationPolicy { presence: Some(PresencePolicy::default()), ..Default::default() };
    let builder = builder().rules(rules).destination_policy("/topic/**", presence);
    let app = TestApp::new(builder.build().unwrap());
    for secret in ["/presence/topic/secret/a", "/presence/topic%2Fsecret%2Fa"] {
        let refused = connected(&app, "USER").await.try_subscribe(secret).await.unwrap_err();
        assert_eq!(refused.body, "SUBSCRIBE to /topic/secret/a is not allowed to you.");
        connected(&app, "ADMIN").await.subscribe(secret).await;
    }
    for open in ["/presence/topic/open", "/presence/topic/shown/a"] {
        connected(&app, "USER").await.subscribe(open).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_over_already_lets_nobody_in() {
    let app = TestApp::new(builder().build().unwrap());
    let refused = app.stomp().login("ann", "LATE").try_connect().await.unwrap_err();
    assert_eq!(refused.message, "login has expired");
    let mut ann = connected(&app, "USER").await;
    let late = tokio::spawn(async move { renew(&mut ann, "LATE").await });
    let refused = late.await.unwrap_err().into_panic();
    let refused = refused.downcast::<String>().unwrap();
    assert!(refused.contains("login has expired"), "{refused}");

    // By the handshake, with an authenticator and without.
    let over = || Principal::new("ann").expiring_at(Instant::now().into_std());
    let without = TestApp::new(App::builder().stomp("/stomp").build().unwrap());
    for app in [app, without] {
        let login = app.stomp().login("ann", "USER");
        let refused = login.principal(over()).try_connect().await.unwrap_err();
        assert_eq!(refused.message, "login has expired");
        let refused = app.websocket("/stomp").principal(over()).try_connect().await.unwrap_err();
        assert!(format!("{refused:?}").contains("401"), "{refused:?}");
    }
}

struct Roles;

#[controller]
impl Roles {
    /// Gives a session these roles, and no others.
    #[message_mapping("/roles")]
    fn roles(&self, session: Session, roles: String) {
        let known = session.principal().expect("a user");
        let principal = roles.split('/').fold(Principal::new(known.name()), Principal::with_role);
        session.renew(principal).expect("the same user");
    }
}

fn of_members() -> AppBuilder {
    let rules = Rules::new()
        .connect(permit())
        .subscribe("/topic/members", role("USER"))
        .subscribe("/topic/by-header", |access: &Access| access.headers().get("key") == Some("7"))
        .rest(permit());
    let options = StompOptions { error_keeps_connection: true, ..StompOptions::default() };
    builder().controller(Roles).stomp_options(options).rules(rules)
}

#[tokio::test(start_paused = true)]
async fn a_login_of_fewer_roles_ends_a_session_with_what_it_may_not_have_any_more() {
    let app = TestApp::new(of_members().build().unwrap());
    let refused = "SUBSCRIBE to /topic/members is not allowed to you any more.\n";
    let renewal = [("login", "ann"), ("passcode", "GUEST")];
    for (destination, headers) in
        [(Login::RENEWAL_DESTINATION, &renewal[..]), ("/app/roles", &[][..])]
    {
        let mut ann = connected(&app, "USER").await;
        ann.subscribe("/topic/members").await;
        renew(&mut ann, "USER/ADMIN").await;
        let headers: Vec<_> = headers.to_vec();
        let sent = tokio::spawn(async move {
            let headers: tidings_stomp::Headers = headers.into_iter().collect();
            ann.send_with(destination, "GUEST", headers).await;
        });
        let told = *sent.await.unwrap_err().into_panic().downcast::<String>().unwrap();
        assert!(told.contains("access denied") && told.contains(refused.trim()), "{told}");
        let mut root = connected(&app, "ADMIN").await;
        root.send("/topic/members", "for nobody").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_of_fewer_roles_changes_nothing_for_what_it_may_have() {
    let app = TestApp::new(of_members().build().unwrap());
    let mut ann = connected(&app, "USER").await;
    let members = ann.subscribe("/topic/members").await;
    ann.subscribe("/topic/open").await;
    ann.subscribe_with("/topic/by-header", tidings_stomp::AckMode::Auto, [("key", "7")]).await;
    // What is there no longer, or never was, does not count.
    ann.unsubscribe(&members).await;
    ann.subscribe("/topic/members").await;
    let users = app.app().users();
    let of_ann = users.sessions_of("ann").pop().unwrap();
    let found = users.subscriptions(|it| it.destination == "/topic/members");
    assert!(users.unsubscribe(of_ann.id(), &found[0].id));
    renew(&mut ann, "GUEST").await;
    for destination in ["/topic/open", "/topic/by-header"] {
        ann.send(destination, destination).await;
        assert_eq!(ann.next_text().await, destination);
    }
}

/// What single answers are for.
struct Answers;

#[controller]
impl Answers {
    #[subscribe_mapping("/answer")]
    fn answer(&self) -> &'static str {
        "answer"
    }
}

/// An application that remembers so much of the subscriptions of a session, and keeps those that refuse one.
fn remembering(octets: usize, rules: Rules) -> TestApp {
    let options = StompOptions {
        granted_octets_max: octets,
        error_keeps_connection: true,
        ..StompOptions::default()
    };
    let app = App::builder().controller(Answers).stomp_options(options).rules(rules);
    TestApp::new(app.build().expect("rules about something"))
}

#[tokio::test(start_paused = true)]
async fn what_rules_remember_of_subscriptions_is_limited() {
    let app = remembering(700, Rules::new().rest(permit()));
    let mut ann = app.stomp().connect().await;
    // Headers that no rule looks at are not remembered.
    let long = "a".repeat(10_000);
    let headers = || [("long", long.as_str())];
    let first = ann.subscribe_with("/topic/a", tidings_stomp::AckMode::Auto, headers()).await;
    // What has had its answer, or will never have one, is not.
    for _ in 0..10 {
        ann.subscribe("/app/answer").await;
        assert_eq!(ann.next_text().await, "answer");
        let unhandled = ann.try_subscribe("/app/nothing").await.unwrap_err();
        assert_eq!(unhandled.message, "no handler");
    }
    ann.subscribe("/topic/b").await;
    for destination in ["/topic/c", "/app/answer"] {
        let refused = ann.try_subscribe(destination).await.unwrap_err();
        assert_eq!(refused.message, "too many subscriptions", "{destination}");
    }
    // One that ends makes room.
    ann.unsubscribe(&first).await;
    ann.subscribe("/topic/c").await;
    // The names of several destinations count.
    let mut bob = app.stomp().connect().await;
    let names = (0..12).map(|number| format!("/topic/{number}")).collect::<Vec<_>>();
    bob.subscribe(&names[..6].join(",")).await;
    let refused = bob.try_subscribe(&names.join(",")).await.unwrap_err();
    assert_eq!(refused.message, "too many subscriptions");

    let app =
        remembering(1024, Rules::new().subscribe("/topic/x", |_: &Access| true).rest(permit()));
    let mut ann = app.stomp().connect().await;
    ann.subscribe("/topic/a").await;
    let headers: tidings_stomp::Headers = headers().into_iter().collect();
    let with_headers = async move {
        ann.subscribe_with("/topic/b", tidings_stomp::AckMode::Auto, headers).await;
    };
    let refused = tokio::spawn(with_headers).await.unwrap_err().into_panic();
    let refused = refused.downcast::<String>().unwrap();
    assert!(refused.contains("too many subscriptions"), "{refused}");
}

/// Never answers to these commands.
struct Hangs(&'static [Command]);

impl Interceptor for Hangs {
    async fn inbound(&self, frame: &mut InboundFrame, _: &Session) -> Result<Verdict, Error> {
        if self.0.contains(&frame.command) {
            pending().await
        }
        Ok(Verdict::Pass)
    }
}

#[tokio::test(start_paused = true)]
async fn an_interceptor_that_hangs_is_given_up_and_holds_no_session_for_good() {
    for command in [Command::Connect, Command::Send, Command::Subscribe, Command::Unsubscribe] {
        let hangs: &'static [Command] = Box::leak(Box::new([command]));
        let app = App::builder().stomp("/stomp").interceptor(Hangs(hangs)).build().unwrap();
        let app = TestApp::new(app);
        let open = async || {
            let mut socket = app.websocket("/stomp").connect().await;
            socket.send("CONNECT\naccept-version:1.2\nheart-beat:0,1000\n\n\0").await;
            if command != Command::Connect {
                assert!(socket.next_text().await.starts_with("CONNECTED\n"));
                socket.send("SUBSCRIBE\nid:1\ndestination:/topic/a\n\n\0").await;
                socket.send("SEND\ndestination:/topic/b\n\n\0").await;
                socket.send("UNSUBSCRIBE\nid:1\nreceipt:u\n\n\0").await;
            }
            socket
        };
        let (mut patient, lost) = (open().await, open().await);
        drop(lost);
        if command == Command::Connect {
            tokio::time::advance(Duration::from_secs(9)).await;
        }
        let (mut heart_beats, mut told) = (0, patient.next_text().await);
        while told == "\n" {
            heart_beats += 1;
            told = patient.next_text().await;
        }
        match command {
            Command::Connect => assert!(told.contains("\nmessage:no CONNECT in time"), "{told}"),
            Command::Unsubscribe => assert!(told.starts_with("RECEIPT\n"), "{told}"),
            _ => assert!(told.contains("\nmessage:interceptor failed\n"), "{told}"),
        }
        // Meanwhile it knows that its session is there.
        assert!(command == Command::Connect || heart_beats >= 3, "{command}: {heart_beats}");
        drop(patient);
        for turn in 0.. {
            if app.app().stats().sessions.open() == 0 {
                break;
            }
            assert!(turn < 100, "{command}: a session is there still");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_interceptor_that_hangs_at_the_end_keeps_nobody_from_being_told_of_it() {
    let ended = Arc::<Mutex<Vec<String>>>::default();
    let told = Arc::clone(&ended);
    let listener = move |event: SessionEvent, _: Messenger| {
        if let SessionEvent::Disconnected { user, .. } = event {
            told.lock().unwrap().extend(user);
        }
        async {}
    };
    let app = App::builder()
        .stomp("/stomp")
        .interceptor(Hangs(&[Command::Disconnect]))
        .session_listener(listener);
    let app = TestApp::new(app.build().unwrap());
    drop(app.stomp().user("lost").connect().await);
    let mut ann = app.stomp().user("ann").connect().await;
    ann.assert_silent().await;
    assert_eq!(*ended.lock().unwrap(), ["lost"], "at once");
    app.stomp().user("leaves").connect().await.disconnect().await;
    ann.assert_silent().await;
    assert_eq!(*ended.lock().unwrap(), ["lost", "leaves"], "once each");
}

/// Notes every ERROR.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Interceptor for Notes {
    fn error(&self, error: &mut Error) {
        self.0.lock().expect("nobody panics").push(error.message.clone());
    }
}

#[tokio::test(start_paused = true)]
async fn interceptors_see_no_error_that_nobody_is_told() {
    let notes = Notes::default();
    let app = App::builder().stomp("/stomp").interceptor(notes.clone()).build().unwrap();
    let app = TestApp::new(app);
    let mut ann = app.stomp().user("ann").connect().await;
    ann.send("/topic/a", "").await;
    ann.disconnect().await;
    assert_eq!(*notes.0.lock().unwrap(), [""; 0]);
    let mut silent = app.websocket("/stomp").connect().await;
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(silent.next_text().await.contains("\nmessage:no CONNECT in time"));
    assert_eq!(*notes.0.lock().unwrap(), ["no CONNECT in time"]);
}

#[tokio::test(start_paused = true)]
async fn a_closure_gets_one_name_whichever_prefix_a_client_writes() {
    let rules = Rules::new()
        .connect(permit())
        .rest(|access: &Access| !access.destination().starts_with("/app/admin"));
    let app = App::builder().application_prefixes(["/app", "/api"]).rules(rules);
    let app = TestApp::new(app.build().unwrap());
    for destination in ["/app/admin/kick", "/api/admin/kick"] {
        let mut ann = app.stomp().user("ann").connect().await;
        let refused = ann.try_send(destination, "").await.expect_err(destination);
        assert_eq!(refused.message, "access denied", "{destination}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_without_a_name() {
    let nameless = async |login: Login| Ok(Principal::new(login.login.unwrap_or_default()));
    let app = App::builder().authenticator(nameless).build().unwrap();
    let app = TestApp::new(app);
    let refused = app.stomp().try_connect().await.expect_err("who would that be?");
    assert_eq!(refused.message, "login failed");
    app.stomp().login("ann", "").connect().await;
}

//! What rules let clients do.

use crate::client::{Client, Door, EVERYWHERE, IN_1_2, header};
use crate::support::{Running, WebSocket, serve};
use tidings::endpoint::{
    Configurator, EndpointConfig, Handshake, HandshakeResponse, Principal, Reject,
};
use tidings::messaging::{Access, AccessDenied, Action, Login, Messenger, Rules};
use tidings::messaging::{authenticated, deny, permit, role};
use tidings::server::{SockJsOptions, StompOptions};
use tidings::{App, AppBuilder, controller};

/// Lets in whoever has a name; root is an administrator.
async fn anybody(login: Login) -> Result<Principal, AccessDenied> {
    match login.login.as_deref() {
        Some("root") => Ok(Principal::new("root").with_role("ADMIN").with_role("USER")),
        Some("guest") => Ok(Principal::new("guest")),
        Some(name) => Ok(Principal::new(name).with_role("USER")),
        None => Err(AccessDenied::new("Log in.")),
    }
}

fn builder(rules: Rules) -> AppBuilder {
    App::builder().stomp("/stomp").authenticator(anybody).rules(rules)
}

async fn serving(rules: Rules) -> Running {
    serve(builder(rules).build().unwrap()).await
}

async fn connected(server: &Running, login: &str) -> Client {
    Client::connect_with(server, Door::Tcp, "1.2", &format!("login:{login}\n")).await
}

/// What the client of a new session is told: that its frame, given without its NUL, is done, or why not.
async fn told(server: &Running, login: &str, frame: &str) -> String {
    let mut client = connected(server, login).await;
    let (command, rest) = frame.split_once('\n').unwrap();
    let answer = client.ask(format!("{command}\nreceipt:done\n{rest}\0")).await;
    assert_eq!(header(&answer, "receipt-id"), Some("done"), "{frame:?}: {answer:?}");
    if answer.starts_with("RECEIPT\n") {
        return "done".to_owned();
    }
    assert!(answer.starts_with("ERROR\n"), "{frame:?}: {answer:?}");
    if header(&answer, "message") != Some("access denied") {
        return header(&answer, "message").unwrap().to_owned();
    }
    client.ends().await;
    answer.split_once("\n\n").unwrap().1.trim_end_matches('\0').to_owned()
}

#[track_caller]
fn refused(what: &str) -> String {
    format!("{what} is not allowed to you.")
}

fn send(destination: &str, headers: &str) -> String {
    format!("SEND\ndestination:{destination}\n{headers}\n")
}

fn subscribe(destination: &str, headers: &str) -> String {
    format!("SUBSCRIBE\nid:1\ndestination:{destination}\n{headers}\n")
}

#[tokio::test]
async fn the_first_rule_that_is_about_it_decides_and_the_rest_is_denied() {
    let rules = Rules::new()
        .connect(authenticated())
        .subscribe("/topic/friends/**", role("USER"))
        .send("/topic/friends/closed", deny())
        .send("/topic/friends/{who}", role("USER"))
        .any("/topic/admin", role("ADMIN"))
        .any("/topic/open", permit());
    let server = serving(rules).await;
    for (login, frame, expected) in [
        ("ann", subscribe("/topic/friends/bob", ""), "done".to_owned()),
        ("guest", subscribe("/topic/friends/bob", ""), refused("SUBSCRIBE to /topic/friends/bob")),
        ("ann", send("/topic/friends/bob", ""), "done".to_owned()),
        ("root", send("/topic/friends/closed", ""), refused("SEND to /topic/friends/closed")),
        ("ann", subscribe("/topic/friends/closed", ""), "done".to_owned()),
        ("ann", send("/topic/friends/bob/x", ""), refused("SEND to /topic/friends/bob/x")),
        ("ann", send("/topic/admin", ""), refused("SEND to /topic/admin")),
        ("root", send("/topic/admin", ""), "done".to_owned()),
        ("guest", subscribe("/topic/open", ""), "done".to_owned()),
        ("root", send("/queue/a", ""), refused("SEND to /queue/a")),
        ("root", subscribe("/queue/a", ""), refused("SUBSCRIBE to /queue/a")),
    ] {
        assert_eq!(told(&server, login, &frame).await, expected, "{login}: {frame}");
    }
}

#[tokio::test]
async fn a_refusal_ends_the_session_in_every_version_by_every_door() {
    let options = StompOptions { error_keeps_connection: true, ..StompOptions::default() };
    let rules = Rules::new().connect(permit());
    let server = serve(builder(rules).stomp_options(options).build().unwrap()).await;
    for (door, version) in EVERYWHERE.each() {
        for frame in [send("/topic/a", ""), subscribe("/topic/a", ""), subscribe("/app/a", "")] {
            let mut client = Client::connect_with(&server, door, version, "login:ann\n").await;
            let error = client.refused(&frame, "access denied").await;
            assert!(error.contains(" to /"), "{error:?}");
            client.ends().await;
        }
    }
}

#[tokio::test]
async fn who_may_not_connect_is_refused_whoever_it_is() {
    let server = serving(Rules::new().connect(role("USER")).rest(permit())).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::open(&server, door).await;
        let connect = format!("CONNECT\naccept-version:{version}\nhost:x\nlogin:guest\n\n\0");
        let error = client.ask(connect).await;
        assert_eq!(header(&error, "message"), Some("access denied"), "{error:?}");
        assert!(error.ends_with("CONNECT is not allowed to you.\0"), "{error:?}");
        client.ends().await;
        Client::connect_with(&server, door, version, "login:ann\n").await.goes_on().await;
    }
}

#[tokio::test]
async fn a_login_that_nobody_checks_proves_nothing() {
    let rules = || {
        Rules::new()
            .connect(permit())
            .send("/topic/mine", |access: &Access| access.principal().is_some())
            .any("/topic/**", authenticated())
    };
    let server = serve(App::builder().stomp("/stomp").rules(rules()).build().unwrap()).await;
    for destination in ["/topic/a", "/topic/mine"] {
        let expected = refused(&format!("SEND to {destination}"));
        assert_eq!(told(&server, "root", &send(destination, "")).await, expected);
    }
    // Who answers the handshake may know it.
    struct Knows;
    impl Configurator for Knows {
        async fn handshake(
            &self,
            _: &Handshake,
            response: &mut HandshakeResponse,
        ) -> Result<(), Reject> {
            response.set_principal(Principal::new("ann"));
            Ok(())
        }
    }
    let endpoint = Some(EndpointConfig::new().configurator(Knows));
    let options = SockJsOptions { endpoint, ..SockJsOptions::default() };
    let app = App::builder().stomp_with_options("/stomp", options).rules(rules()).build().unwrap();
    let server = serve(app).await;
    let mut socket = WebSocket::connect(server.http, "/stomp", "").await.unwrap();
    socket.send("CONNECT\naccept-version:1.2\nhost:x\n\n\0").await;
    assert!(socket.text().await.contains("user-name:ann\n"));
    socket.send("SEND\ndestination:/topic/mine\nreceipt:r\n\n\0").await;
    assert!(socket.text().await.starts_with("RECEIPT\n"));
}

/// Everything but what is secret.
fn but_secrets() -> Rules {
    Rules::new()
        .connect(permit())
        .any("/queue/secret/**", role("ADMIN"))
        .any("/topic/secret/**", role("ADMIN"))
        .any("/exchange/amq.direct/secret", role("ADMIN"))
        .any("/presence/topic/secret/**", role("ADMIN"))
        .any("/temp-queue/secret", role("ADMIN"))
        .any("/reply-queue/secret", role("ADMIN"))
        .any("/app/secret/**", role("ADMIN"))
        .any("/user/queue/secret", role("ADMIN"))
        .any("/user/a,b/secret", role("ADMIN"))
        .rest(permit())
}

#[tokio::test]
async fn no_spelling_of_a_destination_goes_around_its_rule() {
    let server = serving(but_secrets()).await;
    let multicast = "destination-type:MULTICAST\nsubscription-type:MULTICAST\n";
    let anycast = "destination-type:anycast\nsubscription-type:anycast\n";
    for (spelling, headers) in [
        ("/queue/secret", ""),
        ("secret", ""),
        ("secret/a", ""),
        ("secret%2Fa", ""),
        ("secret.a", ""),
        ("/queue/secret%2Fa", ""),
        ("/queue/secret%2fa", ""),
        ("/amq/queue/secret", ""),
        ("/amq/queue/secret%2Fa", ""),
        ("/secret", anycast),
        ("/secret", multicast),
        ("secret", multicast),
        ("/topic/secret", ""),
        ("/topic/secret.a", ""),
        ("/topic/secret%2Fa", ""),
        ("/exchange/amq.topic/secret", ""),
        ("/exchange/amq.topic/secret.a", ""),
        ("/exchange/amq.topic/secret%2Fa", ""),
        ("/exchange/amq.direct/secret", ""),
        ("/topic/a,/topic/secret", ""),
        ("/topic/a, /queue/secret ", ""),
        ("/topic/a,/exchange/amq.topic/secret,/topic/b", ""),
        ("/presence/topic/secret", ""),
        ("/presence/topic%2Fsecret", ""),
        ("/temp-queue/secret", ""),
        ("/reply-queue/secret", ""),
        ("/remote-temp-queue/secret", ""),
        ("/app/secret", ""),
        ("/app/secret/a", ""),
        ("/app/secret/a,/topic/b", ""),
        ("/user/queue/secret", ""),
        ("/user/a,b/secret", ""),
        ("/user/a%2Cb/secret", ""),
        ("/topic/a,/user/a%2cb/secret", ""),
    ] {
        for frame in [send(spelling, headers), subscribe(spelling, headers)] {
            let told = told(&server, "ann", &frame).await;
            assert!(told.ends_with("is not allowed to you."), "{frame:?}: {told}");
        }
    }
}

#[tokio::test]
async fn a_pattern_reaches_nothing_that_is_closed() {
    let server = serving(but_secrets()).await;
    for pattern in [
        "/topic/**",
        "/topic/#",
        "/topic/>",
        "/topic/*",
        "/topic/secret.*",
        "/topic/*.a",
        "/topic/*/**",
        "/topic/**.a",
        "/exchange/amq.topic/#",
        "/exchange/amq.topic/*",
        "/topic/a,/topic/*",
    ] {
        let told = told(&server, "ann", &subscribe(pattern, "")).await;
        assert!(told.ends_with("is not allowed to you."), "{pattern}: {told}");
        let told = self::told(&server, "root", &subscribe(pattern, "")).await;
        assert_eq!(told, "done", "{pattern}");
    }
    for pattern in ["/topic/open.*", "/topic/open/**", "/exchange/amq.topic/open.#"] {
        assert_eq!(told(&server, "ann", &subscribe(pattern, "")).await, "done", "{pattern}");
    }
}

#[tokio::test]
async fn a_pattern_is_allowed_where_one_rule_allows_all_of_it() {
    let rules = Rules::new()
        .connect(permit())
        .subscribe("/topic/a/own/{who}", |_: &Access| true)
        .subscribe("/topic/a/**", permit())
        .subscribe("/topic/b/x", permit());
    let server = serving(rules).await;
    for (pattern, is_allowed) in [
        ("/topic/a/b.*", true),
        ("/topic/a/*", true),
        ("/topic/a/**", false),
        ("/topic/a/own/*", false),
        ("/topic/b/*", false),
        ("/topic/*/x", false),
    ] {
        let told = told(&server, "ann", &subscribe(pattern, "")).await;
        assert_eq!(told == "done", is_allowed, "{pattern}: {told}");
    }
}

#[tokio::test]
async fn a_transaction_is_refused_for_one_of_its_messages() {
    let server = serving(but_secrets()).await;
    let mut reader = connected(&server, "root").await;
    reader.subscribe("id:1\ndestination:/topic/**\n").await;
    let mut client = connected(&server, "ann").await;
    client.send("BEGIN\ntransaction:t\n\n\0").await;
    for destination in ["/topic/open", "/exchange/amq.topic/secret"] {
        client.send(format!("SEND\ndestination:{destination}\ntransaction:t\n\nm\0")).await;
    }
    let error = client.refused("COMMIT\ntransaction:t\n\n", "access denied").await;
    assert!(error.ends_with("SEND to /topic/secret is not allowed to you.\0"), "{error:?}");
    client.ends().await;
    // Nothing of it was done.
    connected(&server, "ann").await.done("SEND\ndestination:/topic/open\n\nlater").await;
    reader.message("later").await;
}

#[tokio::test]
async fn replies_and_dead_letters_go_nowhere_that_is_closed() {
    let server = serving(but_secrets()).await;
    for (frame, expected) in [
        (send("/queue/a", "reply-to:/temp-queue/secret\n"), "SUBSCRIBE to /temp-queue/secret"),
        (send("/app/a", "reply-to:/temp-queue/secret\n"), "SUBSCRIBE to /temp-queue/secret"),
        (send("/queue/a", "reply-to:secret\n"), "SEND to /queue/secret"),
        (send("/topic/a", "reply-to:/topic/b,/topic/secret\n"), "SEND to /topic/secret"),
        (send("/queue/a", "x-dead-letter-routing-key:secret\n"), "SEND to /queue/secret"),
        (subscribe("/queue/a", "x-dead-letter-routing-key:secret\n"), "SEND to /queue/secret"),
        (
            subscribe(
                "/queue/a",
                "x-dead-letter-exchange:amq.topic\nx-dead-letter-routing-key:secret.a\n",
            ),
            "SEND to /topic/secret.a",
        ),
        (
            send("/queue/a", "x-dead-letter-exchange:amq.direct\n"),
            "SEND to /exchange/amq.direct/**",
        ),
    ] {
        assert_eq!(told(&server, "ann", &frame).await, refused(expected), "{frame:?}");
    }
    let open = "reply-to:/temp-queue/a\nx-dead-letter-routing-key:open\n";
    assert_eq!(told(&server, "ann", &send("/queue/a", open)).await, "done");

    // Who may only send to a queue does not have its messages go elsewhere.
    let rules = Rules::new().connect(permit()).send("/queue/**", permit());
    let server = serving(rules).await;
    let taken = send("/queue/in", "x-dead-letter-routing-key:mine\nx-max-length:1\n");
    assert_eq!(told(&server, "ann", &taken).await, refused("SUBSCRIBE to /queue/in"));
}

#[tokio::test]
async fn who_may_only_send_to_a_queue_does_not_say_what_becomes_of_its_messages() {
    let rules = Rules::new()
        .connect(permit())
        .send("/queue/**", permit())
        .subscribe("/queue/own", permit())
        .any("/queue/in", role("ADMIN"));
    let server = serving(rules).await;
    let mut root = connected(&server, "root").await;
    root.done("SEND\ndestination:/queue/in\n\nkept").await;
    for argument in ["x-max-length:0\n", "x-expires:1\n", "x-message-ttl:0\n"] {
        let told = told(&server, "ann", &send("/queue/in", argument)).await;
        assert_eq!(told, refused("SUBSCRIBE to /queue/in"), "{argument:?}");
        assert_eq!(self::told(&server, "ann", &send("/queue/own", argument)).await, "done");
        assert_eq!(self::told(&server, "ann", &send("/queue/in", "x-else:1\n")).await, "done");
    }
    root.subscribe("id:1\ndestination:/queue/in\n").await;
    root.message("kept").await;
}

#[tokio::test]
async fn who_may_not_have_a_durable_subscription_does_not_end_it() {
    let server = serving(but_secrets()).await;
    let shared = "durable:true\nx-queue-name:shared\n";
    let mut root = connected(&server, "root").await;
    root.subscribe(&format!("id:1\ndestination:/topic/secret\n{shared}")).await;
    root.leave().await;
    for frame in [
        format!("UNSUBSCRIBE\nid:1\n{shared}\n"),
        format!("UNSUBSCRIBE\nid:1\ndestination:/topic/a\n{shared}\n"),
        subscribe("/topic/a", shared),
    ] {
        let told = told(&server, "ann", &frame).await;
        assert_eq!(told, refused("SUBSCRIBE to /topic/secret"), "{frame:?}");
    }
    // Nor by one of her own.
    let mut ann = connected(&server, "ann").await;
    ann.subscribe("id:1\ndestination:/topic/a\n").await;
    ann.refused(&format!("UNSUBSCRIBE\nid:1\n{shared}\n"), "access denied").await;
    ann.ends().await;
    assert_eq!(told(&server, "root", &format!("UNSUBSCRIBE\nid:1\n{shared}\n")).await, "done");
    let own = "durable:true\n";
    let mut ann = connected(&server, "ann").await;
    ann.subscribe(&format!("id:1\ndestination:/topic/a\n{own}")).await;
    ann.done(&format!("UNSUBSCRIBE\nid:1\n{own}\n")).await;
}

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms/{room}/say")]
    async fn say(&self, messenger: Messenger, text: String) {
        messenger.send("/topic/said", text).await.unwrap();
    }
}

#[tokio::test]
async fn a_closure_knows_who_wants_what() {
    let is_member = |access: &Access| {
        assert_eq!(access.action(), Action::Send);
        let user = access.principal().map(|principal| principal.name().to_owned());
        let is_quiet = access.headers().get("loud").is_none();
        assert!(access.destination().starts_with("/app/rooms/"));
        is_quiet && user.as_deref() == access.variable("member")
    };
    let rules = Rules::new()
        .connect(permit())
        .subscribe("/topic/said", permit())
        .send("/app/rooms/{member}/**", is_member)
        .send("/app/panics", |_: &Access| panic!("as asked"));
    let server = serve(builder(rules).controller(Rooms).build().unwrap()).await;
    // An application's names have dots within their words.
    let ann = "ann@example.org";
    let own = send("/app/rooms/ann@example.org/say", "");
    assert_eq!(told(&server, ann, &own).await, "done");
    for (login, frame, destination) in [
        ("bob", &own, "/app/rooms/ann@example.org/say"),
        (
            ann,
            &send("/app/rooms/ann@example.org/say", "loud:1\n"),
            "/app/rooms/ann@example.org/say",
        ),
        (ann, &send("/app/rooms/bob/say", ""), "/app/rooms/bob/say"),
        (ann, &send("/app/rooms//say", ""), "/app/rooms//say"),
        (ann, &send("/app/panics", ""), "/app/panics"),
    ] {
        let told = told(&server, login, frame).await;
        assert_eq!(told, refused(&format!("SEND to {destination}")), "{login}: {frame:?}");
    }
    // Handlers send what they like.
    let mut client = connected(&server, ann).await;
    client.subscribe("id:1\ndestination:/topic/said\n").await;
    client.send("SEND\ndestination:/app/rooms/ann@example.org/say\n\nhello\0").await;
    client.message("hello").await;
}

#[tokio::test]
async fn frames_that_name_no_destination_need_no_rule() {
    let rules = Rules::new().connect(permit()).any("/queue/jobs", permit());
    let server = serving(rules).await;
    for (door, version) in IN_1_2.each() {
        let mut client = Client::connect_with(&server, door, version, "login:ann\n").await;
        client.subscribe("id:1\ndestination:/queue/jobs\nack:client\n").await;
        let message = client.ask("SEND\ndestination:jobs\n\nm\0").await;
        let ack = header(&message, "ack").unwrap().to_owned();
        client.done(&format!("ACK\nid:{ack}\n\n")).await;
        client.done("BEGIN\ntransaction:t\n\n").await;
        client.done("ABORT\ntransaction:t\n\n").await;
        client.done("UNSUBSCRIBE\nid:1\n\n").await;
        client.leave().await;
    }
}

#[test]
fn rules_with_mistakes_are_told() {
    let rules = Rules::new()
        .subscribe("/topic/x{a}", permit())
        .send("", permit())
        .any("/app/admin.**", deny())
        .any("/topics/secret", deny());
    let error = builder(rules).build().unwrap_err();
    let mistakes: Vec<_> = error.mistakes().map(|mistake| mistake.to_string()).collect();
    assert_eq!(mistakes.len(), 5, "{mistakes:?}");
    assert!(mistakes[0].contains("`SUBSCRIBE /topic/x{a}`"), "{mistakes:?}");
    assert!(mistakes[0].contains("a whole word"), "{mistakes:?}");
    assert!(mistakes[1].contains("it is empty"), "{mistakes:?}");
    assert!(mistakes[2].contains("write `/app/admin/**`"), "{mistakes:?}");
    assert!(mistakes[3].contains("a destination is /topic/NAME"), "{mistakes:?}");
    assert!(mistakes[4].contains("let nobody connect"), "{mistakes:?}");
}

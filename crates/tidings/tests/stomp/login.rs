//! Who may open a session.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::{Client, DOORS, Door, EVERYWHERE, OVER_TCP, OVER_WEBSOCKET, header};
use crate::support::{WebSocket, http, serve};
use tidings::App;
use tidings::endpoint::{
    CloseCode, Configurator, EndpointConfig, Handshake, HandshakeResponse, Principal, Reject,
};
use tidings::messaging::{AccessDenied, Login, Messenger, Rules, SessionEvent, permit, role};
use tidings::server::{SockJsOptions, StompOptions};
use tokio::sync::Notify;

async fn only_ann(login: Login) -> Result<Principal, AccessDenied> {
    match (login.login.as_deref(), login.passcode.as_deref()) {
        (Some("ann"), Some("secret")) => Ok(Principal::new("Ann of the registry")),
        _ => Err(AccessDenied::new("Log in as ann.")),
    }
}

fn app() -> App {
    App::builder().stomp("/stomp").authenticator(only_ann).build().unwrap()
}

#[tokio::test]
async fn the_authenticator_says_who_a_client_is() {
    let server = serve(app()).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::open(&server, door).await;
        let login = "login:ann\npasscode:secret";
        let connected =
            client.ask(format!("CONNECT\naccept-version:{version}\n{login}\n\n\0")).await;
        assert!(connected.starts_with("CONNECTED\n"), "{connected:?}");
        assert_eq!(header(&connected, "user-name"), Some("Ann of the registry"));
        client.goes_on().await;
    }
}

#[tokio::test]
async fn who_is_refused_is_told_and_disconnected_at_once() {
    // At once is before anything else ends the session.
    let never = Duration::from_secs(3600);
    let options = StompOptions {
        connect_timeout: never,
        authentication_timeout: never,
        ..StompOptions::default()
    };
    let app = App::builder().stomp("/stomp").stomp_options(options).authenticator(only_ann);
    let server = serve(app.build().unwrap()).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::open(&server, door).await;
        let login = "login:bob\npasscode:hush";
        let error = client.ask(format!("CONNECT\naccept-version:{version}\n{login}\n\n\0")).await;
        assert_eq!(header(&error, "message"), Some("access denied"));
        assert!(error.ends_with("\n\nLog in as ann.\0"), "{error:?}");
        client.ends().await;
    }
}

#[tokio::test]
async fn the_login_may_come_with_the_handshake() {
    let server = serve(app()).await;
    // ann:secret
    let basic = "Authorization: Basic YW5uOnNlY3JldA==\r\n";
    for (_, version) in OVER_WEBSOCKET.each() {
        let connect = format!("CONNECT\naccept-version:{version}\n");
        let mut socket = WebSocket::connect(server.http, "/stomp", basic).await.unwrap();
        socket.send(format!("{connect}\n\0")).await;
        assert!(socket.text().await.contains("user-name:Ann of the registry\n"));

        let mut socket = WebSocket::connect(server.http, "/stomp", basic).await.unwrap();
        socket.send(format!("{connect}login:bob\npasscode:x\n\n\0")).await;
        assert!(socket.text().await.starts_with("ERROR\n"), "CONNECT has the last word");
    }
}

#[tokio::test]
async fn without_an_authenticator_everybody_is_who_they_say() {
    let server = serve(App::builder().stomp("/stomp").build().unwrap()).await;
    for (door, version) in EVERYWHERE.each() {
        for (login, name) in [("login:bob\n", Some("bob")), ("login:\n", None), ("", None)] {
            let mut client = Client::open(&server, door).await;
            let connected =
                client.ask(format!("CONNECT\naccept-version:{version}\n{login}\n\0")).await;
            assert_eq!(header(&connected, "user-name"), name);
        }
    }
}

/// Lets everybody in who has a name.
async fn anybody(login: Login) -> Result<Principal, AccessDenied> {
    login.login.map(Principal::new).ok_or_else(|| AccessDenied::new("Log in."))
}

#[tokio::test]
async fn a_client_id_opens_no_durable_subscription_of_somebody_else() {
    let server = serve(App::builder().authenticator(anybody).build().unwrap()).await;
    let subscribe = "SUBSCRIBE\nid:1\ndestination:/topic/n\nactivemq.subscriptionName:news\n\
                     receipt:s\n\n\0";
    let connect = async |headers: &str| {
        let mut client = Client::open(&server, Door::Tcp).await;
        client.ask(format!("CONNECT\naccept-version:1.2\n{headers}\n\0")).await;
        client
    };
    let mut ann = connect("login:ann\n").await;
    ann.ask(subscribe).await;
    ann.ask("DISCONNECT\nreceipt:bye\n\n\0").await;
    ann.ends().await;

    let mut bob = connect("login:bob\nclient-id:ann\n").await;
    bob.ask("SEND\ndestination:/topic/n\nreceipt:sent\n\nfor ann\0").await;
    let end = "UNSUBSCRIBE\nid:1\nactivemq.subscriptionName:news\nreceipt:u\n\n\0";
    let error = bob.ask(end).await;
    assert_eq!(header(&error, "message"), Some("durable subscription was not deleted"));
    bob.ask(subscribe).await;
    let message = bob.ask("SEND\ndestination:/topic/n\n\nfor both\0").await;
    assert!(message.ends_with("for both\0"), "bob has a subscription of his own: {message:?}");

    let mut ann = connect("login:ann\n").await;
    ann.send(subscribe).await;
    let frames = [ann.frame().await, ann.frame().await, ann.frame().await];
    assert!(frames[1].ends_with("for ann\0"), "{frames:?}");
    assert!(frames[2].ends_with("for both\0"), "{frames:?}");
    let mut laptop = connect("login:ann\nclient-id:laptop\n").await;
    let receipt = laptop.ask(subscribe).await;
    assert_eq!(header(&receipt, "receipt-id"), Some("s"), "her clients have names of their own");
}

#[tokio::test]
async fn whoever_is_not_logged_in_yet_does_not_make_the_server_hold_much() {
    let server = serve(app()).await;
    for (door, version) in OVER_TCP.each() {
        let login = "login:ann\npasscode:secret";
        let connect = format!("CONNECT\naccept-version:{version}\n{login}\n\n\0");
        let mut client = Client::open(&server, door).await;
        let connected = client.ask(connect.clone() + &"\n".repeat(8 * 1024)).await;
        assert!(connected.starts_with("CONNECTED\n"), "{connected:?}");
        let mut client = Client::open(&server, door).await;
        let error = client.ask(connect + &"\n".repeat(8 * 1024 + 1)).await;
        assert_eq!(header(&error, "message"), Some("too much sent before login"));
        client.ends().await;
    }
}

/// Says who comes, and for how long.
struct Expiring(Duration);

impl Configurator for Expiring {
    async fn handshake(
        &self,
        _: &Handshake,
        response: &mut HandshakeResponse,
    ) -> Result<(), Reject> {
        let principal = Principal::new("ann").expiring_at(Instant::now() + self.0);
        response.set_principal(principal);
        Ok(())
    }
}

#[tokio::test]
async fn a_login_of_the_handshake_ends_the_session_when_it_expires() {
    for (lasts, connect) in [
        (Duration::from_millis(200), Some("CONNECT\naccept-version:1.2\nlogin:ann\n\n\0")),
        (Duration::from_millis(1), None),
    ] {
        let endpoint = Some(EndpointConfig::new().configurator(Expiring(lasts)));
        let options = SockJsOptions { endpoint, ..SockJsOptions::default() };
        let app = App::builder().stomp_with_options("/stomp", options).authenticator(anybody);
        let server = serve(app.build().unwrap()).await;
        let mut socket = WebSocket::connect(server.http, "/stomp", "").await.unwrap();
        if let Some(connect) = connect {
            socket.send(connect).await;
        }
        assert_eq!(socket.closed().await.reason(), "login has expired");
    }
}

#[tokio::test]
async fn an_authenticator_that_hangs_or_fails_costs_one_session() {
    let options = StompOptions {
        authentication_timeout: Duration::from_millis(20),
        authentications_max: 1,
        ..StompOptions::default()
    };
    let authenticator = |login: Login| async move {
        match login.login.as_deref() {
            Some("hangs") => pending().await,
            Some("panics") => panic!("as asked"),
            _ => Ok(Principal::new("somebody")),
        }
    };
    let app = App::builder().stomp("/stomp").stomp_options(options).authenticator(authenticator);
    let server = serve(app.build().unwrap()).await;
    for (door, version) in EVERYWHERE.each() {
        let connect = format!("CONNECT\naccept-version:{version}\nhost:x\n");
        for (login, message) in [("hangs", "login took too long"), ("panics", "login failed")] {
            let mut client = Client::open(&server, door).await;
            let error = client.ask(format!("{connect}login:{login}\n\n\0")).await;
            assert_eq!(header(&error, "message"), Some(message));
            client.ends().await;
        }
        // Its turn was given back.
        Client::connect(&server, door, version).await.goes_on().await;
    }
}

#[tokio::test]
async fn only_so_many_wait_for_an_authenticator() {
    let asked = Arc::new(Notify::new());
    let tell = Arc::clone(&asked);
    let authenticator = move |_: Login| {
        tell.notify_one();
        pending()
    };
    let options = StompOptions {
        authentications_max: 1,
        authentications_waiting_max: 0,
        ..StompOptions::default()
    };
    let app = App::builder().stomp("/stomp").stomp_options(options).authenticator(authenticator);
    let server = serve(app.build().unwrap()).await;
    let mut first = Client::open(&server, Door::Tcp).await;
    first.send("CONNECT\nlogin:ann\n\n\0").await;
    asked.notified().await;
    for door in DOORS {
        let mut client = Client::open(&server, door).await;
        let error = client.ask("CONNECT\nlogin:bob\n\n\0").await;
        assert_eq!(header(&error, "message"), Some("too many log in at this moment"));
        client.ends().await;
    }
}

#[tokio::test]
async fn over_requests_little_waits_for_an_authenticator_that_takes_long() {
    let asked = Arc::new(Notify::new());
    let tell = Arc::clone(&asked);
    let authenticator = move |_: Login| {
        tell.notify_one();
        pending()
    };
    let app = App::builder().stomp("/stomp").authenticator(authenticator).build().unwrap();
    let server = serve(app).await;
    let request = async |transport: &str, body: &str| {
        let length = body.len();
        let head = format!("POST /stomp/0/s/{transport} HTTP/1.0\r\nHost: x\r\n");
        http(server.http, &format!("{head}Content-Length: {length}\r\n\r\n{body}")).await
    };
    assert!(request("xhr", "").await.ends_with("o\n"));
    let connect = r#"["CONNECT\nlogin:ann\n\n\u0000"]"#;
    assert!(request("xhr_send", connect).await.starts_with("HTTP/1.0 204"));
    asked.notified().await;
    for (message_octets, taken) in [(40_000, 0), (4_000, 2), (1, 1)] {
        let body = format!("[\"{}\"]", "x".repeat(message_octets));
        for number in 0..40 {
            let answer = request("xhr_send", &body).await;
            let expected = if number < taken { "HTTP/1.0 204" } else { "HTTP/1.0 413" };
            assert!(answer.starts_with(expected), "{number} of {message_octets}: {answer}");
        }
    }
}

#[tokio::test]
async fn before_login_many_empty_messages_are_as_much_as_long_ones() {
    let server = serve(app()).await;
    let request = async |session: &str, transport: &str, body: &str| {
        let length = body.len();
        let head = format!("POST /stomp/0/{session}/{transport} HTTP/1.0\r\nHost: x\r\n");
        http(server.http, &format!("{head}Content-Length: {length}\r\n\r\n{body}")).await
    };
    let connect = r"CONNECT\nlogin:ann\npasscode:secret\n\n\u0000";
    // Each but the first counts 64 octets: 8 KiB are 128 of them.
    for (session, empty, status) in [("a", 100, 204), ("b", 200, 413), ("c", 16_000, 413)] {
        assert!(request(session, "xhr", "").await.ends_with("o\n"));
        let body = format!("[\"{connect}\"{}]", ",\"\"".repeat(empty));
        let answer = request(session, "xhr_send", &body).await;
        assert!(answer.starts_with(&format!("HTTP/1.0 {status}")), "{empty}: {answer}");
        if status == 413 {
            // Nothing of it was taken, and the session goes on.
            let answer = request(session, "xhr_send", &format!("[\"{connect}\"]")).await;
            assert!(answer.starts_with("HTTP/1.0 204"), "{empty}: {answer}");
        }
        assert!(request(session, "xhr", "").await.contains("CONNECTED"), "{empty}");
    }
    let path = "/stomp/000/d/websocket";
    for (empty, is_taken) in [(100, true), (200, false), (16_000, false)] {
        let mut socket = server.websocket(path).await;
        assert_eq!(socket.text().await, "o");
        socket.send(format!("[\"{connect}\"{}]", ",\"\"".repeat(empty))).await;
        if is_taken {
            assert!(socket.text().await.contains("CONNECTED"), "{empty}");
        } else {
            assert_eq!(socket.closed().await.code(), CloseCode::MESSAGE_TOO_BIG, "{empty}");
        }
    }
}

#[tokio::test]
async fn a_user_id_is_that_of_the_login() {
    let server = serve(app()).await;
    let forged = "SEND\ndestination:/topic/t\nuser-id:bob\n";
    let in_transaction =
        format!("BEGIN\ntransaction:t\n\n\0{forged}transaction:t\n\n\0COMMIT\ntransaction:t\n\n\0");
    for (door, version) in EVERYWHERE.each() {
        for forged in [
            format!("{forged}\n\0"),
            forged.replace("/topic", "/app") + "\n\0",
            in_transaction.clone(),
        ] {
            let login = "login:ann\npasscode:secret\n";
            let mut client = Client::connect_with(&server, door, version, login).await;
            client.subscribe("id:s\ndestination:/topic/t\n").await;
            let own = "SEND\ndestination:/topic/t\nuser-id:Ann of the registry\n\n\0";
            let message = client.ask(own).await;
            assert_eq!(header(&message, "user-id"), Some("Ann of the registry"));
            let error = client.ask(forged).await;
            assert_eq!(header(&error, "message"), Some("user-id of somebody else"), "{error:?}");
            client.ends().await;
        }
    }
}

/// Believes a token, which is `NAME` or `NAME/ROLE/MILLISECONDS`: how long the login lasts.
async fn by_token(login: Login) -> Result<Principal, AccessDenied> {
    let denied = || AccessDenied::new("Show a token.");
    let token = login.bearer_token().ok_or_else(denied)?;
    let mut parts = token.split('/');
    let name = parts.next().filter(|name| *name != "bad").ok_or_else(denied)?;
    let principal = parts.next().into_iter().fold(Principal::new(name), Principal::with_role);
    let ends = parts.next().map(|lasts| Duration::from_millis(lasts.parse().unwrap()));
    let ends = ends.map(|lasts| Instant::now() + lasts);
    Ok(ends.into_iter().fold(principal, Principal::expiring_at))
}

#[tokio::test]
async fn a_token_may_come_from_wherever_a_client_can_put_it() {
    let app = App::builder().stomp("/stomp").authenticator(by_token);
    let server = serve(app.build().unwrap()).await;
    for (path, fields, headers) in [
        ("/stomp", "", "Authorization:Bearer ann\n"),
        ("/stomp", "", "passcode:ann\n"),
        ("/stomp", "Authorization: Bearer ann\r\n", ""),
        ("/stomp?access_token=ann", "", ""),
        ("/stomp", "Cookie: a=b; access_token=ann\r\n", ""),
        ("/stomp", "Sec-WebSocket-Protocol: bearer.ann, v12.stomp\r\n", ""),
        ("/stomp?access_token=bob", "Cookie: access_token=bob\r\n", "Authorization:Bearer ann\n"),
    ] {
        let mut socket = WebSocket::connect(server.http, path, fields).await.unwrap();
        assert!(!socket.head.contains("bearer."), "{}", socket.head);
        socket.send(format!("CONNECT\naccept-version:1.2\nhost:x\n{headers}\n\0")).await;
        let connected = socket.text().await;
        assert!(connected.contains("user-name:ann\n"), "{path} {fields} {headers}: {connected}");
    }
}

#[tokio::test]
async fn a_login_that_expires_ends_the_session_with_an_error_by_every_door() {
    let app = App::builder().stomp("/stomp").authenticator(by_token);
    let server = serve(app.build().unwrap()).await;
    for (door, version) in EVERYWHERE.each() {
        let token = "passcode:ann/USER/1\n";
        let mut client = Client::connect_with(&server, door, version, token).await;
        let error = client.frame().await;
        assert_eq!(header(&error, "message"), Some("login has expired"), "{error:?}");
        client.ends().await;
    }
    let mut socket = WebSocket::connect(server.http, "/stomp", "").await.unwrap();
    socket.send("CONNECT\naccept-version:1.2\nhost:x\npasscode:ann/USER/1\n\n\0").await;
    assert!(socket.text().await.starts_with("CONNECTED\n"));
    assert!(socket.text().await.starts_with("ERROR\nmessage:login has expired\n"));
    let reason = socket.closed().await;
    assert_eq!(reason.code(), CloseCode::POLICY_VIOLATION);
    assert_eq!(reason.reason(), "login has expired");
}

fn renewal(headers: &str) -> String {
    format!("SEND\ndestination:{}\n{headers}\n", Login::RENEWAL_DESTINATION)
}

#[tokio::test]
async fn a_client_prolongs_its_login_on_its_open_session() {
    let app = App::builder().stomp("/stomp").authenticator(by_token);
    let rules = Rules::new().connect(permit()).any("/topic/**", role("USER"));
    let server = serve(app.rules(rules).build().unwrap()).await;
    for door in DOORS {
        let brief = "passcode:ann/GUEST/1000\n";
        let mut client = Client::connect_with(&server, door, "1.2", brief).await;
        let mut left = Client::connect_with(&server, door, "1.2", brief).await;
        client.done(&renewal("Authorization:Bearer ann/USER/3600000\n")).await;
        // The former end of the login passes, and the roles are the new ones.
        assert_eq!(header(&left.frame().await, "message"), Some("login has expired"));
        client.goes_on().await;
        client.done(&renewal("passcode:ann/USER\n")).await;
        client.goes_on().await;
        client.done(&renewal("Authorization:Bearer ann/GUEST\n")).await;
        client.refused("SEND\ndestination:/topic/a\n\n", "access denied").await;
        client.ends().await;
    }
}

#[tokio::test]
async fn a_new_login_that_is_refused_changes_nothing_and_one_of_somebody_else_ends_the_session() {
    let options = StompOptions { error_keeps_connection: true, ..StompOptions::default() };
    let app = App::builder().stomp("/stomp").authenticator(by_token);
    let server = serve(app.stomp_options(options).build().unwrap()).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::connect_with(&server, door, version, "passcode:ann\n").await;
        for headers in ["Authorization:Bearer bad\n", "passcode:\n", ""] {
            client.refused(&renewal(headers), "access denied").await;
            client.goes_on().await;
        }
        let error = client.refused(&renewal("passcode:bob\n"), "access denied").await;
        assert!(error.contains("the user that it began with"), "{error:?}");
        client.ends().await;
    }
    // Without an authenticator there is nothing to renew.
    let server = serve(App::builder().stomp("/stomp").build().unwrap()).await;
    let mut client = Client::connect(&server, Door::Tcp, "1.2").await;
    client.refused(&renewal("passcode:ann\n"), "unknown destination").await;
}

#[tokio::test]
async fn an_application_prolongs_a_login_of_the_same_user_only() {
    let prolong = |event: SessionEvent, _: Messenger| async move {
        if let SessionEvent::Connected { session, .. } = event {
            let later = Instant::now() + Duration::from_secs(3600);
            session.renew(Principal::new("bob").expiring_at(later)).unwrap_err();
            let known = session.principal().unwrap();
            assert_eq!(known.name(), "ann");
            if known.has_role("PROLONGED") {
                session.renew(Principal::new("ann").expiring_at(later)).unwrap();
                assert_eq!(session.principal().unwrap().expires_at(), Some(later));
            }
        }
    };
    let app = App::builder().stomp("/stomp").authenticator(by_token);
    let server = serve(app.session_listener(prolong).build().unwrap()).await;
    for door in DOORS {
        let token = |role: &str| format!("passcode:ann/{role}/1000\n");
        let mut client = Client::connect_with(&server, door, "1.2", &token("PROLONGED")).await;
        let mut left = Client::connect_with(&server, door, "1.2", &token("USER")).await;
        assert_eq!(header(&left.frame().await, "message"), Some("login has expired"));
        client.goes_on().await;
    }
}

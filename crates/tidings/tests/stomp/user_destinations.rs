//! Destinations of users: `/user/PATH` for who subscribes, `/user/NAME/PATH` for who sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidings::endpoint::Session;
use tidings::messaging::{HandlerError, IntoPayload, Outgoing, Payload};
use tidings::server::StompOptions;
use tidings::{App, controller};

use crate::apps::{app, keeping};
use crate::client::{Client, DOORS, Door, EVERYWHERE, FROM_1_1, header, naming};
use crate::support::{Running, serve};

const SUBSCRIBE: &str = "id:u\ndestination:/user/queue/a\n";

async fn connect_as(server: &Running, door: Door, version: &str, user: &str) -> Client {
    Client::connect_with(server, door, version, &format!("login:{user}\n")).await
}

/// A session without user, and its id. Its login is empty, as libraries send it.
async fn connect_as_nobody(server: &Running, door: Door, version: &str) -> (Client, String) {
    let mut client = Client::open(server, door).await;
    let connect = format!("CONNECT\naccept-version:{version}\nlogin:\npasscode:\n\n\0");
    let connected = client.ask(connect).await;
    assert_eq!(header(&connected, "user-name"), None);
    let id = header(&connected, "session").unwrap().to_owned();
    (client, id)
}

#[tokio::test]
async fn what_is_sent_to_a_user_comes_to_all_sessions_of_the_user_that_have_subscribed() {
    for (door, version) in EVERYWHERE.each() {
        let server = serve(app()).await;
        let mut anns = Vec::new();
        for other in DOORS {
            let mut ann = connect_as(&server, other, version, "ann").await;
            ann.subscribe(SUBSCRIBE).await;
            anns.push(ann);
        }
        let mut elsewhere = connect_as(&server, door, version, "ann").await;
        elsewhere.subscribe("id:u\ndestination:/user/queue/b\n").await;
        let mut bob = connect_as(&server, door, version, "bob").await;
        bob.subscribe(SUBSCRIBE).await;
        bob.done("SEND\ndestination:/user/ann/queue/a\nkind:x\n\nhello").await;
        for ann in &mut anns {
            let message = ann.message("hello").await;
            assert_eq!(header(&message, "destination"), Some("/user/queue/a"));
            assert_eq!(header(&message, "subscription"), Some("u"));
            assert_eq!(header(&message, "kind"), Some("x"));
        }
        for client in anns.iter_mut().chain([&mut elsewhere, &mut bob]) {
            client.goes_on().await;
        }
    }
}

#[tokio::test]
async fn a_session_without_user_goes_by_its_id() {
    for (door, version) in EVERYWHERE.each() {
        let server = serve(app()).await;
        let (mut nobody, id) = connect_as_nobody(&server, door, version).await;
        let (mut other, _) = connect_as_nobody(&server, door, version).await;
        for client in [&mut nobody, &mut other] {
            client.subscribe(SUBSCRIBE).await;
        }
        other.done(&format!("SEND\ndestination:/user/{id}/queue/a\n\nhello")).await;
        let message = nobody.message("hello").await;
        assert_eq!(header(&message, "destination"), Some("/user/queue/a"));
        nobody.goes_on().await;
        other.goes_on().await;
        // Under the id of a session nobody gets what is sent to it.
        let mut thief = Client::open(&server, door).await;
        let login = format!("CONNECT\naccept-version:{version}\nlogin:{id}\n\n\0");
        assert_eq!(header(&thief.ask(login).await, "message"), Some("access denied"));
        thief.ends().await;
    }
}

#[tokio::test]
async fn nobody_gets_what_is_sent_to_another_user() {
    for (door, version) in EVERYWHERE.each() {
        let options = StompOptions { error_keeps_connection: true, ..StompOptions::default() };
        let app = App::builder().stomp("/stomp").stomp_options(options);
        let server = serve(app.topic_prefixes(["/topic/", "/"]).build().unwrap()).await;
        let mut ann = connect_as(&server, door, version, "ann").await;
        ann.subscribe(SUBSCRIBE).await;
        let mut eve = connect_as(&server, door, version, "eve").await;
        let (named, others) = (
            ["/user/ann/queue/a", "/user%2Fann/queue/a", "/queue/a-userann"],
            ["/**", "/user%2F**", "/#", "/topic/**"],
        );
        for (at, destination) in named.iter().chain(&others).enumerate() {
            eve.subscribe(&format!("id:{at}\ndestination:{destination}\n")).await;
        }
        for pattern in ["/user/**", "/user/*/queue/a", "/user/#"] {
            let subscribe = format!("SUBSCRIBE\nid:p\ndestination:{pattern}\n\n");
            eve.refused(&subscribe, "wildcard for user destinations").await;
        }
        for (number, destination) in ["/user/ann/queue/a", "/queue/a"].iter().enumerate() {
            ann.send(format!("SEND\ndestination:{destination}\n\n{number}\0")).await;
        }
        ann.message("0").await;
        ann.done("SEND\ndestination:/queue/c\n\n").await;
        eve.done("SEND\ndestination:/queue/b\n\n").await;
    }
}

#[tokio::test]
async fn what_names_no_user_or_no_path_is_refused() {
    EVERYWHERE
        .attempt(keeping, async |_server, mut client, _| {
            for destination in ["/user/ann", "/user/ann/", "/user//queue/a"] {
                let send = format!("SEND\ndestination:{destination}\n\n");
                let error = client.refused(&send, "unknown destination").await;
                assert!(error.contains("goes to /user/NAME/PATH"), "{error}");
            }
            let subscribe = "SUBSCRIBE\nid:u\ndestination:/user/\n\n";
            client.refused(subscribe, "unknown destination").await;
        })
        .await;
}

#[tokio::test]
async fn a_subscription_to_a_destination_of_a_user_is_as_one_to_a_topic() {
    EVERYWHERE
        .attempt(keeping, async |server, mut ann, version| {
            let mut bob = connect_as(&server, ann.door, version, "bob").await;
            bob.subscribe(&format!("{SUBSCRIBE}selector:n > 1\nack:client-individual\n")).await;
            ann.send("BEGIN\ntransaction:t\n\n\0").await;
            for n in 1..=3 {
                let send = "SEND\ndestination:/user/bob/queue/a\ntransaction:t";
                ann.send(format!("{send}\nn:{n}\n\n{n}\0")).await;
            }
            bob.goes_on().await;
            ann.done("COMMIT\ntransaction:t\n\n").await;
            for message in [bob.message("2").await, bob.message("3").await] {
                bob.done(&format!("ACK\n{}\n", naming(version, &message))).await;
            }
            bob.done("UNSUBSCRIBE\nid:u\n\n").await;
            ann.done("SEND\ndestination:/user/bob/queue/a\nn:4\n\n4").await;
            bob.goes_on().await;
            bob.subscribe(SUBSCRIBE).await;
            let again = format!("SUBSCRIBE\n{SUBSCRIBE}\n");
            bob.refused(&again, "subscription id is in use").await;
            bob.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn the_receipt_of_a_subscription_comes_before_its_first_message() {
    for (door, version) in EVERYWHERE.each() {
        let app = app();
        let messenger = app.messenger().clone();
        let server = serve(app).await;
        let mut ann = connect_as(&server, door, version, "ann").await;
        let sending = tokio::spawn(async move {
            loop {
                messenger.send_to_user("ann", "/queue/a", "m").await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        for _ in 0..20 {
            ann.subscribe(SUBSCRIBE).await;
            ann.message("m").await;
            ann.send("UNSUBSCRIBE\nid:u\nreceipt:r\n\n\0").await;
            while !ann.frame().await.starts_with("RECEIPT\n") {}
        }
        sending.abort();
    }
}

#[tokio::test]
async fn the_application_sends_to_users_whatever_they_are_called() {
    let names = ["a/b", "50%", "a%2Fb", "ann,", "#"];
    for (door, version) in EVERYWHERE.each() {
        let app = app();
        let messenger = app.messenger().clone();
        let server = serve(app).await;
        let mut clients = Vec::new();
        for name in names {
            let mut client = connect_as(&server, door, version, name).await;
            client.subscribe(SUBSCRIBE).await;
            clients.push((name, client));
        }
        for (name, client) in &mut clients {
            let sent = messenger.send_to_user(name, "/queue/a", name.to_string()).await.unwrap();
            assert_eq!(sent.subscribers(), 1, "{name}");
            client.message(name).await;
        }
        let (_, slash) = &mut clients[0];
        slash.send("SEND\ndestination:/user/a%2Fb/queue/a\n\nby hand\0").await;
        slash.message("by hand").await;
        let (_, comma) = &mut clients[3];
        comma.send("SEND\ndestination:/user/ann%2C/queue/a,/topic/x\n\nto both\0").await;
        comma.message("to both").await;
        for (_, client) in &mut clients {
            client.goes_on().await;
        }
        let nobody = messenger.try_send_to_user("eve", "/queue/a", "m").unwrap();
        assert_eq!(nobody.subscribers(), 0);
        messenger.try_send_to_user("", "/queue/a", "m").unwrap_err();
        messenger.send_to_user("ann,", "/", "m").await.unwrap_err();
    }
}

/// Answers to one session, or to all of a user.
struct Answers;

#[controller]
impl Answers {
    #[message_mapping("/me")]
    fn me(&self, session: Session, text: String) -> Result<Outgoing, HandlerError> {
        let reply = Outgoing::to_session(session.id(), "/queue/a", text)?;
        Ok(reply.header("to", "session"))
    }

    #[message_mapping("/{user}")]
    fn user(
        &self,
        #[destination_variable] user: String,
        text: String,
    ) -> Result<Vec<Outgoing>, HandlerError> {
        Ok(vec![Outgoing::to_user(&user, "queue/a", text)?.header("to", "user")])
    }
}

#[tokio::test]
async fn handlers_answer_to_users_and_to_sessions() {
    for (door, version) in EVERYWHERE.each() {
        let app = App::builder().stomp("/stomp").controller(Answers).build().unwrap();
        let server = serve(app).await;
        let mut one = connect_as(&server, door, version, "ann").await;
        let mut two = connect_as(&server, door, version, "ann").await;
        let (mut nobody, _) = connect_as_nobody(&server, door, version).await;
        for client in [&mut one, &mut two, &mut nobody] {
            client.subscribe(SUBSCRIBE).await;
        }
        for client in [&mut one, &mut nobody] {
            client.send("SEND\ndestination:/app/me\n\nmine\0").await;
            let message = client.message("mine").await;
            assert_eq!(header(&message, "to"), Some("session"));
            assert_eq!(header(&message, "destination"), Some("/user/queue/a"));
        }
        nobody.send("SEND\ndestination:/app/ann\n\nours\0").await;
        for client in [&mut one, &mut two] {
            assert_eq!(header(&client.message("ours").await, "to"), Some("user"));
        }
        for client in [&mut one, &mut two, &mut nobody] {
            client.goes_on().await;
        }
    }
}

/// Counts how often it is encoded.
struct Counted(Arc<AtomicUsize>);

impl IntoPayload for Counted {
    fn into_payload(self) -> Result<Payload, HandlerError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        "encoded".into_payload()
    }
}

#[tokio::test]
async fn what_goes_to_several_sessions_is_encoded_once() {
    let app = app();
    let (messenger, users) = (app.messenger().clone(), app.users());
    let server = serve(app).await;
    for (door, version) in FROM_1_1.each() {
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = connect_as(&server, door, version, version).await;
            client.subscribe(SUBSCRIBE).await;
            clients.push(client);
        }
        let encoded = Arc::<AtomicUsize>::default();
        let payload = Counted(Arc::clone(&encoded));
        let sent = messenger.send_to_user(version, "/queue/a", payload).await.unwrap();
        let session = users.sessions_of(version).pop().unwrap();
        let payload = Counted(Arc::clone(&encoded));
        let to_one = messenger.send_to_session(session.id(), "/queue/a", payload).await.unwrap();
        assert_eq!((sent.subscribers(), to_one.subscribers()), (3, 1));
        assert_eq!(encoded.load(Ordering::Relaxed), 2);
        for client in &mut clients {
            client.message("encoded").await;
        }
        let [_, _, last] = &mut clients[..] else { panic!("there are three") };
        last.message("encoded").await;
        let id = session.id();
        for client in clients {
            client.leave().await;
        }
        while users.session(id).is_some() {
            tokio::task::yield_now().await;
        }
        let gone = messenger.try_send_to_session(id, "/queue/a", "m").unwrap();
        assert_eq!(gone.subscribers(), 0);
    }
}

#[tokio::test]
async fn over_sockjs_a_user_has_destinations_too() {
    let server = serve(app()).await;
    let mut sockjs = server.websocket("/stomp/000/abcdefgh/websocket").await;
    assert_eq!(sockjs.text().await, "o");
    sockjs.send(r#"["CONNECT\naccept-version:1.2\nlogin:ann\nheart-beat:0,0\n\n\u0000"]"#).await;
    sockjs.text().await;
    let subscribe = r#"["SUBSCRIBE\nid:u\ndestination:/user/queue/a\nreceipt:r\n\n\u0000"]"#;
    sockjs.send(subscribe).await;
    sockjs.text().await;
    let mut bob = connect_as(&server, Door::Tcp, "1.2", "bob").await;
    bob.done("SEND\ndestination:/user/ann/queue/a\n\nhello").await;
    let message = sockjs.text().await;
    let is_it = message.contains(r"destination:/user/queue/a\n") && message.contains("hello");
    assert!(is_it, "{message}");
}

#[tokio::test]
async fn the_prefix_of_users_may_be_another_or_none() {
    for (door, version) in EVERYWHERE.each() {
        let options = StompOptions { error_keeps_connection: true, ..StompOptions::default() };
        let builder = || App::builder().stomp("/stomp").stomp_options(options.clone());
        let server = serve(builder().user_prefix("/people/").build().unwrap()).await;
        let mut ann = connect_as(&server, door, version, "ann").await;
        ann.subscribe("id:u\ndestination:/people/queue/a\n").await;
        ann.send("SEND\ndestination:/people/ann/queue/a\n\nhello\0").await;
        let message = ann.message("hello").await;
        assert_eq!(header(&message, "destination"), Some("/people/queue/a"));
        ann.refused("SEND\ndestination:/user/ann/queue/a\n\n", "unknown destination").await;
        let server = serve(builder().user_prefix("").build().unwrap()).await;
        let mut ann = connect_as(&server, door, version, "ann").await;
        let subscribe = format!("SUBSCRIBE\n{SUBSCRIBE}\n");
        ann.refused(&subscribe, "unknown destination").await;
    }
    for taken in ["/app", "/topic", "/queue/", "/app/user"] {
        let error = App::builder().user_prefix(taken).build().unwrap_err();
        assert!(error.to_string().contains("which are others already"), "{error}");
    }
}

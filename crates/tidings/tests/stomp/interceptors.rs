//! What interceptors see of sessions, and what they make of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::client::{Client, DOORS, Door, EVERYWHERE, header, naming};
use crate::support::{Raw, Running, serve};
use futures_util::stream::{self, Stream};
use tidings::endpoint::{BoxError, CloseCode, CloseReason, Principal, Session};
use tidings::messaging::{
    AccessDenied, Command, InboundFrame, Interceptor, Login, Messenger, OutboundMessage,
    OutboundScope, Rules, SessionEvent, StompError, Verdict, permit,
};
use tidings::server::StompOptions;
use tidings::store::{Batch, MemoryStore, Recovered, Store, StoreError, StoreFault};
use tidings::{App, AppBuilder, controller};
use tokio::sync::mpsc;

/// Tells what it sees.
struct Witness(mpsc::UnboundedSender<String>);

impl Interceptor for Witness {
    async fn inbound(&self, frame: &mut InboundFrame, _: &Session) -> Result<Verdict, StompError> {
        let place = frame.destination.as_deref().unwrap_or_default();
        let body = String::from_utf8_lossy(&frame.body);
        let told = format!("{} {place} {body}", frame.command);
        // Others have their turn in between.
        tokio::task::yield_now().await;
        let _ = self.0.send(told.trim_end().to_owned());
        Ok(Verdict::Pass)
    }
}

async fn witnessed() -> (Running, mpsc::UnboundedReceiver<String>) {
    let (sender, told) = mpsc::unbounded_channel();
    let app = App::builder().stomp("/stomp").interceptor(Witness(sender)).build().unwrap();
    (serve(app).await, told)
}

#[tokio::test]
async fn every_frame_of_a_client_is_seen_once_and_in_its_order() {
    let (server, mut told) = witnessed().await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::connect(&server, door, version).await;
        client.subscribe("id:1\ndestination:/queue/a\nack:client\n").await;
        let sends = ["1", "2", "3"].map(|body| format!("SEND\ndestination:/queue/a\n\n{body}\0"));
        client.send(sends.concat()).await;
        let mut last = String::new();
        for body in ["1", "2", "3"] {
            last = client.message(body).await;
        }
        client.send("BEGIN\ntransaction:t\n\n\0").await;
        client.send("SEND\ndestination:/topic/b\ntransaction:t\n\n4\0").await;
        client.send(format!("ACK\ntransaction:t\n{}\n\0", naming(version, &last))).await;
        client.done("COMMIT\ntransaction:t\n\n").await;
        client.done("UNSUBSCRIBE\nid:1\ndestination:/queue/a\n\n").await;
        client.leave().await;
        for expected in [
            "CONNECT",
            "SUBSCRIBE /queue/a",
            "SEND /queue/a 1",
            "SEND /queue/a 2",
            "SEND /queue/a 3",
            "SEND /topic/b 4",
            "ACK",
            "COMMIT",
            "UNSUBSCRIBE",
            "DISCONNECT",
        ] {
            assert_eq!(told.recv().await.as_deref(), Some(expected));
        }
    }
}

#[tokio::test]
async fn a_session_that_is_lost_is_seen_to_disconnect_once() {
    let (server, mut told) = witnessed().await;
    for door in DOORS {
        Client::connect(&server, door, "1.2").await.vanish();
        assert_eq!(told.recv().await.as_deref(), Some("CONNECT"));
        assert_eq!(told.recv().await.as_deref(), Some("DISCONNECT"));
        // Who was never connected does not disconnect.
        Client::open(&server, door).await.vanish();
        Client::connect(&server, door, "1.2").await.leave().await;
        assert_eq!(told.recv().await.as_deref(), Some("CONNECT"));
        assert_eq!(told.recv().await.as_deref(), Some("DISCONNECT"));
    }
    assert!(told.try_recv().is_err(), "no more than that");
}

/// Does what a frame says.
struct Obeys;

impl Interceptor for Obeys {
    async fn inbound(&self, frame: &mut InboundFrame, _: &Session) -> Result<Verdict, StompError> {
        frame.headers.push("seen", frame.command.as_str());
        match frame.headers.get("please") {
            Some("drop") => Ok(Verdict::Drop),
            Some("refuse") => Err(StompError::new("not today", "Come back tomorrow.")),
            Some("change") => {
                frame.body = "changed".into();
                frame.headers.remove("please");
                Ok(Verdict::Pass)
            }
            _ => Ok(Verdict::Pass),
        }
    }
}

fn obeying() -> AppBuilder {
    App::builder().stomp("/stomp").interceptor(Obeys)
}

#[tokio::test]
async fn a_frame_is_changed_dropped_or_refused() {
    let options = StompOptions { error_keeps_connection: true, ..StompOptions::default() };
    let server = serve(obeying().stomp_options(options).build().unwrap()).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::connect(&server, door, version).await;
        client.subscribe("id:1\ndestination:/topic/a\n").await;
        let message = client.ask("SEND\ndestination:/topic/a\nplease:change\n\nm\0").await;
        assert!(message.ends_with("\n\nchanged\0"), "{message:?}");
        assert_eq!(header(&message, "seen"), Some("SEND"));
        assert_eq!(header(&message, "please"), None);
        client.done("SEND\ndestination:/topic/a\nplease:drop\n\nm").await;
        client.refused("SEND\ndestination:/topic/a\nplease:refuse\n\nm", "not today").await;
        // An id whose SUBSCRIBE came to nothing is free.
        client
            .refused("SUBSCRIBE\nid:2\ndestination:/topic/b\nplease:refuse\n\n", "not today")
            .await;
        client.done("SUBSCRIBE\nid:2\ndestination:/topic/b\nplease:drop\n\n").await;
        client.done("SEND\ndestination:/topic/b\n\nnobody").await;
        client.subscribe("id:2\ndestination:/topic/b\n").await;
        // A transaction lacks what is dropped of it, and is not done if anything of it is refused.
        let begin = "BEGIN\ntransaction:t\n\n\0SEND\ndestination:/topic/a\ntransaction:t\n\nkept\0";
        let send = "SEND\ndestination:/topic/a\ntransaction:t\nplease:";
        client.send(format!("{begin}{send}refuse\n\nm\0")).await;
        client.refused("COMMIT\ntransaction:t\n\n", "not today").await;
        client.send(format!("{begin}{send}drop\n\nm\0COMMIT\ntransaction:t\n\n\0")).await;
        client.message("kept").await;
        client.goes_on().await;
    }
    let server = serve(obeying().build().unwrap()).await;
    for door in DOORS {
        let mut client = Client::connect(&server, door, "1.2").await;
        let error =
            client.refused("SEND\ndestination:/topic/a\nplease:refuse\n\n", "not today").await;
        assert!(error.ends_with("Come back tomorrow.\0"), "{error:?}");
        client.ends().await;
        for (please, message) in [("refuse", "not today"), ("drop", "access denied")] {
            let mut client = Client::open(&server, door).await;
            let error = client.ask(format!("CONNECT\nhost:x\nplease:{please}\n\n\0")).await;
            assert_eq!(header(&error, "message"), Some(message));
            client.ends().await;
        }
    }
}

/// Drops each COMMIT.
struct DropsCommits;

impl Interceptor for DropsCommits {
    async fn inbound(&self, frame: &mut InboundFrame, _: &Session) -> Result<Verdict, StompError> {
        let is_commit = frame.command == Command::Commit;
        Ok(if is_commit { Verdict::Drop } else { Verdict::Pass })
    }
}

#[tokio::test]
async fn a_transaction_whose_commit_is_dropped_is_dropped_with_its_receipts_given() {
    let app = App::builder().stomp("/stomp").interceptor(DropsCommits).build().unwrap();
    let server = serve(app).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::connect(&server, door, version).await;
        client.subscribe("id:1\ndestination:/topic/a\n").await;
        client.send("BEGIN\ntransaction:t\n\n\0").await;
        for receipt in ["first", "second"] {
            let headers = format!("destination:/topic/a\ntransaction:t\nreceipt:{receipt}\n");
            client.send(format!("SEND\n{headers}\nnobody\0")).await;
        }
        client.send("COMMIT\ntransaction:t\nreceipt:last\n\n\0").await;
        for receipt in ["first", "second", "last"] {
            let frame = client.frame().await;
            assert_eq!(header(&frame, "receipt-id"), Some(receipt), "{frame:?}");
        }
        client.send("SEND\ndestination:/topic/a\n\nall there is\0").await;
        client.message("all there is").await;
    }
}

/// Ends the session of whoever sends `end`, and lets the frame go on.
struct Ends;

impl Interceptor for Ends {
    async fn inbound(
        &self,
        frame: &mut InboundFrame,
        session: &Session,
    ) -> Result<Verdict, StompError> {
        if frame.body == "end" {
            session.close(CloseReason::truncated(CloseCode::NORMAL_CLOSURE, "as asked"));
        }
        Ok(Verdict::Pass)
    }
}

#[tokio::test]
async fn nothing_is_done_of_a_frame_whose_session_has_ended_meanwhile() {
    let app = App::builder().stomp("/stomp").interceptor(Ends).build().unwrap();
    let server = serve(app).await;
    for door in DOORS {
        let mut reader = Client::connect(&server, door, "1.2").await;
        reader.subscribe("id:1\ndestination:/topic/a\n").await;
        let mut client = Client::connect(&server, door, "1.2").await;
        client.send("SEND\ndestination:/topic/a\n\nend\0").await;
        client.ends().await;
        reader.send("SEND\ndestination:/topic/a\n\nlater\0").await;
        reader.message("later").await;
    }
}

/// Takes a millisecond for each frame, and notes how many turns others had by then.
#[derive(Clone, Default)]
struct Busy {
    turns: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<usize>>>,
}

impl Busy {
    fn work(&self) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(1) {
            std::hint::spin_loop();
        }
        self.seen.lock().unwrap().push(self.turns.load(Ordering::Relaxed));
    }
}

impl Interceptor for Busy {
    async fn inbound(&self, frame: &mut InboundFrame, _: &Session) -> Result<Verdict, StompError> {
        if frame.destination.as_deref() == Some("/topic/a") {
            self.work();
        }
        Ok(Verdict::Pass)
    }
}

#[controller]
impl Busy {
    #[message_mapping("/a")]
    async fn handle(&self) {
        self.work();
    }
}

#[tokio::test]
async fn others_have_their_turn_whoever_sees_the_frames() {
    let busy = Busy::default();
    let app = App::builder().stomp("/stomp").interceptor(busy.clone()).controller(busy.clone());
    let server = serve(app.build().unwrap()).await;
    let turns = Arc::clone(&busy.turns);
    let others = tokio::spawn(async move {
        loop {
            turns.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let mut client = Client::connect(&server, Door::Tcp, "1.2").await;
    for destination in ["/topic/a", "/app/a"] {
        let sends = format!("SEND\ndestination:{destination}\n\n\0").repeat(200);
        client.send(sends).await;
        client.goes_on().await;
        let seen = std::mem::take(&mut *busy.seen.lock().unwrap());
        assert_eq!(seen.len(), 200, "{destination}");
        let longest = seen.chunk_by(|one, next| one == next).map(<[_]>::len).max();
        assert!(longest < Some(100), "{destination}: {longest:?} in one turn");
    }
    others.abort();
}

/// Gives whoever connects the login of a ticket.
struct Tickets;

impl Interceptor for Tickets {
    async fn inbound(
        &self,
        frame: &mut InboundFrame,
        session: &Session,
    ) -> Result<Verdict, StompError> {
        if frame.command == Command::Connect {
            if let Some(ticket) = frame.headers.get("ticket").map(str::to_owned) {
                frame.headers.push("login", &ticket);
            }
        } else if let Some(user) = session.principal() {
            frame.headers.push("may", if user.name() == "ann" { "yes" } else { "no" });
        }
        Ok(Verdict::Pass)
    }
}

#[tokio::test]
async fn logins_and_rules_come_after_interceptors() {
    let by_name = |login: Login| async move {
        login.login.map(Principal::new).ok_or_else(|| AccessDenied::new("Buy a ticket."))
    };
    let rules = Rules::new()
        .connect(permit())
        .send("/topic/nobody", |access: &tidings::messaging::Access| {
            access.headers().get("may") == Some("yes")
        });
    let app = App::builder().stomp("/stomp").interceptor(Tickets).authenticator(by_name);
    let server = serve(app.rules(rules).build().unwrap()).await;
    for door in DOORS {
        let mut ann = Client::connect_with(&server, door, "1.2", "ticket:ann\n").await;
        ann.goes_on().await;
        let mut bob = Client::connect_with(&server, door, "1.2", "ticket:bob\n").await;
        bob.refused("SEND\ndestination:/topic/nobody\n\n", "access denied").await;
    }
}

/// Changes what goes to clients, and counts it.
struct Outgoing {
    scope: OutboundScope,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Interceptor for Outgoing {
    fn outbound_scope(&self) -> OutboundScope {
        self.scope
    }

    fn outbound(&self, message: &mut OutboundMessage, session: Option<&Session>) -> Verdict {
        let user = session.and_then(Session::principal);
        let user = user.as_ref().map_or("all", |user| user.name()).to_owned();
        match &message.body[..] {
            b"drop" => return Verdict::Drop,
            b"panic" => panic!("as asked"),
            b"not for bob" if user == "bob" => return Verdict::Drop,
            _ => {}
        }
        self.asked.lock().unwrap().push(format!("{} {user}", message.destination));
        message.headers.push("for", &user);
        message.body = [&message.body[..], b"!"].concat().into();
        Verdict::Pass
    }
}

struct Answers;

#[controller]
impl Answers {
    #[subscribe_mapping("/answer")]
    fn answer(&self) -> String {
        "answer".to_owned()
    }
}

async fn changing(scope: OutboundScope) -> (Running, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let interceptor = Outgoing { scope, asked: Arc::clone(&asked) };
    let app = App::builder().stomp("/stomp").event_source("/events").controller(Answers);
    (serve(app.interceptor(interceptor).build().unwrap()).await, asked)
}

fn taken(asked: &Mutex<Vec<String>>) -> Vec<String> {
    let mut asked = std::mem::take(&mut *asked.lock().unwrap());
    asked.sort();
    asked
}

async fn named(server: &Running, door: Door, name: &str) -> Client {
    Client::connect_with(server, door, "1.2", &format!("login:{name}\n")).await
}

#[tokio::test]
async fn a_message_is_changed_once_for_all_who_get_it() {
    let (server, asked) = changing(OutboundScope::EachMessage).await;
    let mut clients = Vec::new();
    for (door, name) in [(Door::Tcp, "ann"), (Door::Tcp, "bob"), (Door::WebSocket, "eve")] {
        let mut client = named(&server, door, name).await;
        client.subscribe("id:1\ndestination:/topic/a\n").await;
        clients.push(client);
    }
    for body in ["drop", "panic", "1", "2"] {
        clients[0].send(format!("SEND\ndestination:/topic/a\n\n{body}\0")).await;
    }
    for client in &mut clients {
        assert_eq!(header(&client.message("1!").await, "for"), Some("all"));
        client.message("2!").await;
    }
    assert_eq!(taken(&asked), ["/topic/a all", "/topic/a all"]);
}

#[tokio::test]
async fn a_message_is_changed_once_for_topics_and_patterns_alike() {
    let (server, asked) = changing(OutboundScope::EachMessage).await;
    let mut client = named(&server, Door::Tcp, "ann").await;
    for (id, destination) in [(1, "/topic/a"), (2, "/topic/*"), (3, "/topic/**")] {
        client.subscribe(&format!("id:{id}\ndestination:{destination}\n")).await;
    }
    for body in ["drop", "m"] {
        client.send(format!("SEND\ndestination:/topic/a\n\n{body}\0")).await;
    }
    for _ in 0..3 {
        client.message("m!").await;
    }
    assert_eq!(taken(&asked), ["/topic/a all"]);
}

#[tokio::test]
async fn a_message_is_changed_for_each_session_if_that_is_wanted() {
    let (server, asked) = changing(OutboundScope::EachSession).await;
    for door in DOORS {
        let mut ann = named(&server, door, "ann").await;
        let mut bob = named(&server, door, "bob").await;
        for client in [&mut ann, &mut bob] {
            client.subscribe("id:1\ndestination:/topic/a\n").await;
        }
        for body in ["not for bob", "both"] {
            ann.send(format!("SEND\ndestination:/topic/a\n\n{body}\0")).await;
        }
        assert_eq!(header(&ann.message("not for bob!").await, "for"), Some("ann"));
        ann.message("both!").await;
        assert_eq!(header(&bob.message("both!").await, "for"), Some("bob"));
        assert_eq!(taken(&asked), ["/topic/a ann", "/topic/a ann", "/topic/a bob"]);
        // From queues, and answers to subscriptions.
        bob.subscribe("id:2\ndestination:/queue/a\n").await;
        ann.send("SEND\ndestination:/queue/a\n\nq\0").await;
        assert_eq!(header(&bob.message("q!").await, "for"), Some("bob"));
        bob.send("SUBSCRIBE\nid:3\ndestination:/app/answer\n\n\0").await;
        assert_eq!(header(&bob.message("answer!").await, "for"), Some("bob"));
        assert_eq!(taken(&asked), ["/app/answer bob", "/queue/a bob"]);
        ann.leave().await;
        bob.leave().await;
    }
}

#[tokio::test]
async fn event_streams_get_what_interceptors_leave() {
    for scope in [OutboundScope::EachMessage, OutboundScope::EachSession] {
        let (server, _) = changing(scope).await;
        let mut stream = Raw::connect(server.http).await;
        stream.write("GET /events?destination=/topic/a HTTP/1.0\r\nHost: x\r\n\r\n").await;
        stream.read_until("\r\n\r\n").await;
        stream.read_until("\n\n").await;
        let mut client = named(&server, Door::Tcp, "ann").await;
        for body in ["drop", "m"] {
            client.done(&format!("SEND\ndestination:/topic/a\n\n{body}")).await;
        }
        let event = stream.read_until("\n\n").await;
        assert!(event.contains("data: m!\n"), "{scope:?}: {event}");
    }
}

/// Says what went wrong in another way.
struct Polite;

impl Interceptor for Polite {
    fn error(&self, error: &mut StompError) {
        error.message.insert_str(0, "sorry, ");
        error.body = "See https://example.org/help.".to_owned();
        error.headers.push("code", "7");
    }
}

#[tokio::test]
async fn errors_are_told_as_interceptors_have_it() {
    let server = serve(App::builder().stomp("/stomp").interceptor(Polite).build().unwrap()).await;
    for (door, version) in EVERYWHERE.each() {
        for (frame, message) in [
            ("SEND\ndestination:/elsewhere\n\n", "sorry, unknown destination"),
            ("SUBSCRIBE\nid:1\ndestination:/elsewhere\n\n", "sorry, unknown destination"),
            ("COMMIT\ntransaction:t\n\n", "sorry, unknown transaction"),
        ] {
            let mut client = Client::connect(&server, door, version).await;
            let error = client.refused(frame, message).await;
            assert!(error.ends_with("See https://example.org/help.\0"), "{error:?}");
            assert_eq!(header(&error, "code"), Some("7"));
            client.ends().await;
        }
    }
}

struct Fails;

#[controller("/live")]
impl Fails {
    #[subscribe_mapping("/fails")]
    fn fails(&self) -> impl Stream<Item = Result<&'static str, BoxError>> {
        stream::iter([Err("as it must".into())])
    }

    #[message_mapping("/expire")]
    fn expire(&self, session: Session) {
        session.expire_at(Instant::now());
    }
}

/// A disk without room.
struct Full;

impl Store for Full {
    fn recover(&mut self) -> Result<Recovered, StoreError> {
        MemoryStore::new().recover()
    }

    fn commit(&mut self, _: &Batch) -> Result<(), StoreError> {
        Err(StoreError::new(StoreFault::Full))
    }
}

#[tokio::test]
async fn errors_that_nobody_has_asked_for_are_told_as_interceptors_have_it() {
    let (connected, mut sessions) = mpsc::unbounded_channel();
    let listener = move |event: SessionEvent, _: Messenger| {
        if let SessionEvent::Connected { session, .. } = event {
            let _ = connected.send(session);
        }
        async {}
    };
    let app = App::builder().stomp("/stomp").interceptor(Polite).controller(Fails).store(Full);
    let app = app.session_listener(listener).build().unwrap();
    let server = serve(app.clone()).await;
    for (door, version) in EVERYWHERE.each() {
        let cancelled = "sorry, Server cancelled subscription";
        for (frame, message) in [
            ("subscribe\n", cancelled),
            ("delete\n", cancelled),
            (
                "SUBSCRIBE\nid:s\ndestination:/app/live/fails\nreceipt:r\n\n\0",
                "sorry, handler failed",
            ),
            ("disconnect\n", "sorry, disconnected by the server"),
            ("SEND\ndestination:/app/live/expire\n\n\0", "sorry, login has expired"),
            ("SEND\ndestination:/queue/a\npersistent:true\n\nm\0", "sorry, cannot store"),
        ] {
            let mut client = Client::connect(&server, door, version).await;
            let session = sessions.recv().await.unwrap();
            match frame {
                "subscribe\n" => {
                    client.subscribe("id:s\ndestination:/topic/a\n").await;
                    assert!(app.users().unsubscribe(session.id(), "s"));
                }
                "delete\n" => {
                    client.subscribe("id:s\ndestination:/queue/b\n").await;
                    app.queues().delete("/queue/b").await.unwrap();
                }
                "disconnect\n" => assert!(app.users().disconnect(session.id(), "enough")),
                frame => client.send(frame).await,
            }
            let mut error = client.frame().await;
            if error.starts_with("RECEIPT\n") {
                error = client.frame().await;
            }
            assert_eq!(header(&error, "message"), Some(message), "{error:?}");
            assert_eq!(header(&error, "code"), Some("7"), "{error:?}");
            assert!(error.ends_with("See https://example.org/help.\0"), "{error:?}");
        }
    }
}

/// Panics at each ERROR, when it has begun to change it.
struct Clumsy;

impl Interceptor for Clumsy {
    fn error(&self, error: &mut StompError) {
        error.message.clear();
        panic!("as asked");
    }
}

#[tokio::test]
async fn an_interceptor_that_panics_at_an_error_has_changed_nothing() {
    let app = App::builder().stomp("/stomp").interceptor(Clumsy).interceptor(Polite);
    let server = serve(app.build().unwrap()).await;
    for door in DOORS {
        let mut client = Client::connect(&server, door, "1.2").await;
        let frame = "SEND\ndestination:/elsewhere\n\n";
        client.refused(frame, "sorry, unknown destination").await;
        client.ends().await;
    }
}

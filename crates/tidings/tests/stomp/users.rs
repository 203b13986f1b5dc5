//! Who is online, what listeners are told of it, and what the application does to sessions.

use std::sync::Arc;

use tidings::broker::{DestinationPolicy, SlowConsumers};
use tidings::endpoint::{CloseCode, CloseInitiator, Json, Session};
use tidings::messaging::{Messenger, SessionEvent, Users};
use tidings::{App, AppBuilder, controller};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::client::{Client, Door, EVERYWHERE, header};
use crate::support::{PATIENCE, Running, serve};

/// What a listener was told.
struct Told(UnboundedReceiver<SessionEvent>);

impl Told {
    async fn next(&mut self) -> SessionEvent {
        tokio::time::timeout(PATIENCE, self.0.recv()).await.expect("nothing was told").unwrap()
    }

    async fn connected(&mut self) -> Session {
        match self.next().await {
            SessionEvent::Connected { session, .. } => session,
            other => panic!("{other:?}"),
        }
    }

    async fn disconnected(&mut self) {
        let event = self.next().await;
        assert!(matches!(event, SessionEvent::Disconnected { .. }), "{event:?}");
    }

    fn nothing_more(&mut self) {
        let more = self.0.try_recv();
        assert!(more.is_err(), "{more:?}");
    }
}

/// A server, who is online there, and what its listener is told.
async fn start(build: impl FnOnce(AppBuilder) -> AppBuilder) -> (App, Running, Told) {
    let (sender, told) = unbounded_channel();
    let listen = move |event: SessionEvent, _: Messenger| {
        let _ = sender.send(event);
        async {}
    };
    let app = build(App::builder().stomp("/stomp").session_listener(listen)).build().unwrap();
    let server = serve(app.clone()).await;
    (app, server, Told(told))
}

async fn connect_as(server: &Running, door: Door, version: &str, user: &str) -> Client {
    Client::connect_with(server, door, version, &format!("login:{user}\n")).await
}

#[tokio::test]
async fn a_user_is_online_from_the_first_session_to_the_end_of_the_last() {
    let (app, server, mut told) = start(|app| app).await;
    let users = app.users();
    for (door, version) in EVERYWHERE.each() {
        let (one, two) = (
            connect_as(&server, door, version, "ann").await,
            connect_as(&server, door, version, "ann").await,
        );
        let bob = connect_as(&server, door, version, "bob/é").await;
        let nobody = connect_as(&server, door, version, "").await;
        let sessions = [
            told.connected().await,
            told.connected().await,
            told.connected().await,
            told.connected().await,
        ];
        let id = sessions[3].id().to_string();
        assert_eq!(users.names(), ["ann", "bob/é"]);
        assert_eq!((users.count(), users.session_count()), (2, 4));
        assert_eq!(users.sessions_of("ann"), sessions[..2]);
        assert_eq!(users.sessions_of(&id), sessions[3..]);
        assert_eq!(users.session(sessions[2].id()).as_ref(), Some(&sessions[2]));
        let are_online = ["ann", "bob/é", &id, "an", "ann/", "bob"].map(|it| users.is_online(it));
        assert_eq!(are_online, [true, true, true, false, false, false]);
        assert!(!users.is_online(&sessions[0].id().to_string()), "it goes by its user");
        one.leave().await;
        told.disconnected().await;
        assert_eq!((users.is_online("ann"), users.count()), (true, 2));
        two.vanish();
        told.disconnected().await;
        assert_eq!((users.is_online("ann"), users.count()), (false, 1));
        assert_eq!(users.names(), ["bob/é"]);
        for client in [bob, nobody] {
            client.leave().await;
            told.disconnected().await;
        }
        assert_eq!((users.count(), users.session_count(), users.sessions().len()), (0, 0, 0));
        assert!(!users.is_online(&id) && users.sessions_of(&id).is_empty());
        told.nothing_more();
    }
}

#[tokio::test]
async fn who_is_refused_or_says_nothing_is_not_online() {
    for (door, version) in EVERYWHERE.each() {
        let (app, server, mut told) = start(|app| app).await;
        let silent = Client::open(&server, door).await;
        let mut refused = Client::open(&server, door).await;
        refused.send("CONNECT\naccept-version:0.9\nlogin:ann\n\n\0").await;
        assert!(refused.frame().await.starts_with("ERROR\n"), "{version}");
        refused.ends().await;
        silent.vanish();
        let ann = connect_as(&server, door, version, "ann").await;
        let session = told.connected().await;
        assert_eq!(app.users().sessions(), [session]);
        ann.leave().await;
        told.disconnected().await;
        told.nothing_more();
    }
}

/// Tells who is online.
struct Lobby;

#[controller]
impl Lobby {
    #[subscribe_mapping("/online")]
    fn online(&self, users: Users) -> Json<Vec<String>> {
        Json(users.names())
    }
}

#[tokio::test]
async fn subscriptions_are_found_and_handlers_know_who_is_online() {
    let (app, server, mut told) = start(|app| app.controller(Lobby)).await;
    let users = app.users();
    for (door, version) in EVERYWHERE.each() {
        let mut ann = connect_as(&server, door, version, "ann").await;
        let mut nobody = Client::connect(&server, door, version).await;
        told.connected().await;
        told.connected().await;
        ann.subscribe("id:1\ndestination:/user/queue/a\n").await;
        ann.subscribe("id:2\ndestination:/topic/a,/topic/b\n").await;
        nobody.subscribe("id:1\ndestination:/topic/a\n").await;
        nobody.send("SUBSCRIBE\nid:2\ndestination:/app/online\n\n\0").await;
        nobody.message("[\"ann\"]").await;
        let mut found: Vec<_> = users.subscriptions(|_| true);
        found.sort_by_key(|it| (it.user.is_none(), it.id.clone(), it.destination.clone()));
        let found: Vec<_> = found.iter().map(|it| (it.user.as_deref(), &*it.destination)).collect();
        let of_ann = ["/user/queue/a", "/topic/a", "/topic/b"].map(|it| (Some("ann"), it));
        assert_eq!(found, [&of_ann[..], &[(None, "/topic/a")]].concat());
        let to_a = users.subscriptions(|it| it.destination == "/topic/a");
        assert_eq!(to_a.len(), 2);
        assert!(to_a.iter().all(|it| it.session.is_open()));
        ann.leave().await;
        nobody.leave().await;
        while !matches!(told.next().await, SessionEvent::Disconnected { .. }) {}
        while !matches!(told.next().await, SessionEvent::Disconnected { .. }) {}
        assert!(users.subscriptions(|_| true).is_empty());
    }
}

#[tokio::test]
async fn the_application_ends_sessions_and_says_why() {
    let (app, server, mut told) = start(|app| app).await;
    let users = app.users();
    for (door, version) in EVERYWHERE.each() {
        let mut ended = Vec::new();
        for user in ["ann", "ann", "bob"] {
            ended.push(connect_as(&server, door, version, user).await);
            told.connected().await;
        }
        let bob = users.sessions_of("bob").pop().unwrap();
        assert_eq!(users.disconnect_user("ann", "You were logged out: \\o/."), 2);
        assert!(users.disconnect(bob.id(), "You were logged out: \\o/."));
        for mut client in ended {
            let error = client.frame().await;
            assert_eq!(header(&error, "message"), Some("disconnected by the server"));
            assert!(error.ends_with("\n\nYou were logged out: \\o/.\n\0"), "{error:?}");
            client
                .ends_after_error(CloseCode::POLICY_VIOLATION, "You were logged out: \\o/.")
                .await;
            let SessionEvent::Disconnected { user, info, .. } = told.next().await else {
                panic!("it was not told");
            };
            assert!(user.is_some());
            assert_eq!(info.reason.reason(), "You were logged out: \\o/.");
            assert_eq!(info.initiator, CloseInitiator::Local);
        }
        assert!(!users.disconnect(bob.id(), "again"));
        assert_eq!(users.disconnect_user("ann", "again"), 0);
    }
}

#[tokio::test]
async fn the_application_ends_subscriptions_and_the_session_goes_on() {
    let (app, server, mut told) = start(|app| app).await;
    let users = app.users();
    for (door, version) in EVERYWHERE.each() {
        let mut client = connect_as(&server, door, version, "ann").await;
        let session = told.connected().await;
        for destination in ["/topic/a", "/queue/a", "/user/queue/a", "/topic/a,/queue/a"] {
            client.subscribe(&format!("id:s\ndestination:{destination}\n")).await;
            let event = told.next().await;
            assert!(matches!(event, SessionEvent::Subscribed { .. }), "{event:?}");
            assert!(!users.unsubscribe(session.id(), "t"));
            assert!(users.unsubscribe(session.id(), "s"));
            assert!(!users.unsubscribe(session.id(), "s"));
            let error = client.frame().await;
            assert_eq!(header(&error, "message"), Some("Server cancelled subscription"));
            assert_eq!(header(&error, "subscription"), Some("s"));
            let SessionEvent::Unsubscribed { id, destination: was_to, .. } = told.next().await
            else {
                panic!("it was not told");
            };
            assert_eq!((&*id, &*was_to), ("s", destination));
            for to in ["/topic/a", "/user/ann/queue/a"] {
                client.done(&format!("SEND\ndestination:{to}\n\nm")).await;
            }
        }
        client.leave().await;
        told.disconnected().await;
        assert!(!users.unsubscribe(session.id(), "s"));
    }
}

/// What was told of one session, in short.
async fn short(told: &mut Told, count: usize) -> Vec<String> {
    let mut short = Vec::new();
    for _ in 0..count {
        short.push(match told.next().await {
            SessionEvent::Connected { user, .. } => format!("connected {user:?}"),
            SessionEvent::Subscribed { id, destination, .. } => {
                format!("subscribed {id} {destination}")
            }
            SessionEvent::Unsubscribed { id, destination, .. } => {
                format!("unsubscribed {id} {destination}")
            }
            SessionEvent::SlowConsumer { destination, .. } => format!("slow {destination:?}"),
            SessionEvent::Disconnected { user, .. } => format!("disconnected {user:?}"),
            other => panic!("{other:?}"),
        });
    }
    short
}

#[tokio::test]
async fn listeners_are_told_of_every_subscription_with_its_destination() {
    let (app, server, mut told) = start(|app| app).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = connect_as(&server, door, version, "ann").await;
        client.subscribe("id:1\ndestination:/user/queue/a\n").await;
        client.subscribe("id:2\ndestination:/topic/*\n").await;
        client.subscribe("id:3\ndestination:/queue/deleted\n").await;
        client.done("UNSUBSCRIBE\nid:2\n\n").await;
        app.queues().delete("/queue/deleted").await.unwrap();
        client.frame().await;
        client.leave().await;
        let expected = [
            "connected Some(\"ann\")",
            "subscribed 1 /user/queue/a",
            "subscribed 2 /topic/*",
            "subscribed 3 /queue/deleted",
            "unsubscribed 2 /topic/*",
            "unsubscribed 3 /queue/deleted",
            "disconnected Some(\"ann\")",
        ];
        assert_eq!(short(&mut told, expected.len()).await, expected);
        told.nothing_more();
    }
}

#[tokio::test]
async fn a_listener_may_end_the_subscription_that_it_is_told_of() {
    let (sender, told) = unbounded_channel();
    let listen = move |event: SessionEvent, messenger: Messenger| {
        let _ = sender.send(event.clone());
        async move {
            if let SessionEvent::Subscribed { session, id, .. } = event {
                assert!(messenger.users().unsubscribe(session.id(), &id));
            }
        }
    };
    let app = App::builder().stomp("/stomp").session_listener(listen).build().unwrap();
    let (server, mut told) = (serve(app).await, Told(told));
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::connect(&server, door, version).await;
        for _ in 0..3 {
            client.subscribe("id:s\ndestination:/topic/a\n").await;
            let error = client.frame().await;
            assert_eq!(header(&error, "subscription"), Some("s"), "{error:?}");
        }
        client.leave().await;
        let again = ["subscribed s /topic/a", "unsubscribed s /topic/a"].repeat(3);
        let expected = [&["connected None"], &again[..], &["disconnected None"]].concat();
        assert_eq!(short(&mut told, expected.len()).await, expected);
    }
}

/// Floods whoever has subscribed to `/user/queue/fast` as Ann.
async fn flood(messenger: &Messenger, slow: &Session) {
    let padding = "x".repeat(256 * 1024);
    // More than fits on the way.
    for _ in 0..96 {
        messenger.send_to_user("ann", "/queue/fast", padding.clone()).await.unwrap();
        if !slow.is_open() {
            return;
        }
    }
}

#[tokio::test]
async fn listeners_are_told_who_is_too_slow() {
    for (door, version) in EVERYWHERE.each() {
        for slow_consumers in [SlowConsumers::DropOldest, SlowConsumers::Close] {
            let policy = DestinationPolicy { slow_consumers, ..DestinationPolicy::default() };
            let (app, server, mut told) =
                start(|app| app.destination_policy("/user/**", policy)).await;
            let mut slow = connect_as(&server, door, version, "ann").await;
            let session = told.connected().await;
            slow.subscribe("id:u\ndestination:/user/queue/fast\n").await;
            assert!(matches!(told.next().await, SessionEvent::Subscribed { .. }));
            flood(app.messenger(), &session).await;
            if slow_consumers == SlowConsumers::Close {
                assert!(!session.is_open());
                slow.vanish();
                let expected = ["slow None", "disconnected Some(\"ann\")"];
                assert_eq!(short(&mut told, 2).await, expected);
            } else {
                assert!(session.is_open());
                let expected = ["slow Some(\"/user/queue/fast\")"];
                assert_eq!(short(&mut told, 1).await, expected);
                slow.vanish();
                told.disconnected().await;
            }
            told.nothing_more();
        }
    }
}

#[tokio::test]
async fn a_listener_that_panics_hides_nothing_from_others_nor_from_the_client() {
    let (sender, told) = unbounded_channel();
    let panics = |event: SessionEvent, _: Messenger| {
        assert!(!matches!(event, SessionEvent::Connected { .. }), "before it is polled");
        async { panic!("as asked") }
    };
    let listen = move |event: SessionEvent, _: Messenger| {
        let _ = sender.send(event);
        async {}
    };
    let app = App::builder().stomp("/stomp").session_listener(panics).session_listener(listen);
    let (server, mut told) = (serve(app.build().unwrap()).await, Told(told));
    for (door, version) in EVERYWHERE.each() {
        let mut client = connect_as(&server, door, version, "ann").await;
        client.subscribe("id:s\ndestination:/topic/a\n").await;
        client.done("UNSUBSCRIBE\nid:s\n\n").await;
        client.leave().await;
        let expected = [
            "connected Some(\"ann\")",
            "subscribed s /topic/a",
            "unsubscribed s /topic/a",
            "disconnected Some(\"ann\")",
        ];
        assert_eq!(short(&mut told, expected.len()).await, expected);
    }
}

#[tokio::test]
async fn a_client_knows_that_it_is_connected_whatever_listeners_wait_for() {
    let heard = Arc::new(Semaphore::new(0));
    let permits = Arc::clone(&heard);
    let listen = move |_: SessionEvent, _: Messenger| {
        let permits = Arc::clone(&permits);
        async move { permits.acquire().await.unwrap().forget() }
    };
    let app = App::builder().stomp("/stomp").session_listener(listen).build().unwrap();
    let server = serve(app).await;
    for (door, version) in EVERYWHERE.each() {
        // CONNECTED comes.
        let mut client = connect_as(&server, door, version, "ann").await;
        heard.add_permits(1);
        client.goes_on().await;
        heard.add_permits(1);
        client.leave().await;
    }
}

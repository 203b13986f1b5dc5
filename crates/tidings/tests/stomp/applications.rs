//! Applications behind STOMP: their handlers, their listeners, and their end.

use crate::client::{Client, EVERYWHERE, header};
use crate::support::{PATIENCE, serve};
use serde::{Deserialize, Serialize};
use tidings::broker::Limits;
use tidings::endpoint::{Json, Session};
use tidings::messaging::{Messenger, SessionEvent, SessionListener};
use tidings::server::StompOptions;
use tidings::{App, controller};
use tokio::sync::mpsc;

struct Greetings;

#[derive(Deserialize)]
struct HelloMessage {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    content: String,
}

#[controller]
impl Greetings {
    #[message_mapping("/hello")]
    #[send_to("/topic/greetings")]
    async fn greeting(&self, Json(message): Json<HelloMessage>) -> Json<Greeting> {
        Json(Greeting { content: format!("Hello, {}!", message.name) })
    }

    #[message_mapping("/rooms/{room}/say")]
    #[send_to("/topic/rooms/{room}", "/topic/log")]
    fn say(
        &self,
        #[destination_variable] room: String,
        #[header("shout")] shout: Option<bool>,
        text: String,
    ) -> String {
        let text = if shout == Some(true) { text.to_uppercase() } else { text };
        format!("{room}: {text}")
    }

    #[message_mapping("/default")]
    fn default_destination(&self) -> &'static str {
        "by default"
    }

    #[message_mapping("/panic")]
    fn panics(&self) {
        panic!("as asked");
    }

    #[subscribe_mapping("/state")]
    fn state(&self) -> Json<[u8; 2]> {
        Json([4, 2])
    }

    #[message_mapping("/tell")]
    async fn tell(&self, messenger: Messenger, session: Session, text: String) {
        let open = session.is_open();
        messenger.send("/topic/told", format!("{text} {open}")).await.unwrap();
    }
}

fn app() -> App {
    App::builder().stomp("/stomp").controller(Greetings).build().unwrap()
}

#[tokio::test]
async fn controllers_answer_to_their_destinations() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            for name in ["greetings", "rooms/7", "log", "default", "told"] {
                client.subscribe(&format!("id:{name}\ndestination:/topic/{name}\n")).await;
            }
            client.send("SEND\ndestination:/app/hello\n\n{\"name\":\"Ann\"}\0").await;
            let greeting = client.message("{\"content\":\"Hello, Ann!\"}").await;
            assert_eq!(header(&greeting, "content-type"), Some("application/json"));
            client.send("SEND\ndestination:/app/rooms/7/say\nshout:true\n\nhey\0").await;
            for subscription in ["rooms/7", "log"] {
                let said = client.message("7: HEY").await;
                assert_eq!(header(&said, "subscription"), Some(subscription));
            }
            client.send("SEND\ndestination:/app/default\n\n\0").await;
            client.message("by default").await;
            client.send("SEND\ndestination:/app/tell\n\nit\0").await;
            client.message("it true").await;
            client.send("SUBSCRIBE\nid:state\ndestination:/app/state\n\n\0").await;
            client.message("[4,2]").await;
        })
        .await;
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_costs_nothing_but_its_reply() {
    EVERYWHERE
        .attempt(app, async |_server, mut client, _| {
            client.send("SEND\ndestination:/app/hello\n\nno json\0").await;
            client.send("SEND\ndestination:/app/panic\n\n\0").await;
            client.send("SEND\ndestination:/app/nobody\n\n\0").await;
            client.goes_on().await;
        })
        .await;
}

#[tokio::test]
async fn who_asks_for_a_receipt_is_told_that_no_handler_has_done_the_work() {
    let keeping = || {
        let options = StompOptions { error_keeps_connection: true, ..StompOptions::default() };
        let limits = Limits { session_temporary_max: 0, ..Limits::default() };
        let app = App::builder().stomp("/stomp").controller(Greetings).stomp_options(options);
        app.broker_limits(limits).build().unwrap()
    };
    EVERYWHERE
        .attempt(keeping, async |_server, mut client, _| {
            client.refused("SEND\ndestination:/app/helo\n\n", "no handler").await;
            client.refused("SUBSCRIBE\nid:1\ndestination:/app/stat\n\n", "no handler").await;
            let no_json = "SEND\ndestination:/app/hello\n\nno json";
            client.refused(no_json, "message not taken").await;
            client.refused("SEND\ndestination:/app/panic\n\n", "handler failed").await;
            client.done("SEND\ndestination:/app/default\n\n").await;
            // Nothing of a transaction is done that has nobody for one of its frames.
            client.subscribe("id:t\ndestination:/topic/t\n").await;
            let send = |to| format!("SEND\ndestination:{to}\ntransaction:t\nreceipt:r\n\n\0");
            for (to, message) in [
                ("/app/helo", "no handler"),
                ("/app/default\nreply-to:/temp-queue/a", "no temporary destination"),
            ] {
                let begin = "BEGIN\ntransaction:t\n\n\0".to_owned();
                client.send(begin + &send("/topic/t") + &send(to)).await;
                client.refused("COMMIT\ntransaction:t\n\n", message).await;
            }
            // The id of the refused one is free.
            client.send("SUBSCRIBE\nid:1\ndestination:/app/state\n\n\0").await;
            client.message("[4,2]").await;
        })
        .await;
}

struct Told(mpsc::UnboundedSender<&'static str>);

impl SessionListener for Told {
    async fn on_event(&self, event: &SessionEvent, _: &Messenger) {
        let name = match event {
            SessionEvent::Connected { .. } => "connected",
            SessionEvent::Subscribed { .. } => "subscribed",
            SessionEvent::Unsubscribed { .. } => "unsubscribed",
            SessionEvent::Disconnected { .. } => "disconnected",
            _ => "?",
        };
        let _ = self.0.send(name);
    }
}

#[tokio::test]
async fn listeners_are_told_once_and_in_order() {
    let (sender, mut told) = mpsc::unbounded_channel();
    let app = App::builder().stomp("/stomp").session_listener(Told(sender)).build().unwrap();
    let server = serve(app).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::connect(&server, door, version).await;
        client.subscribe("id:s\ndestination:/topic/a\n").await;
        client.done("UNSUBSCRIBE\nid:s\n\n").await;
        client.leave().await;
        for expected in ["connected", "subscribed", "unsubscribed", "disconnected"] {
            let event = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap();
            assert_eq!(event, Some(expected));
        }
    }
}

#[tokio::test]
async fn shutdown_is_told_to_clients() {
    for (door, version) in EVERYWHERE.each() {
        let server = serve(app()).await;
        let client = Client::connect(&server, door, version).await;
        let stopped = server.stop();
        client.ends_for("server is shutting down").await;
        tokio::time::timeout(PATIENCE, stopped).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_id_of_a_subscription_whose_queue_was_deleted_can_be_used_again() {
    let app = App::builder().stomp("/stomp").build().unwrap();
    let queues = app.queues();
    let server = serve(app).await;
    for (door, version) in EVERYWHERE.each() {
        let mut client = Client::connect(&server, door, version).await;
        for _ in 0..2 {
            client.subscribe("id:a\ndestination:/queue/jobs\n").await;
            queues.delete("/queue/jobs").await.unwrap();
            let told = client.frame().await;
            assert_eq!(header(&told, "message"), Some("Server cancelled subscription"), "{told:?}");
            assert_eq!(header(&told, "subscription"), Some("a"));
        }
    }
    let missing = queues.delete("/queue/jobs").await.unwrap_err();
    assert!(missing.to_string().contains("there is no queue /queue/jobs"), "{missing}");
}

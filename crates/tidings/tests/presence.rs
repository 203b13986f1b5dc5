//! Who is subscribed, over TCP and as an event stream.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use support::{Raw, Running, serve};
use tidings::App;
use tidings::broker::{DestinationPolicy, PresencePolicy};
use tidings::endpoint::{
    Configurator, EndpointConfig, Handshake, HandshakeResponse, Principal, Reject,
};
use tidings::server::EventSourceOptions;

struct AllAreEve;

impl Configurator for AllAreEve {
    async fn handshake(
        &self,
        _: &Handshake,
        response: &mut HandshakeResponse,
    ) -> Result<(), Reject> {
        response.set_principal(Principal::new("eve"));
        Ok(())
    }
}

async fn client(server: &Running, login: &str) -> Raw {
    let mut client = Raw::connect(server.stomp).await;
    client.write(format!("CONNECT\naccept-version:1.2\nhost:x\nlogin:{login}\n\n\0")).await;
    client.read_until("\0").await;
    client
}

#[tokio::test]
async fn those_who_are_there_are_told_and_a_lost_connection_leaves_once() {
    let policy =
        DestinationPolicy { presence: Some(PresencePolicy::default()), ..Default::default() };
    let endpoint = EndpointConfig::new().configurator(AllAreEve);
    let events = EventSourceOptions { endpoint, ..Default::default() };
    let app = App::builder()
        .stomp("/stomp")
        .event_source_with_options("/events", events)
        .destination_policy("/topic/rooms.**", policy)
        .build()
        .unwrap();
    let server = serve(app.clone()).await;
    let mut ann = client(&server, "ann").await;
    let subscribe =
        "SUBSCRIBE\nid:0\ndestination:/topic/rooms.1\npresence-info:red\nreceipt:r\n\n\0";
    ann.write(subscribe).await;
    ann.read_until("receipt-id:r\n\n\0").await;

    let mut watcher = client(&server, "").await;
    watcher.write("SUBSCRIBE\nid:p\ndestination:/presence/topic/rooms.1\n\n\0").await;
    let present = watcher.read_until("\0").await;
    assert!(present.contains("presence:present\n"), "{present}");
    assert!(present.contains(r#""user":"ann","info":"red"}]}"#), "{present}");

    let mut stream = Raw::connect(server.http).await;
    let query = "destination=/topic/rooms.1&presence-info=stream";
    stream.write(format!("GET /events?{query} HTTP/1.0\r\nHost: x\r\n\r\n")).await;
    let joined = watcher.read_until("\0").await;
    assert!(joined.contains(r#"{"event":"join","count":2,"#), "{joined}");
    assert!(joined.contains(r#""user":"eve","info":"stream"}]}"#), "{joined}");
    let members = app.messenger().presence("/topic/rooms.1").unwrap();
    assert_eq!((members.count, members.members[0].info.user.as_deref()), (2, Some("ann")));
    assert_eq!(app.messenger().presence("/topic/other"), None);

    drop(ann);
    let left = watcher.read_until("\0").await;
    assert!(left.contains(r#"{"event":"leave","count":1,"#), "{left}");
    assert!(left.contains(r#""user":"ann""#), "{left}");
    watcher.write("SEND\ndestination:/presence/topic/rooms.1\n\nforged\0").await;
    let refused = watcher.read_until("\0").await;
    assert!(refused.contains("message:read only\n"), "nothing came twice: {refused}");
}

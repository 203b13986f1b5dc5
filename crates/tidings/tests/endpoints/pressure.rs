//! Peers that read slowly, not at all, or no more; batches, tickets and broadcasts.

use std::time::Duration;

use futures_util::FutureExt;
use tidings::App;
use tidings::endpoint::{
    CloseCode, CloseInfo, CloseReason, ConnectionOptions, Endpoint, EndpointError, Message,
    OverflowPolicy, SendError, SendTicket, Session,
};

use super::support::{PATIENCE, WebSocket, serve};
use super::ways::{Scene, Teller, annotated, in_every_way_with};

/// More than the buffers of a connection take.
const FLOOD: usize = 16 * 1024 * 1024;

fn tell_end(teller: &Teller, info: &CloseInfo) {
    let CloseInfo { reason, initiator, clean, .. } = info;
    teller.tell(format!("{} {initiator:?}, clean: {clean}", reason.code()));
}

annotated!(HandsOverOfServer, HandsOverOfClient, Teller, [];
    #[on_open]
    fn opened(&self, session: &Session) {
        self.0.hand_over(session);
    }

    #[on_close]
    fn closed(&self, info: &CloseInfo) {
        tell_end(&self.0, info);
    }
);

struct HandsOver(Teller);

impl Endpoint for HandsOver {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        self.0.hand_over(session);
        Ok(())
    }

    async fn on_close(&mut self, _: &Session, info: &CloseInfo) {
        tell_end(&self.0, info);
    }
}

async fn in_every_session(options: ConnectionOptions, scenario: impl AsyncFn(Scene, Session)) {
    in_every_way_with(
        &options,
        HandsOverOfServer,
        HandsOverOfClient,
        HandsOver,
        async |mut scene| {
            let session = scene.session().await;
            scenario(scene, session).await;
        },
    )
    .await;
}

/// Sends until that fails.
async fn flood(session: &Session) -> SendError {
    let sending = async {
        loop {
            if let Err(error) = session.send(vec![0; 256 * 1024]).await {
                return error;
            }
        }
    };
    tokio::time::timeout(PATIENCE, sending).await.expect("sending hangs")
}

#[tokio::test]
async fn a_send_that_waits_fails_when_the_peer_vanishes() {
    in_every_session(ConnectionOptions::default(), async |mut scene, session| {
        let sending = tokio::spawn(async move { flood(&session).await });
        // It sends; and it is never read to the end.
        scene.peer.message().await;
        let Scene { way, peer, mut ears, .. } = scene;
        drop(peer);
        let error = sending.await.unwrap();
        assert!(matches!(error, SendError::Closed(_)), "{way:?}: {error:?}");
        assert_eq!(ears.told().await, "1006 Transport, clean: false", "{way:?}");
    })
    .await;
}

#[tokio::test]
async fn the_send_timeout_is_that_of_the_options_until_the_session_says_otherwise() {
    in_every_session(ConnectionOptions::default(), async |_scene, session| {
        assert_eq!(session.send_timeout(), Some(Duration::from_secs(20)));
        session.set_send_timeout(Some(Duration::from_millis(7)));
        assert_eq!(session.send_timeout(), Some(Duration::from_millis(7)));
        for never in [None, Some(Duration::ZERO)] {
            session.set_send_timeout(never);
            assert_eq!(session.send_timeout(), None);
        }
    })
    .await;
    let never = ConnectionOptions { send_timeout: Duration::ZERO, ..ConnectionOptions::default() };
    in_every_session(never, async |_scene, session| assert_eq!(session.send_timeout(), None)).await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_given_up_after_the_send_timeout() {
    in_every_session(ConnectionOptions::default(), async |mut scene, session| {
        session.set_send_timeout(Some(Duration::from_millis(10)));
        assert_eq!(flood(&session).await, SendError::Timeout, "{:?}", scene.way);
        assert!(!session.is_open());
        scene.expect_told("1006 Timeout, clean: false").await;
    })
    .await;
}

#[tokio::test]
async fn a_full_outbox_closes_with_1013_where_that_is_the_policy() {
    let options = ConnectionOptions {
        overflow: OverflowPolicy::Close,
        close_timeout: Duration::from_millis(10),
        ..ConnectionOptions::default()
    };
    in_every_session(options, async |mut scene, session| {
        let SendError::Closed(reason) = flood(&session).await else { panic!("not closed") };
        assert_eq!(reason.code(), CloseCode::TRY_AGAIN_LATER);
        let told = scene.told().await;
        assert!(told.starts_with("1013 Local"), "{:?}: {told}", scene.way);
    })
    .await;
}

#[tokio::test]
async fn a_full_outbox_makes_those_wait_who_can_and_refuses_those_who_cannot() {
    in_every_session(ConnectionOptions::default(), async |mut scene, session| {
        let mut taken = 0;
        while session.try_send(vec![1; 256 * 1024]).is_ok() {
            taken += 1;
        }
        assert_eq!(session.try_send("no room"), Err(SendError::Full), "{:?}", scene.way);
        assert_eq!(session.post("no room").map(drop), Err(SendError::Full));
        assert_eq!(session.ping(()), Err(SendError::Full));
        let other = session.clone();
        let waiting = tokio::spawn(async move { other.send("room").await });
        for _ in 0..taken {
            assert_eq!(scene.peer.message().await.len(), 256 * 1024);
        }
        assert_eq!(waiting.await.unwrap(), Ok(()));
        scene.expect_text("room").await;
    })
    .await;
}

/// Whether the message has been written, as far as it is known now.
fn is_written(ticket: &mut SendTicket) -> bool {
    ticket.now_or_never() == Some(Ok(()))
}

#[tokio::test]
async fn a_batch_leaves_when_it_is_flushed_or_ends_or_the_session_does() {
    in_every_session(ConnectionOptions::default(), async |mut scene, session| {
        let batch = session.batch();
        session.send("a").await.unwrap();
        let mut ticket = session.post("b").unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!is_written(&mut ticket), "{:?}", scene.way);
        session.flush().unwrap();
        scene.expect_text("a").await;
        scene.expect_text("b").await;
        assert!(is_written(&mut ticket), "{:?}", scene.way);

        session.send("c").await.unwrap();
        let mut ticket = session.post("d").unwrap();
        assert!(!is_written(&mut ticket), "the batch goes on");
        batch.end().unwrap();
        scene.expect_text("c").await;
        scene.expect_text("d").await;

        let batch = session.batch();
        session.send("e").await.unwrap();
        drop(batch);
        scene.expect_text("e").await;

        let _batch = session.batch();
        session.send("f").await.unwrap();
        session.close(CloseCode::NORMAL_CLOSURE.into());
        scene.expect_text("f").await;
        assert_eq!(scene.peer.closed().await.code(), CloseCode::NORMAL_CLOSURE);
    })
    .await;
}

struct Pours;

#[tidings::server_endpoint("/pours")]
impl Pours {
    #[on_message]
    fn pour(&self, octets: usize, session: &Session) -> usize {
        let taken = (0..20).map(|_| session.peers().broadcast(vec![0; octets]));
        taken.sum()
    }
}

#[tokio::test]
async fn an_outbox_is_not_full_before_its_peer_was_offered_anything() {
    let options = ConnectionOptions { outbox_octets_max: 1_000, ..ConnectionOptions::default() };
    let app = App::builder().connection_options(options).endpoint(|| Pours).build().unwrap();
    let server = serve(app).await;
    for octets in [10, 1_000, 3_000] {
        let mut client = server.websocket("/pours").await;
        client.send(octets.to_string()).await;
        for _ in 0..20 {
            assert_eq!(client.message().await, Message::from(vec![0; octets]));
        }
        assert_eq!(client.text().await, "20");
    }
}

#[tokio::test]
async fn a_ticket_knows_its_session_and_whether_the_message_was_written() {
    in_every_session(ConnectionOptions::default(), async |mut scene, session| {
        let ticket = session.post("written").unwrap();
        assert_eq!(ticket.session_id(), session.id());
        assert_eq!(ticket.await, Ok(()), "{:?}", scene.way);
        scene.expect_text("written").await;

        let ticket = session.post(vec![0; FLOOD]).unwrap();
        assert_eq!(ticket.session_id(), session.id());
        let Scene { way, peer, .. } = scene;
        drop(peer);
        assert!(matches!(ticket.await, Err(SendError::Closed(_))), "{way:?}");
    })
    .await;
}

struct Room;

#[tidings::server_endpoint("/annotated")]
impl Room {
    #[on_message]
    fn said(&self, text: &str, session: &Session) -> Option<String> {
        hear(session, text)
    }
}

/// The same, programmatic.
struct PlainRoom;

impl Endpoint for PlainRoom {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        let Message::Text(text) = message else { return Ok(()) };
        if let Some(reply) = hear(session, &text) {
            session.send(reply).await?;
        }
        Ok(())
    }
}

/// Counts, closes all others, or sends to all.
fn hear(session: &Session, text: &str) -> Option<String> {
    let peers = session.peers();
    match text {
        "count" => Some(format!("{} {}", peers.len(), peers.others().len())),
        "close others" => {
            for other in peers.clone().others().iter() {
                other.close(CloseReason::from_code(CloseCode::GOING_AWAY));
            }
            // They are still among the peers, but closed.
            Some(format!("{} of {}", peers.broadcast("who is left?"), peers.len()))
        }
        text => {
            peers.broadcast(text);
            None
        }
    }
}

async fn ask(client: &mut WebSocket, question: &str) -> String {
    client.send(question).await;
    client.text().await
}

#[tokio::test]
async fn a_broadcast_reaches_all_open_sessions_of_the_endpoint_and_no_others() {
    let app = App::builder().endpoint(|| Room).endpoint_at("/programmatic", || PlainRoom);
    let server = serve(app.build().unwrap()).await;
    let paths = ["/annotated", "/programmatic"];
    let mut rooms = Vec::new();
    for path in paths {
        let mut clients = Vec::new();
        for already in 0..3 {
            let mut client = server.websocket(path).await;
            let counted = format!("{} {already}", already + 1);
            assert_eq!(ask(&mut client, "count").await, counted, "{path}");
            clients.push(client);
        }
        rooms.push(clients);
    }
    for (path, clients) in paths.iter().zip(&mut rooms) {
        clients[0].send(*path).await;
        for client in &mut *clients {
            assert_eq!(client.text().await, *path);
        }
        assert_eq!(ask(&mut clients[0], "close others").await, "who is left?", "{path}");
        assert_eq!(clients[0].text().await, "1 of 3", "{path}");
        for client in &mut clients[1..] {
            assert_eq!(client.closed().await.code(), CloseCode::GOING_AWAY, "{path}");
        }
    }
}

//! How a session sends: whole messages, in parts, from many tasks, pings and pongs.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tidings::endpoint::{
    CloseCode, CloseReason, ControlPayload, Endpoint, EndpointError, Flow, Message, Pong,
    SendError, SendFromError, Session,
};
use tidings_websocket::Event;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};

use super::lifecycle::expect_pong;
use super::ways::{Scene, Teller, annotated, in_every_way};

annotated!(HandsOverOfServer, HandsOverOfClient, Teller, [];
    #[on_open]
    fn opened(&self, session: &Session) {
        self.0.hand_over(session);
    }

    #[on_message]
    fn echo(&self, message: Message) -> Message {
        message
    }

    #[on_message]
    fn pong(&self, pong: Pong) {
        tell_pong(&self.0, &pong);
    }

    #[on_error]
    fn failed(&self, error: EndpointError) {
        self.0.tell(error);
    }

    #[on_close]
    fn closed(&self, reason: &CloseReason) {
        self.0.tell(reason);
    }
);

fn tell_pong(teller: &Teller, pong: &Pong) {
    teller.tell(format!("pong {}", String::from_utf8_lossy(&pong.0)));
}

pub struct HandsOver(pub Teller);

impl Endpoint for HandsOver {
    async fn on_open(&mut self, session: &Session) -> Result<(), EndpointError> {
        self.0.hand_over(session);
        Ok(())
    }

    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        Ok(session.send(message).await?)
    }

    async fn on_pong(&mut self, _: &Session, pong: Pong) -> Result<(), EndpointError> {
        tell_pong(&self.0, &pong);
        Ok(())
    }

    async fn on_error(&mut self, _: &Session, error: EndpointError) -> Flow {
        self.0.tell(error);
        Flow::Continue
    }

    async fn on_close(&mut self, _: &Session, info: &tidings::endpoint::CloseInfo) {
        self.0.tell(&info.reason);
    }
}

/// Plays a scenario with the session of each of the four.
async fn in_every_session(scenario: impl AsyncFn(Scene, Session)) {
    in_every_way(HandsOverOfServer, HandsOverOfClient, HandsOver, async |mut scene| {
        let session = scene.session().await;
        scenario(scene, session).await;
    })
    .await;
}

#[tokio::test]
async fn text_and_octets_arrive_also_empty_ones() {
    in_every_session(async |mut scene, session| {
        let messages: [Message; 4] =
            ["zwölf €".into(), "".into(), vec![0, 255].into(), Vec::new().into()];
        for message in messages {
            session.send(message.clone()).await.unwrap();
            assert_eq!(scene.peer.message().await, message, "{:?}", scene.way);
            scene.peer.send(message.clone()).await;
            assert_eq!(scene.peer.message().await, message, "{:?}", scene.way);
        }
    })
    .await;
}

#[tokio::test]
async fn parts_are_one_message() {
    in_every_session(async |mut scene, session| {
        let mut text = session.start_text().await.unwrap();
        text.write("zwölf").await.unwrap();
        text.write(" ").await.unwrap();
        text.finish_with("€").await.unwrap();
        scene.expect_text("zwölf €").await;

        let mut octets = session.start_binary().await.unwrap();
        octets.write(&[1]).await.unwrap();
        octets.write(&[2]).await.unwrap();
        octets.finish().await.unwrap();
        assert_eq!(scene.peer.message().await, Message::from(vec![1, 2]));

        session.start_binary().await.unwrap().finish_with(&[3]).await.unwrap();
        assert_eq!(scene.peer.message().await, Message::from(vec![3]));
    })
    .await;
}

#[tokio::test]
async fn of_nothing_written_there_is_no_message_and_of_an_empty_part_an_empty_one() {
    in_every_session(async |mut scene, session| {
        drop(session.start_text().await.unwrap());
        session.start_text().await.unwrap().finish().await.unwrap();
        session.start_binary().await.unwrap().shutdown().await.unwrap();

        let mut text = session.start_text().await.unwrap();
        text.write("").await.unwrap();
        text.finish().await.unwrap();
        scene.expect_text("").await;
        session.start_binary().await.unwrap().finish_with(&[]).await.unwrap();
        assert_eq!(scene.peer.message().await, Message::from(Vec::new()));
    })
    .await;
}

#[tokio::test]
async fn a_message_that_is_not_finished_closes_the_session() {
    in_every_session(async |mut scene, session| {
        let mut text = session.start_text().await.unwrap();
        text.write("half").await.unwrap();
        drop(text);
        assert_eq!(scene.peer.closed().await.code(), CloseCode::INTERNAL_ERROR);
    })
    .await;
}

#[tokio::test]
async fn whole_messages_wait_behind_one_in_parts() {
    in_every_session(async |mut scene, session| {
        let mut parts = session.start_text().await.unwrap();
        parts.write("a").await.unwrap();
        session.send("whole").await.unwrap();
        let other = session.clone();
        let next = tokio::spawn(async move {
            let mut parts = other.start_text().await.unwrap();
            parts.write("second").await.unwrap();
            parts.finish().await.unwrap();
        });
        parts.write("b").await.unwrap();
        // A ping may come between parts, and shows that nothing else does.
        session.ping(()).unwrap();
        assert!(matches!(scene.peer.event().await, Event::Ping(_)), "{:?}", scene.way);
        parts.finish().await.unwrap();
        next.await.unwrap();
        for expected in ["ab", "whole", "second"] {
            scene.expect_text(expected).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_hundred_tasks_send_at_once_and_each_keeps_its_order() {
    const TASKS: usize = 100;
    const MESSAGES: usize = 100;
    in_every_session(async |mut scene, session| {
        for task in 0..TASKS {
            let session = session.clone();
            tokio::spawn(async move {
                for number in 0..MESSAGES {
                    session.send(format!("{task} {number}")).await.unwrap();
                    tokio::task::yield_now().await;
                }
            });
        }
        let mut next = [0; TASKS];
        for _ in 0..TASKS * MESSAGES {
            let text = scene.peer.text().await;
            let (task, number) = text.split_once(' ').unwrap();
            let next = &mut next[task.parse::<usize>().unwrap()];
            assert_eq!(number, next.to_string(), "{:?}", scene.way);
            *next += 1;
        }
        assert_eq!(next, [MESSAGES; TASKS]);
    })
    .await;
}

#[tokio::test]
async fn after_the_close_every_send_fails_with_its_reason() {
    in_every_session(async |mut scene, session| {
        let batch = session.batch();
        let code = CloseCode::new(4001).unwrap();
        let reason = CloseReason::new(code, "enough").unwrap();
        session.close(reason.clone());
        let closed = || Err(SendError::Closed(reason.clone()));
        assert_eq!(session.send("late").await, closed());
        assert_eq!(session.try_send("late"), closed());
        assert_eq!(session.post("late").map(drop), closed());
        assert_eq!(session.start_text().await.map(drop), closed());
        assert_eq!(session.start_binary().await.map(drop), closed());
        assert_eq!(session.ping(()), closed());
        assert_eq!(session.pong(()), closed());
        assert_eq!(session.flush(), closed());
        assert_eq!(batch.end(), closed());
        assert_eq!(session.batch().end(), closed());
        assert_eq!(scene.peer.closed().await, reason);
        scene.expect_told("4001 (enough)").await;
    })
    .await;
}

#[tokio::test]
async fn pings_and_pongs_carry_up_to_125_octets_and_a_ping_comes_back() {
    in_every_session(async |mut scene, session| {
        let longest = [b'x'; 125];
        session.ping(ControlPayload::try_from(&longest[..]).unwrap()).unwrap();
        let Event::Ping(payload) = scene.peer.event().await else { panic!("no ping") };
        assert_eq!(payload, longest[..]);
        scene.expect_told(&format!("pong {}", "x".repeat(125))).await;

        session.pong(ControlPayload::try_from(&longest[..]).unwrap()).unwrap();
        expect_pong(&mut scene.peer, &longest).await;
        scene.write_frame(0x89, &longest).await;
        expect_pong(&mut scene.peer, &longest).await;

        assert!(ControlPayload::try_from(&[0; 126][..]).is_err(), "nothing to send");
    })
    .await;
}

#[tokio::test]
async fn who_drops_a_handle_of_the_session_does_not_close_it() {
    in_every_session(async |mut scene, session| {
        drop(session.clone());
        drop(session);
        scene.peer.send("still here").await;
        scene.expect_text("still here").await;
    })
    .await;
}

/// Gives some octets, and then fails.
struct Failing(&'static [u8]);

impl AsyncRead for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.is_empty() {
            return Poll::Ready(Err(io::Error::other("torn")));
        }
        room.put_slice(std::mem::take(&mut self.0));
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn what_a_reader_gives_is_one_message_and_its_failure_the_senders() {
    in_every_session(async |mut scene, session| {
        let long: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        session.send_from(&long[..]).await.unwrap();
        assert_eq!(scene.peer.message().await, Message::from(long));

        session.send_from(&b""[..]).await.unwrap();
        let failed = session.send_from(Failing(b"")).await;
        assert!(matches!(failed, Err(SendFromError::Read(error)) if error.to_string() == "torn"));
        session.send("nothing came before").await.unwrap();
        scene.expect_text("nothing came before").await;

        let failed = session.send_from(Failing(b"half")).await;
        assert!(matches!(failed, Err(SendFromError::Read(_))));
        assert_eq!(scene.peer.closed().await.code(), CloseCode::INTERNAL_ERROR);
    })
    .await;
}

#[tokio::test]
async fn a_message_is_written_by_the_traits_of_tokio_and_fails_as_they_do() {
    in_every_session(async |mut scene, session| {
        let mut writer = session.start_binary().await.unwrap();
        let mut copied = (&b"copied "[..]).chain(&b"and more"[..]);
        tokio::io::copy(&mut copied, &mut writer).await.unwrap();
        writer.flush().await.unwrap();
        writer.shutdown().await.unwrap();
        drop(writer);
        assert_eq!(scene.peer.message().await, Message::from(Bytes::from("copied and more")));

        let mut writer = session.start_binary().await.unwrap();
        writer.write_all(b"ended").await.unwrap();
        writer.shutdown().await.unwrap();
        writer.shutdown().await.unwrap();
        let error = writer.write_all(b"more").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(writer.write(b"more").await, Err(SendError::MessageEnded));
        session.send("nobody waits behind it").await.unwrap();
        assert_eq!(scene.peer.message().await, Message::from(Bytes::from("ended")));
        scene.expect_text("nobody waits behind it").await;
        drop(writer);

        let mut writer = session.start_binary().await.unwrap();
        session.close(CloseCode::NORMAL_CLOSURE.into());
        let error = writer.write_all(b"late").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(scene.peer.closed().await.code(), CloseCode::NORMAL_CLOSURE);
    })
    .await;
}

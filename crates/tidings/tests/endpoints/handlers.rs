//! Handlers that are added to a session and taken away while it runs.

use bytes::Bytes;
use tidings::endpoint::{
    AddHandlerError, CloseCode, ConnectionOptions, Message, Part, PayloadKind, Pong, Session,
    TextStream, UnknownHandler,
};

use super::echo::in_every_session;

const TEXT_BEGINS: u8 = 0x01;
const TEXT_ENDS: u8 = 0x80;
const PONG: u8 = 0x8a;

async fn upper(_: Session, text: String) -> String {
    text.to_uppercase()
}

fn kind_of_duplicate<T: std::fmt::Debug>(added: Result<T, AddHandlerError>) -> PayloadKind {
    match added {
        Err(AddHandlerError::Duplicate(known)) => known.kind,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_second_handler_for_the_same_messages_is_refused() {
    in_every_session(ConnectionOptions::default(), async |_scene, session| {
        session.add_message_handler(upper).unwrap();
        let again = session.add_message_handler(upper);
        assert_eq!(kind_of_duplicate(again), PayloadKind::Text);
        let parts = session.add_message_handler(async |_, _: Part<String>| ());
        assert_eq!(kind_of_duplicate(parts), PayloadKind::Text);
        let stream = session.add_message_handler(async |_, _: TextStream| ());
        assert_eq!(kind_of_duplicate(stream), PayloadKind::Text);
        let any = session.add_message_handler(async |_, _: Message| ());
        assert_eq!(kind_of_duplicate(any), PayloadKind::Text);

        session.add_message_handler(async |_, _: Part<Bytes>| ()).unwrap();
        let whole = session.add_message_handler(async |_, _: Vec<u8>| ());
        assert_eq!(kind_of_duplicate(whole), PayloadKind::BinaryParts);

        session.add_message_handler(async |_, _: Pong| ()).unwrap();
        let pong = session.add_message_handler(async |_, _: Pong| ());
        assert_eq!(kind_of_duplicate(pong), PayloadKind::Pong);
        assert_eq!(session.message_handlers().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_handler_takes_its_messages_from_the_endpoint_until_it_is_removed() {
    in_every_session(ConnectionOptions::default(), async |mut scene, session| {
        let id = session.add_message_handler(upper).unwrap();
        scene.peer.send("a").await;
        scene.expect_text("A").await;
        scene.peer.send(vec![1]).await;
        assert_eq!(scene.peer.message().await, Message::from(vec![1]), "the endpoint's");

        session.remove_message_handler(id).unwrap();
        assert_eq!(session.remove_message_handler(id), Err(UnknownHandler(id)));
        scene.peer.send("b").await;
        scene.expect_text("b").await;

        let reversed = async |_: Session, text: String| text.chars().rev().collect::<String>();
        let other = session.add_message_handler(reversed).unwrap();
        assert_ne!(other, id);
        scene.peer.send("abc").await;
        scene.expect_text("cba").await;
    })
    .await;
}

#[tokio::test]
async fn a_message_that_has_begun_is_served_to_its_end_by_the_same_handler() {
    in_every_session(ConnectionOptions::default(), async |mut scene, session| {
        let id = session
            .add_message_handler(async |_, part: Part<String>| format!("first {}", part.data))
            .unwrap();
        scene.write_frame(TEXT_BEGINS, b"a").await;
        scene.expect_text("first a").await;

        session.remove_message_handler(id).unwrap();
        session
            .add_message_handler(async |_, part: Part<String>| format!("second {}", part.data))
            .unwrap();
        scene.write_frame(TEXT_ENDS, b"b").await;
        scene.expect_text("first b").await;
        scene.write_frame(0x81, b"c").await;
        scene.expect_text("second c").await;
    })
    .await;
}

#[tokio::test]
async fn the_list_of_handlers_is_a_copy() {
    in_every_session(ConnectionOptions::default(), async |mut scene, session| {
        let id = session.add_message_handler(upper).unwrap();
        let mut list = session.message_handlers();
        assert_eq!(
            list.iter().map(|it| (it.id, it.kind)).collect::<Vec<_>>(),
            [(id, PayloadKind::Text)]
        );
        list.clear();
        scene.peer.send("still").await;
        scene.expect_text("STILL").await;
        let before = session.message_handlers();
        session.remove_message_handler(id).unwrap();
        assert_eq!(before.len(), 1);
        assert!(session.message_handlers().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_handler_may_be_for_pongs() {
    in_every_session(ConnectionOptions::default(), async |mut scene, session| {
        session.add_message_handler(async |_, pong: Pong| pong.0).unwrap();
        scene.write_frame(PONG, b"unasked").await;
        assert_eq!(scene.peer.message().await, Message::from(b"unasked".to_vec()));
    })
    .await;
}

#[tokio::test]
async fn no_handler_is_added_to_a_session_that_is_closed() {
    in_every_session(ConnectionOptions::default(), async |mut scene, session| {
        session.close(CloseCode::GOING_AWAY.into());
        let refused = session.add_message_handler(upper).unwrap_err();
        assert_eq!(refused, AddHandlerError::Closed(CloseCode::GOING_AWAY.into()));
        assert_eq!(scene.peer.closed().await.code(), CloseCode::GOING_AWAY);
    })
    .await;
}

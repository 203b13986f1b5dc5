use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncReadExt;

use super::*;
use crate::net::ConnectionOptions;

const LIMIT: usize = 10;

fn outbox_with(change: impl FnOnce(&mut ConnectionOptions)) -> Arc<Outbox> {
    let mut options = ConnectionOptions { outbox_octets_max: LIMIT, ..Default::default() };
    change(&mut options);
    Outbox::new(None, Terms::new(options), None)
}

fn outbox() -> Arc<Outbox> {
    outbox_with(|_| ())
}

fn going_away() -> CloseInfo {
    let reason = CloseReason::from_code(CloseCode::GOING_AWAY);
    CloseInfo::new(reason, CloseInitiator::Local)
}

fn push(outbox: &Arc<Outbox>, octets: &'static str) -> Result<(), PushError> {
    outbox.push(Outgoing::Octets(&Bytes::from_static(octets.as_bytes())))
}

/// Writes to a peer that reads at most `room` octets; what it has read.
async fn drive(outbox: &Arc<Outbox>, room: usize) -> String {
    let (stream, mut peer) = tokio::io::duplex(room);
    let mut stream = pin!(stream);
    poll_fn(|cx| {
        let _ = outbox.poll_drive(cx, Some(stream.as_mut()));
        Poll::Ready(())
    })
    .await;
    stream.set(tokio::io::duplex(1).0);
    let mut read = Vec::new();
    peer.read_to_end(&mut read).await.unwrap();
    // Readable in messages of failed tests; no test writes text beyond ASCII.
    read.iter().map(|octet| if octet.is_ascii() { char::from(*octet) } else { '?' }).collect()
}

#[test]
fn a_full_outbox_takes_control_frames_only() {
    let outbox = outbox();
    assert_eq!(push(&outbox, "one message may exceed it"), Ok(()));
    assert_eq!(push(&outbox, "x"), Err(PushError::Full));
    assert!(outbox.is_backlogged());
    outbox.push_control(b"pong");
    outbox.finish(going_away(), b"close");
    assert_eq!(push(&outbox, "x"), Err(PushError::Closed(going_away().reason)));
}

#[test]
fn the_first_reason_to_close_holds() {
    let outbox = outbox();
    outbox.close(going_away());
    let other = CloseReason::from_code(CloseCode::POLICY_VIOLATION);
    outbox.close(CloseInfo::new(other, CloseInitiator::Local));
    assert_eq!(push(&outbox, "x"), Err(PushError::Closed(going_away().reason)));
}

#[tokio::test]
async fn whoever_waits_for_room_goes_on_when_the_peer_has_read() {
    let outbox = outbox();
    let (stream, mut peer) = tokio::io::duplex(1);
    let mut stream = pin!(stream);
    push(&outbox, "0123456789").unwrap();
    let waiting = tokio::spawn({
        let outbox = Arc::clone(&outbox);
        async move { outbox.drained().await }
    });
    let drive = poll_fn(|cx| outbox.poll_drive(cx, Some(stream.as_mut())));
    let mut read = [0; 10];
    let (_, result) = tokio::join!(drive, peer.read_exact(&mut read));
    result.unwrap();
    waiting.await.unwrap();
    assert_eq!(&read, b"0123456789");
    assert!(!outbox.is_backlogged());
}

#[tokio::test]
async fn a_stream_that_fails_ends_the_waiting_too() {
    let outbox = outbox();
    let (stream, peer) = tokio::io::duplex(1);
    drop(peer);
    let mut stream = pin!(stream);
    push(&outbox, "0123456789").unwrap();
    poll_fn(|cx| outbox.poll_drive(cx, Some(stream.as_mut()))).await;
    outbox.drained().await;
    assert!(!outbox.is_open());
}

#[tokio::test]
async fn a_full_outbox_may_close_the_session() {
    let outbox = outbox_with(|options| options.overflow = OverflowPolicy::Close);
    push(&outbox, "0123456789").unwrap();
    push(&outbox, "0123456789").expect("the driver has not been there");
    let Err(PushError::Closed(reason)) = push(&outbox, "x") else { panic!("it takes more") };
    assert_eq!(reason.code(), CloseCode::TRY_AGAIN_LATER);
    assert!(outbox.is_closing());
}

#[tokio::test]
async fn the_oldest_messages_make_room() {
    let entry = size_of::<extras::Deferred>();
    let outbox = outbox_with(|options| {
        options.overflow = OverflowPolicy::DropOldest;
        options.outbox_octets_max = 2 * entry + 20;
    });
    push(&outbox, "being written ").unwrap();
    assert_eq!(drive(&outbox, 1).await, "b");
    for message in ["1 ", "2 ", "3 ", "4 "] {
        push(&outbox, message).unwrap();
    }
    let written = drive(&outbox, 1000).await;
    assert!(written.starts_with("eing written "), "what has begun goes on: {written}");
    assert!(written.ends_with("3 4 ") && !written.contains('1'), "{written}");
}

#[tokio::test]
async fn only_the_latest_message_is_kept() {
    let outbox = outbox_with(|options| options.overflow = OverflowPolicy::KeepLatest);
    push(&outbox, "being written ").unwrap();
    assert_eq!(drive(&outbox, 1).await, "b");
    for message in ["1", "2", "3"] {
        push(&outbox, message).unwrap();
    }
    assert_eq!(drive(&outbox, 1000).await, "eing written 3");
}

#[tokio::test]
async fn a_ticket_is_done_when_the_stream_has_taken_the_message() {
    let outbox = outbox_with(|options| options.outbox_octets_max = 1000);
    let (ticket, mut written) = oneshot::channel();
    let message = Bytes::from_static(b"one");
    outbox.push_with_ticket(Outgoing::Octets(&message), Some(ticket)).unwrap();
    push(&outbox, "two").unwrap();
    assert_eq!(drive(&outbox, 2).await, "on");
    assert!(written.try_recv().is_err());
    assert_eq!(drive(&outbox, 2).await, "et");
    assert_eq!(written.try_recv(), Ok(()));
}

#[tokio::test]
async fn messages_wait_while_one_is_written_in_parts() {
    let outbox = outbox_with(|options| options.outbox_octets_max = 1000);
    outbox.begin_message().unwrap();
    outbox.push_fragment(FrameStart::unfinished(Opcode::Text), b"a").unwrap();
    push(&outbox, "other").unwrap();
    outbox.push_control(b"pong");
    assert_eq!(outbox.begin_message(), Err(PushError::Full), "one at a time");
    outbox.push_fragment(FrameStart::last(Opcode::Continuation), b"z").unwrap();
    outbox.end_message();
    assert_eq!(drive(&outbox, 1000).await, "\u{1}\u{1}apong?\u{1}zother");
}

#[tokio::test]
async fn nothing_is_written_while_a_batch_is_held() {
    let outbox = outbox_with(|options| options.outbox_octets_max = 1000);
    outbox.hold();
    push(&outbox, "1").unwrap();
    assert_eq!(drive(&outbox, 1000).await, "");
    outbox.flush_batch(EndOfBatch::Ends).unwrap();
    push(&outbox, "2").unwrap();
    assert_eq!(drive(&outbox, 1000).await, "12");
}

#[tokio::test]
async fn a_batch_that_goes_on_holds_back_only_what_comes_after_a_flush() {
    let outbox = outbox_with(|options| options.outbox_octets_max = 1000);
    push(&outbox, "before").unwrap();
    outbox.hold();
    assert_eq!(drive(&outbox, 1000).await, "before");
    for flushed in ["1", "2"] {
        push(&outbox, flushed).unwrap();
        assert_eq!(drive(&outbox, 1000).await, "");
        outbox.flush_batch(EndOfBatch::GoesOn).unwrap();
        assert_eq!(drive(&outbox, 1000).await, flushed);
    }
    outbox.flush_batch(EndOfBatch::GoesOn).unwrap();
    push(&outbox, "3").unwrap();
    assert_eq!(drive(&outbox, 1000).await, "", "there was nothing to flush");
    outbox.push_control(b"pong");
    assert_eq!(drive(&outbox, 1000).await, "3pong", "a pong does not wait");
    push(&outbox, "4").unwrap();
    assert_eq!(drive(&outbox, 1000).await, "");
}

#[tokio::test]
async fn a_batch_that_fills_the_outbox_is_written() {
    let outbox = outbox();
    outbox.hold();
    push(&outbox, "0123456789").unwrap();
    assert_eq!(drive(&outbox, 1000).await, "");
    push(&outbox, "more").unwrap();
    assert_eq!(drive(&outbox, 1000).await, "0123456789more");
    push(&outbox, "held").unwrap();
    assert_eq!(drive(&outbox, 1000).await, "");
}

#[tokio::test]
async fn whoever_writes_in_parts_goes_on_whatever_waits_behind() {
    let outbox = outbox();
    outbox.begin_message().unwrap();
    push(&outbox, "behind").unwrap();
    outbox.push_fragment(FrameStart::unfinished(Opcode::Text), b"0123456789").unwrap();
    let waiting = Arc::clone(&outbox);
    let mut waiting = pin!(async move { waiting.fragment_drained().await });
    poll_fn(|cx| {
        assert!(waiting.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    drive(&outbox, 1000).await;
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("nobody told it");
}

#[test]
fn tickets_count_against_the_limit() {
    let outbox = outbox_with(|options| options.outbox_octets_max = 10_000);
    let mut tickets = Vec::new();
    loop {
        let (written, ticket) = oneshot::channel();
        let nothing = Outgoing::Message { opcode: Opcode::Text, payload: &Bytes::new() };
        match outbox.push_with_ticket(nothing, Some(written)) {
            Ok(()) => tickets.push(ticket),
            Err(error) => {
                assert_eq!(error, PushError::Full);
                break;
            }
        }
    }
    assert!((100..1_000).contains(&tickets.len()), "{}", tickets.len());
}

#[tokio::test]
async fn short_messages_wait_to_be_dropped_like_others() {
    let outbox = outbox_with(|options| options.overflow = OverflowPolicy::KeepLatest);
    push(&outbox, "being written ").unwrap();
    assert_eq!(drive(&outbox, 1).await, "b");
    assert!(!outbox.push_short(Opcode::Text, b"1"), "it may have to be dropped");
}

#[tokio::test]
async fn what_a_connection_sends_in_its_turn_is_written_by_its_driver_or_at_the_end_of_the_turn() {
    let outbox = outbox();
    {
        let _turn = turn::TurnGuard::enter();
        turn::own(&outbox);
        assert!(outbox.push_short(Opcode::Text, b"1"));
        assert_eq!(drive(&outbox, 1000).await, "?\u{1}1");
        assert!(outbox.push_short(Opcode::Text, b"2"));
    }
    assert_eq!(drive(&outbox, 1000).await, "?\u{1}2");
}

/// Waits until the next deadline is later than this one, however coarse the clock is.
async fn later(outbox: &Arc<Outbox>, deadline: Instant, mut act: impl AsyncFnMut()) {
    for _ in 0..1_000_000 {
        act().await;
        if outbox.next_deadline().is_some_and(|next| next > deadline) {
            return;
        }
    }
    panic!("the deadline does not move");
}

#[tokio::test]
async fn whatever_is_sent_or_received_puts_the_idle_timeout_off() {
    let second = Duration::from_secs(1);
    let outbox = outbox_with(|options| {
        options.outbox_octets_max = 1000;
        options.keepalive = None;
    });
    assert_eq!(outbox.next_deadline(), None);
    outbox.set_max_idle_timeout(Some(second));
    let deadline = || outbox.next_deadline().unwrap();
    let last = outbox.last_read().max(outbox.last_write());
    assert_eq!(deadline(), last + second);

    for opcode in [Opcode::Ping, Opcode::Pong] {
        later(&outbox, deadline(), async || {
            outbox.push_ping(opcode, b"").unwrap();
            drive(&outbox, 1000).await;
        })
        .await;
    }
    later(&outbox, deadline(), async || {
        push(&outbox, "message").unwrap();
        drive(&outbox, 1000).await;
    })
    .await;
    // Pings, pongs and messages alike: what counts is that octets came.
    later(&outbox, deadline(), async || {
        outbox.note_read();
    })
    .await;

    outbox.set_max_idle_timeout(Some(second * 2));
    assert_eq!(deadline(), outbox.last_read().max(outbox.last_write()) + second * 2);
    for never in [None, Some(Duration::ZERO), Some(Duration::MAX)] {
        outbox.set_max_idle_timeout(never);
        assert_eq!(outbox.next_deadline(), None, "{never:?}");
    }
}

#[tokio::test]
async fn a_send_timeout_of_zero_or_none_is_for_ever() {
    let second = Duration::from_secs(1);
    let (outbox, now) = (outbox_with(|options| options.send_timeout = second), Instant::now());
    assert_eq!(outbox.blocked_deadline(now), Some(now + second));
    for never in [None, Some(Duration::ZERO), Some(Duration::MAX)] {
        outbox.set_send_timeout(never);
        assert_eq!(outbox.blocked_deadline(now), None, "{never:?}");
    }
    outbox.set_send_timeout(Some(second * 2));
    assert_eq!(outbox.blocked_deadline(now), Some(now + second * 2));
    let zero = outbox_with(|options| options.send_timeout = Duration::ZERO);
    assert_eq!(zero.blocked_deadline(now), None);
}

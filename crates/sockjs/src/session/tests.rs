use super::*;
use crate::encode_message;
use crate::receive::{XHR_RECEIVE as XHR, XHR_STREAMING_RECEIVE as XHR_STREAMING};

/// A session with a driver that writes down what it is told to do.
struct Driven {
    session: Session,
    now: Instant,
    receivers: u64,
}

impl Driven {
    fn new(options: SessionOptions) -> Self {
        Self { session: Session::new(options), now: now(), receivers: 0 }
    }

    /// A session whose first receiver, number 1, polled it open.
    fn opened_by_polling() -> Self {
        let mut driven = Self::new(SessionOptions::default());
        assert_eq!(driven.attach(&XHR), ["1 o", "1 end", "opened"]);
        driven
    }

    /// A session with a receiver, number 1, that streams.
    fn streaming(options: SessionOptions) -> Self {
        let mut driven = Self::new(options);
        assert_eq!(driven.attach(&XHR_STREAMING), ["1 prelude", "1 o", "opened"]);
        driven
    }

    fn attach(&mut self, receive: &'static Receive) -> Vec<String> {
        self.receivers += 1;
        self.session.attach(self.now, ReceiverId(self.receivers), receive, "");
        self.outputs()
    }

    fn send(&mut self, text: &str) -> Vec<String> {
        let mut message = Vec::new();
        encode_message(text, &mut message);
        self.session.send(self.now, message.into()).expect("there is room");
        self.outputs()
    }

    fn try_send(&mut self, text: &str) -> Result<(), SendError> {
        let mut message = Vec::new();
        encode_message(text, &mut message);
        self.session.send(self.now, message.into())
    }

    fn close(&mut self) -> Vec<String> {
        self.session.close(self.now, 3000, "Go away!");
        self.outputs()
    }

    fn abort(&mut self, receiver: u64) -> Vec<String> {
        self.session.handle_receiver_aborted(self.now, ReceiverId(receiver));
        self.outputs()
    }

    fn unblock(&mut self, receiver: u64) -> Vec<String> {
        self.session.handle_writable(self.now, ReceiverId(receiver));
        self.outputs()
    }

    /// Lets time go by, one deadline after the other.
    fn wait(&mut self, milliseconds: u64) -> Vec<String> {
        let end = self.now + Duration::from_millis(milliseconds);
        let mut outputs = Vec::new();
        while let Some(deadline) = self.session.next_deadline().filter(|it| *it <= end) {
            assert!(self.now <= deadline, "a deadline must not be in the past");
            self.now = deadline;
            self.session.handle_timeout(self.now);
            outputs.extend(self.outputs());
        }
        self.now = end;
        self.session.handle_timeout(self.now);
        outputs.extend(self.outputs());
        outputs
    }

    fn outputs(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.session.poll_output()).map(|output| line(&output)).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "virtual time has to begin somewhere")]
fn now() -> Instant {
    Instant::now()
}

fn line(output: &Output) -> String {
    match output {
        Output::Opened => "opened".to_owned(),
        Output::Write { receiver, chunk } if chunk.starts_with(b"hh") => {
            format!("{} prelude", receiver.0)
        }
        Output::Write { receiver, chunk } => {
            let chunk = str::from_utf8(chunk).unwrap();
            format!("{} {}", receiver.0, chunk.strip_suffix('\n').expect("a chunk is a line"))
        }
        Output::End { receiver } => format!("{} end", receiver.0),
        Output::Closed(Closed { code, reason, cause }) => format!("{cause:?} {code} {reason}"),
        Output::Removed => "removed".to_owned(),
    }
}

const NOTHING: [&str; 0] = [];
const NO_RECEIVER: [&str; 2] = ["NoReceiver 1002 Connection interrupted", "removed"];
const ABORTED: [&str; 2] = ["ReceiverAborted 1002 Connection interrupted", "removed"];
const CLOSED: &str = "Application 3000 Go away!";

#[test]
fn a_poll_that_opens_a_session_gets_the_open_frame_alone() {
    let mut driven = Driven::opened_by_polling();
    assert!(driven.session.is_open() && !driven.session.has_receiver());
    assert_eq!(driven.send("a"), NOTHING);
    assert_eq!(driven.attach(&XHR), [r#"2 a["a"]"#, "2 end"]);
}

#[test]
fn a_streaming_response_that_opens_a_session_stays() {
    let mut driven = Driven::streaming(SessionOptions::default());
    assert!(driven.session.is_open() && driven.session.has_receiver());
    assert_eq!(driven.send("a"), [r#"1 a["a"]"#]);
    assert_eq!(driven.send("b"), [r#"1 a["b"]"#]);
}

#[test]
fn a_session_without_its_first_receiver_is_not_open_and_waits() {
    let mut driven = Driven::new(SessionOptions::default());
    assert!(!driven.session.is_open() && !driven.session.is_removed());
    assert_eq!(driven.try_send("a"), Err(SendError::Closed));
    assert_eq!(driven.close(), NOTHING);
    assert_eq!(driven.wait(60_000), NOTHING);
    assert_eq!(driven.attach(&XHR), ["1 o", "1 end", "opened"]);
}

#[test]
fn a_waiting_poll_ends_with_the_first_message() {
    let mut driven = Driven::opened_by_polling();
    assert_eq!(driven.attach(&XHR), NOTHING);
    assert_eq!(driven.send("a"), [r#"2 a["a"]"#, "2 end"]);
    assert!(!driven.session.has_receiver());
}

#[test]
fn what_waits_for_a_receiver_goes_out_as_one_array() {
    for (transport, expected) in [
        (&XHR, &[r#"2 a["a","\"","c"]"#, "2 end"][..]),
        (&XHR_STREAMING, &["2 prelude", r#"2 a["a","\"","c"]"#]),
    ] {
        let mut driven = Driven::opened_by_polling();
        for message in ["a", "\"", "c"] {
            assert_eq!(driven.send(message), NOTHING);
        }
        assert_eq!(driven.attach(transport), expected);
    }
}

#[test]
fn a_streaming_response_ends_at_its_limit_and_the_next_one_goes_on() {
    let options = SessionOptions { response_limit: 4096, ..SessionOptions::default() };
    let mut driven = Driven::streaming(options);
    let message = "x".repeat(128);
    let frame = format!("1 a[\"{message}\"]");
    assert_eq!(frame.len() - "1 ".len() + "\n".len(), 134);
    for _ in 1..31 {
        assert_eq!(driven.send(&message), [frame.as_str()]);
    }
    assert_eq!(driven.send(&message), [frame.as_str(), "1 end"]);
    assert_eq!(driven.attach(&XHR_STREAMING), ["2 prelude"]);
    assert_eq!(driven.send("a"), [r#"2 a["a"]"#]);
}

#[test]
fn heartbeats_count_towards_the_limit_and_the_prelude_does_not() {
    let options = SessionOptions { response_limit: 6, ..SessionOptions::default() };
    let mut driven = Driven::streaming(options);
    assert_eq!(driven.wait(25_000), ["1 h"]);
    assert_eq!(driven.wait(25_000), ["1 h", "1 end"]);
}

#[test]
fn a_frame_beyond_the_limit_is_sent_whole() {
    let options = SessionOptions { response_limit: 10, ..SessionOptions::default() };
    let mut driven = Driven::streaming(options);
    let message = "x".repeat(100);
    assert_eq!(driven.send(&message), [format!("1 a[\"{message}\"]").as_str(), "1 end"]);
}

#[test]
fn a_second_receiver_is_refused_and_the_first_stays() {
    const CONTENDED: &str = r#"c[2010,"Another connection still open"]"#;
    for (first, second) in [(&XHR, &XHR), (&XHR, &XHR_STREAMING), (&XHR_STREAMING, &XHR)] {
        let mut driven = Driven::opened_by_polling();
        driven.attach(first);
        let mut expected = vec![format!("3 {CONTENDED}"), "3 end".to_owned()];
        if second.prelude.chunk("").is_some() {
            expected.insert(0, "3 prelude".to_owned());
        }
        assert_eq!(driven.attach(second), expected);
        assert_eq!(driven.abort(3), NOTHING);
        assert_eq!(driven.send("a")[0], r#"2 a["a"]"#);
    }
}

#[test]
fn a_refused_receiver_does_not_delay_the_heartbeat_of_the_first() {
    let mut driven = Driven::streaming(SessionOptions::default());
    assert_eq!(driven.wait(20_000), NOTHING);
    driven.attach(&XHR);
    assert_eq!(driven.wait(5_000), ["1 h"]);
}

#[test]
fn heartbeats_come_every_25_seconds_from_attachment_whatever_is_sent() {
    let mut driven = Driven::streaming(SessionOptions::default());
    assert_eq!(driven.wait(20_000), NOTHING);
    driven.send("a");
    assert_eq!(driven.wait(4_999), NOTHING);
    assert_eq!(driven.wait(1), ["1 h"]);
    assert_eq!(driven.wait(24_999), NOTHING);
    assert_eq!(driven.wait(1), ["1 h"]);
}

#[test]
fn a_heartbeat_ends_a_poll() {
    let mut driven = Driven::opened_by_polling();
    driven.attach(&XHR);
    assert_eq!(driven.wait(25_000), ["2 h", "2 end"]);
    assert_eq!(driven.attach(&XHR), NOTHING);
    assert_eq!(driven.wait(24_999), NOTHING);
    assert_eq!(driven.wait(1), ["3 h", "3 end"]);
}

#[test]
fn a_driver_that_comes_late_does_not_make_up_for_missed_heartbeats() {
    let mut driven = Driven::streaming(SessionOptions::default());
    driven.now += Duration::from_secs(80);
    driven.session.handle_timeout(driven.now);
    assert_eq!(driven.outputs(), ["1 h"]);
    assert_eq!(driven.wait(24_999), NOTHING);
    assert_eq!(driven.wait(1), ["1 h"]);
}

#[test]
fn a_late_heartbeat_does_not_put_the_next_one_off() {
    let mut driven = Driven::streaming(SessionOptions::default());
    driven.now += Duration::from_secs(27);
    driven.session.handle_timeout(driven.now);
    assert_eq!(driven.outputs(), ["1 h"]);
    assert_eq!(driven.wait(22_999), NOTHING);
    assert_eq!(driven.wait(1), ["1 h"]);
}

#[test]
fn heartbeats_can_be_stopped_for_good() {
    let mut driven = Driven::streaming(SessionOptions { response_limit: 6, ..Default::default() });
    driven.session.stop_heartbeats();
    assert_eq!(driven.wait(60_000), NOTHING);
    assert_eq!(driven.send("a"), [r#"1 a["a"]"#, "1 end"]);
    driven.attach(&XHR);
    assert_eq!(driven.wait(60_000), NOTHING);
}

#[test]
fn a_session_closes_when_no_receiver_comes_for_5_seconds() {
    let mut driven = Driven::opened_by_polling();
    assert_eq!(driven.wait(4_999), NOTHING);
    assert_eq!(driven.wait(1), NO_RECEIVER);
    assert!(driven.session.is_removed() && !driven.session.is_open());
    assert_eq!(driven.session.next_deadline(), None);
    assert_eq!(driven.try_send("a"), Err(SendError::Closed));
}

#[test]
fn a_receiver_in_time_keeps_the_session() {
    let mut driven = Driven::opened_by_polling();
    assert_eq!(driven.wait(4_999), NOTHING);
    driven.attach(&XHR);
    assert_eq!(driven.wait(20_000), NOTHING);
    driven.send("a");
    assert_eq!(driven.wait(4_999), NOTHING);
    assert_eq!(driven.wait(1), NO_RECEIVER);
}

#[test]
fn sending_does_not_put_the_disconnection_off() {
    let mut driven = Driven::opened_by_polling();
    assert_eq!(driven.wait(4_000), NOTHING);
    driven.send("a");
    assert_eq!(driven.wait(1_000), NO_RECEIVER);
}

#[test]
fn the_disconnect_delay_begins_where_a_streaming_response_ends() {
    let mut driven = Driven::streaming(SessionOptions { response_limit: 4, ..Default::default() });
    assert_eq!(driven.wait(25_000), ["1 h", "1 end"]);
    assert_eq!(driven.wait(4_999), NOTHING);
    assert_eq!(driven.wait(1), NO_RECEIVER);
}

#[test]
fn closing_writes_the_close_frame_and_ends_the_response() {
    let mut driven = Driven::streaming(SessionOptions::default());
    assert_eq!(driven.close(), [r#"1 c[3000,"Go away!"]"#, "1 end", CLOSED]);
    assert!(!driven.session.is_open() && !driven.session.is_removed());
    assert!(!driven.session.has_receiver());
}

#[test]
fn a_close_frame_is_repeated_to_every_receiver() {
    let mut driven = Driven::opened_by_polling();
    assert_eq!(driven.close(), [CLOSED]);
    assert_eq!(driven.attach(&XHR), [r#"2 c[3000,"Go away!"]"#, "2 end"]);
    assert_eq!(driven.attach(&XHR), [r#"3 c[3000,"Go away!"]"#, "3 end"]);
    assert_eq!(driven.attach(&XHR_STREAMING), ["4 prelude", r#"4 c[3000,"Go away!"]"#, "4 end"]);
}

#[test]
fn a_closed_session_is_forgotten_5_seconds_after_its_last_receiver() {
    let mut driven = Driven::streaming(SessionOptions::default());
    driven.wait(30_000);
    driven.close();
    assert_eq!(driven.wait(4_999), NOTHING);
    driven.attach(&XHR);
    assert_eq!(driven.wait(4_999), NOTHING);
    assert_eq!(driven.wait(1), ["removed"]);
    assert!(driven.session.is_removed());
}

#[test]
fn closing_between_receivers_does_not_put_the_disconnection_off() {
    let mut driven = Driven::opened_by_polling();
    assert_eq!(driven.wait(4_000), NOTHING);
    driven.close();
    assert_eq!(driven.wait(1_000), ["removed"]);
}

#[test]
fn the_first_close_wins() {
    let mut driven = Driven::opened_by_polling();
    driven.close();
    driven.session.close(driven.now, 1000, "Normal closure");
    assert_eq!(driven.outputs(), NOTHING);
    assert_eq!(driven.try_send("a"), Err(SendError::Closed));
    assert_eq!(driven.attach(&XHR), [r#"2 c[3000,"Go away!"]"#, "2 end"]);
}

#[test]
fn messages_sent_before_closing_go_out_first() {
    let mut driven = Driven::opened_by_polling();
    driven.send("a");
    driven.send("b");
    driven.close();
    assert_eq!(driven.attach(&XHR), [r#"2 a["a","b"]"#, "2 end"]);
    assert_eq!(driven.attach(&XHR), [r#"3 c[3000,"Go away!"]"#, "3 end"]);

    let mut driven = Driven::opened_by_polling();
    driven.send("a");
    driven.close();
    assert_eq!(
        driven.attach(&XHR_STREAMING),
        ["2 prelude", r#"2 a["a"]"#, r#"2 c[3000,"Go away!"]"#, "2 end"]
    );
}

#[test]
fn a_receiver_that_is_aborted_closes_the_session_at_once() {
    for transport in [&XHR, &XHR_STREAMING] {
        let mut driven = Driven::opened_by_polling();
        driven.attach(transport);
        assert_eq!(driven.abort(2), ABORTED);
        assert!(driven.session.is_removed());
        assert_eq!(driven.try_send("a"), Err(SendError::Closed));
        assert_eq!(driven.wait(60_000), NOTHING);
    }
}

#[test]
fn a_receiver_that_meets_a_removed_session_hears_how_it_ended() {
    let mut driven = Driven::streaming(SessionOptions::default());
    driven.abort(1);
    let interrupted = r#"2 c[1002,"Connection interrupted"]"#;
    assert_eq!(driven.attach(&XHR), [interrupted, "2 end"]);

    let mut driven = Driven::opened_by_polling();
    driven.close();
    driven.wait(5_000);
    assert_eq!(driven.attach(&XHR), [r#"2 c[3000,"Go away!"]"#, "2 end"]);
}

#[test]
fn a_response_that_ended_but_was_not_read_closes_the_session() {
    let mut driven = Driven::opened_by_polling();
    driven.attach(&XHR);
    assert_eq!(driven.send("lost"), [r#"2 a["lost"]"#, "2 end"]);
    assert_eq!(driven.abort(2), ABORTED);

    let mut driven = Driven::opened_by_polling();
    driven.send("lost");
    driven.attach(&XHR);
    driven.attach(&XHR);
    let interrupted = [r#"3 c[1002,"Connection interrupted"]"#, "3 end"];
    assert_eq!(driven.abort(2), [&interrupted[..], &ABORTED[..]].concat());
}

#[test]
fn receivers_that_missed_only_a_close_frame_make_no_difference() {
    let mut driven = Driven::streaming(SessionOptions::default());
    driven.close();
    assert_eq!(driven.abort(1), NOTHING);
    driven.attach(&XHR);
    assert_eq!(driven.abort(2), NOTHING);
    assert_eq!(driven.attach(&XHR), [r#"3 c[3000,"Go away!"]"#, "3 end"]);
}

#[test]
fn the_queue_holds_no_more_messages_than_its_limit() {
    let options = SessionOptions { queue_messages_max: 3, ..SessionOptions::default() };
    let mut driven = Driven::new(options);
    driven.attach(&XHR);
    for message in ["a", "b", "c"] {
        driven.send(message);
    }
    assert_eq!(driven.try_send("d"), Err(SendError::QueueFull { messages: 3, octets: 9 }));
    assert!(driven.session.is_open());
    assert_eq!(driven.attach(&XHR), [r#"2 a["a","b","c"]"#, "2 end"]);
    assert_eq!(driven.try_send("d"), Ok(()));
}

#[test]
fn the_queue_takes_a_message_only_below_its_limit_of_octets() {
    let options = SessionOptions { queue_octets_max: 10, ..SessionOptions::default() };
    let mut driven = Driven::new(options);
    driven.attach(&XHR);
    driven.send("1234567");
    driven.send("beyond the limit");
    assert_eq!(driven.try_send(""), Err(SendError::QueueFull { messages: 2, octets: 27 }));

    driven.attach(&XHR);
    driven.send("12345678");
    assert_eq!(driven.try_send(""), Err(SendError::QueueFull { messages: 1, octets: 10 }));
}

#[test]
fn a_removed_session_keeps_no_messages() {
    let options = SessionOptions { queue_messages_max: 1, ..SessionOptions::default() };
    let mut driven = Driven::new(options);
    driven.attach(&XHR);
    driven.send("a");
    assert!(driven.session.is_backlogged());
    driven.wait(5_000);
    assert!(!driven.session.is_backlogged());
    assert_eq!(driven.attach(&XHR), [r#"2 c[1002,"Connection interrupted"]"#, "2 end"]);
}

#[test]
fn an_empty_queue_takes_a_message_whatever_its_limits() {
    let none = SessionOptions { queue_messages_max: 0, queue_octets_max: 0, ..Default::default() };
    let mut driven = Driven::new(none);
    driven.attach(&XHR);
    assert!(!driven.session.is_backlogged());
    assert_eq!(driven.try_send("a"), Ok(()));
    assert!(driven.session.is_backlogged(), "there is room again once this is gone");
    assert_eq!(driven.try_send("b"), Err(SendError::QueueFull { messages: 1, octets: 3 }));
    assert_eq!(driven.attach(&XHR), [r#"2 a["a"]"#, "2 end"]);
    assert_eq!(driven.try_send("b"), Ok(()));
}

#[test]
fn a_queue_more_than_half_full_is_a_backlog() {
    let options = SessionOptions { queue_messages_max: 4, ..SessionOptions::default() };
    let mut driven = Driven::new(options);
    driven.attach(&XHR);
    driven.send("a");
    driven.send("b");
    assert!(!driven.session.is_backlogged());
    driven.send("c");
    assert!(driven.session.is_backlogged());
    driven.attach(&XHR);
    assert!(!driven.session.is_backlogged());

    let options = SessionOptions { queue_octets_max: 10, ..SessionOptions::default() };
    let mut driven = Driven::new(options);
    driven.attach(&XHR);
    driven.send("1234");
    assert!(driven.session.is_backlogged());
}

#[test]
fn messages_wait_while_the_receiver_is_blocked() {
    let options = SessionOptions { queue_messages_max: 2, ..SessionOptions::default() };
    let mut driven = Driven::streaming(options);
    driven.session.handle_blocked(ReceiverId(1));
    assert_eq!(driven.send("a"), NOTHING);
    assert_eq!(driven.send("b"), NOTHING);
    assert_eq!(driven.try_send("c"), Err(SendError::QueueFull { messages: 2, octets: 6 }));
    assert_eq!(driven.unblock(1), [r#"1 a["a","b"]"#]);
    assert_eq!(driven.send("c"), [r#"1 a["c"]"#]);
}

#[test]
fn a_blocked_receiver_gets_no_heartbeats_until_it_reads_again() {
    let mut driven = Driven::streaming(SessionOptions::default());
    driven.session.handle_blocked(ReceiverId(1));
    assert_eq!(driven.wait(60_000), NOTHING);
    assert_eq!(driven.unblock(1), NOTHING);
    assert_eq!(driven.wait(15_000), ["1 h"]);
}

#[test]
fn closing_does_not_wait_for_a_blocked_receiver() {
    let mut driven = Driven::streaming(SessionOptions::default());
    driven.session.handle_blocked(ReceiverId(1));
    driven.send("a");
    let expected = [r#"1 a["a"]"#, r#"1 c[3000,"Go away!"]"#, "1 end", CLOSED];
    assert_eq!(driven.close(), expected);
}

#[test]
fn only_the_attached_receiver_can_be_blocked() {
    let mut driven = Driven::streaming(SessionOptions::default());
    driven.attach(&XHR);
    driven.session.handle_blocked(ReceiverId(2));
    assert_eq!(driven.send("a"), [r#"1 a["a"]"#]);
    driven.session.handle_blocked(ReceiverId(1));
    driven.send("b");
    assert_eq!(driven.unblock(2), NOTHING);
}

#[test]
fn delays_beyond_all_time_never_end_and_zero_is_no_heartbeat() {
    let options = SessionOptions {
        heartbeat_delay: Duration::MAX,
        disconnect_delay: Duration::MAX,
        ..SessionOptions::default()
    };
    let mut driven = Driven::streaming(options);
    assert_eq!(driven.session.next_deadline(), None);
    driven.close();
    assert_eq!(driven.session.next_deadline(), None);

    let options = SessionOptions { heartbeat_delay: Duration::ZERO, ..SessionOptions::default() };
    assert_eq!(Driven::streaming(options).wait(60_000), NOTHING);
}

#[test]
fn a_timeout_before_its_time_does_nothing() {
    let mut driven = Driven::opened_by_polling();
    driven.session.handle_timeout(driven.now);
    assert_eq!(driven.outputs(), NOTHING);
    assert!(driven.session.is_open());
}

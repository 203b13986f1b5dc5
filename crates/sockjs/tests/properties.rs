//! What holds for all input.

use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tidings_sockjs::{
    Closed, EVENTSOURCE, Frame, HTMLFILE, JSONP, MESSAGES_MAX, Output, Receive, ReceiverId,
    ResponseEnds, SendError, Session, SessionOptions, Transport, XHR, XHR_STREAMING,
    decode_messages, decode_websocket_text, encode_array, encode_message, parse_jsonp_send,
    parse_send, route,
};

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// Strings of all code points, with those that need care more often than chance has them.
fn text() -> impl Strategy<Value = String> {
    let awkward = prop::sample::select(vec![
        '\0',
        '\u{1f}',
        '"',
        '\\',
        '/',
        '\u{7f}',
        '\u{200b}',
        '\u{200c}',
        '\u{2028}',
        '\u{2070}',
        '\u{d7ff}',
        '\u{e000}',
        '\u{ffef}',
        '\u{fff0}',
        '\u{ffff}',
        '\u{10000}',
        '\u{10ffff}',
    ]);
    let char = prop_oneof![3 => prop::char::range('a', 'z'), 2 => awkward, 1 => any::<char>()];
    vec(char, 0..20).prop_map(|chars| chars.into_iter().collect())
}

/// Text that is JSON, or almost. Without escapes by number, exponents and deep nesting, where
/// `serde_json` is stricter.
fn almost_json() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "[", "]", "{", "}", ",", ":", " ", "\n", "\"", "\"a\"", "\"\\n\"", "\\", "a", "é", "0",
        "12", "-", ".5", "true", "null", "fals", "\"a\":", "[]", "{}", "[1,2]", "\t", "\u{c}",
    ]);
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_encoded_decodes_to_itself(messages in vec(text(), 0..8)) {
        let mut array = Vec::new();
        encode_array(&messages, &mut array);
        let array = String::from_utf8(array).unwrap();
        prop_assert_eq!(Frame::decode(&array), Ok(Frame::Array(messages.clone())));
        prop_assert_eq!(decode_messages(&array.as_bytes()[1..], MESSAGES_MAX), Ok(messages.clone()));
        prop_assert_eq!(decode_websocket_text(&array[1..]), Ok(messages));
    }

    #[test]
    fn close_frames_decode_to_themselves(code in any::<u16>(), reason in text()) {
        let close = Frame::Close { code, reason };
        let mut octets = Vec::new();
        close.encode(&mut octets);
        prop_assert_eq!(Frame::decode(str::from_utf8(&octets).unwrap()), Ok(close));
    }

    #[test]
    fn an_encoded_message_is_json_without_what_clients_misread(message in text()) {
        let mut element = Vec::new();
        encode_message(&message, &mut element);
        let element = String::from_utf8(element).unwrap();
        prop_assert_eq!(serde_json::from_str::<String>(&element).unwrap(), message);
        for char in element.chars() {
            let misread = matches!(char, ..' ' | '\u{200c}'..='\u{200f}' | '\u{2028}'..='\u{202f}'
                | '\u{2060}'..='\u{206f}' | '\u{fff0}'..);
            prop_assert!(!misread, "{:?}", char);
        }
    }

    #[test]
    fn messages_are_read_as_any_json_parser_reads_them(json in almost_json()) {
        let expected = serde_json::from_str::<serde_json::Value>(&json);
        let messages = decode_websocket_text(&json);
        match expected {
            Err(_) => prop_assert!(messages.is_err() || json.is_empty()),
            Ok(serde_json::Value::Array(elements)) => {
                let messages = messages.unwrap();
                prop_assert_eq!(elements.len(), messages.len());
                for (element, message) in elements.iter().zip(&messages) {
                    match element.as_str() {
                        Some(text) => prop_assert_eq!(text, message),
                        None => prop_assert_eq!(
                            element,
                            &serde_json::from_str::<serde_json::Value>(message).unwrap()
                        ),
                    }
                }
            }
            Ok(_) => prop_assert_eq!(messages.unwrap().len(), 1),
        }
    }

    #[test]
    fn no_input_is_too_strange(octets in vec(any::<u8>(), 0..64), text in ".{0,40}") {
        let _ = parse_send(None, &octets, MESSAGES_MAX);
        let _ = parse_jsonp_send(Some(b"application/x-www-form-urlencoded"), &octets, 100);
        let _ = parse_send(Some(&octets), b"[]", MESSAGES_MAX);
        let _ = decode_websocket_text(&text);
        for letter in ["", "a", "m", "c", "a[", "m\"", "c[1000,\"", "a[\"\\u", "a[\"\\ud800\\u"] {
            let _ = Frame::decode(&format!("{letter}{text}"));
        }
    }

    #[test]
    fn no_path_is_too_strange(path in "[/.a%é]{0,12}(/xhr)?/?") {
        let _ = route(&path);
    }
}

/// Something that happens to a session.
#[derive(Clone, Debug)]
enum Event {
    Send(String),
    Attach(&'static Transport),
    Block,
    Unblock,
    Wait(Duration),
    AbortStranger,
    Close,
}

const RECEIVING: [&Transport; 5] = [&XHR, &XHR_STREAMING, &EVENTSOURCE, &HTMLFILE, &JSONP];

const CALLBACK: &str = "_jp.a1";

fn event() -> impl Strategy<Value = Event> {
    let wait = prop_oneof![4 => 0..4_999u64, 1 => 4_990..5_010u64, 1 => 20_000..60_000u64];
    prop_oneof![
        8 => text().prop_map(Event::Send),
        6 => prop::sample::select(RECEIVING.to_vec()).prop_map(Event::Attach),
        1 => Just(Event::Block),
        2 => Just(Event::Unblock),
        3 => wait.prop_map(|milliseconds| Event::Wait(Duration::from_millis(milliseconds))),
        1 => Just(Event::AbortStranger),
        1 => Just(Event::Close),
    ]
}

fn options() -> impl Strategy<Value = SessionOptions> {
    (1..200usize, 1..10usize, 1..200usize).prop_map(
        |(response_limit, queue_messages_max, queue_octets_max)| SessionOptions {
            response_limit,
            queue_messages_max,
            queue_octets_max,
            ..SessionOptions::default()
        },
    )
}

/// One response, as its client sees it.
struct ResponseSeen {
    transport: &'static Transport,
    chunks: Vec<String>,
    ended: bool,
}

impl ResponseSeen {
    fn frames(&self) -> impl Iterator<Item = Frame> {
        let prelude = usize::from(self.prelude().is_some());
        self.chunks.iter().skip(prelude).map(|chunk| {
            let frame = frame_of(self.transport, chunk).expect("a chunk is a frame");
            Frame::decode(&frame).expect("it is one of SockJS")
        })
    }

    fn prelude(&self) -> Option<Bytes> {
        self.receive().prelude.chunk(CALLBACK)
    }

    fn receive(&self) -> &'static Receive {
        self.transport.receive().expect("it brings frames")
    }

    fn check(&self, options: &SessionOptions) {
        if let (Some(first), Some(prelude)) = (self.chunks.first(), self.prelude()) {
            assert_eq!(first.as_bytes(), prelude);
        }
        let frames: Vec<_> = self.frames().collect();
        let is_close = |frame: &Frame| matches!(frame, Frame::Close { .. });
        if let Some(at) = frames.iter().position(is_close) {
            assert!(at + 1 == frames.len() && self.ended, "a close frame is the last");
        } else if self.receive().ends == ResponseEnds::AfterOneFrame {
            assert_eq!(self.ended, frames.len() == 1, "a poll is one frame");
        } else {
            let octets: usize = self.chunks.iter().skip(1).map(String::len).sum();
            assert_eq!(self.ended, octets >= options.response_limit);
        }
    }
}

/// The frame inside a chunk, as a client of the transport takes it out.
fn frame_of(transport: &Transport, chunk: &str) -> Option<String> {
    match transport.path {
        "eventsource" => {
            let data = chunk.strip_prefix("data: ")?.strip_suffix("\r\n\r\n")?;
            assert!(!data.contains(['\r', '\n', '\0']), "an event is one line");
            Some(data.replace("%25", "%"))
        }
        "htmlfile" => {
            let call = chunk.strip_prefix("<script>\np(")?.strip_suffix(");\n</script>\r\n")?;
            assert!(!call.contains('<'), "nothing may end the script");
            serde_json::from_str(call).ok()
        }
        "jsonp" => {
            let call = chunk.strip_prefix("/**/_jp.a1(")?.strip_suffix(");\r\n")?;
            assert!(!call.contains(['\u{2028}', '\u{2029}']), "it is a script of old");
            serde_json::from_str(call).ok()
        }
        _ => {
            let frame = chunk.strip_suffix('\n')?;
            assert!(!frame.contains('\n'), "a chunk is one line");
            Some(frame.to_owned())
        }
    }
}

/// A session between an application and a client, both of which write down what they see.
struct Model {
    session: Session,
    options: SessionOptions,
    now: Instant,
    responses: Vec<ResponseSeen>,
    attached: Option<ReceiverId>,
    accepted: Vec<String>,
    opened: bool,
    closed: Option<Closed>,
    removed: bool,
}

impl Model {
    fn new(options: SessionOptions) -> Self {
        Self {
            session: Session::new(options.clone()),
            options,
            now: now(),
            responses: Vec::new(),
            attached: None,
            accepted: Vec::new(),
            opened: false,
            closed: None,
            removed: false,
        }
    }

    fn apply(&mut self, event: Event) {
        let stranger = ReceiverId(u64::MAX);
        match event {
            Event::Send(text) => self.send(text),
            Event::Attach(transport) => self.attach(transport),
            Event::Block => self.session.handle_blocked(self.attached.unwrap_or(stranger)),
            Event::Unblock => {
                self.session.handle_writable(self.now, self.attached.unwrap_or(stranger));
            }
            Event::Wait(time) => self.wait(time),
            Event::AbortStranger => self.session.handle_receiver_aborted(self.now, stranger),
            Event::Close => self.session.close(self.now, 3000, "Go away!"),
        }
        self.drain();
        assert_eq!(self.session.is_open(), self.opened && self.closed.is_none());
        assert_eq!(self.session.is_removed(), self.removed);
        assert_eq!(self.session.has_receiver(), self.attached.is_some());
    }

    fn send(&mut self, text: String) {
        let mut message = Vec::new();
        encode_message(&text, &mut message);
        match self.session.send(self.now, message.into()) {
            Ok(()) => self.accepted.push(text),
            Err(SendError::QueueFull { messages, octets }) => {
                let limits = &self.options;
                assert!(messages == limits.queue_messages_max || octets >= limits.queue_octets_max);
            }
            Err(_) => assert!(!self.opened || self.closed.is_some()),
        }
    }

    fn attach(&mut self, transport: &'static Transport) {
        let receiver = ReceiverId(self.responses.len() as u64);
        self.responses.push(ResponseSeen { transport, chunks: Vec::new(), ended: false });
        let receive = transport.receive().expect("it brings frames");
        self.session.attach(self.now, receiver, receive, CALLBACK);
        self.drain();
        let response = self.responses.last().expect("one was just pushed");
        if !response.ended {
            assert_eq!(self.attached, None, "at most one receiver is attached");
            self.attached = Some(receiver);
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.session.next_deadline().filter(|it| *it <= end) {
            self.now = self.now.max(deadline);
            self.session.handle_timeout(self.now);
            let next = self.session.next_deadline();
            assert!(next.is_none_or(|next| next > self.now), "the driver would spin");
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Opened => assert!(!std::mem::replace(&mut self.opened, true)),
                Output::Write { receiver, chunk } => {
                    let response = &mut self.responses[receiver.0 as usize];
                    assert!(!response.ended, "nothing follows the end of a response");
                    let chunk = String::from_utf8(chunk.to_vec()).expect("a chunk is text");
                    response.chunks.push(chunk);
                }
                Output::End { receiver } => {
                    let response = &mut self.responses[receiver.0 as usize];
                    assert!(!std::mem::replace(&mut response.ended, true));
                    self.attached.take_if(|attached| *attached == receiver);
                }
                Output::Closed(closed) => {
                    assert!(self.opened && self.closed.replace(closed).is_none());
                }
                Output::Removed => assert!(!std::mem::replace(&mut self.removed, true)),
                _ => unreachable!("there are no other outputs"),
            }
        }
    }

    /// The messages that the client got, in the order of the responses.
    fn delivered(&self) -> Vec<String> {
        let frames = self.responses.iter().flat_map(ResponseSeen::frames);
        frames
            .filter_map(|frame| match frame {
                Frame::Array(messages) => Some(messages),
                _ => None,
            })
            .flatten()
            .collect()
    }

    /// Lets the client fetch what is left.
    fn finish(&mut self) {
        self.apply(Event::Unblock);
        if !self.session.has_receiver() {
            self.apply(Event::Attach(&XHR));
        }
        for response in &self.responses {
            response.check(&self.options);
        }
        let frames = self.responses.iter().flat_map(ResponseSeen::frames);
        let openings = frames.filter(|frame| *frame == Frame::Open).count();
        assert_eq!(openings, usize::from(self.opened));
    }
}

#[expect(clippy::disallowed_methods, reason = "virtual time has to begin somewhere")]
fn now() -> Instant {
    Instant::now()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn messages_arrive_once_and_in_order_by_whatever_responses(
        options in options(),
        events in vec(event(), 0..60),
    ) {
        let mut model = Model::new(options);
        for event in events {
            model.apply(event);
        }
        model.finish();
        let delivered = model.delivered();
        let interrupted = model.closed.as_ref().is_some_and(|closed| closed.code == 1002);
        if interrupted || model.removed {
            prop_assert!(model.accepted.starts_with(&delivered));
        } else {
            prop_assert_eq!(delivered, model.accepted);
        }
    }

    #[test]
    fn a_response_is_the_same_however_the_driver_sleeps(
        steps in vec(1..10_000u64, 1..20),
    ) {
        let mut woken_often = Model::new(SessionOptions::default());
        let mut woken_when_due = Model::new(SessionOptions::default());
        for model in [&mut woken_often, &mut woken_when_due] {
            model.apply(Event::Attach(&XHR_STREAMING));
        }
        for milliseconds in &steps {
            woken_often.apply(Event::Wait(Duration::from_millis(*milliseconds)));
        }
        woken_when_due.apply(Event::Wait(Duration::from_millis(steps.iter().sum())));
        prop_assert_eq!(&woken_often.responses[0].chunks, &woken_when_due.responses[0].chunks);
    }
}

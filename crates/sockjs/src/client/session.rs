use std::time::{Duration, Instant};

use crate::{DecodeError, Frame, FrameError};

/// The client's side of one session, whatever its transport: what the frames mean.
///
/// # Examples
///
/// ```
/// use std::time::Instant;
/// use tidings_sockjs::client::{ClientEvent, ClientSession, Watchdog};
///
/// let mut session = ClientSession::new(Watchdog::default());
/// let now = Instant::now();
/// assert_eq!(session.handle_frame(now, "o"), Some(ClientEvent::Opened));
/// let messages = vec!["hello".to_owned()];
/// assert_eq!(session.handle_frame(now, "a[\"hello\"]"), Some(ClientEvent::Messages(messages)));
/// ```
#[derive(Debug)]
pub struct ClientSession {
    state: State,
    watchdog: Watchdog,
    /// When a frame has to have come.
    silent_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Open,
    Closed,
}

/// How long a server may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watchdog {
    /// For ever.
    Off,
    /// No longer than this between two frames, once there was a heartbeat: servers that ping on WebSockets
    /// instead of beating have none.
    AfterFirstHeartbeat(Duration),
    /// No longer than this between two frames.
    Always(Duration),
}

/// After the first heartbeat 50 s, twice what servers have by default.
impl Default for Watchdog {
    fn default() -> Self {
        Self::AfterFirstHeartbeat(Duration::from_secs(50))
    }
}

/// What a frame came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// Messages may be sent.
    Opened,
    /// Messages arrived, in this order.
    Messages(Vec<String>),
    /// A sign of life.
    Heartbeat,
    /// The session is over. Comes once, and last.
    Closed {
        /// The server's code; 1006 if the session was lost.
        code: u16,
        /// For a person to read.
        reason: String,
    },
}

impl ClientSession {
    /// A session that has had no frame yet.
    pub fn new(watchdog: Watchdog) -> Self {
        Self { state: State::Connecting, watchdog, silent_until: None }
    }

    /// Takes in a frame. What is none is ignored, as by all clients, and so are messages out of their time. One
    /// with more than [`MESSAGES_MAX`](crate::MESSAGES_MAX) messages ends the session.
    pub fn handle_frame(&mut self, now: Instant, frame: &str) -> Option<ClientEvent> {
        // A letter and no more is a heartbeat; many are the prelude of a response.
        if self.state == State::Closed || frame.starts_with("hh") {
            return None;
        }
        let frame = match Frame::decode(frame) {
            Ok(frame) => frame,
            // Messages of a server that have to be left out are no more lost without a word than others.
            Err(FrameError::Payload(DecodeError::TooManyMessages)) => {
                return self.end(1009, "Too many messages in a frame");
            }
            Err(_) => return None,
        };
        self.watch(now, &frame);
        match (frame, self.state) {
            (Frame::Open, State::Connecting) => {
                self.state = State::Open;
                Some(ClientEvent::Opened)
            }
            // It has forgotten the session, and made another of the same name.
            (Frame::Open, _) => self.end(1006, "Server lost session"),
            (Frame::Close { code, reason }, _) => self.end(code, &reason),
            (Frame::Heartbeat, _) => Some(ClientEvent::Heartbeat),
            (Frame::Array(messages), State::Open) => Some(ClientEvent::Messages(messages)),
            (Frame::Array(_), _) => None,
        }
    }

    /// Takes in when octets last came, of whatever frame: a server whose frame is still under way is not silent.
    pub fn handle_octets(&mut self, last: Instant) {
        let longest = match self.watchdog {
            Watchdog::Off => return,
            Watchdog::AfterFirstHeartbeat(longest) | Watchdog::Always(longest) => longest,
        };
        if self.silent_until.is_some() {
            self.silent_until = self.silent_until.max(last.checked_add(longest));
        }
    }

    /// Takes in that the transport can go on no more.
    pub fn handle_lost(&mut self, reason: &str) -> Option<ClientEvent> {
        if self.state == State::Closed { None } else { self.end(1006, reason) }
    }

    /// Ends a session whose server is silent.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<ClientEvent> {
        let is_due = self.next_deadline().is_some_and(|deadline| deadline <= now);
        if is_due { self.end(1006, "No heartbeat") } else { None }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has to be called.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.silent_until.filter(|_| self.state != State::Closed)
    }

    /// Whether messages may be sent.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether another transport may be tried: nothing has come of this one.
    pub fn is_connecting(&self) -> bool {
        self.state == State::Connecting
    }

    fn watch(&mut self, now: Instant, frame: &Frame) {
        let is_armed = self.silent_until.is_some();
        self.silent_until = match self.watchdog {
            Watchdog::Off => None,
            Watchdog::AfterFirstHeartbeat(_) if !is_armed && *frame != Frame::Heartbeat => None,
            Watchdog::AfterFirstHeartbeat(longest) | Watchdog::Always(longest) => {
                now.checked_add(longest)
            }
        };
    }

    fn end(&mut self, code: u16, reason: &str) -> Option<ClientEvent> {
        self.state = State::Closed;
        Some(ClientEvent::Closed { code, reason: reason.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "virtual time has to begin somewhere")]
    fn opened(watchdog: Watchdog) -> (ClientSession, Instant) {
        let (mut session, now) = (ClientSession::new(watchdog), Instant::now());
        assert_eq!(session.handle_frame(now, "o"), Some(ClientEvent::Opened));
        (session, now)
    }

    fn closed(code: u16, reason: &str) -> Option<ClientEvent> {
        Some(ClientEvent::Closed { code, reason: reason.to_owned() })
    }

    #[test]
    fn what_is_no_frame_is_ignored() {
        let (mut session, now) = opened(Watchdog::Off);
        for frame in ["", "x", "a", "a{}", "m", "c", "c[3000]"] {
            assert_eq!(session.handle_frame(now, frame), None, "{frame}");
        }
        let message = ClientEvent::Messages(vec!["a".to_owned()]);
        assert_eq!(session.handle_frame(now, "m\"a\""), Some(message));
    }

    #[test]
    fn no_frame_has_more_messages_than_it_may() {
        let (mut session, now) = opened(Watchdog::Off);
        let array = |len: usize| format!("a[{}\"\"]", "\"\",".repeat(len - 1));
        let most = session.handle_frame(now, &array(crate::MESSAGES_MAX));
        assert!(
            matches!(most, Some(ClientEvent::Messages(all)) if all.len() == crate::MESSAGES_MAX)
        );
        let more = session.handle_frame(now, &array(crate::MESSAGES_MAX + 1));
        assert_eq!(more, closed(1009, "Too many messages in a frame"));
    }

    #[test]
    fn a_session_is_closed_once_and_nothing_comes_after() {
        let (mut session, now) = opened(Watchdog::Off);
        assert_eq!(session.handle_frame(now, "c[3000,\"Go away!\"]"), closed(3000, "Go away!"));
        assert_eq!(session.handle_frame(now, "a[\"late\"]"), None);
        assert_eq!(session.handle_frame(now, "c[3000,\"Go away!\"]"), None);
        assert_eq!(session.handle_lost("gone"), None);
    }

    #[test]
    fn a_close_frame_may_come_first_and_messages_may_not() {
        let mut session = ClientSession::new(Watchdog::Off);
        let (_, now) = opened(Watchdog::Off);
        assert_eq!(session.handle_frame(now, "a[\"early\"]"), None);
        assert!(session.is_connecting());
        assert_eq!(session.handle_frame(now, "c[2010,\"\"]"), closed(2010, ""));
        assert!(!session.is_connecting() && !session.is_open());
    }

    #[test]
    fn a_second_opening_is_the_end() {
        let (mut session, now) = opened(Watchdog::Off);
        assert_eq!(session.handle_frame(now, "o"), closed(1006, "Server lost session"));
    }

    #[test]
    fn a_server_that_beats_must_go_on_beating() {
        let longest = Duration::from_secs(50);
        let (mut session, now) = opened(Watchdog::AfterFirstHeartbeat(longest));
        assert_eq!(session.next_deadline(), None);
        session.handle_frame(now, "h");
        assert_eq!(session.next_deadline(), Some(now + longest));
        let later = now + Duration::from_secs(10);
        session.handle_frame(later, "a[]");
        assert_eq!(session.handle_timeout(now + longest), None);
        assert_eq!(session.handle_timeout(later + longest), closed(1006, "No heartbeat"));
        assert_eq!(session.next_deadline(), None);
    }

    #[test]
    fn octets_of_a_frame_that_is_not_whole_are_a_sign_of_life() {
        let longest = Duration::from_secs(50);
        let (mut session, now) = opened(Watchdog::AfterFirstHeartbeat(longest));
        let later = now + Duration::from_secs(10);
        session.handle_octets(later);
        assert_eq!(session.next_deadline(), None, "there was no heartbeat");
        session.handle_frame(now, "h");
        session.handle_octets(later);
        assert_eq!(session.next_deadline(), Some(later + longest));
        session.handle_octets(now);
        assert_eq!(session.next_deadline(), Some(later + longest));
    }

    #[test]
    fn the_prelude_of_a_response_is_no_heartbeat() {
        let (mut session, now) = opened(Watchdog::default());
        assert_eq!(session.handle_frame(now, &"h".repeat(2048)), None);
        assert_eq!(session.next_deadline(), None);
        assert_eq!(session.handle_frame(now, "h"), Some(ClientEvent::Heartbeat));
        assert!(session.next_deadline().is_some());
    }
}

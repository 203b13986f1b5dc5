//! The server side of a session.

mod error;
mod event;
mod options;
mod plain_port;
mod session;
mod transactions;

pub use error::Severity;
pub use event::{
    AckTarget, Acknowledge, Connect, Event, Requeue, Send, Subscribe, TransactionAction,
};
pub use options::{ErrorFrames, ServerOptions};

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::error::ProtocolError;
use self::session::{Fields, Outcome, Session};
use crate::heart_beat::parse_heart_beat;
use crate::{
    Command, DecodeError, Decoder, Error, Frame, Headers, HeartBeat, MessageParts, ReceiptId,
    SubscriptionId, UnknownCommands, Version, encode, encode_message,
};

/// The server side of one STOMP session, from the first octet to DISCONNECT or ERROR.
///
/// After [`handle_input`](Self::handle_input), take events until there are none. A frame is not
/// even decoded before the event of the one before it has been taken, so what the answer to an
/// event changes holds for the frames behind it. Between events, and at the end, send what
/// [`poll_transmit`](Self::poll_transmit) has.
///
/// The server checks the frames, keeps track of subscription ids, gathers transactions and answers
/// BEGIN and ABORT, and with ABORT the frames of its transaction, of which nothing is left to wait for. All other
/// receipts are its driver's to give, by [`receipt`](Self::receipt), when the frame has been processed.
///
/// An error ends the session, as STOMP 1.2 wants it, but for those that its [`Severity`] and the
/// options make an exception of. Once [`is_closed`](Self::is_closed), flush what is left to transmit, close the sending half of the stream, and give the client a moment to
/// read before closing the rest: its unread input could otherwise reset the connection and lose it
/// the last frame.
///
/// Heart-beats are watched over by the [`heart_beat`](Self::heart_beat) that CONNECT negotiates.
#[derive(Debug)]
pub struct Server {
    options: Arc<ServerOptions>,
    decoder: Decoder,
    state: State,
    transmit: VecDeque<Bytes>,
}

#[derive(Debug)]
enum State {
    /// Nothing but CONNECT will do.
    Connecting { deadline: Instant },
    /// The driver thinks about CONNECT.
    Deciding { version: Version, heart_beat: Option<HeartBeat> },
    /// The session is open.
    Open(Session),
    /// The client has sent DISCONNECT; receipts may still go out.
    Disconnecting { version: Version },
    /// ERROR is the last frame. The event that tells of it may not have been taken yet.
    Closed { version: Option<Version>, report: Option<Error> },
}

impl Server {
    /// The session of a connection that was opened at `now`.
    pub fn new(now: Instant, options: impl Into<Arc<ServerOptions>>) -> Self {
        let options = options.into();
        // A timeout beyond what the clock can count never comes; a century stands in for that.
        let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        let deadline = now + options.connect_timeout.min(century);
        Self {
            decoder: decoder(&options),
            options,
            state: State::Connecting { deadline },
            transmit: VecDeque::new(),
        }
    }

    /// Takes in what came from the client. Dropped if the session [is closed](Self::is_closed).
    pub fn handle_input(&mut self, now: Instant, input: Bytes) {
        self.handle_timeout(now);
        if self.is_closed() {
            return;
        }
        if let State::Deciding { .. } = self.state {
            let max = self.options.limits.before_login_octets_max;
            if self.decoder.pending_octets().saturating_add(input.len()) > max {
                return self.fail(ProtocolError::TooMuchBeforeLogin { max }, None);
            }
        }
        self.decoder.handle_input(input);
    }

    /// The next thing that the client wants. `None` if more input or an answer to
    /// [`Event::Connect`] is needed, and when the session is over.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            match &mut self.state {
                State::Closed { report, .. } => return report.take().map(Event::Failed),
                State::Deciding { .. } | State::Disconnecting { .. } => return None,
                State::Connecting { .. } | State::Open(_) => {}
            }
            match self.decoder.poll_frame() {
                Ok(None) => return None,
                Ok(Some(frame)) => {
                    if let Some(event) = self.handle_frame(frame) {
                        return Some(event);
                    }
                }
                Err(error) => {
                    if let Some(event) = self.refuse_malformed(error) {
                        return Some(event);
                    }
                }
            }
        }
    }

    /// The next octets to send: one whole frame, which may share a write with others or be a
    /// message of its own.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        let frame = self.transmit.pop_front();
        if self.transmit.is_empty() {
            self.transmit = VecDeque::new();
        }
        frame
    }

    /// What [`Event::Connect`] is to be [refused](Self::refuse) with if the answer takes time: too much waits
    /// behind it. See [`before_login_octets_max`](crate::Limits::before_login_octets_max).
    pub fn too_much_before_login(&self) -> Option<Error> {
        let max = self.options.limits.before_login_octets_max;
        (self.decoder.pending_octets() > max)
            .then(|| ProtocolError::TooMuchBeforeLogin { max }.into())
    }

    /// Answers [`Event::Connect`] with CONNECTED, which opens the session.
    ///
    /// `session_id` becomes the `session` header, so it must not be something that proves who the
    /// client is; `user_name` becomes `user-name`. Does nothing if no CONNECT waits for an answer.
    pub fn accept(&mut self, session_id: &str, user_name: Option<&str>) {
        let State::Deciding { version, heart_beat } = self.state else { return };
        let mut frame = Frame::new(Command::Connected);
        frame.headers.push("version", version.as_str());
        frame.headers.push("session", session_id);
        if !self.options.server_name.is_empty() {
            frame.headers.push("server", &self.options.server_name);
        }
        if version >= Version::V1_1 {
            let (can_send, wants) = self.options.announced_heart_beat();
            let value = format!("{},{}", can_send.as_millis(), wants.as_millis());
            frame.headers.push("heart-beat", &value);
        }
        if let Some(user_name) = user_name {
            frame.headers.push("user-name", user_name);
        }
        self.transmit_frame(&frame, version);
        self.decoder.set_version(version);
        self.state = State::Open(Session::new(version, heart_beat));
    }

    /// Answers [`Event::Connect`] with ERROR, which ends the session before it began.
    pub fn refuse(&mut self, error: Error) {
        self.error(&error, Severity::Session);
    }

    /// Answers [`Event::Subscribe`] with ERROR: there is no such subscription, and its id is free.
    pub fn refuse_subscription(&mut self, id: &SubscriptionId, error: &Error) {
        self.cancel_subscription(id);
        self.error(error, Severity::Frame);
    }

    /// Takes note that the driver has ended a subscription and told the client so: its id is free.
    pub fn cancel_subscription(&mut self, id: &SubscriptionId) {
        if let State::Open(session) = &mut self.state {
            session.forget_subscription(id);
        }
    }

    /// Answers [`Event::UnsubscribeUnknown`], which has this id, with ERROR.
    pub fn unknown_subscription(
        &mut self,
        id: Option<&SubscriptionId>,
        receipt: Option<ReceiptId>,
    ) {
        let error = ProtocolError::UnknownSubscription(id.map(|id| excerpt(id.as_str())));
        let severity = error.severity();
        self.error(&Error::from(error).with_receipt(receipt), severity);
    }

    /// Sends RECEIPT: the frame that asked for it has been processed.
    ///
    /// Does nothing before CONNECTED and after ERROR.
    pub fn receipt(&mut self, receipt: ReceiptId) {
        self.receipt_with(receipt, &Headers::default());
    }

    /// As [`receipt`](Self::receipt), with what else there is to say about it.
    pub fn receipt_with(&mut self, receipt: ReceiptId, headers: &Headers) {
        let (State::Open(Session { version, .. }) | State::Disconnecting { version }) = self.state
        else {
            return;
        };
        let mut frame = Frame::new(Command::Receipt);
        frame.headers.push("receipt-id", receipt.as_str());
        frame.headers.extend(headers.iter());
        self.transmit_frame(&frame, version);
    }

    /// Sends a message that the driver itself answers a subscription with, under an id of the
    /// session's own. It needs no acknowledgement.
    ///
    /// Messages for more than one session are better encoded once, by [`encode_message`]. Does
    /// nothing unless the session is open.
    pub fn message(
        &mut self,
        destination: &str,
        subscription: Option<&SubscriptionId>,
        headers: &Headers,
        body: &[u8],
    ) {
        let State::Open(session) = &mut self.state else { return };
        session.messages += 1;
        let message_id = format!("reply-{}", session.messages);
        let parts = MessageParts {
            destination,
            message_id: &message_id,
            subscription: subscription.map(SubscriptionId::as_str),
            ack: None,
            redelivered: false,
            headers,
            body,
        };
        let mut out = Vec::new();
        encode_message(&parts, session.version, &mut out);
        self.transmit.push_back(out.into());
    }

    /// Sends ERROR, and ends the session if the severity and the options say so. Does nothing if an
    /// ERROR has ended it before.
    pub fn error(&mut self, error: &Error, severity: Severity) {
        if let State::Open(Session { version, .. }) = self.state
            && !severity.ends_session(&self.options)
        {
            return self.transmit_frame(&self.options.errors.frame(error), version);
        }
        let frame = self.options.errors.frame(error);
        self.close(encoded(&frame, self.answer_version()), None);
    }

    /// The version of the session; `None` until it is open.
    pub fn version(&self) -> Option<Version> {
        match &self.state {
            State::Connecting { .. } | State::Deciding { .. } => None,
            State::Open(session) => Some(session.version),
            State::Disconnecting { version } => Some(*version),
            State::Closed { version, .. } => *version,
        }
    }

    /// The heart-beat that the client and the options agree on; `None` until the session is open,
    /// and if there is none.
    pub fn heart_beat(&self) -> Option<HeartBeat> {
        match &self.state {
            State::Open(session) => session.heart_beat,
            _ => None,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do, if ever.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.state {
            State::Connecting { deadline } => Some(deadline),
            _ => None,
        }
    }

    /// Ends the session if CONNECT has not come in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.fail(connect_timed_out(&self.options), None);
        }
    }

    /// The ERROR frame for a client that does not send CONNECT in time, for a driver that keeps
    /// the [`connect_timeout`](ServerOptions::connect_timeout) itself.
    pub fn connect_timeout_error(options: &ServerOptions) -> Bytes {
        let error = Error::from(connect_timed_out(options));
        encoded(&options.errors.frame(&error), Version::V1_0)
    }

    /// Whether the session is over: no further input is accepted. What there is to transmit must
    /// still be sent, and [`Event::Failed`] may still be there to take.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Disconnecting { .. } | State::Closed { .. })
    }

    /// Whether an ERROR has ended the session.
    pub fn has_failed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    fn handle_frame(&mut self, mut frame: Frame) -> Option<Event> {
        let outcome = match &mut self.state {
            State::Open(session) => session.handle_frame(&mut frame, &self.options),
            _ => self.connect(&frame).map(Outcome::Event),
        };
        match outcome {
            Ok(Outcome::Event(event)) => {
                if let (Event::Disconnect { .. }, Some(version)) = (&event, self.version()) {
                    self.end(State::Disconnecting { version });
                }
                Some(event)
            }
            Ok(Outcome::Done(receipts)) => {
                receipts.into_iter().for_each(|receipt| self.receipt(receipt));
                None
            }
            Ok(Outcome::Enlisted) => None,
            Err(error) => self.refuse_frame(error, Some(frame.command), &frame.headers),
        }
    }

    /// Answers what is no frame with ERROR. The session goes on if the decoder does, as
    /// [`refuse_frame`](Self::refuse_frame).
    fn refuse_malformed(&mut self, error: DecodeError) -> Option<Event> {
        let headers = self.decoder.unfinished_headers().cloned().unwrap_or_default();
        if self.decoder.has_failed() {
            self.fail(error.into(), session::receipt(&headers, self.version()));
            return None;
        }
        self.refuse_frame(error.into(), None, &headers)
    }

    /// Answers a frame that cannot be done with ERROR. Returns the event that tells of it if the
    /// session goes on; otherwise that comes last.
    fn refuse_frame(
        &mut self,
        error: ProtocolError,
        command: Option<Command>,
        headers: &Headers,
    ) -> Option<Event> {
        let receipt = session::receipt(headers, self.version());
        if let State::Open(session) = &mut self.state
            && !error.severity().ends_session(&self.options)
        {
            let mut error = Error::from(error).with_receipt(receipt);
            // A transaction that lacks a frame would not be what the client meant.
            if session.abandon_transaction(command, headers) {
                error.body.push_str(" Its transaction was aborted.");
            }
            let version = session.version;
            self.transmit_frame(&self.options.errors.frame(&error), version);
            return Some(Event::Failed(error));
        }
        self.fail(error, receipt);
        None
    }

    /// Handles the first frame.
    fn connect(&mut self, frame: &Frame) -> Result<Event, ProtocolError> {
        if !matches!(frame.command, Command::Connect | Command::Stomp) {
            return Err(ProtocolError::ExpectedConnect(frame.command));
        }
        let version = Version::negotiate(frame.headers.get("accept-version"))
            .ok_or(ProtocolError::NoCommonVersion)?;
        let fields = Fields { frame, version };
        fields.check_text()?;
        match fields.get("host") {
            Some(host) if !self.options.knows_host(host) => return Err(ProtocolError::UnknownHost),
            None if self.options.strict && version >= Version::V1_1 => {
                return Err(ProtocolError::MissingHeader(frame.command, "host"));
            }
            _ => {}
        }
        let heart_beat = match fields.get("heart-beat") {
            Some(value) if version >= Version::V1_1 => {
                let theirs = parse_heart_beat(value).ok_or(ProtocolError::InvalidHeartBeat)?;
                let margin = self.options.heart_beat_margin_percent;
                HeartBeat::negotiate(self.options.announced_heart_beat(), theirs)
                    .map(|beat| beat.with_margin_percent(margin))
            }
            _ => None,
        };
        self.state = State::Deciding { version, heart_beat };
        Ok(Event::Connect(Connect {
            login: fields.get("login").map(str::to_owned),
            passcode: fields.get("passcode").map(str::to_owned),
            host: fields.get("host").map(str::to_owned),
            headers: fields.trimmed_headers(),
            version,
        }))
    }

    fn fail(&mut self, error: ProtocolError, receipt: Option<ReceiptId>) {
        let report = Error::from(error.clone()).with_receipt(receipt);
        let farewell = match error {
            ProtocolError::Malformed(error) if let Some(answer) = plain_port::answer(error) => {
                answer
            }
            _ => encoded(&self.options.errors.frame(&report), self.answer_version()),
        };
        self.close(farewell, Some(report));
    }

    fn close(&mut self, farewell: Bytes, report: Option<Error>) {
        if let State::Closed { .. } = self.state {
            return;
        }
        if !farewell.is_empty() {
            self.transmit.push_back(farewell);
        }
        self.end(State::Closed { version: self.version(), report });
    }

    /// The version that an ERROR is written in. A client that has not seen CONNECTED cannot know how
    /// headers are escaped.
    fn answer_version(&self) -> Version {
        self.version().unwrap_or(Version::V1_0)
    }

    /// Goes over to a state in which no input is accepted.
    fn end(&mut self, state: State) {
        self.decoder = decoder(&self.options);
        self.state = state;
    }

    fn transmit_frame(&mut self, frame: &Frame, version: Version) {
        self.transmit.push_back(encoded(frame, version));
    }
}

/// The beginning of what a client has written, which may be as long as a header: what it is told of that.
fn excerpt(text: &str) -> Box<str> {
    text.chars().take(100).collect::<String>().into()
}

fn decoder(options: &ServerOptions) -> Decoder {
    let unknown_commands =
        if options.error_keeps_connection { UnknownCommands::Skip } else { UnknownCommands::End };
    Decoder::new(options.limits).line_ends(options.line_ends).unknown_commands(unknown_commands)
}

fn encoded(frame: &Frame, version: Version) -> Bytes {
    let mut out = Vec::new();
    encode(frame, version, &mut out);
    out.into()
}

fn connect_timed_out(options: &ServerOptions) -> ProtocolError {
    ProtocolError::ConnectTimeout { after: options.connect_timeout }
}

#[cfg(test)]
mod tests;

//! The client side of a session.

mod error;
mod event;
mod options;

pub use error::{ClientError, NotSent};
pub use event::{ClientEvent, Message};
pub use options::ClientOptions;

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::heart_beat::parse_heart_beat;
use crate::{
    AckMode, AckTarget, Acknowledge, Command, Decoder, Error, Frame, Headers, HeartBeat, MessageId,
    ReceiptId, Requeue, Send, SubscriptionId, TransactionId, Version, encode,
};

/// The client side of one STOMP session, from CONNECT to DISCONNECT or ERROR.
///
/// CONNECT is there to [transmit](Self::poll_transmit) from the start. After
/// [`handle_input`](Self::handle_input), take events until there are none; a frame is not decoded
/// before it is asked for. The client keeps nothing per subscription, message or receipt, so
/// ids are its driver's to choose and to remember.
///
/// # Examples
///
/// ```
/// # #![allow(clippy::disallowed_methods)]
/// use std::time::Instant;
///
/// use bytes::Bytes;
/// use tidings_stomp::{Client, ClientEvent, ClientOptions, Version};
///
/// let now = Instant::now();
/// let mut client = Client::new(now, ClientOptions::default());
/// let connect = client.poll_transmit().expect("a session begins with CONNECT");
/// assert!(connect.starts_with(b"CONNECT\naccept-version:1.2,1.1,1.0\n"));
///
/// client.handle_input(now, Bytes::from("CONNECTED\nversion:1.2\n\n\0"));
/// assert!(matches!(client.poll_event(), Some(ClientEvent::Connected { .. })));
/// assert_eq!(client.version(), Some(Version::V1_2));
/// ```
pub struct Client {
    options: ClientOptions,
    decoder: Decoder,
    state: State,
    transmit: VecDeque<Bytes>,
}

#[derive(Debug)]
enum State {
    Connecting {
        deadline: Instant,
    },
    Open {
        version: Version,
        heart_beat: Option<HeartBeat>,
    },
    /// DISCONNECT is on its way; its receipt ends the session.
    Disconnecting {
        version: Version,
        heart_beat: Option<HeartBeat>,
        receipt: ReceiptId,
    },
    /// The server has answered a request with ERROR, which ends the session unless the driver knows better.
    Refused(Box<State>),
    Closed {
        report: Option<ClientError>,
    },
}

impl Client {
    /// The session of a connection that was opened at `now`.
    pub fn new(now: Instant, options: ClientOptions) -> Self {
        // A timeout beyond what the clock can count never comes; a century stands in for that.
        let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        let deadline = now + options.connect_timeout.min(century);
        let mut client = Self {
            decoder: Decoder::new(options.limits),
            state: State::Connecting { deadline },
            transmit: VecDeque::new(),
            options,
        };
        client.transmit_frame(&connect(&client.options), Version::V1_0);
        client
    }

    /// Takes in what came from the server. Dropped if the session [is closed](Self::is_closed).
    pub fn handle_input(&mut self, now: Instant, input: Bytes) {
        self.handle_timeout(now);
        if !self.is_closed() {
            self.decoder.handle_input(input);
        }
    }

    /// The next thing that the server said. `None` if more input is needed, and when the session
    /// is over.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        match &mut self.state {
            State::Closed { report } => return report.take().map(ClientEvent::Failed),
            State::Refused(_) => return None,
            _ => {}
        }
        let handled = match self.decoder.poll_frame() {
            Ok(None) => return None,
            Ok(Some(frame)) => self.handle_frame(frame),
            Err(error) => Err(error.into()),
        };
        Some(handled.unwrap_or_else(|error| {
            self.close(None);
            ClientEvent::Failed(error)
        }))
    }

    /// The next octets to send: one whole frame.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        self.transmit.pop_front()
    }

    /// Sends a message, as part of `transaction` if there is one.
    ///
    /// # Errors
    ///
    /// If the session is not open.
    pub fn send(
        &mut self,
        send: &Send,
        transaction: Option<&TransactionId>,
    ) -> Result<(), NotSent> {
        let mut frame = Frame::new(Command::Send);
        frame.headers.push("destination", &send.destination);
        push_transaction(&mut frame, transaction);
        push_others(&mut frame, &send.headers, &["destination", "transaction", "receipt"]);
        frame.body = send.body.clone();
        self.request(frame, send.receipt.as_ref())
    }

    /// Subscribes under an id that no other subscription of the session has.
    ///
    /// # Errors
    ///
    /// If the session is not open.
    pub fn subscribe(
        &mut self,
        id: &SubscriptionId,
        destination: &str,
        ack: AckMode,
        headers: &Headers,
        receipt: Option<&ReceiptId>,
    ) -> Result<(), NotSent> {
        let mut frame = Frame::new(Command::Subscribe);
        frame.headers.push("id", id.as_str());
        frame.headers.push("destination", destination);
        frame.headers.push("ack", ack.as_str());
        push_others(&mut frame, headers, &["id", "destination", "ack", "receipt"]);
        self.request(frame, receipt)
    }

    /// Ends a subscription. `headers` go along, for servers with durable subscriptions.
    ///
    /// # Errors
    ///
    /// If the session is not open.
    pub fn unsubscribe(
        &mut self,
        id: &SubscriptionId,
        headers: &Headers,
        receipt: Option<&ReceiptId>,
    ) -> Result<(), NotSent> {
        let mut frame = Frame::new(Command::Unsubscribe);
        frame.headers.push("id", id.as_str());
        push_others(&mut frame, headers, &["id", "receipt"]);
        self.request(frame, receipt)
    }

    /// Says that a message has been consumed: its [`ack`](Message::ack).
    ///
    /// # Errors
    ///
    /// If the session is not open or of another version than the message's.
    pub fn ack(
        &mut self,
        ack: &Acknowledge,
        transaction: Option<&TransactionId>,
    ) -> Result<(), NotSent> {
        self.acknowledge(Command::Ack, ack, transaction)
    }

    /// Says that a message has not been consumed: its [`ack`](Message::ack).
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack), and in STOMP 1.0, which has no NACK.
    pub fn nack(
        &mut self,
        nack: &Acknowledge,
        transaction: Option<&TransactionId>,
    ) -> Result<(), NotSent> {
        if self.version() == Some(Version::V1_0) {
            return Err(NotSent::NoNack);
        }
        self.acknowledge(Command::Nack, nack, transaction)
    }

    /// Opens a transaction.
    ///
    /// # Errors
    ///
    /// If the session is not open.
    pub fn begin(
        &mut self,
        id: &TransactionId,
        receipt: Option<&ReceiptId>,
    ) -> Result<(), NotSent> {
        self.transaction(Command::Begin, id, receipt)
    }

    /// Makes a transaction take effect.
    ///
    /// # Errors
    ///
    /// If the session is not open.
    pub fn commit(
        &mut self,
        id: &TransactionId,
        receipt: Option<&ReceiptId>,
    ) -> Result<(), NotSent> {
        self.transaction(Command::Commit, id, receipt)
    }

    /// Drops a transaction.
    ///
    /// # Errors
    ///
    /// If the session is not open.
    pub fn abort(
        &mut self,
        id: &TransactionId,
        receipt: Option<&ReceiptId>,
    ) -> Result<(), NotSent> {
        self.transaction(Command::Abort, id, receipt)
    }

    /// Sends DISCONNECT. Nothing can be sent afterwards; the session is over when `receipt` comes.
    ///
    /// # Errors
    ///
    /// If the session is not open.
    pub fn disconnect(&mut self, receipt: ReceiptId) -> Result<(), NotSent> {
        let State::Open { version, heart_beat } = self.state else { return Err(NotSent::NotOpen) };
        self.request(Frame::new(Command::Disconnect), Some(&receipt))?;
        self.state = State::Disconnecting { version, heart_beat, receipt };
        Ok(())
    }

    /// The version of the session; `None` before CONNECTED and when the session is over.
    pub fn version(&self) -> Option<Version> {
        match self.state {
            State::Open { version, .. } | State::Disconnecting { version, .. } => Some(version),
            State::Connecting { .. } | State::Refused(_) | State::Closed { .. } => None,
        }
    }

    /// The heart-beat that both sides agreed on, if there is one.
    pub fn heart_beat(&self) -> Option<HeartBeat> {
        match self.state {
            State::Open { heart_beat, .. } | State::Disconnecting { heart_beat, .. } => heart_beat,
            State::Connecting { .. } | State::Refused(_) | State::Closed { .. } => None,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do, if ever.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.state {
            State::Connecting { deadline } => Some(deadline),
            _ => None,
        }
    }

    /// Ends the session if CONNECT has not been answered in time.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.close(Some(ClientError::ConnectTimeout));
        }
    }

    /// Whether the session is over. [`ClientEvent::Failed`] may still be there to take.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. } | State::Refused(_))
    }

    /// Goes on after [`ClientEvent::Error`] with a receipt, if nothing else was asked of the client since. For an
    /// UNSUBSCRIBE that crossed with the [end](ClientEvent::Cancelled) of its subscription: the server knows no such
    /// subscription any more. One that closes the connection, as STOMP 1.2 has it, does so all the same.
    pub fn go_on(&mut self) {
        if let State::Refused(before) = &mut self.state {
            self.state = std::mem::replace(before, State::Closed { report: None });
        }
    }

    fn handle_frame(&mut self, frame: Frame) -> Result<ClientEvent, ClientError> {
        match (frame.command, self.version()) {
            (Command::Error, version) => Ok(self.error(&frame, version)),
            (Command::Connected, None) => self.connected(frame),
            (Command::Message, Some(version)) => message(frame, version).map(ClientEvent::Message),
            (Command::Receipt, Some(_)) => {
                let id = ReceiptId::from(required(&frame, "receipt-id")?);
                if matches!(&self.state, State::Disconnecting { receipt, .. } if *receipt == id) {
                    self.close(None);
                }
                Ok(ClientEvent::Receipt { id, headers: frame.headers })
            }
            (command, _) => Err(ClientError::UnexpectedFrame(command)),
        }
    }

    fn error(&mut self, frame: &Frame, version: Option<Version>) -> ClientEvent {
        let error = error_of(frame);
        match frame.headers.get("subscription") {
            Some(id) if version.is_some() && error.receipt.is_none() => {
                ClientEvent::Cancelled { id: SubscriptionId::from(id), error }
            }
            _ if version.is_some() && error.receipt.is_some() => {
                let before = std::mem::replace(&mut self.state, State::Closed { report: None });
                self.state = State::Refused(Box::new(before));
                ClientEvent::Error(error)
            }
            _ => {
                self.close(None);
                ClientEvent::Error(error)
            }
        }
    }

    fn connected(&mut self, frame: Frame) -> Result<ClientEvent, ClientError> {
        let headers = frame.headers;
        let chosen = headers.get("version").unwrap_or("1.0").trim();
        let version = Version::ALL.into_iter().find(|version| version.as_str() == chosen);
        let version = version.ok_or(ClientError::UnknownVersion)?;
        if !self.options.versions.contains(&version) {
            return Err(ClientError::VersionNotOffered(version));
        }
        let heart_beat = match headers.get("heart-beat") {
            Some(text) if version >= Version::V1_1 => {
                let theirs = parse_heart_beat(text).ok_or(ClientError::InvalidHeartBeat)?;
                let margin = self.options.heart_beat_margin_percent;
                HeartBeat::negotiate(self.options.heart_beat, theirs)
                    .map(|beat| beat.with_margin_percent(margin))
            }
            _ => None,
        };
        self.decoder.set_version(version);
        self.state = State::Open { version, heart_beat };
        Ok(ClientEvent::Connected { version, headers })
    }

    fn acknowledge(
        &mut self,
        command: Command,
        ack: &Acknowledge,
        transaction: Option<&TransactionId>,
    ) -> Result<(), NotSent> {
        let mut frame = Frame::new(command);
        match (&ack.target, self.version().ok_or(NotSent::NotOpen)?) {
            (AckTarget::Ack(id), Version::V1_2) => frame.headers.push("id", id),
            (AckTarget::Message { subscription, message_id }, Version::V1_0 | Version::V1_1) => {
                if let Some(subscription) = subscription {
                    frame.headers.push("subscription", subscription.as_str());
                }
                frame.headers.push("message-id", message_id.as_str());
            }
            _ => return Err(NotSent::WrongVersion),
        }
        if command == Command::Nack && ack.requeue == Requeue::Refuse {
            frame.headers.push("requeue", "false");
        }
        push_transaction(&mut frame, transaction);
        self.request(frame, ack.receipt.as_ref())
    }

    fn transaction(
        &mut self,
        command: Command,
        id: &TransactionId,
        receipt: Option<&ReceiptId>,
    ) -> Result<(), NotSent> {
        let mut frame = Frame::new(command);
        push_transaction(&mut frame, Some(id));
        self.request(frame, receipt)
    }

    fn request(&mut self, mut frame: Frame, receipt: Option<&ReceiptId>) -> Result<(), NotSent> {
        let State::Open { version, .. } = self.state else { return Err(NotSent::NotOpen) };
        if let Some(receipt) = receipt {
            frame.headers.push("receipt", receipt.as_str());
        }
        self.transmit_frame(&frame, version);
        Ok(())
    }

    fn transmit_frame(&mut self, frame: &Frame, version: Version) {
        let mut out = Vec::new();
        encode(frame, version, &mut out);
        self.transmit.push_back(out.into());
    }

    fn close(&mut self, report: Option<ClientError>) {
        self.decoder = Decoder::new(self.options.limits);
        self.state = State::Closed { report };
    }
}

/// Leaves out what there is to send: the passcode is in it.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("options", &self.options)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

fn connect(options: &ClientOptions) -> Frame {
    let mut frame = Frame::new(Command::Connect);
    let versions: Vec<&str> = options.versions.iter().map(|version| version.as_str()).collect();
    frame.headers.push("accept-version", &versions.join(","));
    frame.headers.push("host", &options.host);
    let (can_send, wants) = options.heart_beat;
    frame.headers.push("heart-beat", &format!("{},{}", can_send.as_millis(), wants.as_millis()));
    for (name, value) in [("login", &options.login), ("passcode", &options.passcode)] {
        if let Some(value) = value {
            frame.headers.push(name, value);
        }
    }
    let own = ["accept-version", "host", "heart-beat", "login", "passcode", "receipt"];
    push_others(&mut frame, &options.headers, &own);
    frame
}

fn message(frame: Frame, version: Version) -> Result<Message, ClientError> {
    let subscription = frame.headers.get("subscription").map(SubscriptionId::from);
    if subscription.is_none() && version >= Version::V1_1 {
        return Err(ClientError::MissingHeader { command: frame.command, name: "subscription" });
    }
    let message_id = MessageId::from(required(&frame, "message-id")?);
    let by_id = |subscription| AckTarget::Message { subscription, message_id: message_id.clone() };
    let ack = match version {
        Version::V1_2 => frame.headers.get("ack").map(|id| AckTarget::Ack(id.to_owned())),
        Version::V1_1 => Some(by_id(subscription.clone())),
        Version::V1_0 => Some(by_id(None)),
    };
    Ok(Message {
        destination: required(&frame, "destination")?.to_owned(),
        subscription,
        ack,
        message_id,
        headers: frame.headers,
        body: frame.body,
    })
}

fn error_of(frame: &Frame) -> Error {
    let message = frame.headers.get("message").unwrap_or_default();
    let receipt = frame.headers.get("receipt-id").map(ReceiptId::from);
    let mut error = Error::new(message, String::from_utf8_lossy(&frame.body)).with_receipt(receipt);
    error.headers = frame.headers.clone();
    error.headers.retain(|name, _| !matches!(name, "message" | "receipt-id" | "content-length"));
    error
}

fn required<'a>(frame: &'a Frame, name: &'static str) -> Result<&'a str, ClientError> {
    let missing = ClientError::MissingHeader { command: frame.command, name };
    frame.headers.get(name).ok_or(missing)
}

fn push_transaction(frame: &mut Frame, transaction: Option<&TransactionId>) {
    if let Some(transaction) = transaction {
        frame.headers.push("transaction", transaction.as_str());
    }
}

/// Adds the user's headers, except those that are the session's to give.
fn push_others(frame: &mut Frame, headers: &Headers, own: &[&str]) {
    for (name, value) in headers.iter().filter(|(name, _)| !own.contains(name)) {
        frame.headers.push(name, value);
    }
}

#[cfg(test)]
mod tests;

use std::mem;
use std::sync::Arc;

use super::error::ProtocolError;
use super::event::{AckTarget, Acknowledge, Event, Requeue, Send, Subscribe, TransactionAction};
use super::transactions::Transactions;
use super::{ServerOptions, excerpt};
use crate::codec::is_reserved;
use crate::{
    AckMode, Command, Frame, Headers, HeartBeat, Limits, MessageId, NotAFlag, ReceiptId,
    SubscriptionId, Version, parse_flag,
};

/// A session between CONNECTED and its end.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) version: Version,
    pub(super) heart_beat: Option<HeartBeat>,
    /// How many messages the session itself has made.
    pub(super) messages: u64,
    /// In order. Most sessions have one or two, and many sessions are kept.
    subscriptions: Vec<SubscriptionId>,
    /// Made when it is first needed: most sessions do no more than subscribe, and many are kept.
    on_demand: Option<Box<OnDemand>>,
}

#[derive(Debug, Default)]
struct OnDemand {
    /// STOMP 1.0: the subscriptions that have an id, by their destinations, the oldest first. UNSUBSCRIBE may name
    /// either.
    by_destination: Vec<(Box<str>, SubscriptionId)>,
    transactions: Transactions,
    /// Where the last SEND went to: most often the next one goes there, too.
    last_destination: Option<Arc<str>>,
}

/// What comes of a frame.
pub(super) enum Outcome {
    Event(Event),
    /// The session has done all there was to do. These receipts are due.
    Done(Vec<ReceiptId>),
    /// The frame waits for its transaction, and its receipt with it.
    Enlisted,
}

impl Session {
    pub(super) fn new(version: Version, heart_beat: Option<HeartBeat>) -> Self {
        Self { version, heart_beat, messages: 0, subscriptions: Vec::new(), on_demand: None }
    }

    fn on_demand(&mut self) -> &mut OnDemand {
        self.on_demand.get_or_insert_default()
    }

    /// Handles a frame. One that is refused keeps its headers.
    pub(super) fn handle_frame(
        &mut self,
        frame: &mut Frame,
        options: &ServerOptions,
    ) -> Result<Outcome, ProtocolError> {
        let limits = &options.limits;
        let fields = Fields { frame, version: self.version };
        fields.check_text()?;
        if options.strict && self.version >= Version::V1_1 {
            fields.check_body()?;
        }
        match frame.command {
            Command::Send => self.send(frame, limits),
            Command::Subscribe => self.subscribe(&fields, limits),
            Command::Unsubscribe => Ok(Outcome::Event(self.unsubscribe(&fields))),
            Command::Ack => {
                let ack = TransactionAction::Ack(fields.acknowledge(options)?);
                self.enlist(fields.get("transaction"), ack, limits)
            }
            Command::Nack if self.version == Version::V1_0 => Err(ProtocolError::NackInVersion1_0),
            Command::Nack => {
                let nack = TransactionAction::Nack(fields.acknowledge(options)?);
                self.enlist(fields.get("transaction"), nack, limits)
            }
            Command::Begin => {
                self.on_demand().transactions.begin(fields.required("transaction")?, limits)?;
                Ok(Outcome::Done(fields.receipt().into_iter().collect()))
            }
            Command::Commit => {
                let actions = self.on_demand().transactions.end(fields.required("transaction")?)?;
                Ok(Outcome::Event(Event::Transaction(actions, fields.receipt())))
            }
            Command::Abort => {
                let actions = self.on_demand().transactions.end(fields.required("transaction")?)?;
                let receipts = actions.into_iter().filter_map(TransactionAction::into_receipt);
                Ok(Outcome::Done(receipts.chain(fields.receipt()).collect()))
            }
            Command::Disconnect => {
                Ok(Outcome::Event(Event::Disconnect { receipt: fields.receipt() }))
            }
            Command::Connect | Command::Stomp => Err(ProtocolError::AlreadyConnected),
            Command::Connected | Command::Message | Command::Receipt | Command::Error => {
                Err(ProtocolError::NotForClients(frame.command))
            }
        }
    }

    /// SEND is what there is most of: its headers are looked at once.
    fn send(&mut self, frame: &mut Frame, limits: &Limits) -> Result<Outcome, ProtocolError> {
        let (mut destination, mut receipt, mut transaction) = (None, None, None);
        let mut passed_on = 0;
        for (name, value) in frame.headers.iter() {
            match name {
                "destination" => destination = destination.or(Some(value)),
                "receipt" => receipt = receipt.or(Some(value)),
                "transaction" => transaction = transaction.or(Some(value)),
                _ if is_reserved(name.as_bytes()) => {}
                _ => passed_on += 1,
            }
        }
        let version = self.version;
        let value = |value| trimmed(version, value);
        let destination = destination.map(value).filter(|name| !name.is_empty());
        let destination =
            destination.ok_or(ProtocolError::MissingHeader(Command::Send, "destination"))?;
        let destination = shared(&mut self.on_demand().last_destination, destination);
        let receipt = receipt.map(value).map(ReceiptId::from);
        let body = mem::take(&mut frame.body);
        let headers = |mut all: Headers| match passed_on {
            0 => Headers::default(),
            _ => {
                all.retain(|name, _| !is_reserved(name.as_bytes()));
                all
            }
        };
        let Some(transaction) = transaction.map(value) else {
            let headers = headers(mem::take(&mut frame.headers));
            return Ok(Outcome::Event(Event::Send(Send { destination, headers, body, receipt })));
        };
        // It may yet be refused.
        let send = Send { destination, headers: headers(frame.headers.clone()), body, receipt };
        self.on_demand().transactions.enlist(transaction, TransactionAction::Send(send), limits)?;
        Ok(Outcome::Enlisted)
    }

    fn enlist(
        &mut self,
        transaction: Option<&str>,
        action: TransactionAction,
        limits: &Limits,
    ) -> Result<Outcome, ProtocolError> {
        if let Some(id) = transaction {
            self.on_demand().transactions.enlist(id, action, limits)?;
            return Ok(Outcome::Enlisted);
        }
        Ok(Outcome::Event(match action {
            TransactionAction::Send(send) => Event::Send(send),
            TransactionAction::Ack(ack) => Event::Ack(ack),
            TransactionAction::Nack(nack) => Event::Nack(nack),
        }))
    }

    fn subscribe(
        &mut self,
        fields: &Fields<'_>,
        limits: &Limits,
    ) -> Result<Outcome, ProtocolError> {
        let destination = fields.required("destination")?;
        let id = match fields.get("id") {
            None if self.version == Version::V1_0 => SubscriptionId::from_destination(destination),
            _ => SubscriptionId::from(fields.required("id")?),
        };
        let ack = fields.get("ack").map_or(Ok(AckMode::Auto), str::parse);
        let ack = ack.map_err(|_| {
            ProtocolError::UnknownAckMode(excerpt(fields.get("ack").unwrap_or_default()))
        })?;
        let Err(place) = self.subscriptions.binary_search(&id) else {
            return Err(ProtocolError::DuplicateSubscription);
        };
        if self.subscriptions.len() >= limits.subscriptions_max {
            return Err(ProtocolError::TooManySubscriptions { max: limits.subscriptions_max });
        }
        if self.subscriptions.is_empty() {
            self.subscriptions.reserve_exact(1);
        }
        self.subscriptions.insert(place, id.clone());
        if self.version == Version::V1_0 && id.on_wire().is_some() {
            self.on_demand().by_destination.push((destination.into(), id.clone()));
        }
        Ok(Outcome::Event(Event::Subscribe(Subscribe {
            id,
            destination: destination.to_owned(),
            ack,
            headers: fields.trimmed_headers(),
            receipt: fields.receipt(),
        })))
    }

    fn unsubscribe(&mut self, fields: &Fields<'_>) -> Event {
        let (headers, receipt) = (fields.trimmed_headers(), fields.receipt());
        let (id, taken) = match fields.get("id") {
            None if self.version == Version::V1_0 => {
                let destination = fields.get("destination");
                (destination, destination.and_then(|name| self.take_subscription_to(name)))
            }
            id => (id, id.and_then(|id| self.take_subscription(id))),
        };
        match taken {
            Some(id) => Event::Unsubscribe { id, headers, receipt },
            None => Event::UnsubscribeUnknown { id: id.map(Into::into), headers, receipt },
        }
    }

    /// A subscription was refused: its id is free.
    pub(super) fn forget_subscription(&mut self, id: &SubscriptionId) {
        self.take_subscription(id.as_str());
    }

    fn take_subscription(&mut self, id: &str) -> Option<SubscriptionId> {
        let place = self.subscriptions.binary_search_by(|other| other.as_str().cmp(id)).ok()?;
        if let Some(made) = &mut self.on_demand {
            made.by_destination.retain(|(_, other)| other.as_str() != id);
        }
        Some(self.subscriptions.remove(place))
    }

    /// The subscription that has the destination for its id, or else the oldest one to it.
    fn take_subscription_to(&mut self, destination: &str) -> Option<SubscriptionId> {
        self.take_subscription(destination).or_else(|| {
            let mut all = self.on_demand.as_ref()?.by_destination.iter();
            let (_, id) = all.find(|(name, _)| **name == *destination)?;
            let id = id.clone();
            self.take_subscription(id.as_str())
        })
    }

    /// A frame was refused: if it was one of a transaction, that is over. Returns whether it was.
    pub(super) fn abandon_transaction(
        &mut self,
        command: Option<Command>,
        headers: &Headers,
    ) -> bool {
        let enlists = |command| matches!(command, Command::Send | Command::Ack | Command::Nack);
        let enlists = command.is_none_or(enlists);
        let transaction = get(headers, self.version, "transaction").filter(|_| enlists);
        transaction.is_some_and(|id| self.on_demand().transactions.end(id).is_ok())
    }
}

/// The name, which is kept for the next one that is the same, unless it is so long that it hardly is one.
fn shared(last: &mut Option<Arc<str>>, name: &str) -> Arc<str> {
    const KEPT_OCTETS_MAX: usize = 1024;
    if let Some(last) = last.as_ref().filter(|last| ***last == *name) {
        return Arc::clone(last);
    }
    let name: Arc<str> = name.into();
    *last = (name.len() <= KEPT_OCTETS_MAX).then(|| Arc::clone(&name));
    name
}

/// The headers of a frame that the server acts on.
pub(super) struct Fields<'a> {
    pub(super) frame: &'a Frame,
    pub(super) version: Version,
}

impl<'a> Fields<'a> {
    /// A value as the version reads it: blanks around it count for nothing in STOMP 1.0.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        get(&self.frame.headers, self.version, name)
    }

    /// Headers that the server acts on are text: "frames MUST be encoded in UTF-8". What SEND passes on
    /// may be anything.
    pub(super) fn check_text(&self) -> Result<(), ProtocolError> {
        let passed_on =
            |name: &str| self.frame.command == Command::Send && !is_reserved(name.as_bytes());
        match self.headers().not_text().find(|name| !passed_on(name)) {
            None => Ok(()),
            Some(_) => Err(ProtocolError::NotText(self.frame.command)),
        }
    }

    /// "Only the SEND, MESSAGE, and ERROR frames MAY have a body. All other frames MUST NOT have a
    /// body."
    fn check_body(&self) -> Result<(), ProtocolError> {
        let Frame { command, body, .. } = self.frame;
        if body.is_empty() || *command == Command::Send {
            Ok(())
        } else {
            Err(ProtocolError::UnexpectedBody(*command))
        }
    }

    pub(super) fn headers(&self) -> &'a Headers {
        &self.frame.headers
    }

    /// All headers, each value as [`get`](Self::get) reads it. They must be text.
    pub(super) fn trimmed_headers(&self) -> Headers {
        let trimmed = |value| trimmed(self.version, value);
        if self.headers().iter().all(|(_, value)| trimmed(value).len() == value.len()) {
            return self.headers().clone();
        }
        self.headers().iter().map(|(name, value)| (name, trimmed(value))).collect()
    }

    fn required(&self, name: &'static str) -> Result<&'a str, ProtocolError> {
        let value = self.get(name).filter(|value| !value.is_empty());
        value.ok_or(ProtocolError::MissingHeader(self.frame.command, name))
    }

    fn receipt(&self) -> Option<ReceiptId> {
        receipt(&self.frame.headers, Some(self.version))
    }

    fn acknowledge(&self, options: &ServerOptions) -> Result<Acknowledge, ProtocolError> {
        let lenient = self.get("message-id").filter(|_| !options.strict);
        let target = match (self.version, self.get("id"), lenient) {
            (Version::V1_2, Some(id), _) => AckTarget::Ack(id.to_owned()),
            // What 1.2 has, from clients that have not looked at the version.
            (_, Some(id), None) if !options.strict => AckTarget::Ack(id.to_owned()),
            (Version::V1_2, None, None) => {
                return Err(ProtocolError::MissingHeader(self.frame.command, "id"));
            }
            (Version::V1_1, ..) => {
                let subscription = Some(SubscriptionId::from(self.required("subscription")?));
                AckTarget::Message { subscription, message_id: self.message_id()? }
            }
            (Version::V1_0 | Version::V1_2, ..) => {
                let subscription = self.get("subscription").map(SubscriptionId::from);
                AckTarget::Message { subscription, message_id: self.message_id()? }
            }
        };
        let requeue = match self.flag("requeue")? {
            Some(false) => Requeue::Refuse,
            Some(true) | None => Requeue::Allow,
        };
        Ok(Acknowledge { target, requeue, receipt: self.receipt() })
    }

    fn flag(&self, name: &'static str) -> Result<Option<bool>, ProtocolError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let expected = NotAFlag::EXPECTED;
        let invalid = |_| ProtocolError::InvalidHeader { name, value: excerpt(value), expected };
        parse_flag(value).map_err(invalid)
    }

    fn message_id(&self) -> Result<MessageId, ProtocolError> {
        self.required("message-id").map(MessageId::from)
    }
}

/// The receipt that a frame with these headers asks for.
pub(super) fn receipt(headers: &Headers, version: Option<Version>) -> Option<ReceiptId> {
    get(headers, version?, "receipt").map(ReceiptId::from)
}

fn get<'a>(headers: &'a Headers, version: Version, name: &str) -> Option<&'a str> {
    Some(trimmed(version, headers.get(name)?))
}

/// Blanks around a value count for nothing in STOMP 1.0.
fn trimmed(version: Version, value: &str) -> &str {
    if version == Version::V1_0 { value.trim_matches([' ', '\t']) } else { value }
}

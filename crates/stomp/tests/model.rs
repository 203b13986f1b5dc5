//! Every frame in every state of a session, against a plain model of what a server does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tidings_stomp::{
    AckTarget, Acknowledge, Error, Event, Headers, Limits, MessageId, ReceiptId, Requeue, Send,
    Server, ServerOptions, Severity, SubscriptionId, TransactionAction, Version,
};

#[expect(clippy::disallowed_methods, reason = "some moment to count from")]
fn now() -> Instant {
    Instant::now()
}

/// The limits of the sessions here: each is reached soon.
const SUBSCRIPTIONS_MAX: usize = 2;
const TRANSACTIONS_MAX: usize = 2;
const TRANSACTION_FRAMES_MAX: usize = 2;

/// A destination for which the driver has no room, and takes no subscription.
const REFUSED: &str = "/queue/refused";

/// A user whom the driver does not let in.
const STRANGER: &str = "stranger";

/// A frame of a client, as far as the model is concerned.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Connect {
        login: &'static str,
    },
    Stomp,
    Send {
        to: &'static str,
        transaction: Option<u8>,
    },
    SendNowhere {
        transaction: Option<u8>,
    },
    Subscribe {
        id: u8,
        to: &'static str,
    },
    Unsubscribe {
        id: u8,
    },
    Ack {
        transaction: Option<u8>,
    },
    Nack {
        transaction: Option<u8>,
    },
    Begin {
        transaction: u8,
    },
    Commit {
        transaction: u8,
    },
    Abort {
        transaction: u8,
    },
    Disconnect,
    /// What only servers send.
    Message,
    UnknownCommand {
        transaction: Option<u8>,
    },
    Malformed,
    LineEnd,
}

/// A frame, with a number of its own: its body or what it acknowledges, and its receipt, if it asks for one.
#[derive(Clone, Copy, Debug)]
struct Step {
    kind: Kind,
    number: usize,
    asks: bool,
}

impl Step {
    fn receipt(self) -> Option<ReceiptId> {
        self.asks.then(|| ReceiptId::from(&*format!("r{}", self.number)))
    }

    fn frame(self, version: Version) -> String {
        let number = self.number;
        let receipt = if self.asks { format!("receipt:r{number}\n") } else { String::new() };
        let within = |transaction: Option<u8>| {
            transaction.map_or(String::new(), |it| format!("transaction:{it}\n"))
        };
        let connect = format!("accept-version:{version}\nhost:x\n{receipt}");
        let delivery = match version {
            Version::V1_0 => format!("message-id:m{number}\n{receipt}"),
            Version::V1_1 => format!("message-id:m{number}\nsubscription:1\n{receipt}"),
            Version::V1_2 => format!("id:m{number}\n{receipt}"),
        };
        match self.kind {
            Kind::Connect { login } => format!("CONNECT\nlogin:{login}\n{connect}\n\0"),
            Kind::Stomp => format!("STOMP\n{connect}\n\0"),
            Kind::Send { to, transaction } => {
                format!("SEND\ndestination:{to}\n{receipt}{}\nm{number}\0", within(transaction))
            }
            Kind::SendNowhere { transaction } => {
                format!("SEND\n{receipt}{}\nm{number}\0", within(transaction))
            }
            Kind::Subscribe { id, to } => {
                format!("SUBSCRIBE\nid:{id}\ndestination:{to}\n{receipt}\n\0")
            }
            Kind::Unsubscribe { id } => format!("UNSUBSCRIBE\nid:{id}\n{receipt}\n\0"),
            Kind::Ack { transaction } => format!("ACK\n{delivery}{}\n\0", within(transaction)),
            Kind::Nack { transaction } => format!("NACK\n{delivery}{}\n\0", within(transaction)),
            Kind::Begin { transaction } => {
                format!("BEGIN\n{}{receipt}\n\0", within(Some(transaction)))
            }
            Kind::Commit { transaction } => {
                format!("COMMIT\n{}{receipt}\n\0", within(Some(transaction)))
            }
            Kind::Abort { transaction } => {
                format!("ABORT\n{}{receipt}\n\0", within(Some(transaction)))
            }
            Kind::Disconnect => format!("DISCONNECT\n{receipt}\n\0"),
            Kind::Message => format!("MESSAGE\ndestination:/queue/a\n{receipt}\nm\0"),
            Kind::UnknownCommand { transaction } => {
                format!("NONSENSE\n{receipt}{}\nm\0", within(transaction))
            }
            Kind::Malformed => format!("SEND\n{receipt}no colon\n"),
            Kind::LineEnd => "\n".into(),
        }
    }

    /// What ACK or NACK say.
    fn acknowledge(self, version: Version) -> Acknowledge {
        let id = format!("m{}", self.number);
        let message_id = MessageId::from(&*id);
        let target = match version {
            Version::V1_0 => AckTarget::Message { subscription: None, message_id },
            Version::V1_1 => {
                AckTarget::Message { subscription: Some(SubscriptionId::from("1")), message_id }
            }
            Version::V1_2 => AckTarget::Ack(id),
        };
        Acknowledge { target, requeue: Requeue::Allow, receipt: self.receipt() }
    }
}

/// What a session tells its driver, and its client, in the order in which it does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Connect {
        login: Option<String>,
    },
    Send(Send),
    Subscribe(String, Option<ReceiptId>),
    Unsubscribe(String, Option<ReceiptId>),
    UnsubscribeUnknown(Option<String>, Option<ReceiptId>),
    Ack(Acknowledge),
    Nack(Acknowledge),
    Transaction(Vec<TransactionAction>, Option<ReceiptId>),
    Disconnect(Option<ReceiptId>),
    Failed(Option<ReceiptId>),
    /// Frames for the client.
    Connected,
    Receipt(String),
    Error {
        receipt: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    NotConnected,
    /// The driver thinks about CONNECT.
    Deciding {
        login: &'static str,
    },
    Connected,
    /// DISCONNECT has come.
    Disconnecting,
    /// ERROR was sent.
    Closed,
}

/// How an error is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// What does not exist was named.
    Notice,
    /// A frame could not be done.
    Frame,
    /// The session cannot go on.
    Session,
}

/// How the driver answers CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    AtOnce,
    /// Not before more has come.
    Later,
}

struct Model {
    version: Version,
    keeps: bool,
    strict: bool,
    answer: Answer,
    state: State,
    /// What waits behind CONNECT.
    waiting: VecDeque<Step>,
    subscriptions: BTreeSet<u8>,
    transactions: BTreeMap<u8, Vec<TransactionAction>>,
    told: Vec<Told>,
}

impl Model {
    fn step(&mut self, step: Step) {
        match (self.state, step.kind) {
            (State::Disconnecting | State::Closed, _) => {}
            (State::Deciding { .. }, _) => self.waiting.push_back(step),
            (_, Kind::LineEnd) => {}
            (State::NotConnected, Kind::Connect { .. } | Kind::Stomp) => {
                let login = match step.kind {
                    Kind::Connect { login } => Some(login),
                    _ => None,
                };
                self.told.push(Told::Connect { login: login.map(str::to_owned) });
                self.state = State::Deciding { login: login.unwrap_or_default() };
                if self.answer == Answer::AtOnce {
                    self.decide();
                }
            }
            // It is not known yet what a header is.
            (State::NotConnected, _) => self.fail(Fault::Session, None),
            (State::Connected, _) => self.step_connected(step),
        }
    }

    /// The driver has thought about CONNECT.
    fn decide(&mut self) {
        let State::Deciding { login } = self.state else { return };
        if login == STRANGER {
            self.error(Fault::Session, None);
        } else {
            self.told.push(Told::Connected);
            self.state = State::Connected;
        }
        for step in std::mem::take(&mut self.waiting) {
            self.step(step);
        }
    }

    fn step_connected(&mut self, step: Step) {
        let receipt = step.receipt();
        match step.kind {
            Kind::Connect { .. } | Kind::Stomp | Kind::Malformed => {
                self.fail(Fault::Session, receipt);
            }
            Kind::Message => self.fail(Fault::Frame, receipt),
            Kind::SendNowhere { transaction } => self.refuse_within(transaction, receipt),
            // A session that ends at once does not read on to the header.
            Kind::UnknownCommand { .. } if !self.keeps => self.fail(Fault::Session, None),
            Kind::UnknownCommand { transaction } => self.refuse_within(transaction, receipt),
            Kind::Send { to, transaction } => {
                let body = Bytes::from(format!("m{}", step.number));
                let (destination, headers) = ((*to).into(), Headers::default());
                let send = Send { destination, headers, body, receipt };
                self.act(transaction, TransactionAction::Send(send));
            }
            Kind::Ack { transaction } => {
                self.act(transaction, TransactionAction::Ack(step.acknowledge(self.version)));
            }
            Kind::Nack { transaction } if self.version == Version::V1_0 => {
                self.refuse_within(transaction, receipt);
            }
            Kind::Nack { transaction } => {
                self.act(transaction, TransactionAction::Nack(step.acknowledge(self.version)));
            }
            Kind::Subscribe { id, to } => self.subscribe(id, to, receipt),
            Kind::Unsubscribe { id } if self.subscriptions.remove(&id) => {
                self.told.push(Told::Unsubscribe(id.to_string(), receipt.clone()));
                self.receipt(receipt);
            }
            Kind::Unsubscribe { id } => {
                self.told.push(Told::UnsubscribeUnknown(Some(id.to_string()), receipt.clone()));
                self.error(Fault::Notice, receipt);
            }
            Kind::Begin { transaction }
                if !self.transactions.contains_key(&transaction)
                    && self.transactions.len() < TRANSACTIONS_MAX =>
            {
                self.transactions.insert(transaction, Vec::new());
                self.receipt(receipt);
            }
            Kind::Commit { transaction } if self.transactions.contains_key(&transaction) => {
                let actions = self.transactions.remove(&transaction).unwrap_or_default();
                self.told.push(Told::Transaction(actions.clone(), receipt.clone()));
                for action in &actions {
                    self.receipt(receipt_of(action));
                }
                self.receipt(receipt);
            }
            Kind::Abort { transaction } if self.transactions.contains_key(&transaction) => {
                let actions = self.transactions.remove(&transaction).unwrap_or_default();
                for action in &actions {
                    self.receipt(receipt_of(action));
                }
                self.receipt(receipt);
            }
            Kind::Begin { .. } | Kind::Commit { .. } | Kind::Abort { .. } => {
                self.fail(Fault::Frame, receipt);
            }
            Kind::Disconnect => {
                self.state = State::Disconnecting;
                self.told.push(Told::Disconnect(receipt.clone()));
                self.receipt(receipt);
            }
            Kind::LineEnd => {}
        }
    }

    fn subscribe(&mut self, id: u8, to: &str, receipt: Option<ReceiptId>) {
        if self.subscriptions.contains(&id) || self.subscriptions.len() == SUBSCRIPTIONS_MAX {
            return self.fail(Fault::Frame, receipt);
        }
        self.told.push(Told::Subscribe(id.to_string(), receipt.clone()));
        if to == REFUSED {
            return self.error(Fault::Frame, receipt);
        }
        self.subscriptions.insert(id);
        self.receipt(receipt);
    }

    fn act(&mut self, transaction: Option<u8>, action: TransactionAction) {
        let receipt = receipt_of(&action);
        let Some(transaction) = transaction else {
            let is_refused =
                matches!(&action, TransactionAction::Send(it) if *it.destination == *REFUSED);
            self.told.push(match action {
                TransactionAction::Send(send) => Told::Send(send),
                TransactionAction::Ack(ack) => Told::Ack(ack),
                TransactionAction::Nack(nack) => Told::Nack(nack),
            });
            return match is_refused {
                true => self.error(Fault::Frame, receipt),
                false => self.receipt(receipt),
            };
        };
        match self.transactions.get_mut(&transaction) {
            Some(actions) if actions.len() < TRANSACTION_FRAMES_MAX => actions.push(action),
            _ => self.refuse_within(Some(transaction), receipt),
        }
    }

    /// A frame of a transaction cannot be done, and so neither can the others.
    fn refuse_within(&mut self, transaction: Option<u8>, receipt: Option<ReceiptId>) {
        if let Some(transaction) = transaction {
            self.transactions.remove(&transaction);
        }
        self.fail(Fault::Frame, receipt);
    }

    /// The session itself finds a fault: its driver is told.
    fn fail(&mut self, fault: Fault, receipt: Option<ReceiptId>) {
        self.error(fault, receipt.clone());
        self.told.push(Told::Failed(receipt));
    }

    fn error(&mut self, fault: Fault, receipt: Option<ReceiptId>) {
        let ends = match fault {
            Fault::Notice => self.strict && !self.keeps,
            Fault::Frame => !self.keeps,
            Fault::Session => true,
        };
        if ends {
            self.state = State::Closed;
        }
        let receipt = receipt.map(|receipt| receipt.as_str().to_owned());
        self.told.push(Told::Error { receipt });
    }

    fn receipt(&mut self, receipt: Option<ReceiptId>) {
        self.told.extend(receipt.map(|receipt| Told::Receipt(receipt.as_str().to_owned())));
    }
}

fn receipt_of(action: &TransactionAction) -> Option<ReceiptId> {
    match action {
        TransactionAction::Send(send) => send.receipt.clone(),
        TransactionAction::Ack(it) | TransactionAction::Nack(it) => it.receipt.clone(),
    }
}

/// A server with a driver that does all it is told, but for what is [`REFUSED`].
struct Driven {
    server: Server,
    answer: Answer,
    /// Whom the driver still thinks about.
    undecided: Option<Option<String>>,
    told: Vec<Told>,
}

impl Driven {
    fn feed(&mut self, input: &str) {
        self.server.handle_input(now(), Bytes::from(input.to_owned()));
        self.take_events();
    }

    fn take_events(&mut self) {
        while let Some(event) = self.server.poll_event() {
            // What the session has sent by itself came before.
            self.take_frames();
            self.handle(event);
            self.take_frames();
        }
        self.take_frames();
    }

    fn decide(&mut self) {
        let Some(login) = self.undecided.take() else { return };
        if login.as_deref() == Some(STRANGER) {
            self.server.refuse(Error::new("access denied", ""));
        } else {
            self.server.accept("s", None);
        }
        self.take_events();
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Connect(connect) => {
                self.told.push(Told::Connect { login: connect.login.clone() });
                self.undecided = Some(connect.login);
                if self.answer == Answer::AtOnce {
                    self.decide();
                }
            }
            Event::Send(send) => {
                let receipt = send.receipt.clone();
                let is_refused = *send.destination == *REFUSED;
                self.told.push(Told::Send(send));
                if is_refused {
                    let error = Error::new("full", "").with_receipt(receipt);
                    return self.server.error(&error, Severity::Frame);
                }
                self.receipt(receipt);
            }
            Event::Subscribe(subscribe) => {
                let (id, receipt) = (subscribe.id, subscribe.receipt);
                self.told.push(Told::Subscribe(id.to_string(), receipt.clone()));
                if subscribe.destination == REFUSED {
                    let error = Error::new("refused", "").with_receipt(receipt);
                    return self.server.refuse_subscription(&id, &error);
                }
                self.receipt(receipt);
            }
            Event::Unsubscribe { id, receipt, .. } => {
                self.told.push(Told::Unsubscribe(id.to_string(), receipt.clone()));
                self.receipt(receipt);
            }
            Event::UnsubscribeUnknown { id, receipt, .. } => {
                let told = id.as_ref().map(ToString::to_string);
                self.told.push(Told::UnsubscribeUnknown(told, receipt.clone()));
                self.server.unknown_subscription(id.as_ref(), receipt);
            }
            Event::Ack(ack) => {
                self.told.push(Told::Ack(ack.clone()));
                self.receipt(ack.receipt);
            }
            Event::Nack(nack) => {
                self.told.push(Told::Nack(nack.clone()));
                self.receipt(nack.receipt);
            }
            Event::Transaction(actions, receipt) => {
                self.told.push(Told::Transaction(actions.clone(), receipt.clone()));
                for action in &actions {
                    self.receipt(receipt_of(action));
                }
                self.receipt(receipt);
            }
            Event::Disconnect { receipt } => {
                self.told.push(Told::Disconnect(receipt.clone()));
                self.receipt(receipt);
            }
            Event::Failed(error) => self.told.push(Told::Failed(error.receipt)),
            other => panic!("unexpected event: {other:?}"),
        }
    }

    fn receipt(&mut self, receipt: Option<ReceiptId>) {
        if let Some(receipt) = receipt {
            self.server.receipt(receipt);
        }
    }

    fn take_frames(&mut self) {
        while let Some(frame) = self.server.poll_transmit() {
            let frame = std::str::from_utf8(&frame).expect("all is text here");
            let receipt = frame.lines().find_map(|line| line.strip_prefix("receipt-id:"));
            let receipt = receipt.map(str::to_owned);
            self.told.push(match (frame.lines().next(), receipt) {
                (Some("CONNECTED"), None) => Told::Connected,
                (Some("RECEIPT"), Some(receipt)) => Told::Receipt(receipt),
                (Some("ERROR"), receipt) => Told::Error { receipt },
                _ => panic!("unexpected frame: {frame:?}"),
            });
        }
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    let few = 0_u8..4;
    let within = || prop::option::of(0_u8..3);
    let to = || prop_oneof![5 => Just("/queue/a"), 1 => Just(REFUSED)];
    prop_oneof![
        1 => Just(Kind::Connect { login: "ann" }),
        1 => Just(Kind::Stomp),
        6 => (to(), within()).prop_map(|(to, transaction)| Kind::Send { to, transaction }),
        1 => within().prop_map(|transaction| Kind::SendNowhere { transaction }),
        4 => (few.clone(), to()).prop_map(|(id, to)| Kind::Subscribe { id, to }),
        4 => few.clone().prop_map(|id| Kind::Unsubscribe { id }),
        3 => within().prop_map(|transaction| Kind::Ack { transaction }),
        3 => within().prop_map(|transaction| Kind::Nack { transaction }),
        5 => few.clone().prop_map(|transaction| Kind::Begin { transaction }),
        3 => few.clone().prop_map(|transaction| Kind::Commit { transaction }),
        2 => few.prop_map(|transaction| Kind::Abort { transaction }),
        1 => Just(Kind::Disconnect),
        1 => Just(Kind::Message),
        1 => within().prop_map(|transaction| Kind::UnknownCommand { transaction }),
        1 => Just(Kind::Malformed),
        2 => Just(Kind::LineEnd),
    ]
}

/// What opens the session, or nothing.
fn opening() -> impl Strategy<Value = Option<Kind>> {
    prop_oneof![
        6 => Just(Some(Kind::Connect { login: "ann" })),
        2 => Just(Some(Kind::Stomp)),
        1 => Just(Some(Kind::Connect { login: STRANGER })),
        1 => Just(None),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 2048,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_session_does_what_the_model_says(
        version in prop::sample::select(&Version::ALL[..]),
        keeps in any::<bool>(),
        strict in any::<bool>(),
        answer in prop::sample::select(&[Answer::AtOnce, Answer::Later][..]),
        opening in opening(),
        kinds in vec((kind(), any::<bool>()), 1..40),
        inputs in vec(1_usize..8, 40),
    ) {
        let limits = Limits {
            subscriptions_max: SUBSCRIPTIONS_MAX,
            transactions_max: TRANSACTIONS_MAX,
            transaction_frames_max: TRANSACTION_FRAMES_MAX,
            ..Limits::default()
        };
        let error_keeps_connection = keeps;
        let options = ServerOptions { limits, error_keeps_connection, strict, ..Default::default() };
        let server = Server::new(now(), options);
        let mut driven = Driven { server, answer, undecided: None, told: Vec::new() };
        let mut model = Model {
            version,
            keeps,
            strict,
            answer,
            state: State::NotConnected,
            waiting: VecDeque::new(),
            subscriptions: BTreeSet::new(),
            transactions: BTreeMap::new(),
            told: Vec::new(),
        };
        let opening = opening.map(|kind| (kind, true)).into_iter();
        let steps: Vec<Step> = opening
            .chain(kinds)
            .enumerate()
            .map(|(number, (kind, asks))| Step { kind, number, asks })
            .collect();
        let mut rest = &steps[..];
        for frames in inputs {
            let (together, behind) = rest.split_at(frames.min(rest.len()));
            rest = behind;
            driven.feed(&together.iter().map(|step| step.frame(version)).collect::<String>());
            together.iter().for_each(|step| model.step(*step));
            if !together.is_empty() && rest.len().is_multiple_of(2) {
                driven.decide();
                model.decide();
            }
            prop_assert_eq!(&driven.told, &model.told, "{:?}", together);
            let is_over = matches!(model.state, State::Disconnecting | State::Closed);
            prop_assert_eq!(driven.server.is_closed(), is_over);
            prop_assert_eq!(driven.server.has_failed(), model.state == State::Closed);
            driven.told.clear();
            model.told.clear();
        }
    }
}

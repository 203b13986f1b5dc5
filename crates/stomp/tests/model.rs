//! Every frame in every state of a session, against a plain model of what a server does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tidings_stomp::{Event, Server, ServerOptions, Version};

#[expect(clippy::disallowed_methods, reason = "some moment to count from")]
fn now() -> Instant {
    Instant::now()
}

/// A frame of a client, as far as the model is concerned.
#[derive(Clone, Copy, Debug)]
enum Step {
    Connect,
    Send {
        transaction: Option<u8>,
    },
    SendNowhere,
    Subscribe {
        id: u8,
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
    Malformed,
    LineEnd,
}

impl Step {
    fn frame(self, version: Version) -> String {
        let within = |transaction: Option<u8>| {
            transaction.map_or(String::new(), |it| format!("transaction:{it}\n"))
        };
        let delivery = match version {
            Version::V1_0 => "message-id:1\n",
            Version::V1_1 => "message-id:1\nsubscription:1\n",
            Version::V1_2 => "id:1\n",
        };
        match self {
            Self::Connect => format!("CONNECT\naccept-version:{version}\nhost:x\n\n\0"),
            Self::Send { transaction } => {
                format!("SEND\ndestination:/queue/a\n{}\nbody\0", within(transaction))
            }
            Self::SendNowhere => "SEND\n\n\0".into(),
            Self::Subscribe { id } => format!("SUBSCRIBE\nid:{id}\ndestination:/queue/a\n\n\0"),
            Self::Unsubscribe { id } => format!("UNSUBSCRIBE\nid:{id}\n\n\0"),
            Self::Ack { transaction } => format!("ACK\n{delivery}{}\n\0", within(transaction)),
            Self::Nack { transaction } => format!("NACK\n{delivery}{}\n\0", within(transaction)),
            Self::Begin { transaction } => {
                format!("BEGIN\ntransaction:{transaction}\nreceipt:b\n\n\0")
            }
            Self::Commit { transaction } => format!("COMMIT\ntransaction:{transaction}\n\n\0"),
            Self::Abort { transaction } => {
                format!("ABORT\ntransaction:{transaction}\nreceipt:a\n\n\0")
            }
            Self::Disconnect => "DISCONNECT\n\n\0".into(),
            Self::Message => "MESSAGE\ndestination:/queue/a\nmessage-id:1\n\n\0".into(),
            Self::Malformed => "SEND\nno colon\n".into(),
            Self::LineEnd => "\n".into(),
        }
    }
}

/// What a session tells its driver, and its client.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Connect,
    Send,
    Subscribe(String),
    Unsubscribe(String),
    UnsubscribeUnknown,
    Ack,
    Nack,
    Commit {
        actions: usize,
    },
    Disconnect,
    Failed,
    /// A RECEIPT that the session itself has given.
    Receipt,
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    NotConnected,
    Connected,
    /// DISCONNECT has come.
    Disconnecting,
    /// ERROR was sent.
    Closed,
}

/// How an error is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A frame could not be done.
    Frame,
    /// The session cannot go on.
    Session,
}

struct Model {
    version: Version,
    keeps: bool,
    state: State,
    subscriptions: BTreeSet<u8>,
    transactions: BTreeMap<u8, usize>,
}

impl Model {
    fn step(&mut self, step: Step) -> Vec<Told> {
        match (self.state, step) {
            (State::Disconnecting | State::Closed, _) | (_, Step::LineEnd) => Vec::new(),
            (State::NotConnected, Step::Connect) => {
                self.state = State::Connected;
                vec![Told::Connect]
            }
            (State::NotConnected, _) => self.fail(Fault::Session),
            (State::Connected, step) => self.step_connected(step),
        }
    }

    fn step_connected(&mut self, step: Step) -> Vec<Told> {
        match step {
            Step::Connect | Step::Malformed => self.fail(Fault::Session),
            Step::SendNowhere | Step::Message => self.fail(Fault::Frame),
            Step::Send { transaction } => self.act(transaction, Told::Send),
            Step::Ack { transaction } => self.act(transaction, Told::Ack),
            Step::Nack { transaction } if self.version == Version::V1_0 => {
                if let Some(transaction) = transaction
                    && self.keeps
                {
                    self.transactions.remove(&transaction);
                }
                self.fail(Fault::Frame)
            }
            Step::Nack { transaction } => self.act(transaction, Told::Nack),
            Step::Subscribe { id } if self.subscriptions.insert(id) => {
                vec![Told::Subscribe(id.to_string())]
            }
            Step::Subscribe { .. } => self.fail(Fault::Frame),
            Step::Unsubscribe { id } if self.subscriptions.remove(&id) => {
                vec![Told::Unsubscribe(id.to_string())]
            }
            Step::Unsubscribe { .. } => vec![Told::UnsubscribeUnknown, Told::Error],
            Step::Begin { transaction } if !self.transactions.contains_key(&transaction) => {
                self.transactions.insert(transaction, 0);
                vec![Told::Receipt]
            }
            Step::Commit { transaction } => match self.transactions.remove(&transaction) {
                Some(actions) => vec![Told::Commit { actions }],
                None => self.fail(Fault::Frame),
            },
            Step::Abort { transaction } if self.transactions.remove(&transaction).is_some() => {
                vec![Told::Receipt]
            }
            Step::Begin { .. } | Step::Abort { .. } => self.fail(Fault::Frame),
            Step::Disconnect => {
                self.state = State::Disconnecting;
                vec![Told::Disconnect]
            }
            Step::LineEnd => Vec::new(),
        }
    }

    fn act(&mut self, transaction: Option<u8>, told: Told) -> Vec<Told> {
        let Some(transaction) = transaction else { return vec![told] };
        match self.transactions.get_mut(&transaction) {
            Some(actions) => {
                *actions += 1;
                Vec::new()
            }
            None => self.fail(Fault::Frame),
        }
    }

    fn fail(&mut self, fault: Fault) -> Vec<Told> {
        if fault == Fault::Session || !self.keeps {
            self.state = State::Closed;
        }
        vec![Told::Failed, Told::Error]
    }
}

/// What the server makes of a frame.
fn feed(server: &mut Server, frame: String) -> Vec<Told> {
    server.handle_input(now(), Bytes::from(frame));
    let mut told = Vec::new();
    while let Some(event) = server.poll_event() {
        told.push(match event {
            Event::Connect(_) => {
                server.accept("s", None);
                let connected = server.poll_transmit();
                assert!(connected.is_some_and(|frame| frame.starts_with(b"CONNECTED\n")));
                Told::Connect
            }
            Event::Send(_) => Told::Send,
            Event::Subscribe(subscribe) => Told::Subscribe(subscribe.id.to_string()),
            Event::Unsubscribe { id, .. } => Told::Unsubscribe(id.to_string()),
            Event::UnsubscribeUnknown { receipt, .. } => {
                server.unknown_subscription(receipt);
                Told::UnsubscribeUnknown
            }
            Event::Ack(_) => Told::Ack,
            Event::Nack(_) => Told::Nack,
            Event::Transaction(actions, _) => Told::Commit { actions: actions.len() },
            Event::Disconnect { .. } => Told::Disconnect,
            Event::Failed(_) => Told::Failed,
            other => panic!("unexpected event: {other:?}"),
        });
    }
    while let Some(frame) = server.poll_transmit() {
        told.push(match &frame[..] {
            frame if frame.starts_with(b"RECEIPT\n") => Told::Receipt,
            frame if frame.starts_with(b"ERROR\n") => Told::Error,
            other => panic!("unexpected frame: {other:?}"),
        });
    }
    told
}

fn step() -> impl Strategy<Value = Step> {
    let few = 0_u8..3;
    let within = || prop::option::of(0_u8..3);
    prop_oneof![
        1 => Just(Step::Connect),
        4 => within().prop_map(|transaction| Step::Send { transaction }),
        1 => Just(Step::SendNowhere),
        4 => few.clone().prop_map(|id| Step::Subscribe { id }),
        4 => few.clone().prop_map(|id| Step::Unsubscribe { id }),
        3 => within().prop_map(|transaction| Step::Ack { transaction }),
        3 => within().prop_map(|transaction| Step::Nack { transaction }),
        4 => few.clone().prop_map(|transaction| Step::Begin { transaction }),
        3 => few.clone().prop_map(|transaction| Step::Commit { transaction }),
        3 => few.prop_map(|transaction| Step::Abort { transaction }),
        1 => Just(Step::Disconnect),
        1 => Just(Step::Message),
        1 => Just(Step::Malformed),
        1 => Just(Step::LineEnd),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: 1024,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_session_does_what_the_model_says(
        version in prop::sample::select(&Version::ALL[..]),
        keeps in any::<bool>(),
        connects in prop::bool::weighted(0.9),
        steps in vec(step(), 1..40),
    ) {
        let options =
            ServerOptions { error_keeps_connection: keeps, ..ServerOptions::default() };
        let mut server = Server::new(now(), options);
        let mut model = Model {
            version,
            keeps,
            state: State::NotConnected,
            subscriptions: BTreeSet::new(),
            transactions: BTreeMap::new(),
        };
        let steps = connects.then_some(Step::Connect).into_iter().chain(steps);
        for step in steps {
            let told = feed(&mut server, step.frame(version));
            prop_assert_eq!(told, model.step(step), "{:?}", step);
            let is_over = matches!(model.state, State::Disconnecting | State::Closed);
            prop_assert_eq!(server.is_closed(), is_over);
            prop_assert_eq!(server.has_failed(), model.state == State::Closed);
        }
    }
}

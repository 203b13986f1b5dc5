use std::error::Error;
use std::fmt;

use bytes::Bytes;

use super::Broker;
use super::sending::{Addressed, Sender};
use super::together::Together;
use crate::acknowledgement::{AckId, AckTarget, NackAction, Settlement};
use crate::destination::Destination;
use crate::error::{AckError, SendError};
use crate::kind::{Answer, DeliveryName, Settled};
use crate::operation::Operation;
use crate::session::{Route, Routes};
use crate::sink::Sink;
use crate::stomp::Headers;
use crate::subscription::SessionKey;
use crate::sync::lock;
use crate::timestamp::Timestamp;

/// One of the things that a transaction does.
#[derive(Clone, Debug)]
pub enum Action<'a> {
    /// As [`Broker::send_from`].
    Send {
        /// Where to.
        destination: Destination,
        /// Its headers.
        headers: Headers,
        /// Its body.
        body: Bytes,
    },
    /// As [`Broker::ack`].
    Ack(AckTarget<'a>),
    /// As [`Broker::nack`].
    Nack(AckTarget<'a>, NackAction),
}

/// Why a transaction was not committed. Nothing of it has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitError {
    /// Which of its actions could not be done, the first being 0.
    pub at: usize,
    /// Why.
    pub cause: CommitFailure,
}

/// Why one action of a transaction could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitFailure {
    /// The message could not be sent.
    Send(SendError),
    /// The delivery could not be settled.
    Ack(AckError),
}

/// An action that is known to be possible.
enum Checked<'a> {
    Send(Addressed),
    Settle(AckTarget<'a>, Settlement),
}

impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// Takes an ACK. In mode `client` it covers all earlier deliveries of the same subscription, in
    /// mode `client-individual` only the one. Where nothing is to be settled, with `ack:auto` and
    /// for topics, it changes nothing; neither does one that crosses the end of its subscription.
    ///
    /// # Errors
    ///
    /// [`AckError::UnknownDelivery`] for a delivery that was never made or is settled already. Where it
    /// is named by its message, and a subscription that may have brought that has ended, it is taken for one of that.
    pub fn ack(
        &self,
        now: Timestamp,
        session: SessionKey,
        target: AckTarget<'_>,
        sink: &mut dyn Sink<S>,
    ) -> Result<(), AckError> {
        self.operate(now, sink, |operation| {
            self.settle(session, target, Settlement::Consume, operation)
        })
    }

    /// Takes a NACK, which covers as many deliveries as an ACK would.
    ///
    /// # Errors
    ///
    /// As for [`ack`](Self::ack).
    pub fn nack(
        &self,
        now: Timestamp,
        session: SessionKey,
        target: AckTarget<'_>,
        action: NackAction,
        sink: &mut dyn Sink<S>,
    ) -> Result<(), AckError> {
        self.operate(now, sink, |operation| self.settle(session, target, action.into(), operation))
    }

    /// Does what a transaction has gathered, in order: all of it or, if something of it cannot be
    /// done, nothing. What others do at the same time may make queues a little fuller than their
    /// limits, and destinations a few more.
    ///
    /// # Errors
    ///
    /// [`CommitError`] says what could not be done.
    pub fn commit(
        &self,
        now: Timestamp,
        sender: Sender<'_, S>,
        actions: Vec<Action<'_>>,
        sink: &mut dyn Sink<S>,
    ) -> Result<(), CommitError> {
        let session = sender.session;
        self.operate(now, sink, |operation| {
            let checked = self.check(sender, actions, operation)?;
            for action in checked {
                match action {
                    Checked::Send(addressed) => {
                        for message in addressed.messages() {
                            self.send_checked(message, operation);
                        }
                    }
                    // An earlier action of the transaction may have covered it.
                    Checked::Settle(target, settlement) => {
                        let _ = self.settle(session, target, settlement, operation);
                    }
                }
            }
            Ok(())
        })
    }

    fn check<'a>(
        &self,
        sender: Sender<'_, S>,
        actions: Vec<Action<'a>>,
        operation: &mut Operation<'_, S>,
    ) -> Result<Vec<Checked<'a>>, CommitError> {
        let mut together = Together::default();
        let mut checked = Vec::with_capacity(actions.len());
        let settle = |target, settlement| {
            let found = self.check_delivery(sender.session, target);
            found.map(|()| Checked::Settle(target, settlement)).map_err(CommitFailure::Ack)
        };
        for (at, action) in actions.into_iter().enumerate() {
            let failed = |cause| CommitError { at, cause };
            checked.push(match action {
                Action::Send { destination, headers, body } => {
                    let addressed = self
                        .address(Some(sender), destination, headers, body, operation)
                        .and_then(|addressed| {
                            let messages = addressed.messages();
                            self.check_storage(messages, operation)?;
                            messages
                                .iter()
                                .try_for_each(|it| self.check_room(it, &mut together))?;
                            Ok(addressed)
                        });
                    Checked::Send(addressed.map_err(CommitFailure::Send).map_err(failed)?)
                }
                Action::Ack(target) => settle(target, Settlement::Consume).map_err(failed)?,
                Action::Nack(target, nack) => settle(target, nack.into()).map_err(failed)?,
            });
        }
        Ok(checked)
    }

    fn check_delivery(&self, session: SessionKey, target: AckTarget<'_>) -> Result<(), AckError> {
        self.find_delivery(session, target, |route, delivery| {
            route.destination.knows(&route.subscription, delivery)
        })
    }

    fn settle(
        &self,
        session: SessionKey,
        target: AckTarget<'_>,
        settlement: Settlement,
        operation: &mut Operation<'_, S>,
    ) -> Result<(), AckError> {
        self.find_delivery(session, target, |route, delivery| {
            let settled = Settled { delivery, settlement };
            route.destination.on_settle(&route.subscription, settled, operation)
        })
    }

    /// Asks those subscriptions of a session that may have made a delivery, until one has.
    fn find_delivery(
        &self,
        session: SessionKey,
        target: AckTarget<'_>,
        mut ask: impl FnMut(&Route<S>, DeliveryName) -> Answer,
    ) -> Result<(), AckError> {
        let (AckTarget::Ack(id) | AckTarget::Message { message_id: id, .. }) = target;
        let unknown = || AckError::UnknownDelivery { id: id.into() };
        let session = self.sessions.find(session).ok_or_else(unknown)?;
        let routes = lock(&session.routes);
        let answer = match target {
            AckTarget::Ack(id) if let Some((number, tag)) = AckId::parse(id) => {
                match routes.by_number(number) {
                    Some(route) => ask(route, DeliveryName::Tag(tag)),
                    None if routes.has_given(number) => Answer::NothingToSettle,
                    None => Answer::Unknown,
                }
            }
            AckTarget::Ack(_) | AckTarget::Message { .. } => {
                let serial = self.message_ids.parse(id).ok_or_else(unknown)?;
                let name = DeliveryName::Message(serial);
                let subscription = match target {
                    AckTarget::Ack(_) => None,
                    AckTarget::Message { subscription, .. } => subscription,
                };
                let answers = candidates(&routes, subscription).map(|route| ask(route, name));
                match first_settled(answers) {
                    // One that has ended may have brought the message.
                    Answer::Unknown if routes.has_ended(subscription) => Answer::NothingToSettle,
                    answer => answer,
                }
            }
        };
        match answer {
            Answer::Settled | Answer::NothingToSettle => Ok(()),
            Answer::Unknown => Err(unknown()),
        }
    }
}

/// The subscriptions that may have brought a message: those of one id, or all.
fn candidates<'a, S>(
    routes: &'a Routes<S>,
    subscription: Option<&'a str>,
) -> Box<dyn Iterator<Item = &'a Route<S>> + 'a> {
    match subscription {
        Some(id) => Box::new(routes.by_id(id)),
        None => Box::new(routes.iter()),
    }
}

/// The answer of subscriptions that are asked one by one until one settles.
fn first_settled(answers: impl Iterator<Item = Answer>) -> Answer {
    let mut answer = Answer::Unknown;
    for next in answers {
        match next {
            Answer::Settled => return next,
            Answer::NothingToSettle => answer = next,
            Answer::Unknown => {}
        }
    }
    answer
}

impl CommitError {
    /// The queue that had no room. It tells when it has.
    #[must_use]
    pub fn full_queue(&self) -> Option<&Destination> {
        match &self.cause {
            CommitFailure::Send(error) => error.full_queue(),
            CommitFailure::Ack(_) => None,
        }
    }

    /// As [`SendError::is_receivers_fault`].
    #[must_use]
    pub fn is_receivers_fault(&self) -> bool {
        matches!(&self.cause, CommitFailure::Send(error) if error.is_receivers_fault())
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {} of the transaction failed: {}", self.at + 1, self.cause)
    }
}

impl Error for CommitError {}

impl fmt::Display for CommitFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(error) => error.fmt(f),
            Self::Ack(error) => error.fmt(f),
        }
    }
}

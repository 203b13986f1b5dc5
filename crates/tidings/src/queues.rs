//! What an operator does to the queues of an application.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tidings_broker::{
    Consumers, Destination, DestinationPattern, DurableName, Kind, MoveError, MoveFailure,
    Selection,
};

use crate::clock;
use crate::hub::Hub;
use crate::near_names::near_names;
use crate::store::{BatchNumber, StoreError};

/// Looks at the queues of an application, and moves or removes what is in them. From
/// [`App::queues`](crate::App::queues). Cheap to clone.
#[derive(Clone)]
pub struct Queues(Arc<Hub>);

/// A queue at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Its name, such as `/queue/jobs`.
    pub name: String,
    /// What it is for.
    pub kind: QueueKind,
    /// Consumers and browsers.
    pub consumers: usize,
    /// Messages that wait for a consumer.
    pub ready: usize,
    /// Messages that a consumer has and has not settled.
    pub unsettled: usize,
    /// Messages that wait for the time of their next delivery, after one that failed, or of their first,
    /// which their sender has said.
    pub delayed: usize,
    /// Octets of the headers and bodies of all these messages.
    pub octets: usize,
}

/// What a queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueKind {
    /// Anybody may send to it and consume from it.
    Queue,
    /// It ends with its consumer.
    Temporary,
    /// It keeps the messages of topics for a durable subscription.
    DurableSubscription,
}

/// A message that is looked at, and stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueuedMessage {
    /// Its id.
    pub id: String,
    /// Where it was sent to.
    pub destination: String,
    /// How many times it was delivered.
    pub deliveries: u32,
    /// Its headers, in their order.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
}

/// What came of moving messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moved {
    /// How many were moved.
    pub moved: usize,
    /// How many the queue has left: those below, and the others that are ready.
    pub left: usize,
    /// How many of these a consumer has.
    pub unsettled: usize,
    /// How many of these wait for their time.
    pub delayed: usize,
}

/// What a queue had that was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deleted {
    /// How many messages, those included that a consumer had or that waited for their time.
    pub messages: usize,
    /// How many consumers and browsers, which were told.
    pub consumers: usize,
}

/// Which messages of a queue are to be moved, of those that no consumer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The first ones, at most so many. Each thousand is one step for the store.
    First(usize),
    /// The one with this id.
    WithId(String),
}

impl Queues {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self(hub)
    }

    /// All queues, by name.
    #[must_use]
    pub fn list(&self) -> Vec<QueueStats> {
        let all = self.0.broker().destinations().into_iter();
        let mut queues: Vec<QueueStats> = all
            .filter_map(|stats| {
                let name = stats.name.as_str().to_owned();
                let kind = match stats.kind {
                    Kind::Queue if name.starts_with(DurableName::PREFIX) => {
                        QueueKind::DurableSubscription
                    }
                    Kind::Queue => QueueKind::Queue,
                    Kind::TemporaryQueue => QueueKind::Temporary,
                    _ => return None,
                };
                Some(QueueStats {
                    name,
                    kind,
                    consumers: stats.subscriptions,
                    ready: stats.ready,
                    unsettled: stats.unsettled,
                    delayed: stats.delayed,
                    octets: stats.octets,
                })
            })
            .collect();
        queues.sort_by(|one, other| one.name.cmp(&other.name));
        queues
    }

    /// The first messages of a queue that no consumer has, at most `limit`.
    ///
    /// # Errors
    ///
    /// [`QueueError`] if there is no such queue.
    pub fn browse(&self, queue: &str, limit: usize) -> Result<Vec<QueuedMessage>, QueueError> {
        let name = destination(queue)?;
        let found = self.0.broker().peek(&name, limit).ok_or_else(|| self.missing(queue))?;
        let shown = |(message, deliveries): (Arc<tidings_broker::Message>, u32)| QueuedMessage {
            id: message.message_id.as_str().to_owned(),
            destination: message.destination.as_str().to_owned(),
            deliveries,
            headers: message
                .headers
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: message.body.clone(),
        };
        Ok(found.into_iter().map(shown).collect())
    }

    /// Removes all messages of a queue that no consumer has, and says how many those were, once that
    /// is stored.
    ///
    /// # Errors
    ///
    /// [`QueueError`] if there is no such queue, or it cannot be stored that they are gone.
    ///
    /// # Cancel safety
    ///
    /// A future that was polled has removed them.
    pub async fn purge(&self, queue: &str) -> Result<usize, QueueError> {
        let name = destination(queue)?;
        let (purged, batch) =
            self.0.administer(|broker, sink| broker.purge(clock::now(), &name, sink));
        let purged = purged.ok_or_else(|| self.missing(queue))?;
        self.stored(batch).await?;
        Ok(purged)
    }

    /// Moves messages to `target` or, without one, each back to where it was sent to before it became
    /// a dead letter, or to the one durable subscription that has given it up. Says how many were moved and how many
    /// are left, once that is stored.
    ///
    /// # Errors
    ///
    /// [`QueueError`] if there is no such queue, if `target` is none, if a destination does not take a message,
    /// which then stays with those behind it, or if it cannot be stored.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped may have moved some of them.
    pub async fn move_messages(
        &self,
        queue: &str,
        target: Option<&str>,
        which: &Which,
    ) -> Result<Moved, QueueError> {
        const STEP: usize = 1000;
        let name = destination(queue)?;
        let target = target.map(destination).transpose()?;
        let mut moved = 0;
        loop {
            let (selection, step) = match which {
                Which::First(count) => {
                    let step = STEP.min(count - moved);
                    (Selection::First(step), step)
                }
                Which::WithId(id) => (Selection::WithId(id), usize::MAX),
            };
            let (done, batch) = self.0.administer(|broker, sink| {
                broker.move_messages(clock::now(), &name, target.as_ref(), selection, sink)
            });
            self.stored(batch).await?;
            match done {
                Ok(done) => {
                    moved += done;
                    if done < step || *which == Which::First(moved) {
                        return Ok(self.moved(moved, &name));
                    }
                }
                // All of it has been moved.
                Err(MoveError { cause: MoveFailure::NoSuchQueue, .. }) if moved > 0 => {
                    return Ok(self.moved(moved, &name));
                }
                Err(MoveError { cause: MoveFailure::NoSuchQueue, .. }) => {
                    return Err(self.missing(queue));
                }
                Err(MoveError { moved: done, cause }) => {
                    return Err(QueueError::NotMoved(MoveError { moved: moved + done, cause }));
                }
            }
        }
    }

    /// Deletes a queue with its messages, or a durable subscription, once that is stored; says what it had. The
    /// subscriptions of its consumers end, and they are told so.
    ///
    /// # Errors
    ///
    /// [`QueueError`] if there is no such queue, or it cannot be stored that it is gone.
    ///
    /// # Cancel safety
    ///
    /// A future that was polled has deleted it.
    pub async fn delete(&self, queue: &str) -> Result<Deleted, QueueError> {
        let name = destination(queue)?;
        let (deleted, batch) = self.0.administer(|broker, sink| {
            broker.delete_queue(clock::now(), &name, Consumers::Cancel, sink)
        });
        let had = deleted.map_err(|_| self.missing(queue))?;
        self.stored(batch).await?;
        let messages = had.ready + had.unsettled + had.delayed;
        Ok(Deleted { messages, consumers: had.subscriptions })
    }

    /// What came of moving messages from a queue, which is gone if all of them were moved.
    fn moved(&self, moved: usize, queue: &Destination) -> Moved {
        let name = DestinationPattern::exact(queue.clone());
        let stats = self.0.broker().destination(&name);
        let (ready, unsettled, delayed) =
            stats.map_or((0, 0, 0), |stats| (stats.ready, stats.unsettled, stats.delayed));
        Moved { moved, left: ready + unsettled + delayed, unsettled, delayed }
    }

    /// Waits until a batch is stored.
    async fn stored(&self, batch: Option<BatchNumber>) -> Result<(), QueueError> {
        let (Some(batch), Some(journal)) = (batch, self.0.journal()) else { return Ok(()) };
        journal.stored(batch).await.map_err(QueueError::NotStored)
    }

    fn missing(&self, queue: &str) -> QueueError {
        let names = self.list().into_iter().map(|queue| queue.name);
        QueueError::NoSuchQueue { queue: queue.to_owned(), similar: near_names(queue, names) }
    }
}

fn destination(text: &str) -> Result<Destination, QueueError> {
    Destination::parse(text).map_err(|error| QueueError::InvalidName(error.to_string()))
}

/// Why nothing, or not all, was done to a queue.
#[derive(Debug)]
#[non_exhaustive]
pub enum QueueError {
    /// There is none of this name.
    NoSuchQueue {
        /// The name.
        queue: String,
        /// Names that there are and that hardly differ from it.
        similar: Vec<String>,
    },
    /// A name is none, and why.
    InvalidName(String),
    /// A message could not be moved.
    NotMoved(MoveError),
    /// It was done, and cannot be stored at the moment: it may come undone if the server ends now.
    NotStored(StoreError),
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchQueue { queue, similar } if similar.is_empty() => {
                write!(f, "there is no queue {queue}")
            }
            Self::NoSuchQueue { queue, similar } => {
                write!(f, "there is no queue {queue}: did you mean {}?", similar.join(" or "))
            }
            Self::InvalidName(why) => f.write_str(why),
            Self::NotMoved(error) => error.fmt(f),
            Self::NotStored(error) => {
                write!(f, "done, but it may come undone if the server ends now: {error}")
            }
        }
    }
}

impl Error for QueueError {}

impl fmt::Display for QueueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "queue",
            Self::Temporary => "temporary queue",
            Self::DurableSubscription => "durable subscription",
        })
    }
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queues").finish_non_exhaustive()
    }
}

//! Sending to the broker, and waiting where a queue has no room.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use tidings_broker::{
    Action, CommitError, Destination, SendError, Sender, Timestamp, UserDestination,
};
use tidings_stomp::Headers;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::{Hub, PublishError};
use crate::clock;
use crate::endpoint::Session;
use crate::store::BatchNumber;

/// What came of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    /// To how many subscribers it was handed at once.
    pub(crate) subscribers: usize,
    /// What has to be stored before it is safe.
    pub(crate) batch: Option<BatchNumber>,
}

/// The name of a destination.
pub(crate) fn parse_destination(destination: &str) -> Result<Destination, PublishError> {
    Ok(Destination::parse(destination).map_err(SendError::InvalidDestination)?)
}

impl Hub {
    /// Publishes a message at `now`, of a session if it is one's.
    ///
    /// # Errors
    ///
    /// A full queue is one, and leaves the body.
    pub(crate) fn try_publish(
        self: &Arc<Self>,
        now: Timestamp,
        sender: Option<Sender<'_, Session>>,
        destination: Destination,
        headers: Headers,
        body: &mut Bytes,
    ) -> Result<Published, PublishError> {
        if sender.is_none() {
            self.tell_time();
        }
        let (sent, batch) = self.deliver_recorded(|broker, sink| {
            broker.offer(now, sender, destination, headers, body, sink)
        });
        Ok(Published { subscribers: sent?.subscribers, batch })
    }

    /// Publishes a message. Where a queue is full, it waits for room, as long as its sender has a connection.
    ///
    /// # Errors
    ///
    /// A queue that is full all the time until [`publish_wait_max`](Self::publish_wait_max) is one.
    pub(crate) async fn publish(
        self: &Arc<Self>,
        sender: Option<Sender<'_, Session>>,
        destination: &str,
        headers: Headers,
        mut body: Bytes,
    ) -> Result<Published, PublishError> {
        let destination = parse_destination(destination)?;
        let mut attempt = || {
            let (destination, headers) = (destination.clone(), headers.clone());
            self.try_publish(clock::now(), sender, destination, headers, &mut body)
        };
        match attempt() {
            Err(error) if error.full_queue().is_some() => {
                let gone = gone(sender);
                Box::pin(self.when_there_is_room(error, PublishError::full_queue, gone, attempt))
                    .await
            }
            done => done,
        }
    }

    /// Publishes a message of the application to the sessions of a user, or to one of them.
    pub(crate) fn publish_to_user(
        self: &Arc<Self>,
        to: UserDestination<'_>,
        headers: Headers,
        body: Bytes,
    ) -> Result<Published, PublishError> {
        self.tell_time();
        let (sent, batch) = self.deliver_recorded(|broker, sink| {
            broker.send_to_user(clock::now(), to, headers, body, sink)
        });
        Ok(Published { subscribers: sent?.subscribers, batch })
    }

    /// Does what a transaction has gathered. Where a queue is full, it waits for room.
    ///
    /// # Errors
    ///
    /// As for [`publish`](Self::publish).
    pub(crate) async fn commit(
        self: &Arc<Self>,
        sender: Sender<'_, Session>,
        actions: Vec<Action<'_>>,
    ) -> Result<Option<BatchNumber>, CommitError> {
        let try_commit = |actions| {
            let (committed, batch) = self.deliver_recorded(|broker, sink| {
                broker.commit(clock::now(), sender, actions, sink)
            });
            committed.map(|()| batch)
        };
        match try_commit(actions.clone()) {
            Err(error) if error.full_queue().is_some() => {
                let attempt = || try_commit(actions.clone());
                let gone = gone(Some(sender));
                Box::pin(self.when_there_is_room(error, CommitError::full_queue, gone, attempt))
                    .await
            }
            done => done,
        }
    }

    /// The headers of a message to a handler, who can reply to the temporary destination in them.
    pub(crate) fn with_replies(
        self: &Arc<Self>,
        sender: Option<Sender<'_, Session>>,
        headers: Headers,
    ) -> Result<Headers, PublishError> {
        let Some(sender) = sender.filter(|_| headers.get("reply-to").is_some()) else {
            return Ok(headers);
        };
        let open =
            self.deliver(|broker, sink| broker.open_replies(clock::now(), sender, headers, sink));
        open.map_err(PublishError)
    }

    /// Refuses whatever waits for room, from now on too: the application ends.
    pub(crate) fn end_waiting(&self) {
        self.ending.cancel();
    }

    /// Tries again whenever the queue that was full may have room, until it is too late or the sender is `gone`.
    async fn when_there_is_room<T, E>(
        &self,
        mut error: E,
        full_queue: fn(&E) -> Option<&Destination>,
        gone: impl Future<Output = ()>,
        mut attempt: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        // Senders may be outside of any runtime.
        let Some(runtime) = Handle::try_current().ok().or_else(|| self.runtime.get().cloned())
        else {
            return Err(error);
        };
        let timeout = {
            let _runtime = runtime.enter();
            sleep(self.publish_wait_max)
        };
        let (mut timeout, mut gone) = (pin!(timeout), pin!(gone));
        while let Some(queue) = full_queue(&error).cloned() {
            let waiting = self.rooms.wait(queue.clone());
            let mut told = pin!(waiting.told().notified());
            told.as_mut().enable();
            // There may have been room since the last attempt.
            match attempt() {
                Ok(done) => {
                    self.rooms.tell(&queue);
                    return Ok(done);
                }
                Err(again) => error = again,
            }
            if full_queue(&error) == Some(&queue) {
                tokio::select! {
                    () = &mut told => {}
                    () = &mut timeout => return Err(error),
                    () = &mut gone => return Err(error),
                    () = self.ending.cancelled() => return Err(error),
                }
            } else {
                self.rooms.tell(&queue);
            }
        }
        Err(error)
    }
}

/// Waits until a sender has no connection any more. Who has none to begin with is never gone.
async fn gone(sender: Option<Sender<'_, Session>>) {
    match sender {
        Some(sender) => sender.subscriber.link().closed().await,
        None => pending().await,
    }
}

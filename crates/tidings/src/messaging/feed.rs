use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, StreamExt};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::{HandlerError, IntoOutgoing, Messenger, Outgoing, Target};
use crate::endpoint::{SendOrWait, Session};

/// Sends a message to the subscriber.
pub(crate) type Deliver = Box<dyn FnMut(&Outgoing) -> Result<(), SendOrWait> + Send>;

/// Where the stream of a `#[subscribe_mapping]` goes. Made by the library, for each subscription.
pub struct Feed {
    session: Session,
    messenger: Messenger,
    life: Arc<Mutex<Life>>,
    deliver: Deliver,
    /// Told when there is a stream.
    begun: oneshot::Sender<()>,
    /// Told when the client knows that it is subscribed.
    known: oneshot::Receiver<()>,
}

/// A stream that goes to a subscriber, as its session holds it. Dropped, it is over, and sends nothing more.
#[derive(Debug)]
pub(crate) struct LiveStream {
    life: Arc<Mutex<Life>>,
    known: Option<oneshot::Sender<()>>,
    /// Of the task that the stream runs in.
    task: Option<AbortHandle>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running,
    Over,
}

/// A stream that a `#[subscribe_mapping]` may return: one of what can be sent.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no stream of what a message handler may return",
    label = "not a stream of what can be sent",
    note = "return `impl Stream<Item = …> + Send + 'static`, whose items are `Json<T>`, `String`, `&'static str`, `Bytes`, `Vec<u8>`, `Outgoing`, or a `Result` of these"
)]
pub trait ReplyStream: Stream<Item: IntoOutgoing> {}

// So that the note above is what is told, and not which types happen to be streams.
#[diagnostic::do_not_recommend]
impl<S: Stream<Item: IntoOutgoing>> ReplyStream for S {}

impl Feed {
    /// A feed, and the session's end of it. `begun` tells that there is a stream.
    pub(super) fn new(
        session: Session,
        messenger: Messenger,
        deliver: Deliver,
    ) -> (Self, LiveStream, oneshot::Receiver<()>) {
        let (begin, begun) = oneshot::channel();
        let (know, known) = oneshot::channel();
        let life = Arc::new(Mutex::new(Life::Running));
        let live = LiveStream { life: Arc::clone(&life), known: Some(know), task: None };
        (Self { session, messenger, life, deliver, begun: begin, known }, live, begun)
    }

    /// Sends each item, to the subscriber or to `targets`, until the stream or the subscription ends. The stream is
    /// asked for the next item when the client has made room for it.
    ///
    /// # Errors
    ///
    /// The error that an item is, or that keeps it from being encoded.
    pub async fn run<S>(self, stream: S, targets: &[Target]) -> Result<(), HandlerError>
    where
        S: ReplyStream,
    {
        let Self { session, messenger, life, mut deliver, begun, known } = self;
        // Nobody is there to be told when the session has ended meanwhile.
        let _ = begun.send(());
        if known.await.is_err() {
            return Ok(());
        }
        let mut stream = pin!(stream);
        loop {
            session.link().drained().await;
            // A stream that always has something must let others have their turn.
            tokio::task::coop::consume_budget().await;
            let Some(item) = stream.next().await else { return Ok(()) };
            for outgoing in item.into_outgoing(targets)? {
                if !outgoing.destination.is_empty() {
                    outgoing.publish(&messenger).await;
                    continue;
                }
                let sent = {
                    let life = lock(&life);
                    if *life == Life::Over {
                        return Ok(());
                    }
                    deliver(&outgoing)
                };
                let sent = match sent {
                    Err(SendOrWait::Wait(waiting)) => waiting.await,
                    Err(SendOrWait::Refused(error)) => Err(error),
                    Ok(()) => Ok(()),
                };
                if sent.is_err() {
                    // The session is over.
                    return Ok(());
                }
            }
        }
    }
}

impl LiveStream {
    /// Takes note of the task.
    pub(super) fn runs_in(&mut self, task: AbortHandle) {
        self.task = Some(task);
    }

    /// Lets the items go: the client knows that it is subscribed.
    pub(crate) fn start(&mut self) {
        if let Some(known) = self.known.take() {
            // The stream may have ended, or failed.
            let _ = known.send(());
        }
    }
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        // What is being sent is sent before this returns, and nothing after it.
        *lock(&self.life) = Life::Over;
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

fn lock(life: &Mutex<Life>) -> MutexGuard<'_, Life> {
    life.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("session", &self.session).finish_non_exhaustive()
    }
}

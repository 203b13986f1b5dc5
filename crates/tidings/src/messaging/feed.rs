use std::fmt;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{Stream, StreamExt};
use tidings_websocket::Message;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::dispatcher::Unhandled;
use super::trace_context::TraceContext;
use super::{HandlerError, IntoOutgoing, MessageParts, Messenger, Outgoing, Target};
use crate::endpoint::Session;
use crate::net::{Link, Payload, PushError};

/// Whom a stream is for, as its feed knows it.
pub(crate) trait Subscriber: Send + Sync {
    /// An item as it goes to the client, or nothing of it.
    fn message(&self, item: &Outgoing) -> Option<Message>;

    /// The stream has failed after it had begun, and nobody has handled that.
    fn failed(&self, why: Unhandled);
}

/// Where the stream of a `#[subscribe_mapping]` goes. Made by the library, for each subscription.
pub struct Feed {
    session: Session,
    messenger: Messenger,
    /// What all items belong to.
    trace: TraceContext,
    life: Arc<Mutex<Life>>,
    subscriber: Arc<dyn Subscriber>,
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
}

/// What the task of a stream has of it to its end.
pub(super) struct Ending {
    life: Arc<Mutex<Life>>,
    subscriber: Arc<dyn Subscriber>,
}

#[derive(Debug)]
enum Life {
    /// In this task, once that is known.
    Running(Option<AbortHandle>),
    /// Nothing is sent any more, and nobody keeps the memory of the task.
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
    /// A feed for who has `subscribed`, and the session's end of it. The receiver is told that there is a stream.
    pub(super) fn new(
        subscribed: &MessageParts,
        subscriber: Arc<dyn Subscriber>,
    ) -> (Self, LiveStream, oneshot::Receiver<()>) {
        let (begin, begun) = oneshot::channel();
        let (know, known) = oneshot::channel();
        let life = Arc::new(Mutex::new(Life::Running(None)));
        let live = LiveStream { life: Arc::clone(&life), known: Some(know) };
        let feed = Self {
            session: subscribed.session.clone(),
            messenger: subscribed.messenger.clone(),
            trace: TraceContext::of(&subscribed.headers),
            life,
            subscriber,
            begun: begin,
            known,
        };
        (feed, live, begun)
    }

    pub(super) fn ending(&self) -> Ending {
        Ending { life: Arc::clone(&self.life), subscriber: Arc::clone(&self.subscriber) }
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
        let Self { session, messenger, trace, life, subscriber, begun, known } = self;
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
            for outgoing in trace.continued_by_all(item.into_outgoing(targets)?) {
                if is_over(&life) {
                    return Ok(());
                }
                if !outgoing.destination.is_empty() {
                    outgoing.publish(&messenger).await;
                    continue;
                }
                let Some(message) = subscriber.message(&outgoing) else { continue };
                if !send(&session, &life, message).await {
                    return Ok(());
                }
            }
        }
    }
}

/// Sends a message when there is room for it. Returns whether more may follow.
async fn send(session: &Session, life: &Mutex<Life>, message: Message) -> bool {
    match while_alive(session, life, |link| link.push_short(&message)) {
        None => return false,
        Some(true) => return true,
        Some(false) => {}
    }
    let payload = Payload::from(message);
    loop {
        match while_alive(session, life, |link| link.push(&payload)) {
            Some(Ok(())) => return true,
            Some(Err(PushError::Full)) if session.wait_for_room().await.is_ok() => {}
            _ => return false,
        }
    }
}

/// Does something unless the subscription has ended, which waits until it is done.
fn while_alive<T>(
    session: &Session,
    life: &Mutex<Life>,
    push: impl FnOnce(&Link) -> T,
) -> Option<T> {
    let life = lock(life);
    matches!(*life, Life::Running(_)).then(|| push(session.link()))
}

impl LiveStream {
    /// Takes note of the task, unless that has ended.
    pub(super) fn runs_in(&self, task: AbortHandle) {
        if let Life::Running(running) = &mut *lock(&self.life) {
            *running = Some(task);
        }
    }

    /// Lets the items go: the client knows that it is subscribed.
    pub(crate) fn start(&mut self) {
        if let Some(known) = self.known.take() {
            // The stream may have ended, or failed.
            let _ = known.send(());
        }
    }

    #[cfg(test)]
    pub(super) fn keeps_task(&self) -> bool {
        matches!(*lock(&self.life), Life::Running(Some(_)))
    }
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        // What is being sent is sent before this returns, and nothing after it.
        let life = mem::replace(&mut *lock(&self.life), Life::Over);
        if let Life::Running(Some(task)) = life {
            task.abort();
        }
    }
}

impl Ending {
    /// Has the client told that the stream has failed, if it had begun.
    pub(super) fn failed(&self, why: Unhandled) {
        self.subscriber.failed(why);
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        *lock(&self.life) = Life::Over;
    }
}

fn is_over(life: &Mutex<Life>) -> bool {
    matches!(*lock(life), Life::Over)
}

fn lock(life: &Mutex<Life>) -> MutexGuard<'_, Life> {
    life.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("session", &self.session).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::{poll, stream};
    use tidings_stomp::Headers;
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::endpoint::{ConnectionOptions, PathParams, in_memory};
    use crate::hub::{Hub, HubOptions};

    /// Gets bare octets.
    struct Bare;

    impl Subscriber for Bare {
        fn message(&self, item: &Outgoing) -> Option<Message> {
            Some(Message::Binary(item.body.clone()))
        }

        fn failed(&self, _: Unhandled) {}
    }

    #[tokio::test]
    async fn what_waits_for_room_is_not_sent_once_the_subscription_has_ended() {
        let options = ConnectionOptions { outbox_octets_max: 16, ..ConnectionOptions::default() };
        let (session, mut stream, mut peer) = in_memory(options);
        let messenger = Messenger::new(Hub::new(HubOptions::default()));
        let subscribed = MessageParts {
            destination: "/stream".to_owned(),
            variables: PathParams::default(),
            headers: Headers::default(),
            session: session.clone(),
            messenger,
        };
        let (feed, mut live, _begun) = Feed::new(&subscribed, Arc::new(Bare));
        live.start();
        let first = "more than there is room for until it is written";
        let item = [first, "second"].map(|part| Outgoing::to("", part).unwrap()).to_vec();
        let mut run = pin!(feed.run(stream::iter([item]), &[]));
        assert!(poll!(run.as_mut()).is_pending(), "the second one waits");
        drop(live);
        let outbox = session.link().outbox().unwrap();
        poll_fn(|cx| stream.poll_drive(cx, outbox)).await;
        run.await.unwrap();
        poll_fn(|cx| stream.poll_drive(cx, outbox)).await;
        drop(stream);
        let mut read = String::new();
        peer.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, first);
    }
}

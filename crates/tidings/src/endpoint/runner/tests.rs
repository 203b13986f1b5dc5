use std::sync::{Arc, Mutex};

use tidings_stomp::HeartBeat;
use tidings_websocket::Message;

use super::*;
use crate::endpoint::{Deployed, Handshake};
use crate::net::{ConnectionOptions, Framing, Link, Stream, Terms};

const PROMISED: Duration = Duration::from_millis(1);

/// How long nothing comes from a peer that seems silent then.
const SILENCE: Duration = PROMISED.saturating_mul(2);

/// Twice nothing comes until its peer seems silent, and when it is asked then it is busy with something else. When it
/// is asked again it finds a message.
struct Busy {
    step: usize,
    received: Instant,
}

impl Busy {
    fn receive(&mut self, text: &str) -> Poll<Incoming> {
        self.step += 1;
        self.received = Instant::now();
        Poll::Ready(Message::from(text).into())
    }
}

impl Source for Busy {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        match self.step {
            0 => self.receive("early"),
            1 | 3 if self.received.elapsed() < SILENCE => Poll::Pending,
            1 | 3 => {
                self.step += 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            2 => self.receive("late"),
            4 => self.receive("last"),
            // From here on it is asked, and there is nothing.
            _ => Poll::Pending,
        }
    }

    fn poll_background(&mut self, _: &mut Context<'_>) {}

    fn last_received(&self) -> Instant {
        self.received
    }

    fn last_sent(&self) -> Instant {
        Instant::now()
    }

    async fn finish(&mut self) {}
}

/// Hears what comes, and whether the session was open then.
struct Hears(Arc<Mutex<Vec<(String, bool)>>>);

impl Endpoint for Hears {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        let Message::Text(text) = message else { panic!("expected text") };
        self.0.lock().unwrap().push((text, session.is_open()));
        Ok(())
    }
}

#[tokio::test]
async fn a_peer_is_not_silent_before_it_was_asked() {
    let (_peer, stream) = tokio::io::duplex(1024);
    let terms = Terms::new(ConnectionOptions::default());
    let (_stream, outbox) = Stream::other(stream, terms, None);
    let link = Link::Stream { outbox: Arc::clone(&outbox), framing: Framing::Octets };
    let session = Session::new(Handshake::default(), link, Arc::new(Deployed::default()));
    let beat = HeartBeat::negotiate((Duration::ZERO, PROMISED), (PROMISED, Duration::ZERO));
    session.vitals().set_heart_beat(beat.unwrap());
    let heard = Arc::<Mutex<Vec<_>>>::default();
    let source = Busy { step: 0, received: Instant::now() };
    let run = tokio::spawn(run(Hears(Arc::clone(&heard)), session.clone(), source));
    outbox.closed().await;
    run.abort();
    let expected = ["early", "late", "last"].map(|text| (text.to_owned(), true));
    assert_eq!(*heard.lock().unwrap(), expected);
    assert!(!session.is_open(), "and then it is silent");
}

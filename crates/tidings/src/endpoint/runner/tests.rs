use std::sync::{Arc, Mutex};

use tidings_stomp::HeartBeat;
use tidings_websocket::Message;

use super::*;
use crate::endpoint::{Deployed, Handshake};
use crate::net::{ConnectionOptions, Framing, Link, Stream, Terms};

const PROMISED: Duration = Duration::from_millis(1);

/// Twice it is busy for so long that its peer seems silent. When it is asked again it finds the beginning of a
/// message, and then the message.
struct Busy {
    asked: usize,
    received: Instant,
}

impl Busy {
    fn yield_late(&self, cx: &mut Context<'_>) {
        while self.received.elapsed() < PROMISED * 10 {
            std::hint::spin_loop();
        }
        cx.waker().wake_by_ref();
    }
}

impl Source for Busy {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        self.asked += 1;
        match self.asked {
            1 => Poll::Ready(Message::from("early").into()),
            2 | 4 => {
                self.yield_late(cx);
                Poll::Pending
            }
            3 => {
                self.received = Instant::now();
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            5 => {
                self.received = Instant::now();
                Poll::Ready(Message::from("late").into())
            }
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
    let source = Busy { asked: 0, received: Instant::now() };
    let run = tokio::spawn(run(Hears(Arc::clone(&heard)), session.clone(), source));
    outbox.closed().await;
    run.abort();
    let expected = [("early".to_owned(), true), ("late".to_owned(), true)];
    assert_eq!(*heard.lock().unwrap(), expected);
    assert!(!session.is_open(), "and then it is silent");
}

//! Several threads give up messages of one queue, and send each other's dead letters.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use tidings_broker::{
    Broker, BrokerOptions, Delivered, Delivery, Destination, DestinationPattern, Message, Sink,
    Subscribers, Timestamp,
};
use tidings_stomp::Headers;

const THREADS: usize = 4;
const MESSAGES: usize = 500;

/// Nobody has subscribed to anything.
struct Nobody;

impl Sink<()> for Nobody {
    fn topic(&mut self, _: &Arc<Message>, _: &Subscribers<()>) {
        panic!("there is no topic");
    }

    fn deliver(&mut self, _: Delivery<'_, ()>) -> Delivered {
        panic!("there is no consumer");
    }
}

/// Sends messages that nobody wants any more: each is a dead letter at once.
fn give_up(broker: &Broker<()>, by: usize) {
    let queue = Destination::parse("/queue/a").unwrap();
    let headers = Headers::from([("persistent", "true"), ("expires", "1")]);
    for number in 0..MESSAGES {
        let body = Bytes::from(format!("{by}-{number}"));
        broker.send(Timestamp(2), queue.clone(), headers.clone(), body, &mut Nobody).unwrap();
    }
}

#[test]
fn every_letter_gets_to_its_place_once_whoever_has_it_in_hand() {
    let broker = Broker::<()>::new(BrokerOptions::default());
    thread::scope(|scope| {
        for by in 0..THREADS {
            let broker = &broker;
            scope.spawn(move || give_up(broker, by));
        }
    });
    let letters = Destination::parse("/queue/DLQ.a").unwrap();
    let found = broker.peek(&letters, usize::MAX).unwrap();
    let bodies: BTreeSet<_> = found.iter().map(|(message, _)| message.body.clone()).collect();
    assert_eq!((found.len(), bodies.len()), (THREADS * MESSAGES, THREADS * MESSAGES));
    let queue = DestinationPattern::parse("/queue/a").unwrap();
    assert!(broker.destination(&queue).is_none(), "nothing counts in it any more");
}

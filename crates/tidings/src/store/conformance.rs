//! What every [`Store`] has to do, as a test.
//!
//! ```
//! use tidings::store::{MemoryStore, conformance};
//!
//! // Each call opens the same store once more, as a server does that starts again.
//! let store = MemoryStore::new();
//! conformance::check(|| store.clone());
//! ```

use std::sync::Arc;

use bytes::Bytes;
use tidings_broker::{
    Batch, Broker, BrokerOptions, Change, Delivered, Delivery, Destination, Message, Position,
    QueueId, Sink, Subscribers, Timestamp,
};
use tidings_stomp::Headers;

use super::{Recovered, Store};

/// Checks a store: `open` opens an empty one, and the same again with what was left. What was opened
/// before is dropped by then.
///
/// # Panics
///
/// If the store does not do what it has to, with words that say what.
pub fn check<S: Store>(mut open: impl FnMut() -> S) {
    let mut store = open();
    let first = recover(&mut store, "a store that holds nothing");
    assert!(first.queues.is_empty(), "a store that nothing was committed to holds nothing");
    let commit = |store: &mut S, changes: Vec<Change>| {
        store.commit(&batch(changes)).expect("a batch is stored");
    };
    let queue = QueueId(1);
    commit(&mut store, sent("/queue/a", &["0", "1", "2"]));
    commit(
        &mut store,
        vec![
            Change::Remove { queue, position: Position(1) },
            Change::Remove { queue, position: Position(77) },
            Change::Mark { queue, below: Position(9) },
        ],
    );
    drop(store);

    let mut store = open();
    let second = recover(&mut store, "a store that was dropped");
    assert_eq!(bodies(&second), ["0", "2"], "messages come back in order, without those removed");
    let found = &second.queues[0];
    assert_eq!(found.definition.name.as_str(), "/queue/a", "a queue keeps its name");
    assert_eq!(found.id, queue, "a queue keeps its id");
    assert_eq!(found.marked_below, Position(9), "a queue keeps its mark");
    let (_, message) = &found.messages[0];
    assert_eq!(message.headers.get("a"), Some("1"), "a message keeps its headers");
    assert!(second.starts > first.starts, "every start has a number of its own");
    let reopened = store.commit(&batch(sent("/queue/a", &["zero"])));
    reopened.expect("a batch is stored");
    drop(store);

    let mut store = open();
    let third = recover(&mut store, "a store with a message that was put anew");
    assert_eq!(bodies(&third), ["zero", "2"], "a message that is put again is the new one");
    assert_eq!(third.message_id_prefix, second.message_id_prefix, "a store keeps its prefix");
    commit(&mut store, vec![Change::Close { queue }]);
    drop(store);

    let mut store = open();
    let fourth = recover(&mut store, "a store whose queue was closed");
    assert!(fourth.queues.is_empty(), "nothing is left of a queue that was closed");
    commit(&mut store, sent("/queue/b", &["0"]).into_iter().take(1).collect());
    drop(store);
    check_order(open);
}

/// Goes on with a store that has one queue without messages, the second one with its id.
fn check_order<S: Store>(mut open: impl FnMut() -> S) {
    let (one, two) = (QueueId(1), QueueId(2));
    let mut store = open();
    let found = recover(&mut store, "a store with a queue whose id was used before");
    assert!(bodies(&found).is_empty(), "the messages of a closed queue do not come back");
    assert_eq!(found.queues[0].marked_below, Position(0), "nor does its mark");
    let mut commit = |changes: Vec<Change>| {
        store.commit(&batch(changes)).expect("a batch is stored");
    };
    commit(sent("/queue/b", &["0", "1"]));
    commit(vec![Change::Mark { queue: one, below: Position(9) }]);
    commit(with_id(two, sent("/queue/c", &["0", "1"])).collect());
    let mut all = vec![Change::Close { queue: one }];
    all.extend(sent("/queue/d", &["new"]));
    all.push(Change::Mark { queue: one, below: Position(3) });
    all.push(Change::Remove { queue: two, position: Position(0) });
    all.extend(with_id(two, sent("/queue/c", &["0"])));
    all.push(Change::Remove { queue: two, position: Position(1) });
    commit(all);
    drop(store);

    let found = recover(&mut open(), "a store with a batch of all kinds of changes");
    let queues: Vec<_> = found.queues.iter().map(|it| (it.id, it.marked_below)).collect();
    assert_eq!(
        queues,
        [(one, Position(3)), (two, Position(0))],
        "a queue is closed before it is opened"
    );
    assert_eq!(found.queues[0].definition.name.as_str(), "/queue/d", "it is the new one");
    assert_eq!(bodies(&found), ["new", "0"], "closed, removed and put, in this order");
}

/// The changes of another queue.
pub(super) fn with_id(queue: QueueId, changes: Vec<Change>) -> impl Iterator<Item = Change> {
    changes.into_iter().map(move |change| match change {
        Change::Open { definition, .. } => Change::Open { queue, definition },
        Change::Put { position, message, .. } => Change::Put { queue, position, message },
        other => other,
    })
}

fn recover(store: &mut impl Store, what: &str) -> Recovered {
    store.recover().unwrap_or_else(|error| panic!("{what} cannot be read: {error}"))
}

fn bodies(recovered: &Recovered) -> Vec<String> {
    let messages = recovered.queues.iter().flat_map(|queue| &queue.messages);
    messages.map(|(_, message)| String::from_utf8_lossy(&message.body).into_owned()).collect()
}

/// The changes of sending persistent messages to the only queue of a broker.
pub(super) fn sent(queue: &str, bodies: &[&'static str]) -> Vec<Change> {
    let broker = Broker::new(BrokerOptions::default());
    let mut record = Record(Vec::new());
    for body in bodies {
        let headers = Headers::from([("persistent", "true"), ("a", "1")]);
        let body = Bytes::from_static(body.as_bytes());
        let destination = Destination::parse(queue).expect("it is a name");
        let sent = broker.send(Timestamp(1), destination, headers, body, &mut record);
        sent.expect("the queue has room");
    }
    record.0
}

pub(super) fn batch(changes: impl IntoIterator<Item = Change>) -> Batch {
    let mut batch = Batch::default();
    changes.into_iter().for_each(|change| batch.apply(change));
    batch
}

struct Record(Vec<Change>);

impl Sink<()> for Record {
    fn topic(&mut self, _: &Arc<Message>, _: &Subscribers<()>) {}

    fn deliver(&mut self, _: Delivery<'_, ()>) -> Delivered {
        Delivered::Ready
    }

    fn record(&mut self, change: Change) {
        self.0.push(change);
    }
}

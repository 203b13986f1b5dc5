use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::iter;
use std::sync::Arc;

use super::Broker;
use crate::destination::Destination;
use crate::kind::{Queue, Role};
use crate::limits::QuotaSpent;
use crate::message::Message;
use crate::operation::Operation;
use crate::record::{Change, QueueDefinition, StoredMessage, StoredQueue};
use crate::sink::Sink;
use crate::timestamp::Timestamp;

/// The store holds more queues than there may be destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoverError {
    /// How many queues were found.
    pub queues: usize,
    /// [`Limits::destinations_max`](crate::Limits::destinations_max).
    pub destinations_max: usize,
}

/// The queues of the store that have one name, the oldest first.
struct Namesakes {
    oldest: StoredQueue,
    younger: Vec<StoredQueue>,
}

impl Namesakes {
    fn iter(&self) -> impl Iterator<Item = &StoredQueue> {
        iter::once(&self.oldest).chain(&self.younger)
    }

    /// Whether nothing is lost without them: they hold nothing but arguments, which are forgotten with a queue.
    fn are_vacant(&self) -> bool {
        self.iter().all(|queue| {
            let QueueDefinition { arguments, binding, .. } = &queue.definition;
            queue.messages.is_empty() && binding.is_none() && arguments.expires.is_none()
        })
    }
}

impl<S: Clone + Send + Sync + 'static> Broker<S> {
    /// Takes over all queues that were found in the store, and then does what was due while there was
    /// no server: messages expire, for example. To be called once, before anything else.
    ///
    /// Of several queues that have one name, one is made. It has the messages of all of them, those of
    /// lower [ids](crate::QueueId) first, and is what the highest one says.
    ///
    /// # Errors
    ///
    /// [`RecoverError`] if there are more than
    /// [`destinations_max`](crate::Limits::destinations_max). Nothing is recorded then, and the broker
    /// is of no use: without some of the queues it would store others of the same names.
    pub fn recover(
        &self,
        now: Timestamp,
        stored: Vec<StoredQueue>,
        sink: &mut dyn Sink<S>,
    ) -> Result<(), RecoverError> {
        if let Some(last) = stored.iter().map(|queue| queue.id).max() {
            self.routing.reserve_queue_ids(last);
        }
        let (vacant, found): (Vec<_>, Vec<_>) =
            by_name(stored).into_iter().partition(Namesakes::are_vacant);
        let queues = found.len();
        self.operate(now, sink, |operation| {
            let mut recovered = Vec::with_capacity(queues);
            for namesakes in found {
                let restored = self.restore(namesakes, operation);
                let refused =
                    |spent: QuotaSpent| RecoverError { queues, destinations_max: spent.max };
                recovered.push(restored.map_err(refused)?);
            }
            for (queue, younger) in &mut recovered {
                self.merge(queue, std::mem::take(younger), operation);
            }
            for queue in vacant.iter().flat_map(Namesakes::iter) {
                operation.sink.record(Change::Close { queue: queue.id });
            }
            // Dead letters may need any of the queues, so that all have to be there by now.
            for (queue, _) in recovered {
                self.tell_queue_time(&queue, operation);
            }
            Ok(())
        })
    }

    fn restore(
        &self,
        namesakes: Namesakes,
        operation: &Operation<'_, S>,
    ) -> Result<(Arc<Queue<S>>, Vec<StoredQueue>), QuotaSpent> {
        let Namesakes { oldest, younger } = namesakes;
        let StoredQueue { id, definition, marked_below, messages } = oldest;
        let QueueDefinition { name, arguments, binding } =
            younger.last().map_or(definition, |youngest| youngest.definition.clone());
        let role = binding.clone().map_or(Role::Named, Role::Durable);
        let queue = Queue::recovered(name, role, arguments, (id, marked_below), &self.options);
        let queue = self.routing.restore_queue(queue)?;
        for (position, message) in messages {
            queue.restore(operation.now, position, self.message(message));
        }
        if let Some(binding) = binding {
            self.bindings.insert(&binding.pattern, Arc::clone(&queue));
        }
        Ok((queue, younger))
    }

    fn merge(&self, queue: &Queue<S>, younger: Vec<StoredQueue>, operation: &mut Operation<'_, S>) {
        if !younger.is_empty() {
            queue.define_again(operation);
        }
        for StoredQueue { id, marked_below, messages, .. } in younger {
            for (position, message) in messages {
                let deliveries = u32::from(position < marked_below);
                queue.take_over(&self.message(message), deliveries, operation);
            }
            operation.sink.record(Change::Close { queue: id });
        }
    }

    fn message(&self, stored: StoredMessage) -> Arc<Message> {
        Arc::new(Message {
            destination: stored.destination,
            message_id: self.message_ids.of(stored.serial),
            headers: stored.headers,
            body: stored.body,
            properties: stored.properties,
            sender: None,
        })
    }
}

fn by_name(mut stored: Vec<StoredQueue>) -> Vec<Namesakes> {
    stored.sort_by_key(|queue| queue.id);
    let mut places: HashMap<Destination, usize> = HashMap::with_capacity(stored.len());
    let mut found: Vec<Namesakes> = Vec::with_capacity(stored.len());
    for queue in stored {
        match places.get(&queue.definition.name) {
            Some(place) => found[*place].younger.push(queue),
            None => {
                places.insert(queue.definition.name.clone(), found.len());
                found.push(Namesakes { oldest: queue, younger: Vec::new() });
            }
        }
    }
    found
}

impl fmt::Display for RecoverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queues, destinations_max } = self;
        write!(
            f,
            "{queues} queues are stored, and destinations_max is {destinations_max}: raise it"
        )
    }
}

impl Error for RecoverError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Selection;
    use crate::record::{Position, QueueId};
    use crate::recording::{Recording, later};
    use crate::stomp::AckMode;
    use crate::storing::{Batch, Snapshot};

    const PERSISTENT: [(&str, &str); 1] = [("persistent", "true")];

    /// Takes in what the broker has recorded.
    fn store(snapshot: &mut Snapshot, recording: &mut Recording) {
        let mut batch = Batch::default();
        recording.log.changes.drain(..).for_each(|change| batch.apply(change));
        snapshot.apply(&batch);
    }

    fn restart(snapshot: &mut Snapshot, now: u64) -> Recording {
        let mut recording = Recording::new();
        let queues = snapshot.queues().unwrap();
        recording.broker.recover(later(now), queues, &mut recording.log).unwrap();
        store(snapshot, &mut recording);
        recording
    }

    fn ids(snapshot: &Snapshot) -> Vec<(u64, String)> {
        let queues = snapshot.queues().unwrap();
        queues.iter().map(|queue| (queue.id.0, queue.definition.name.to_string())).collect()
    }

    fn drained(recording: &mut Recording, queue: &str) -> Vec<(String, u32)> {
        recording.subscribe(9, queue, queue, AckMode::Auto).unwrap();
        recording.take().into_iter().map(|got| (got.body, got.delivery_count)).collect()
    }

    fn new(bodies: &[&str]) -> Vec<(String, u32)> {
        bodies.iter().map(|body| ((*body).to_owned(), 1)).collect()
    }

    #[test]
    fn dead_letters_of_the_start_take_nothing_from_queues_that_are_stored() {
        let mut before = Recording::new();
        let expiring = [("persistent", "true"), ("expires", "1700000000050")];
        before.send_with(0, "/queue/a", &expiring, "dead").unwrap();
        before.send_with(0, "/queue/b", &PERSISTENT, "kept").unwrap();
        let mut snapshot = Snapshot::default();
        store(&mut snapshot, &mut before);
        restart(&mut snapshot, 100);
        let mut again = restart(&mut snapshot, 100);
        assert_eq!(drained(&mut again, "/queue/b"), new(&["kept"]));
        assert_eq!(drained(&mut again, "/queue/DLQ.a"), new(&["dead"]));
    }

    #[test]
    fn what_a_queue_says_of_time_does_not_begin_anew() {
        let mut before = Recording::new();
        let headers = [("persistent", "true"), ("x-message-ttl", "100")];
        before.send_with(0, "/queue/a", &headers, "moved").unwrap();
        before.send_with(0, "/queue/a", &headers, "m").unwrap();
        let mut snapshot = Snapshot::default();
        store(&mut snapshot, &mut before);
        let mut again = restart(&mut snapshot, 60);
        let [a, b] = ["/queue/a", "/queue/b"].map(|name| Destination::parse(name).unwrap());
        let (first, log) = (Selection::First(1), &mut again.log);
        assert_eq!(again.broker.move_messages(later(60), &a, Some(&b), first, log), Ok(1));
        assert_eq!(again.broker.next_deadline(), Some(later(100)));
        again.at(100);
        assert_eq!(drained(&mut again, "/queue/DLQ.a"), new(&["m"]));
        assert_eq!(drained(&mut again, "/queue/b"), new(&["moved"]), "another queue keeps it");
    }

    #[test]
    fn dead_letters_of_the_start_join_those_that_are_stored() {
        let mut before = Recording::new();
        let expiring = [("persistent", "true"), ("expires", "1700000000050")];
        before.send_with(0, "/queue/a", &expiring, "dead").unwrap();
        before.send_with(0, "/queue/DLQ.a", &PERSISTENT, "old").unwrap();
        let mut snapshot = Snapshot::default();
        store(&mut snapshot, &mut before);
        restart(&mut snapshot, 100);
        assert_eq!(ids(&snapshot), [(2, "/queue/DLQ.a".to_owned())]);
        let mut again = restart(&mut snapshot, 100);
        assert_eq!(drained(&mut again, "/queue/DLQ.a"), new(&["old", "dead"]));
        store(&mut snapshot, &mut again);
        let mut last = restart(&mut snapshot, 100);
        assert_eq!(drained(&mut last, "/queue/DLQ.a"), [], "consumed is consumed");
    }

    #[test]
    fn queues_of_one_name_become_one_with_the_messages_of_all() {
        let of = |bodies: &[&str], id: u64| {
            let mut recording = Recording::new();
            for body in bodies {
                recording.send_with(0, "/queue/a", &PERSISTENT, body).unwrap();
            }
            let mut snapshot = Snapshot::default();
            store(&mut snapshot, &mut recording);
            let mut queue = snapshot.queues().unwrap().remove(0);
            queue.id = QueueId(id);
            queue
        };
        let (mut young, old) = (of(&["3", "4"], 8), of(&["1", "2"], 5));
        young.marked_below = Position(1);
        young.definition.arguments.messages_max = Some(70);
        let mut snapshot = Snapshot::default();
        let mut recording = Recording::new();
        let found = vec![young, old];
        let mut batch = Batch::default();
        for queue in &found {
            let (queue, definition) = (queue.id, Arc::new(queue.definition.clone()));
            batch.apply(Change::Open { queue, definition });
        }
        for queue in &found {
            for (position, message) in &queue.messages {
                let message = recording.broker.message(message.clone());
                batch.apply(Change::Put { queue: queue.id, position: *position, message });
            }
            batch.apply(Change::Mark { queue: queue.id, below: queue.marked_below });
        }
        snapshot.apply(&batch);
        recording.broker.recover(later(0), found, &mut recording.log).unwrap();
        store(&mut snapshot, &mut recording);
        let got = drained(&mut recording, "/queue/a");
        let expected = [("1", 1), ("2", 1), ("3", 2), ("4", 1)];
        assert_eq!(got, expected.map(|(body, count)| (body.to_owned(), count)));

        assert_eq!(ids(&snapshot), [(5, "/queue/a".to_owned())]);
        let arguments = snapshot.queues().unwrap().remove(0).definition.arguments;
        assert_eq!(arguments.messages_max, Some(70), "what was asked last");
        let mut again = restart(&mut snapshot, 0);
        let bodies: Vec<_> =
            drained(&mut again, "/queue/a").into_iter().map(|(body, _)| body).collect();
        assert_eq!(bodies, ["1", "2", "3", "4"]);
        again.send_with(0, "/queue/new", &PERSISTENT, "5").unwrap();
        store(&mut snapshot, &mut again);
        let id = ids(&snapshot).iter().find(|(_, name)| name == "/queue/new").unwrap().0;
        assert!(id > 5, "{id}");
    }

    #[test]
    fn more_queues_than_there_may_be_destinations_are_refused_and_left_alone() {
        let mut before = Recording::new();
        for queue in ["/queue/a", "/queue/b", "/queue/c"] {
            before.send_with(0, queue, &PERSISTENT, "kept").unwrap();
        }
        let mut snapshot = Snapshot::default();
        store(&mut snapshot, &mut before);
        let mut recording = Recording::with_limits(|limits| limits.destinations_max = 2);
        let queues = snapshot.queues().unwrap();
        let refused = recording.broker.recover(later(0), queues, &mut recording.log);
        assert_eq!(refused, Err(RecoverError { queues: 3, destinations_max: 2 }));
        assert!(recording.log.changes.is_empty());
        let error = refused.unwrap_err().to_string();
        assert_eq!(error, "3 queues are stored, and destinations_max is 2: raise it");
    }
}

use bytes::Bytes;
use tidings_broker::{Broker, Destination};
use tidings_stomp::Headers;

use crate::server::Now;
use crate::sink::Deliveries;

/// What the application sends that the server runs in: a persistent message for a queue.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) message: u64,
    pub(crate) destination: Destination,
    pub(crate) priority: Option<u8>,
}

impl Publication {
    /// Sends it, as an operation of its own.
    pub(crate) fn publish(self, broker: &Broker<u64>, now: Now, sink: &mut Deliveries<'_>) {
        let Self { message, destination, priority } = self;
        let (mut headers, body) =
            (Headers::from([("persistent", "true")]), Bytes::from(message.to_string()));
        if let Some(priority) = priority {
            headers.push("priority", &priority.to_string());
        }
        let sent = broker.send(now.timestamp, destination, headers, body, sink);
        let Some(batch) = sink.batch.take() else { return };
        sink.outside.collector.finish(batch);
        if sent.is_ok() {
            sink.outside.published.push((batch, message));
        }
    }
}

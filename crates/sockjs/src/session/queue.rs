use bytes::Bytes;

use super::SessionOptions;

/// Encoded messages that wait for a receiver.
#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: Vec<Bytes>,
    octets: usize,
}

impl Queue {
    pub(super) fn push(&mut self, message: Bytes) {
        self.octets += message.len();
        self.messages.push(message);
    }

    /// Takes all messages out, as one array frame.
    pub(super) fn take_array(&mut self) -> Vec<u8> {
        let Self { messages, octets } = std::mem::take(self);
        let mut frame = Vec::with_capacity(octets + messages.len() + 2);
        frame.extend_from_slice(b"a[");
        for (index, message) in messages.iter().enumerate() {
            if index > 0 {
                frame.push(b',');
            }
            frame.extend_from_slice(message);
        }
        frame.push(b']');
        frame
    }

    pub(super) fn messages(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// An empty queue is never full, whatever its limits: it has room again once it is empty.
    pub(super) fn is_full(&self, options: &SessionOptions) -> bool {
        self.messages.len() >= options.queue_messages_max.max(1)
            || self.octets >= options.queue_octets_max.max(1)
    }

    pub(super) fn is_more_than_half_full(&self, options: &SessionOptions) -> bool {
        self.messages.len() > options.queue_messages_max / 2
            || self.octets > options.queue_octets_max / 2
    }
}

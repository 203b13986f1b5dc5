use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};

use super::{Connection, Event};

/// A connection whose events are taken as soon as they happen, and kept until they are asked for.
pub(crate) struct Fed {
    connection: Connection,
    events: VecDeque<Event>,
}

impl Fed {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, events: VecDeque::new() }
    }

    pub(crate) fn handle_input(&mut self, mut input: &mut [u8]) {
        while let Some(event) = self.connection.poll_event(&mut input) {
            self.events.push_back(event);
        }
        assert!(input.is_empty(), "all octets are taken");
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.handle_input(&mut []);
        self.events.pop_front()
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.poll_event()).collect()
    }
}

impl Deref for Fed {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Fed {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

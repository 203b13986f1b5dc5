use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidings::controller;
use tidings::endpoint::{Json, Session, SessionId};
use tidings::messaging::{Messenger, SessionEvent, SessionListener};

const NAME_CHARS_MAX: usize = 32;
const TEXT_CHARS_MAX: usize = 1000;
const ROOM_OCTETS_MAX: usize = 32;

/// Who is in which room.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms(Arc<Mutex<HashMap<SessionId, Guest>>>);

#[derive(Clone, Debug)]
struct Guest {
    room: String,
    name: String,
}

impl Rooms {
    /// Lets the session into a room, under a name. Returns what it was before.
    fn enter(&self, session: &Session, guest: Guest) -> Option<Guest> {
        self.lock().insert(session.id(), guest)
    }

    fn leave(&self, session: &Session) -> Option<Guest> {
        self.lock().remove(&session.id())
    }

    fn guest(&self, session: &Session) -> Option<Guest> {
        self.lock().get(&session.id()).cloned()
    }

    /// The names in a room, sorted; a name counts once however many sessions use it.
    fn people(&self, room: &str) -> Vec<String> {
        let guests = self.lock();
        let in_room = guests.values().filter(|guest| guest.room == room);
        let mut people: Vec<_> = in_room.map(|guest| guest.name.clone()).collect();
        people.sort_unstable();
        people.dedup();
        people
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Guest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handlers behind the chat page.
#[derive(Debug)]
pub(super) struct Chat {
    rooms: Rooms,
}

#[derive(Deserialize, JsonSchema)]
struct Join {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Say {
    text: String,
}

/// What everybody in a room is told.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum ChatEvent {
    Message { from: String, text: String },
    Joined { name: String, people: Vec<String> },
    Left { name: String, people: Vec<String> },
}

impl Chat {
    pub(super) fn new(rooms: Rooms) -> Self {
        Self { rooms }
    }
}

#[controller("/chat/{room}")]
impl Chat {
    /// Enters a room under a name, or changes it. Everybody in the room is told at `/topic/chat/{room}`.
    #[message_mapping("/join")]
    async fn join(
        &self,
        #[destination_variable] room: String,
        session: Session,
        messenger: Messenger,
        Json(join): Json<Join>,
    ) {
        let name = join.name.trim().to_owned();
        if !is_room(&room) || name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
            return tracing::debug!("chat: nobody joins under such a name or in such a room");
        }
        let guest = Guest { room: room.clone(), name: name.clone() };
        if let Some(before) = self.rooms.enter(&session, guest)
            && (before.room != room || before.name != name)
        {
            announce_departure(&self.rooms, before, &messenger).await;
        }
        let people = self.rooms.people(&room);
        announce(&messenger, &room, ChatEvent::Joined { name, people }).await;
    }

    /// Says something to everybody in the room.
    #[message_mapping("/say")]
    async fn say(
        &self,
        #[destination_variable] room: String,
        session: Session,
        messenger: Messenger,
        Json(say): Json<Say>,
    ) {
        let guest = self.rooms.guest(&session).filter(|guest| guest.room == room);
        let Some(guest) = guest.filter(|_| say.text.chars().count() <= TEXT_CHARS_MAX) else {
            return tracing::debug!("chat: message of a stranger, or too long");
        };
        let event = ChatEvent::Message { from: guest.name, text: say.text };
        announce(&messenger, &room, event).await;
    }

    /// Leaves the room.
    #[message_mapping("/leave")]
    async fn leave(&self, session: Session, messenger: Messenger) {
        if let Some(guest) = self.rooms.leave(&session) {
            announce_departure(&self.rooms, guest, &messenger).await;
        }
    }
}

/// Takes those out of their rooms whose sessions have ended.
#[derive(Debug)]
pub(super) struct Departures {
    rooms: Rooms,
}

impl Departures {
    pub(super) fn new(rooms: Rooms) -> Self {
        Self { rooms }
    }
}

impl SessionListener for Departures {
    async fn on_event(&self, event: &SessionEvent, messenger: &Messenger) {
        if let SessionEvent::Disconnected { session, .. } = event
            && let Some(guest) = self.rooms.leave(session)
        {
            announce_departure(&self.rooms, guest, messenger).await;
        }
    }
}

async fn announce_departure(rooms: &Rooms, guest: Guest, messenger: &Messenger) {
    let people = rooms.people(&guest.room);
    let event = ChatEvent::Left { name: guest.name, people };
    announce(messenger, &guest.room, event).await;
}

async fn announce(messenger: &Messenger, room: &str, event: ChatEvent) {
    let sent = messenger.send(&format!("/topic/chat/{room}"), Json(event)).await;
    if let Err(error) = sent {
        tracing::warn!(%error, "chat: event was not sent");
    }
}

fn is_room(room: &str) -> bool {
    (1..=ROOM_OCTETS_MAX).contains(&room.len())
        && room.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

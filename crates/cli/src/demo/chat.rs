//! The chat: rooms, whose topics know who is in them, and private messages. Whoever has no name cannot send.

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidings::broker::{DestinationPolicy, PresencePolicy};
use tidings::controller;
use tidings::endpoint::{BoxError, Json, Principal, User, Valid, Validate};
use tidings::messaging::{HandlerError, Messenger, Rules, deny, permit};

/// The topics of the rooms. The name of a room may have dots, which end words too.
pub(super) const ROOMS: &str = "/topic/chat/rooms/**";

const TEXT_CHARS_MAX: usize = 1000;

/// A room tells who is in it.
pub(super) fn room_policy() -> DestinationPolicy {
    DestinationPolicy { presence: Some(PresencePolicy::default()), ..DestinationPolicy::default() }
}

/// What is said in a room or privately has a sender, so it goes by the handlers. All else is free.
pub(super) fn rules() -> Rules {
    Rules::new().send(ROOMS, deny()).send("/user/{name}/queue/private", deny()).rest(permit())
}

/// The handlers behind the chat page.
#[derive(Debug)]
pub(super) struct Chat;

#[derive(Deserialize, JsonSchema)]
struct Say {
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Whisper {
    to: String,
    text: String,
}

/// What everybody in a room is told.
#[derive(JsonSchema, Serialize)]
struct Said {
    from: String,
    text: String,
}

/// What both ends of a private message are told.
#[derive(JsonSchema, Serialize)]
struct Whispered {
    from: String,
    to: String,
    text: String,
    /// Whether it has reached anybody: it has not if the other is not online.
    delivered: bool,
}

#[controller("/chat")]
impl Chat {
    /// Says something to everybody in the room.
    #[message_mapping("/rooms/{room}")]
    #[send_to("/topic/chat/rooms/{room}")]
    fn say(&self, User(user): User<Principal>, Valid(Json(say)): Valid<Json<Say>>) -> Json<Said> {
        Json(Said { from: user.name().to_owned(), text: say.text })
    }

    /// Says something to one user alone. All pages of both show it.
    #[message_mapping("/private")]
    #[send_to_user("/queue/private")]
    async fn whisper(
        &self,
        User(user): User<Principal>,
        messenger: Messenger,
        Valid(Json(Whisper { to, text })): Valid<Json<Whisper>>,
    ) -> Result<Json<Whispered>, HandlerError> {
        if to == user.name() {
            return Err(HandlerError::Invalid("it is to yourself".into()));
        }
        let from = user.name().to_owned();
        let mut whispered = Whispered { from, to, text, delivered: true };
        let sent = messenger.send_to_user(&whispered.to, "/queue/private", Json(&whispered)).await;
        whispered.delivered = sent.map_err(HandlerError::new)?.subscribers() > 0;
        Ok(Json(whispered))
    }

    /// Tells the page whose message was not taken.
    #[message_exception_handler]
    fn refused(&self, error: &HandlerError) -> String {
        error.to_string()
    }
}

impl Validate for Say {
    fn validate(&self) -> Result<(), BoxError> {
        check_text(&self.text)
    }
}

impl Validate for Whisper {
    fn validate(&self) -> Result<(), BoxError> {
        if self.to.is_empty() {
            return Err("it is to nobody".into());
        }
        check_text(&self.text)
    }
}

fn check_text(text: &str) -> Result<(), BoxError> {
    if text.trim().is_empty() {
        return Err("it is empty".into());
    }
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(format!("it is longer than {TEXT_CHARS_MAX} characters").into());
    }
    Ok(())
}

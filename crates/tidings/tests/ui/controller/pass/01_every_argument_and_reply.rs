//! Arguments come in any order with the payload last, and methods may be sync or async.

use serde::{Deserialize, Serialize};
use tidings::endpoint::{BoxError, Json, Session};
use tidings::messaging::{Headers, Messenger, Outgoing};
use tidings::{App, controller};

struct Rooms;

#[derive(Deserialize, Serialize)]
struct Letter {
    text: String,
}

#[controller("/rooms/{room}")]
impl Rooms {
    #[message_mapping("/")]
    fn the_prefix_itself(&self, text: &str) {
        let _ = text;
    }

    #[message_mapping("/say/{user}")]
    #[send_to("/topic/rooms/{room}", "/queue/{room}.{user}")]
    async fn say(
        &self,
        messenger: Messenger,
        #[destination_variable] room: String,
        #[header("shout")] shout: Option<bool>,
        #[header("priority")] priority: u8,
        headers: &Headers,
        session: Session,
        Json(letter): Json<Letter>,
    ) -> Result<Option<Json<Letter>>, BoxError> {
        let _ = (messenger, room, shout, priority, headers, session);
        Ok(Some(Json(letter)))
    }

    #[message_mapping("/**")]
    async fn anything_else(&self, _: ()) -> Result<Vec<Outgoing>, BoxError> {
        Ok(vec![Outgoing::to("/topic/rest", "text")?.header("x", "y")])
    }

    #[subscribe_mapping("/state")]
    async fn state(&self, session: Session) -> String {
        session.id().to_string()
    }
}

fn main() {
    App::builder().stomp("/stomp").controller(Rooms).build().unwrap();
}

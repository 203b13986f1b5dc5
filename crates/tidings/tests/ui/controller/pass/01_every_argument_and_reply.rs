//! Arguments come in any order with the payload last, and methods may be sync or async.

use std::sync::atomic::AtomicU32;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream};
use serde::{Deserialize, Serialize};
use tidings::endpoint::{
    BoxError, EndpointConfig, Handshake, Json, Path, Principal, Query, Session, SessionState,
    State, User, UserProperties, Valid, Validate,
};
use tidings::messaging::{HandlerError, Headers, MessageParts, Messenger, Outgoing};
use tidings::{App, controller};

struct Rooms;

#[derive(Deserialize, Serialize)]
struct Letter {
    text: String,
}

impl Validate for Letter {
    fn validate(&self) -> Result<(), BoxError> {
        if self.text.is_empty() { Err("no text".into()) } else { Ok(()) }
    }
}

#[derive(Deserialize)]
struct Since {
    since: Option<u64>,
}

#[controller("/rooms/{room}")]
#[send_to("/topic/rooms")]
impl Rooms {
    #[message_mapping("/", reply = none)]
    fn the_prefix_itself(&self, text: &str) -> String {
        text.to_owned()
    }

    #[message_mapping("/say/{user}", "/shout/{user}")]
    #[send_to("/topic/rooms/{room}", "/queue/{room}.{user}")]
    async fn say(
        &self,
        messenger: Messenger,
        #[destination_variable] room: String,
        #[header("shout")] shout: Option<bool>,
        #[header("priority")] priority: u8,
        #[header("volume", default = "11")] volume: u8,
        headers: &Headers,
        session: Session,
        Json(letter): Json<Letter>,
    ) -> Result<Option<Json<Letter>>, BoxError> {
        let _ = (messenger, room, shout, priority, volume, headers, session);
        Ok(Some(Json(letter)))
    }

    #[message_mapping("/everything")]
    fn everything(
        &self,
        session: &Session,
        handshake: &Handshake,
        State(name): State<&'static str>,
        user: Option<User<Principal>>,
        properties: &UserProperties,
        config: EndpointConfig,
        path: Path<()>,
        Query(query): Query<Since>,
        count: SessionState<AtomicU32>,
        message: &MessageParts,
        Valid(letter): Valid<Option<Json<Letter>>>,
    ) -> &'static str {
        let _ = (session, handshake, user, properties, config, path, query.since, count, message);
        let _ = letter;
        name
    }

    #[message_mapping("/octets")]
    #[send_to_user("/queue/{room}", session_only)]
    #[send_to("/topic/octets")]
    fn octets(&self, User(user): User<Principal>, octets: Option<Bytes>) -> Option<Bytes> {
        let _ = user;
        octets
    }

    #[message_mapping("/lists", "/lists/{page}")]
    #[send_to_user]
    fn lists(&self, #[destination_variable] page: Option<u32>, list: Vec<u8>) -> Vec<u8> {
        let _ = page;
        list
    }

    #[message_mapping("/**")]
    async fn anything_else(&self, _: ()) -> Result<Vec<Outgoing>, BoxError> {
        Ok(vec![Outgoing::to("/topic/rest", "text")?.header("x", "y")])
    }

    #[message_exception_handler]
    #[send_to("/topic/trouble/{room}")]
    async fn failed(
        &self,
        error: &HandlerError,
        #[destination_variable] room: String,
        #[header("shout")] shout: Option<bool>,
        user: Option<User<Principal>>,
        message: MessageParts,
        text: String,
    ) -> String {
        let _ = (error, room, shout, user, message);
        text
    }

    #[message_exception_handler]
    fn malformed(&self, error: &serde_json::Error) {
        let _ = error;
    }

    #[subscribe_mapping("/state")]
    async fn state(&self, session: Session) -> String {
        session.id().to_string()
    }

    #[subscribe_mapping("/live/{user}", "/live")]
    async fn live(
        &self,
        session: &Session,
        #[destination_variable] user: Option<String>,
    ) -> Result<impl Stream<Item = Json<Letter>>, BoxError> {
        let _ = (session, user);
        Ok(stream::iter([Json(Letter { text: "news".to_owned() })]))
    }

    #[subscribe_mapping("/boxed")]
    fn boxed(&self) -> Option<BoxStream<'static, Outgoing>> {
        None
    }

    #[subscribe_mapping("/public")]
    #[send_to("/topic/public")]
    fn public(&self) -> &'static str {
        "somebody is here"
    }
}

fn main() {
    App::builder().stomp("/stomp").state("name").controller(Rooms).build().unwrap();
}

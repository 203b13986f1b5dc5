//! Chat rooms: JSON in and out, everybody in the room hears what is said there.
//!
//! `cargo run --example rooms`, then `cargo run -- ws "ws://127.0.0.1:8080/rooms/rust?name=ann"`, which sends
//! what you type: `{"text":"hello"}`.

use serde::{Deserialize, Serialize};
use tidings::endpoint::{
    BoxError, CloseCode, CloseReason, Json, Peers, Query, Reject, Session, User,
};
use tidings::http::StatusCode;
use tidings::server::Server;
use tidings::{App, AppBuilder, server_endpoint};

/// Who joins. A handshake without a name is answered with status 400.
#[derive(Deserialize)]
struct Who {
    name: String,
}

#[derive(Deserialize)]
struct Said {
    text: String,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Event<'a> {
    Joined { name: &'a str },
    Said { name: &'a str, text: &'a str },
    Left { name: &'a str },
}

/// One value for each connection.
struct Member;

#[server_endpoint("/rooms/{room}")]
impl Member {
    #[on_handshake]
    fn admit(Query(who): Query<Who>) -> Result<String, Reject> {
        match who.name.trim() {
            "" => Err(Reject::new(StatusCode::FORBIDDEN).text("What is your name?\n")),
            name => Ok(name.to_owned()),
        }
    }

    #[on_open]
    fn joined(&self, session: &Session, User(name): User<String>) -> Result<(), BoxError> {
        room(session).broadcast_object(Json(Event::Joined { name: &name }))?;
        Ok(())
    }

    /// Whoever speaks hears it too, in the order that everybody hears.
    #[on_message]
    fn said(
        &self,
        session: &Session,
        User(name): User<String>,
        Json(said): Json<Said>,
    ) -> Result<(), BoxError> {
        if said.text == "quit" {
            session.close(CloseReason::new(CloseCode::new(4000)?, "bye")?);
            return Ok(());
        }
        room(session).broadcast_object(Json(Event::Said { name: &name, text: &said.text }))?;
        Ok(())
    }

    #[on_close]
    fn left(&self, session: &Session, User(name): User<String>) -> Result<(), BoxError> {
        room(session).broadcast_object(Json(Event::Left { name: &name }))?;
        Ok(())
    }
}

/// The open sessions of the same room.
fn room(session: &Session) -> Peers {
    let room = session.path_param("room");
    session.peers().filter(|peer| peer.path_param("room") == room)
}

pub(crate) fn app() -> AppBuilder {
    App::builder().endpoint(|| Member)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = app().build()?;
    let server = Server::new(app).listen("127.0.0.1:8080").await?;
    println!("ws://127.0.0.1:8080/rooms/rust?name=ann");
    Ok(server.run().await?)
}

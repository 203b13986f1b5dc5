//! What the ready-made server offers: the endpoints and handlers behind the pages of its site.

mod chat;
mod echo;
mod greetings;
mod lab;
mod playground;

use tidings::{App, AppBuilder};

pub(crate) use lab::Lab;

/// The application that `tidings serve` serves.
pub(crate) fn app() -> AppBuilder {
    let rooms = chat::Rooms::default();
    App::builder()
        .endpoint(|| playground::Playground)
        .endpoint_at("/programmatic/{user_id}", playground::Programmatic::default)
        .sockjs("/echo", || echo::Echo)
        .stomp("/gs-guide-websocket")
        .event_source("/api/subscribe")
        .controller(greetings::Greetings)
        .controller(chat::Chat::new(rooms.clone()))
        .session_listener(chat::Departures::new(rooms))
}

//! What the ready-made server offers: the endpoints and handlers behind the pages of its site.

mod chat;
mod echo;
mod greetings;
mod lab;
mod playground;

use tidings::{App, AppBuilder};

pub(crate) use lab::Lab;

/// Where STOMP is: over WebSocket at the path itself, over SockJS beneath it. That of Spring's guide.
pub(crate) const STOMP_PATH: &str = "/gs-guide-websocket";

/// Where event streams are.
pub(crate) const EVENT_STREAM_PATH: &str = "/api/subscribe";

/// The application that `tidings serve` serves.
pub(crate) fn app() -> AppBuilder {
    let rooms = chat::Rooms::default();
    App::builder()
        .endpoint(|| playground::Playground)
        .endpoint_at("/programmatic/{user_id}", playground::Programmatic::default)
        .sockjs("/echo", || echo::Echo)
        .stomp(STOMP_PATH)
        .event_source(EVENT_STREAM_PATH)
        .controller(greetings::Greetings)
        .controller(chat::Chat::new(rooms.clone()))
        .session_listener(chat::Departures::new(rooms))
}

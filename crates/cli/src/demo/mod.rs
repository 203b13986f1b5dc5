//! What the ready-made server offers: the endpoints and handlers behind the pages of its site.

mod chat;
mod echo;
mod greetings;
mod lab;
mod playground;

use tidings::asyncapi::AsyncApi;
use tidings::{App, AppBuilder};

pub(crate) use lab::Lab;

/// Where STOMP is: over WebSocket at the path itself, over SockJS beneath it. That of Spring's guide.
pub(crate) const STOMP_PATH: &str = "/gs-guide-websocket";

/// Where event streams are.
pub(crate) const EVENT_STREAM_PATH: &str = "/api/subscribe";

/// Where the description of all that is.
const ASYNC_API_PATH: &str = "/asyncapi.json";

/// What the description says beside what follows from the code.
pub(crate) fn async_api() -> AsyncApi {
    AsyncApi::new("Tidings", env!("CARGO_PKG_VERSION"))
        .description("What is behind the pages of the ready-made server.")
}

/// The application that `tidings serve` serves, where nobody has set anything.
pub(crate) fn app() -> AppBuilder {
    deployed_on(App::builder())
}

/// The same, on what has been set before, which counts more.
pub(crate) fn deployed_on(builder: AppBuilder) -> AppBuilder {
    builder
        .endpoint(|| playground::Playground)
        .endpoint_at("/programmatic/{user_id}", playground::Programmatic::default)
        .sockjs("/echo", || echo::Echo)
        .stomp(STOMP_PATH)
        .event_source(EVENT_STREAM_PATH)
        .async_api(ASYNC_API_PATH, async_api())
        .controller(greetings::Greetings)
        .destination_policy(chat::ROOMS, chat::room_policy())
        .rules(chat::rules())
        .controller(chat::Chat)
}

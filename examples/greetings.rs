//! Spring's guide "Using WebSocket to build an interactive web application", as a Tidings server.
use serde::{Deserialize, Serialize};
use tidings::{App, AppBuilder, controller, endpoint::Json, server::Server};

#[derive(Deserialize)]
struct HelloMessage {
    name: String,
}
#[derive(Serialize)]
struct Greeting {
    content: String,
}
struct Greetings;
#[controller]
impl Greetings {
    #[message_mapping("/hello")]
    #[send_to("/topic/greetings")]
    async fn greeting(&self, Json(message): Json<HelloMessage>) -> Json<Greeting> {
        Json(Greeting { content: format!("Hello, {}!", message.name) })
    }
}

pub(crate) fn app() -> AppBuilder {
    App::builder().stomp("/gs-guide-websocket").controller(Greetings)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    Ok(Server::new(app().build()?).listen("127.0.0.1:8080").await?.run().await?)
}

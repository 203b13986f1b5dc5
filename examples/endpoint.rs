//! An annotated WebSocket endpoint, as `@ServerEndpoint` in Java.
//!
//! Open `ws://127.0.0.1:8080/websocket/8` with any WebSocket client.

use tidings::endpoint::{CloseReason, EndpointError, Session};
use tidings::server::Server;
use tidings::{App, AppBuilder, server_endpoint};

/// One value for each connection, so its fields are the connection's state.
#[derive(Default)]
struct Chat {
    messages: u32,
}

#[server_endpoint("/websocket/{user_id}")]
impl Chat {
    #[on_open]
    async fn opened(&mut self, #[path_param] user_id: u64, session: &Session) {
        println!("user {user_id} came; {} are here", session.peers().len());
    }

    /// What a handler returns is sent back; `peers` reaches everybody.
    #[on_message]
    async fn said(
        &mut self,
        #[path_param] user_id: u64,
        session: &Session,
        text: String,
    ) -> String {
        self.messages += 1;
        session.peers().broadcast(format!("user {user_id}: {text}"));
        format!("that was your message no. {}", self.messages)
    }

    #[on_close]
    async fn closed(&mut self, #[path_param] user_id: u64, reason: &CloseReason) {
        println!("user {user_id} left: {reason}");
    }

    #[on_error]
    async fn failed(&mut self, #[path_param] user_id: u64, error: EndpointError) {
        eprintln!("user {user_id}: {error}");
    }
}

pub(crate) fn app() -> AppBuilder {
    App::builder().endpoint(Chat::default)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = app().build()?;
    let server = Server::new(app).listen("127.0.0.1:8080").await?;
    println!("ws://127.0.0.1:8080/websocket/8");
    Ok(server.run().await?)
}

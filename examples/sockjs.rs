//! SockJS services: `/echo` sends each message back, `/broadcast` sends it to all sessions.
//!
//! `cargo run --example sockjs -- --listen 127.0.0.1:8081`

mod options;

use std::error::Error;

use options::Options;
use tidings::App;
use tidings::endpoint::{Endpoint, EndpointConfig, EndpointError, Message, Session};
use tidings::server::SockJsOptions;

struct Echo;

impl Endpoint for Echo {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        Ok(session.send(message).await?)
    }
}

struct Broadcast;

impl Endpoint for Broadcast {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        session.peers().broadcast(message);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args()?;
    let config = EndpointConfig::default().connection_options(options.connection());
    let sockjs = SockJsOptions { endpoint: Some(config), ..SockJsOptions::default() };
    let app = App::builder()
        .sockjs_with_options("/echo", sockjs.clone(), || Echo)
        .sockjs_with_options("/broadcast", sockjs, || Broadcast)
        .build()?;
    options.serve(app).await
}

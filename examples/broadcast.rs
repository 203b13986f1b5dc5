//! Sends every message, up to 32 MiB, to all sessions that are open at `/`.
//!
//! `cargo run --example broadcast -- --listen 127.0.0.1:9001`

mod options;

use std::error::Error;

use options::Options;
use tidings::endpoint::{Message, Session};
use tidings::{App, server_endpoint};

struct Broadcast;

#[server_endpoint("/")]
impl Broadcast {
    /// Whoever sends is among the receivers.
    #[on_message]
    async fn send_to_all(&self, session: &Session, message: Message) {
        session.peers().broadcast(message);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args()?;
    let app =
        App::builder().connection_options(options.connection()).endpoint(|| Broadcast).build()?;
    options.serve(app).await
}

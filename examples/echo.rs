//! Echoes text and binary messages, up to 32 MiB, at `/`.
//!
//! `cargo run --example echo -- --listen 127.0.0.1:9001`

mod options;

use std::error::Error;

use options::Options;
use tidings::endpoint::Message;
use tidings::{App, server_endpoint};

struct Echo;

#[server_endpoint("/")]
impl Echo {
    /// What a handler returns goes back to the peer.
    #[on_message]
    fn echo(&self, message: Message) -> Message {
        message
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args()?;
    let app = App::builder().connection_options(options.connection()).endpoint(|| Echo).build()?;
    options.serve(app).await
}

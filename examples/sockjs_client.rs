//! Talks to a SockJS server: sends each line of its input, and prints each message, both as JSON strings.
//!
//! `cargo run --example sockjs_client -- http://127.0.0.1:8080/chat [websocket|xhr_streaming|eventsource|xhr]`

use std::env;
use std::error::Error;

use tidings::client::sockjs::{ClientTransport, SockJsClient};
use tidings::endpoint::{CloseCode, CloseReason};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (url, transport) = (env::args().nth(1), env::args().nth(2));
    let url = url.ok_or("usage: sockjs_client URL [TRANSPORT]")?;
    let mut client = SockJsClient::builder();
    if let Some(path) = transport {
        let known = ClientTransport::ALL.into_iter().find(|transport| transport.path() == path);
        client = client.transports([known.ok_or(format!("there is no transport `{path}`"))?]);
    }
    let mut socket = client.build().open(&url).await?;
    let transport = socket.session().transport().ok_or("not SockJS")?;
    println!("open by {}", transport.name());

    let mut lines = BufReader::new(stdin()).lines();
    let mut is_over = false;
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(message) => println!("{}", serde_json::to_string(&message)?),
                None => break,
            },
            line = lines.next_line(), if !is_over => match line? {
                Some(line) => socket.send(serde_json::from_str::<String>(&line)?).await?,
                None => {
                    is_over = true;
                    socket.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
                }
            },
        }
    }
    if let Some(reason) = socket.close_reason() {
        println!("closed with {} {}", reason.code().as_u16(), reason.reason());
    }
    Ok(())
}

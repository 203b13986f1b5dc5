//! Asks and answers by a STOMP server: subscribes to a topic, sends each line of its input there, and prints what comes.
//!
//! `cargo run --example stomp_client -- [URL [DESTINATION]]`; `tidings serve` is at `stomp://127.0.0.1:61613`. It says
//! when it loses its connection, and gets another one.

use std::env;
use std::error::Error;

use serde::{Deserialize, Serialize};
use tidings::client::stomp::{Connectivity, DeliveryError, StompClient};
use tidings::endpoint::Json;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

#[derive(Deserialize, Serialize)]
struct Line {
    text: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).unwrap_or("stomp://127.0.0.1:61613".to_owned());
    let destination = env::args().nth(2).unwrap_or("/topic/lines".to_owned());
    let builder = StompClient::builder().login("guest", "guest").on_change(|change| match change {
        Connectivity::Connected(version) => println!("connected, STOMP {version}"),
        Connectivity::Lost(end, _) => println!("lost: {end}"),
        Connectivity::Failed(error, _) => println!("not connected: {error}"),
        _ => {}
    });
    let client = builder.connect(&url).await?;
    let mut messages = client.subscribe::<Json<Line>>(&destination).await?;
    let mut lines = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(Ok(message)) => println!("{}: {}", message.destination(), message.payload.0.text),
                // Somebody else's message says something else.
                Some(Err(error @ DeliveryError::Payload { .. })) => println!("{error}"),
                Some(Err(error)) => return Err(error.into()),
                None => break,
            },
            line = lines.next_line() => match line? {
                Some(text) => client.send(&destination).json(&Line { text }).await?,
                None => break,
            },
        }
    }
    Ok(client.disconnect().await?)
}

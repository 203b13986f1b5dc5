//! The client that the Autobahn test suite tests.
//!
//! `cargo xtask conformance autobahn` runs `tidings-autobahn ADDR AGENT` against the suite's server at
//! `ADDR`: every case in turn, and then the report in the name of `AGENT`. The server that the suite
//! tests is `examples/echo.rs`.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use tidings::client::{Client, ConnectError};
use tidings::endpoint::{
    CloseInfo, ContextTakeover, DeflateMode, DeflateOptions, Endpoint, EndpointError, Limits,
    Message, Session,
};
use tokio::sync::oneshot;

/// The longest message of the suite has 16 MiB.
const MESSAGE_OCTETS_MAX: usize = 32 * 1024 * 1024;

/// How often a server that cannot be reached is tried again, while it starts.
const ATTEMPTS: u32 = 100;

const ATTEMPTS_PAUSE: Duration = Duration::from_millis(100);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [addr, agent] = &arguments[..] else {
        eprintln!("usage: tidings-autobahn ADDR AGENT");
        return ExitCode::from(2);
    };
    match run(addr, agent).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidings-autobahn: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(addr: &str, agent: &str) -> Result<(), Box<dyn Error>> {
    let limits = Limits { message_octets_max: MESSAGE_OCTETS_MAX, ..Limits::default() };
    let deflate = DeflateOptions {
        mode: DeflateMode::Dedicated,
        peer_context_takeover: ContextTakeover::Allow,
        ..DeflateOptions::default()
    };
    let client = Client::builder().limits(limits).deflate(Some(deflate)).build();
    let count = match first_visit(&client, &format!("ws://{addr}/getCaseCount")).await? {
        Some(Message::Text(count)) => count.parse::<u32>()?,
        other => return Err(format!("expected the number of cases, not {other:?}").into()),
    };
    for case in 1..=count {
        println!("case {case} of {count}");
        visit(&client, &format!("ws://{addr}/runCase?case={case}&agent={agent}")).await?;
    }
    visit(&client, &format!("ws://{addr}/updateReports?agent={agent}")).await?;
    Ok(())
}

/// As [`visit`], of a server that may not listen yet.
async fn first_visit(client: &Client, url: &str) -> Result<Option<Message>, ConnectError> {
    for _ in 0..ATTEMPTS {
        match visit(client, url).await {
            Err(_) => tokio::time::sleep(ATTEMPTS_PAUSE).await,
            visited => return visited,
        }
    }
    visit(client, url).await
}

/// Connects, and echoes until the connection is closed. Returns the last message.
///
/// As an endpoint, which handles a message before the next frame is looked at: the suite sends broken
/// frames right behind good ones, and wants the good ones echoed.
async fn visit(client: &Client, url: &str) -> Result<Option<Message>, ConnectError> {
    let (closed, last) = oneshot::channel();
    client.connect(url, Echo { last: None, closed: Some(closed) }).await?;
    Ok(last.await.unwrap_or_default())
}

struct Echo {
    last: Option<Message>,
    /// Gets the last message once the connection is closed.
    closed: Option<oneshot::Sender<Option<Message>>>,
}

impl Endpoint for Echo {
    async fn on_message(
        &mut self,
        session: &Session,
        message: Message,
    ) -> Result<(), EndpointError> {
        self.last = Some(message.clone());
        Ok(session.send(message).await?)
    }

    async fn on_close(&mut self, _: &Session, _: &CloseInfo) {
        if let Some(closed) = self.closed.take() {
            // Whoever asked may have been told enough by then.
            let _ = closed.send(self.last.take());
        }
    }
}

use std::error::Error;
use std::io::{Write, stdout};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use tidings::client::stomp::{ConnectionEnd, StompClient, StompError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};

use super::connection::{Connection, header};
use super::input::read_lines;
use crate::command::counted::counted;

/// Receipts that are waited for at a time.
const UNCONFIRMED_MAX: usize = 256;

/// Send messages to a destination of a STOMP server: Tidings, RabbitMQ, ActiveMQ and others.
///
/// Without MESSAGE and --file, each line of the input is a message. Done when all of them are sent, with --receipt when
/// the server has them all.
#[derive(Args, Clone, Debug)]
#[group(id = "pub")]
pub(crate) struct Arguments {
    /// Where to: `/topic/NAME`, `/queue/NAME`.
    destination: String,
    /// The message.
    message: Option<String>,
    /// Send a file as one message.
    #[arg(long, short = 'f', value_name = "PATH", conflicts_with = "message")]
    file: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
    /// Add a header to each message; may be repeated.
    #[arg(long = "header", short = 'H', value_name = "NAME:VALUE", value_parser = send_header)]
    headers: Vec<(String, String)>,
    /// Wait until the server says that it has each message.
    #[arg(long, short = 'r')]
    receipt: bool,
    /// Have the server keep the messages on disk until they are consumed.
    #[arg(long, short = 'p')]
    persistent: bool,
    /// Send the message so many times.
    #[arg(long, short = 'n', value_name = "NUMBER", default_value = "1")]
    count: NonZeroU32,
    /// Send at most so many messages in a second.
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    rate: Option<f64>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    super::block_on(publish(arguments))
}

async fn publish(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let messages = Messages::new(arguments)?;
    let connection = &arguments.connection;
    // Whoever waits in front of a terminal wants to know rather than to wait.
    let client = connection.connect(connection.builder()?.reconnect(None)).await?;
    let mut sender =
        Sender { arguments, client: client.clone(), sent: 0, unconfirmed: JoinSet::new() };
    let outcome = tokio::select! {
        biased;
        _ = interrupt.recv() => Ok(()),
        end = client.ended() => Err(end.into()),
        outcome = sender.send_all(messages) => outcome,
    };
    tokio::select! {
        biased;
        _ = interrupt.recv() => Err("interrupted before the server had answered".into()),
        outcome = sender.finish(outcome) => outcome,
    }
}

/// Sends messages, and counts them.
struct Sender<'a> {
    arguments: &'a Arguments,
    client: StompClient,
    sent: u64,
    unconfirmed: JoinSet<Result<(), StompError>>,
}

impl Sender<'_> {
    async fn send_all(&mut self, mut messages: Messages) -> Result<(), Box<dyn Error>> {
        let mut pace = self.arguments.rate.map(pace);
        loop {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            match messages.next().await? {
                Some(body) => self.send(body).await?,
                None => return Ok(()),
            }
        }
    }

    async fn send(&mut self, body: Bytes) -> Result<(), StompError> {
        let mut send = self.client.send(&self.arguments.destination);
        for (name, value) in &self.arguments.headers {
            send = send.header(name, value);
        }
        if self.arguments.persistent {
            send = send.persistent();
        }
        send = match String::from_utf8(body.into()) {
            Ok(text) => send.text(text),
            Err(error) => send.body(error.into_bytes()),
        };
        if !self.arguments.receipt {
            send.await?;
            self.sent += 1;
            return Ok(());
        }
        self.unconfirmed.spawn(send.receipt().into_future());
        if self.unconfirmed.len() >= UNCONFIRMED_MAX {
            self.confirm().await?;
        }
        while let Some(confirmed) = self.unconfirmed.try_join_next() {
            confirmed.unwrap_or(Err(StompError::Closed))?;
            self.sent += 1;
        }
        Ok(())
    }

    /// Waits for a receipt.
    async fn confirm(&mut self) -> Result<(), StompError> {
        if let Some(confirmed) = self.unconfirmed.join_next().await {
            confirmed.unwrap_or(Err(StompError::Closed))?;
            self.sent += 1;
        }
        Ok(())
    }

    /// Waits for what is under way, and says what became of everything.
    async fn finish(mut self, outcome: Result<(), Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
        let mut outcome = outcome;
        while !self.unconfirmed.is_empty() {
            if let Err(error) = self.confirm().await {
                // The first one tells why.
                outcome = outcome.and(Err(error.into()));
            }
        }
        // Its receipt says that the server has read everything, and has found nothing wrong with it.
        let left = self.client.disconnect().await.map_err(|error| match error {
            // It is about what was sent before.
            StompError::Unconfirmed(end @ ConnectionEnd::Error(_)) => end.into(),
            error => Box::<dyn Error>::from(error),
        });
        let sent = counted(self.sent, "message");
        let destination = &self.arguments.destination;
        match outcome.and(left) {
            Ok(()) => {
                let has = if self.arguments.receipt { "; the server has confirmed" } else { "" };
                writeln!(stdout(), "Sent {sent} to {destination}{has}")?;
                Ok(())
            }
            Err(error) if self.arguments.receipt && self.sent > 0 => {
                Err(format!("{error} ({sent} to {destination} confirmed before)").into())
            }
            Err(error) => Err(error),
        }
    }
}

/// Where messages come from.
enum Messages {
    /// The same one, so many times.
    Same(Bytes, u32),
    Lines {
        lines: mpsc::Receiver<std::io::Result<Vec<u8>>>,
        times: u32,
        last: (Bytes, u32),
    },
}

impl Messages {
    fn new(arguments: &Arguments) -> Result<Self, Box<dyn Error>> {
        let times = arguments.count.get();
        match (&arguments.message, &arguments.file) {
            (Some(message), _) => Ok(Self::Same(message.clone().into(), times)),
            (None, Some(path)) => {
                let read = std::fs::read(path);
                let body = read.map_err(|error| format!("{}: {error}", path.display()))?;
                Ok(Self::Same(body.into(), times))
            }
            (None, None) => Ok(Self::Lines { lines: read_lines(), times, last: (Bytes::new(), 0) }),
        }
    }

    async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        match self {
            Self::Same(body, left) => Ok(take_one(body, left)),
            Self::Lines { lines, times, last: (body, left) } => {
                if *left == 0 {
                    let Some(line) = lines.recv().await.transpose()? else { return Ok(None) };
                    (*body, *left) = (line.into(), *times);
                }
                Ok(take_one(body, left))
            }
        }
    }
}

fn take_one(body: &Bytes, left: &mut u32) -> Option<Bytes> {
    *left = left.checked_sub(1)?;
    Some(body.clone())
}

fn pace(rate: f64) -> Interval {
    let mut interval = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    // A burst now does not make up for having waited.
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

fn send_header(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = header(text)?;
    match &*name {
        "destination" => Err("the destination is an argument of its own, before the message"),
        "receipt" => Err("say it with --receipt"),
        "transaction" => Err("no transaction was begun"),
        _ => Ok((name, value)),
    }
}

fn rate(text: &str) -> Result<f64, &'static str> {
    match text.parse() {
        Ok(rate) if (0.001..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0.001 to 1000000"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_positive_number() {
        assert_eq!(rate("0.5"), Ok(0.5));
        for text in ["0", "-1", "NaN", "inf", "much"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_that_would_be_passed_over_are_refused() {
        assert_eq!(send_header("a:b"), Ok(("a".to_owned(), "b".to_owned())));
        for (text, advice) in [("receipt:r", "--receipt"), ("destination:/queue/a", "argument")] {
            assert!(send_header(text).unwrap_err().contains(advice), "{text}");
        }
    }

    #[tokio::test]
    async fn the_same_message_comes_as_often_as_asked_for() {
        let mut messages = Messages::Same("a".into(), 2);
        for expected in [Some("a"), Some("a"), None, None] {
            assert_eq!(messages.next().await.unwrap(), expected.map(Bytes::from));
        }
    }
}

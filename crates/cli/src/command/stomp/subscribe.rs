use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use futures_util::stream::{SelectAll, StreamExt};
use tidings::client::stomp::{AckMode, StompClient, Subscription};
use tokio::signal::unix::{SignalKind, signal};

use super::connection::{Connection, header, seconds};
use super::report::{self, Format};
use crate::command::counted::counted;

/// Subscribe to destinations of a STOMP server, and print each message.
///
/// Ends with Ctrl-C, with --count after so many messages, with --wait when none came for so long. A lost connection is
/// made again.
#[derive(Args, Clone, Debug)]
#[group(id = "sub")]
pub(crate) struct Arguments {
    /// What to subscribe to: `/topic/NAME`, `/queue/NAME`; topics may be patterns, such as `/topic/prices.*`.
    #[arg(required = true)]
    destinations: Vec<String>,
    #[command(flatten)]
    connection: Connection,
    /// Add a header to SUBSCRIBE; may be repeated. `id:NAME` with `durable:true` is a subscription that lasts.
    #[arg(long = "header", short = 'H', value_name = "NAME:VALUE", value_parser = subscribe_header)]
    headers: Vec<(String, String)>,
    /// How to acknowledge messages, which is done when they are printed: auto, client or client-individual. Default: auto;
    /// with --count client-individual, so that a queue keeps the rest.
    #[arg(long, value_name = "MODE", value_parser = ack_mode)]
    ack: Option<AckMode>,
    /// How many messages may come before they are acknowledged. Default: with --count so many, else the server decides.
    #[arg(long, value_name = "NUMBER")]
    prefetch: Option<u32>,
    /// Take only messages whose headers fit, such as "colour = 'blue' AND size > 2".
    #[arg(long, short = 's', value_name = "EXPRESSION")]
    selector: Option<String>,
    /// End after so many messages.
    #[arg(long, short = 'n', value_name = "NUMBER")]
    count: Option<u32>,
    /// End when no message came for so long.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    wait: Option<Duration>,
    /// Print one JSON object a line for each message, for other programs to read: `destination`, `message_id`,
    /// `headers`, which is an object, and `body`, or `hex` if that is no text.
    #[arg(long)]
    json: bool,
    /// Print only the bodies, a line each.
    #[arg(long, conflicts_with = "json")]
    body: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    super::block_on(subscribe(arguments))
}

async fn subscribe(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    // Set up first: a signal must end it cleanly from the moment it says that it listens.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let connection = &arguments.connection;
    let client = connection.connect(connection.builder()?.on_change(report::change)).await?;
    let mut messages = arguments.subscribe(&client).await?;
    if !arguments.json {
        eprintln!("Subscribed to {} at {}", arguments.destinations.join(", "), connection.server());
    }
    let mut came = 0;
    let outcome = loop {
        if arguments.count.is_some_and(|count| came >= count) {
            break Ok(());
        }
        let next = tokio::select! {
            biased;
            _ = interrupt.recv() => break arguments.missing(came),
            _ = terminate.recv() => break arguments.missing(came),
            next = messages.next() => next,
            () = silence(arguments.wait) => break arguments.missing(came),
        };
        match next {
            Some(Ok(message)) => {
                report::message(arguments.format(), &message)?;
                came += 1;
                if let Err(error) = message.ack().await {
                    eprintln!("message {} was not acknowledged: {error}", message.id());
                }
            }
            Some(Err(error)) => break Err(error.into()),
            None => break arguments.missing(came),
        }
    };
    // What is acknowledged has left when this is done.
    let left = client.disconnect().await;
    outcome?;
    Ok(left?)
}

type Messages = SelectAll<Subscription<Bytes>>;

impl Arguments {
    async fn subscribe(&self, client: &StompClient) -> Result<Messages, Box<dyn Error>> {
        let mut messages = SelectAll::new();
        let ack = match (self.ack, self.count) {
            (Some(ack), _) => ack,
            (None, Some(_)) => AckMode::ClientIndividual,
            (None, None) => AckMode::Auto,
        };
        for destination in &self.destinations {
            let mut subscribe = client.subscribe::<Bytes>(destination).ack(ack);
            if let Some(prefetch) = self.prefetch.or(self.count) {
                subscribe = subscribe.prefetch(prefetch);
            }
            if let Some(selector) = &self.selector {
                subscribe = subscribe.selector(selector);
            }
            for (name, value) in &self.headers {
                subscribe = subscribe.header(name, value);
            }
            let subscribed = subscribe.await;
            messages.push(subscribed.map_err(|error| format!("{destination}: {error}"))?);
        }
        Ok(messages)
    }

    fn format(&self) -> Format {
        match (self.json, self.body) {
            (true, _) => Format::Json,
            (false, true) => Format::Body,
            (false, false) => Format::for_people(),
        }
    }

    /// An end before as many messages came as were asked for.
    fn missing(&self, came: u32) -> Result<(), Box<dyn Error>> {
        match self.count {
            Some(count) => Err(format!("{came} of {} came", counted(count, "message")).into()),
            None => Ok(()),
        }
    }
}

async fn silence(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

fn subscribe_header(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = header(text)?;
    match &*name {
        "destination" => Err("destinations are arguments of their own, behind the options"),
        "ack" => Err("say it with --ack"),
        "receipt" => Err("the server is always asked for one"),
        _ => Ok((name, value)),
    }
}

fn ack_mode(text: &str) -> Result<AckMode, &'static str> {
    text.parse().map_err(|_| "expected auto, client or client-individual")
}

//! Looks at the queues of the running server, and moves or removes what is in them.

mod arguments;
mod report;

use std::error::Error;
use std::io::{IsTerminal, Write, stderr, stdin, stdout};

use http::Method;
use serde_json::json;

pub(crate) use self::arguments::Arguments;
use self::arguments::{Action, Browse, Delete, Move, Purge};
use super::counted::counted;
use crate::control::{
    self, Client, Control, Deleted, Moved, Purged, QueueRow, ShownMessage, path_of,
};

/// How many messages one request moves, so that progress can be told.
const STEP: usize = 1000;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let path = match &arguments.control {
        None => control::beside(&arguments.data_dir),
        Some(Control::At(path)) => path.clone(),
        Some(Control::Off) => {
            return Err("--control off is for the server; give the path of its socket".into());
        }
    };
    let client = Client::new(&path);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        match &arguments.action {
            None | Some(Action::List) => list(&client, arguments).await,
            Some(Action::Browse(browse)) => self::browse(&client, browse, arguments).await,
            Some(Action::Purge(purge)) => self::purge(&client, purge, arguments).await,
            Some(Action::Move(request)) => move_messages(&client, request, arguments).await,
            Some(Action::Delete(delete)) => self::delete(&client, delete, arguments).await,
        }
    })
}

async fn list(client: &Client, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let rows: Vec<QueueRow> = client.ask(Method::GET, "/api/queues", None).await?;
    let mut out = stdout().lock();
    if arguments.json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?);
    }
    if rows.is_empty() {
        return Ok(writeln!(out, "There are no queues.")?);
    }
    Ok(report::table(&mut out, &rows)?)
}

async fn browse(
    client: &Client,
    browse: &Browse,
    arguments: &Arguments,
) -> Result<(), Box<dyn Error>> {
    let queue = full_name(&browse.queue);
    let path = path_of(&queue, &format!("/messages?limit={}", browse.limit));
    let messages: Vec<ShownMessage> = client.ask(Method::GET, &path, None).await?;
    let mut out = stdout().lock();
    if arguments.json {
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&messages)?)?);
    }
    if messages.is_empty() {
        return Ok(writeln!(out, "No message of {queue} waits for a consumer.")?);
    }
    Ok(messages.iter().try_for_each(|message| report::message(&mut out, message))?)
}

async fn purge(
    client: &Client,
    purge: &Purge,
    arguments: &Arguments,
) -> Result<(), Box<dyn Error>> {
    let queue = full_name(&purge.queue);
    if !purge.yes {
        confirm(&format!("Remove all messages of {queue} that no consumer has?"))?;
    }
    let Purged { purged } = client.ask(Method::DELETE, &path_of(&queue, "/messages"), None).await?;
    if arguments.json {
        println!("{}", json!({ "purged": purged }));
    } else {
        println!("Removed {} of {queue}.", counted(purged, "message"));
    }
    Ok(())
}

async fn delete(
    client: &Client,
    delete: &Delete,
    arguments: &Arguments,
) -> Result<(), Box<dyn Error>> {
    let queue = full_name(&delete.queue);
    if !delete.yes {
        let rows: Vec<QueueRow> = client.ask(Method::GET, "/api/queues", None).await?;
        // Where there is none, the server says so.
        if let Some(row) = rows.iter().find(|row| row.name == queue) {
            let messages = counted(row.ready + row.unsettled + row.delayed, "message");
            let consumers = counted(row.consumers, "consumer");
            confirm(&format!("Delete {queue} with {messages} and {consumers}?"))?;
        }
    }
    let deleted: Deleted = client.ask(Method::DELETE, &path_of(&queue, ""), None).await?;
    if arguments.json {
        println!("{}", serde_json::to_string(&deleted)?);
    } else {
        let Deleted { messages, consumers } = deleted;
        let (messages, consumers) = (counted(messages, "message"), counted(consumers, "consumer"));
        println!("Deleted {queue} with {messages} and {consumers}.");
    }
    Ok(())
}

async fn move_messages(
    client: &Client,
    request: &Move,
    arguments: &Arguments,
) -> Result<(), Box<dyn Error>> {
    let queue = full_name(&request.queue);
    let path = path_of(&queue, "/move");
    let to = request.to.as_deref().map(full_name);
    if to.as_ref() == Some(&queue) {
        return Err(format!("{queue} is where they are: name another queue with --to").into());
    }
    let limit = request.limit.unwrap_or(usize::MAX);
    let mut total = 0;
    let mut done = loop {
        let step = limit.saturating_sub(total).min(STEP);
        let body = json!({ "to": to, "limit": step, "message": request.message });
        let done: Moved = match client.ask(Method::POST, &path, Some(&body)).await {
            Ok(moved) => moved,
            // The last step has moved all that there was, and a queue without messages is no more.
            Err(error) if total > 0 && error.to_string().starts_with("there is no queue") => {
                Moved { moved: 0, left: 0, unsettled: 0, delayed: 0 }
            }
            Err(error) if total > 0 => {
                let moved = counted(total, "message");
                return Err(format!("{moved} moved before this: {error}").into());
            }
            Err(error) => return Err(error),
        };
        total += done.moved;
        if done.moved < step || total == limit {
            break done;
        }
        if stderr().is_terminal() {
            eprint!("\r{} moved …", counted(total, "message"));
        }
    };
    if stderr().is_terminal() && total > STEP {
        eprintln!();
    }
    done.moved = total;
    if arguments.json {
        println!("{}", serde_json::to_string(&done)?);
    } else {
        let why = why_left(request, total);
        let to = to.map_or("back to where they came from".to_owned(), |to| format!("to {to}"));
        let moved = counted(total, "message");
        println!("Moved {moved} from {queue} {to}. {}", report::left(&done, why));
    }
    if total == 0
        && let Some(id) = &request.message
    {
        return Err(format!("no message {id} waits in {queue} that can be moved").into());
    }
    Ok(())
}

/// Why messages were not moved that are ready.
fn why_left(request: &Move, total: usize) -> &'static str {
    if request.message.is_some() {
        "not asked for"
    } else if request.limit == Some(total) {
        "beyond --limit"
    } else if request.to.is_none() {
        "that cannot go back to where they were sent to (--to QUEUE moves them)"
    } else {
        "that came meanwhile"
    }
}

/// Asks before something is done that cannot be undone. Where nobody can be asked, it has to be said beforehand.
fn confirm(question: &str) -> Result<(), Box<dyn Error>> {
    if !stdin().is_terminal() {
        let how = "It cannot be undone: say --yes to do it without being asked";
        return Err(format!("{question} {how}").into());
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err("nothing was removed".into()),
    }
}

/// A name without a slash is that of a queue, as for clients.
fn full_name(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("/queue/{name}") }
}

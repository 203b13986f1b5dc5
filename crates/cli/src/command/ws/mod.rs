//! `tidings ws`: a WebSocket client in the terminal.

mod arguments;
mod input;
mod report;

use std::error::Error;
use std::io::{self, BufRead};
use std::time::Duration;

use tidings::WebSocket;
use tidings::client::{Client, ClientBuilder, ConnectError, Direction, ObservedFrame, Opcode};
use tidings::endpoint::{CloseCode, CloseReason, DeflateOptions, Message, SendError};
use tokio::sync::mpsc;
use tokio::time::Instant;

pub(crate) use self::arguments::{Arguments, header};
use self::input::Command;
use self::report::{Closed, Opened, Report};

/// How long to wait for answers after the end of the input, without `--wait`.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// Lines that were typed and not yet sent.
const LINES_MAX: usize = 16;

/// Connects, and is done when the connection is closed. `Ok` if it was closed cleanly.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(talk(arguments));
    // The task that reads standard input may wait for a line that never comes.
    runtime.shutdown_background();
    result
}

async fn talk(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut report = Report::new(arguments.format());
    let (seen, frames) = mpsc::unbounded_channel();
    let client = client(arguments)?
        .observe_frames(move |frame| {
            let _ = seen.send((Instant::now(), frame.clone()));
        })
        .build();
    let start = Instant::now();
    let socket = match client.open(&arguments.url).await {
        Ok(socket) => socket,
        Err(error) => {
            report.connect_error(&error);
            return Err(explain(&arguments.url, &error).into());
        }
    };
    let handshake = socket.session().handshake();
    report.opened(&Opened {
        url: handshake.uri(),
        subprotocol: handshake.subprotocol(),
        extensions: handshake.header("sec-websocket-extensions"),
        elapsed: start.elapsed(),
    })?;
    let conversation = Conversation {
        socket,
        frames,
        lines: read_lines(),
        report,
        wait: arguments.wait(),
        end: Deadline::Never,
        owed: Owed::default(),
    };
    conversation.run().await
}

fn client(arguments: &Arguments) -> Result<ClientBuilder, Box<dyn Error>> {
    let mut builder = Client::builder().subprotocols(arguments.subprotocols.clone());
    for (name, value) in &arguments.headers {
        builder = builder.header(name.clone(), value.clone());
    }
    if let Some(origin) = &arguments.origin {
        builder = builder.origin(origin.clone());
    }
    if let Some(credentials) = &arguments.user {
        builder = builder.credentials(credentials.clone());
    }
    if let Some(path) = &arguments.unix_socket {
        builder = builder.unix_socket(path);
    }
    if arguments.deflate {
        builder = builder.deflate(Some(DeflateOptions::default()));
    }
    if let Some(config) = arguments.tls.config(&arguments.url)? {
        builder = builder.tls(&config);
    }
    Ok(builder)
}

/// One line that says what is wrong, with its causes.
fn explain(url: &str, error: &ConnectError) -> String {
    let mut line = format!("cannot connect to {url}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line
}

/// The lines of standard input, read by a thread that may wait for them.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(LINES_MAX);
    tokio::task::spawn_blocking(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// How long to stay after the end of the input.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// Until as much has been received as was sent, within reason.
    ForAnswers,
    /// So long.
    For(Duration),
}

/// When this end closes the connection.
#[derive(Clone, Copy, Debug)]
enum Deadline {
    /// Not before the input ends.
    Never,
    At(Instant),
}

/// Answers that have not come yet.
#[derive(Debug, Default)]
struct Owed {
    messages: u64,
    pongs: u64,
}

/// An open connection and what goes over it.
struct Conversation {
    socket: WebSocket,
    frames: mpsc::UnboundedReceiver<(Instant, ObservedFrame)>,
    lines: mpsc::Receiver<String>,
    report: Report,
    wait: Wait,
    end: Deadline,
    owed: Owed,
}

impl Conversation {
    async fn run(mut self) -> Result<(), Box<dyn Error>> {
        loop {
            tokio::select! {
                biased;
                Some((at, frame)) = self.frames.recv() => self.see(at, &frame)?,
                message = self.socket.next() => match message {
                    Some(message) => self.receive(&message)?,
                    None => break,
                },
                line = self.lines.recv(), if matches!(self.end, Deadline::Never) => match line {
                    Some(line) => self.obey(&line).await?,
                    None => self.end_input(),
                },
                () = reached(self.end) => self.close(),
                _ = tokio::signal::ctrl_c() => self.close(),
            }
        }
        while let Ok((at, frame)) = self.frames.try_recv() {
            self.see(at, &frame)?;
        }
        let reason = self.socket.close_reason();
        let reason = reason.unwrap_or(CloseReason::from_code(CloseCode::ABNORMAL_CLOSURE));
        self.report.closed(&Closed { reason: &reason })?;
        if reason.code() == CloseCode::ABNORMAL_CLOSURE {
            return Err("connection was lost".into());
        }
        Ok(())
    }

    fn see(&mut self, at: Instant, frame: &ObservedFrame) -> io::Result<()> {
        if (frame.direction, frame.opcode) == (Direction::Received, Opcode::Pong) {
            self.owed.pongs = self.owed.pongs.saturating_sub(1);
            self.close_if_answered();
        }
        self.report.frame(at, frame)
    }

    fn receive(&mut self, message: &Message) -> io::Result<()> {
        // The frames of a message are seen before it is complete.
        while let Ok((at, frame)) = self.frames.try_recv() {
            self.see(at, &frame)?;
        }
        self.report.message(message)?;
        self.owed.messages = self.owed.messages.saturating_sub(1);
        self.close_if_answered();
        Ok(())
    }

    /// Does what a line of input says.
    async fn obey(&mut self, line: &str) -> io::Result<()> {
        let command = match line.parse() {
            Ok(command) => command,
            Err(error) => return self.report.complaint(&error),
        };
        let sent = match command {
            Command::Text(text) => self.send(text.into()).await,
            Command::Binary(octets) => self.send(octets.into()).await,
            Command::Ping(payload) => {
                self.owed.pongs += 1;
                self.socket.session().ping(payload)
            }
            Command::Pong(payload) => self.socket.session().pong(payload),
            Command::Close(reason) => {
                self.socket.close(reason);
                Ok(())
            }
            Command::Help => return self.report.help(),
        };
        match sent {
            Ok(()) => Ok(()),
            Err(error) => self.report.complaint(&error),
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), SendError> {
        self.owed.messages += 1;
        self.socket.send(message).await
    }

    fn end_input(&mut self) {
        let wait = match self.wait {
            Wait::For(wait) => wait,
            Wait::ForAnswers => ANSWER_TIMEOUT,
        };
        self.end = Deadline::At(Instant::now() + wait);
        self.close_if_answered();
    }

    fn close_if_answered(&mut self) {
        let is_answered = self.owed.messages == 0 && self.owed.pongs == 0;
        if is_answered && matches!((self.wait, self.end), (Wait::ForAnswers, Deadline::At(_))) {
            self.close();
        }
    }

    fn close(&mut self) {
        self.socket.close(CloseReason::from_code(CloseCode::NORMAL_CLOSURE));
        self.end = Deadline::Never;
        self.lines.close();
    }
}

async fn reached(deadline: Deadline) {
    match deadline {
        Deadline::Never => std::future::pending().await,
        Deadline::At(at) => tokio::time::sleep_until(at).await,
    }
}

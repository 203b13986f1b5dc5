//! The `tidings` server: one binary, every door.

mod command;
mod demo;
mod log;
mod site;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use command::serve;

/// Real-time messaging for the web: WebSocket endpoints, SockJS, STOMP and message handlers, all
/// reaching the same destinations.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server. Done too when no command is given.
    Serve(serve::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Command::Serve(serve) = arguments.command.unwrap_or(Command::Serve(arguments.serve));
    log::init(serve.log);
    match serve::run(&serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidings: {error}");
            ExitCode::FAILURE
        }
    }
}

//! The `tidings` server: one binary, every door.

mod command;
mod control;
mod demo;
mod log;
mod site;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use command::{asyncapi, lab, queues, serve, stomp, ws};
use log::LogLevel;

// Gives back what sessions that have gone took, and packs those that stay closer than the system's.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Real-time messaging for the web: WebSocket endpoints, SockJS, STOMP and message handlers, all
/// reaching the same destinations.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, args_conflicts_with_subcommands = true)]
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
    Pub(stomp::publish::Arguments),
    Sub(stomp::subscribe::Arguments),
    Ws(ws::Arguments),
    Queues(queues::Arguments),
    Lab(lab::Arguments),
    #[command(name = "asyncapi")]
    AsyncApi(asyncapi::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command.unwrap_or(Command::Serve(arguments.serve)) {
        Command::Serve(serve) => {
            log::init(serve.log);
            serve::run(&serve)
        }
        Command::Pub(publish) => {
            log::init(LogLevel::Error);
            stomp::publish::run(&publish)
        }
        Command::Sub(subscribe) => {
            log::init(LogLevel::Error);
            stomp::subscribe::run(&subscribe)
        }
        Command::Ws(ws) => {
            log::init(LogLevel::Error);
            ws::run(&ws)
        }
        Command::Queues(queues) => {
            log::init(LogLevel::Error);
            queues::run(&queues)
        }
        Command::Lab(lab) => {
            log::init(LogLevel::Error);
            lab::run(&lab)
        }
        Command::AsyncApi(asyncapi) => {
            log::init(LogLevel::Error);
            asyncapi::run(&asyncapi)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has seen enough.
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidings: {error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn serve_is_what_is_done_without_a_command() {
        assert!(Arguments::try_parse_from(["tidings"]).is_ok_and(|a| a.command.is_none()));
        assert!(Arguments::try_parse_from(["tidings", "serve", "--stomp-listen", "off"]).is_ok());
        assert!(Arguments::try_parse_from(["tidings", "--stomp-listen", "nowhere"]).is_err());
    }
}

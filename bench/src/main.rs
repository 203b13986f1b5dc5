//! Ours and the peers', in one run on the same work.
//!
//! `tidings-bench websocket`, `tidings-bench sockjs` and `tidings-bench stomp` measure; `tidings-bench server NAME` is what they start,
//! pinned to a core of its own. `cargo xtask bench websocket` builds and installs what this needs.

mod arguments;
mod check;
mod comparison;
mod contestant;
mod frame;
mod load;
mod machine;
mod measure;
mod message;
mod process;
mod report;
mod row;
mod server;
mod socket;
mod sockjs;
mod stomp;
mod suite;

use std::error::Error;
use std::process::ExitCode;

use arguments::Command;
use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    match arguments::parse(std::env::args().skip(1))? {
        Command::Server(task) => {
            server::serve(&task)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Compare(options) => {
            let comparison = comparison::run(&options)?;
            report::write(&comparison, &options)?;
            Ok(if comparison.failures() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

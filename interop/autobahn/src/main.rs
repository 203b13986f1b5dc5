//! The ends that the Autobahn test suite tests, over the protocol crate alone.
//!
//! `cargo xtask conformance autobahn` runs this program against the suite:
//!
//! ```text
//! tidings-autobahn server ADDR         echoes every message; prints the address it listens at
//! tidings-autobahn client ADDR AGENT   runs every case of the fuzzing server at ADDR
//! ```

mod client;
mod echo;
mod server;

use std::process::ExitCode;

use echo::BoxError;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result: Result<(), BoxError> = match arguments[..] {
        ["server", addr] => server::run(addr).await,
        ["client", addr, agent] => client::run(addr, agent).await,
        _ => Err("usage: tidings-autobahn server ADDR | client ADDR AGENT".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidings-autobahn: {error}");
            ExitCode::FAILURE
        }
    }
}

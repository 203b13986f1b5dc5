//! The client that the Autobahn test suite tests, over the protocol crate alone.
//!
//! `cargo xtask conformance autobahn` runs `tidings-autobahn ADDR AGENT` against the suite's server at
//! `ADDR`: every case in turn, and then the report in the name of `AGENT`. The server that the suite
//! tests is `examples/echo.rs`.

mod client;
mod echo;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [addr, agent] = &arguments[..] else {
        eprintln!("usage: tidings-autobahn ADDR AGENT");
        return ExitCode::from(2);
    };
    match client::run(addr, agent).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidings-autobahn: {error}");
            ExitCode::FAILURE
        }
    }
}

//! Our server and a peer's, one after the other in one run, on the same work.
//!
//! `echo` and `fanout` measure; `serve NAME` is what they start.

mod load;
mod measure;
mod report;
mod server;

use std::error::Error;

use measure::Work;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match arguments[..] {
        ["serve", name] => runtime.block_on(server::serve(name)),
        ["echo"] => runtime.block_on(report::compare("echo", &Work::ECHO)),
        ["fanout"] => runtime.block_on(report::compare("fanout", &Work::FANOUT)),
        _ => Err("usage: tidings-bench echo | fanout".into()),
    }
}

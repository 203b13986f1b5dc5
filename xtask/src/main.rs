//! The project's own commands: `cargo xtask test`, `conformance`, `tidy`, `bench`.

mod bench;
mod conformance;
mod java;
mod prepare;
mod run;
mod soak;
mod test;
mod tidy;
mod tutorial;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  test                     every test; installs what they need
  test --only rust         formatting, lints, unit, property and integration tests, docs
  test --only interop      real clients against the running server
  conformance autobahn     the 517 cases of the Autobahn suite, our server and our client
  soak                     5,000 subscribers, slow ones among them, for ten minutes;
                           --minutes N, --subscribers N
  tidy                     the architecture check alone
  bench websocket|sockjs|stomp
                           ours and the peers, in one run on the same work; installs them.
                           --quick, --only NAME,…, --rows WORD,…, --json, --save
  bench echo|fanout        the rows of `bench websocket` for that";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    match arguments[..] {
        ["test"] => test::run_parts(&root, test::Part::ALL),
        ["test", "--only", "rust"] => test::run_parts(&root, &[test::Part::Rust]),
        ["test", "--only", "interop"] => test::run_parts(&root, &[test::Part::Interop]),
        ["conformance", ref rest @ ..] => conformance::run(&root, &test::target(&root), rest),
        ["soak", ref rest @ ..] => soak::run(&root, &test::target(&root), rest),
        ["tidy"] => tidy::run(&root),
        ["bench", what, ref options @ ..] if bench::is_known(what) => {
            bench::run(&root, &test::target(&root), what, options)
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// The folder of the workspace.
fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("xtask is a folder of the workspace").to_owned()
}

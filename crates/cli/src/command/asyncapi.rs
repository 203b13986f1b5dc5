use std::error::Error;
use std::io::{Write, stdout};

use clap::Args;

use crate::demo;

/// Print the AsyncAPI 3 document of what the server offers: endpoints, destinations, and the messages that go there.
/// The server itself has it at `/asyncapi.json`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Host and port at which clients find the server.
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1:8080")]
    host: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let app = demo::app().build()?;
    let document = app.async_api(&demo::async_api().host(&arguments.host));
    writeln!(stdout(), "{document:#}")?;
    Ok(())
}

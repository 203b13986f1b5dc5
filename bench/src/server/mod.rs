//! The servers that are compared. Each runs on one thread, in a process of its own, offers `/echo`
//! and `/fanout`, and prints its address.

mod ours;
mod tungstenite;

use std::error::Error;

/// What can be served, ours first.
pub(crate) const NAMES: [&str; 2] = ["tidings", "tokio-tungstenite"];

pub(crate) async fn serve(name: &str) -> Result<(), Box<dyn Error>> {
    match name {
        "tidings" => ours::serve().await,
        "tokio-tungstenite" => tungstenite::serve().await,
        _ => Err(format!("there is no server `{name}`").into()),
    }
}

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidings::controller;
use tidings::endpoint::Json;

/// The program of Spring's guide "Using WebSocket to build an interactive web application".
pub(super) struct Greetings;

#[derive(Deserialize, JsonSchema)]
struct HelloMessage {
    name: String,
}

#[derive(JsonSchema, Serialize)]
struct Greeting {
    content: String,
}

#[controller]
impl Greetings {
    /// Greets everybody, a second later.
    #[message_mapping("/hello")]
    #[send_to("/topic/greetings")]
    async fn greeting(&self, Json(message): Json<HelloMessage>) -> Json<Greeting> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Json(Greeting { content: format!("Hello, {}!", escape_html(&message.name)) })
    }
}

/// The name as text inside an HTML page.
fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_become_markup() {
        assert_eq!(escape_html("<b>\"A&B's\"</b>"), "&lt;b&gt;&quot;A&amp;B&#39;s&quot;&lt;/b&gt;");
    }
}

#![allow(unused)]

use tidings::{App, controller};

struct Rooms;

#[controller("rooms")]
impl Rooms {
    #[message_mapping("say")]
    #[send_to("topic/said")]
    async fn say(&mut self, text: String) -> String {
        text
    }

    #[send_to("/topic/sung")]
    async fn sing(&self) {}
}

// Using what is wrong is no mistake of its own.
fn main() {
    let _ = App::builder().controller(Rooms);
}

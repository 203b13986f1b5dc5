#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms", reply = none)]
    #[send_to("/topic/rooms")]
    async fn say(&self, text: String) -> String {
        text
    }
}

fn main() {}

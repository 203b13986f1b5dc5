#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms/{room}")]
    #[send_to("/topic/rooms/{room")]
    async fn say(&self) -> String {
        "hello".to_owned()
    }
}

fn main() {}

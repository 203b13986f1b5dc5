#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms/{room}", "/lobby")]
    #[send_to("/topic/{room}")]
    async fn say(&self, #[destination_variable] room: String) -> String {
        room
    }
}

fn main() {}

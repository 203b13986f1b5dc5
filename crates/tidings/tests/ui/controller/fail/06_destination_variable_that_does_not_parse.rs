#![allow(unused)]

use tidings::controller;

struct Rooms;

struct Room;

#[controller]
impl Rooms {
    #[message_mapping("/rooms/{room}")]
    async fn say(&self, #[destination_variable] room: Room) {}
}

fn main() {}

#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/room-{room}")]
    async fn say(&self) {}
}

fn main() {}

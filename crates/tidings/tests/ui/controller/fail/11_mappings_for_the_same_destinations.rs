#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms/{room}")]
    async fn say(&self) {}

    #[message_mapping("/rooms/*")]
    async fn sing(&self) {}
}

fn main() {}

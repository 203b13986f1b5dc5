#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms/{room}", "/rooms/*")]
    async fn say(&self) {}
}

fn main() {}

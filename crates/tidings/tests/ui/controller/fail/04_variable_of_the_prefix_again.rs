#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller("/rooms/{room}")]
impl Rooms {
    #[message_mapping("/say/{room}")]
    async fn say(&self) {}
}

fn main() {}

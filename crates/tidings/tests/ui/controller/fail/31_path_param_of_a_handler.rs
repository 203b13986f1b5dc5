#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms/{room}")]
    async fn say(&self, #[path_param] room: String) {}
}

fn main() {}

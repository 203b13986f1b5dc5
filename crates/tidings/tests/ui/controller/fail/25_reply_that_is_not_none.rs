#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms", reply = all)]
    async fn say(&self, text: String) {}
}

fn main() {}

#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms", replies = none)]
    async fn say(&self) {}
}

fn main() {}

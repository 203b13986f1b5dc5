#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms")]
    async fn say(&self, text: &mut String) {}
}

fn main() {}

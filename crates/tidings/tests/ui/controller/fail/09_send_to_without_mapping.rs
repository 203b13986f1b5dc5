#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[send_to("/topic/rooms")]
    async fn say(&self) -> String {
        "hello".to_owned()
    }
}

fn main() {}

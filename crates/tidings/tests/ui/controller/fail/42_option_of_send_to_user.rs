#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[message_mapping("/rooms")]
    #[send_to_user("/queue/rooms", broadcast = false)]
    fn rooms(&self) -> String {
        "lobby".to_owned()
    }
}

fn main() {}

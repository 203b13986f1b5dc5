#![allow(unused)]

use tidings::controller;

struct Rooms;

#[controller]
impl Rooms {
    #[send_to_user("/queue/rooms")]
    fn rooms(&self) -> String {
        "lobby".to_owned()
    }
}

fn main() {}

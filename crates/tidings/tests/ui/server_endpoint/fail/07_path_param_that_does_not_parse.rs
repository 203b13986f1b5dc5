#![allow(unused)]

use tidings::server_endpoint;

struct Chat;

struct Room;

#[server_endpoint("/chat/{room}")]
impl Chat {
    #[on_open]
    async fn opened(&mut self, #[path_param] room: Room) {}
}

fn main() {}

use tidings::endpoint::Pong;
use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message]
    fn first(&self, pong: Pong) {
        let _ = pong;
    }

    #[on_message]
    fn second(&self, pong: Pong) {
        let _ = pong;
    }
}

fn main() {}

use tidings::endpoint::{Part, Pong};
use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message]
    fn ponged(&self, part: Part<Pong>) {
        let _ = part;
    }
}

fn main() {}

use tidings::endpoint::Part;
use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message(max_size = "64KiB")]
    fn said(&self, part: Part<String>) {
        let _ = part;
    }
}

fn main() {}

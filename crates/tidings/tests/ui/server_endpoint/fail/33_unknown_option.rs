use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat", lenient)]
impl Chat {
    #[on_message]
    fn said(&self, text: String) {
        let _ = text;
    }
}

fn main() {}

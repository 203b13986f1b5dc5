use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat", shared)]
impl Chat {
    #[on_message]
    fn said(&mut self, text: String) {
        let _ = text;
    }
}

fn main() {}

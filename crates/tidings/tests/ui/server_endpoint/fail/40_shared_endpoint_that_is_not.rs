use tidings::{App, server_endpoint};

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_message]
    fn said(&self, text: String) {
        let _ = text;
    }
}

fn main() {
    let _ = App::builder().shared_endpoint(Chat);
}

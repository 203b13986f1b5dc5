use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_close]
    fn closed(&self) {}

    #[on_close]
    fn gone(&self) {}
}

fn main() {}

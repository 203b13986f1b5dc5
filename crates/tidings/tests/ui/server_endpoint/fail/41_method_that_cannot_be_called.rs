use std::str::FromStr;

use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[cfg(unix)]
    #[on_open]
    fn opened(&self) {}

    #[on_message]
    fn said<T: FromStr>(&self, text: String) {
        let _ = text;
    }

    #[on_close]
    unsafe fn closed(&self) {}
}

fn main() {}

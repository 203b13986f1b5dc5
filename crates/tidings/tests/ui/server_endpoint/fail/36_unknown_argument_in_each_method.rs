use std::net::TcpStream;

use tidings::endpoint::EndpointError;
use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_open]
    fn opened(&self, stream: TcpStream) {
        let _ = stream;
    }

    #[on_message]
    fn said(&self, text: String, stream: TcpStream) {
        let _ = (text, stream);
    }

    #[on_close]
    fn closed(&self, stream: TcpStream) {
        let _ = stream;
    }

    #[on_error]
    fn failed(&self, error: EndpointError, stream: TcpStream) {
        let _ = (error, stream);
    }
}

fn main() {}

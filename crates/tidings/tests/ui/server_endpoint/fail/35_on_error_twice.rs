use tidings::endpoint::EndpointError;
use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/chat")]
impl Chat {
    #[on_error]
    fn failed(&self, error: EndpointError) {
        let _ = error;
    }

    #[on_error]
    fn broken(&self, error: EndpointError) {
        let _ = error;
    }
}

fn main() {}

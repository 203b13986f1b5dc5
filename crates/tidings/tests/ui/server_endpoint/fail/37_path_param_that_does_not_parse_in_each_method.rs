use tidings::endpoint::EndpointError;
use tidings::server_endpoint;

struct Id;
struct Chat;

#[server_endpoint("/chat/{id}")]
impl Chat {
    #[on_open]
    fn opened(&self, #[path_param] id: Id) {
        let _ = id;
    }

    #[on_message]
    fn said(&self, text: String, #[path_param] id: Id) {
        let _ = (text, id);
    }

    #[on_close]
    fn closed(&self, #[path_param] id: Id) {
        let _ = id;
    }

    #[on_error]
    fn failed(&self, error: EndpointError, #[path_param] id: Id) {
        let _ = (error, id);
    }
}

fn main() {}

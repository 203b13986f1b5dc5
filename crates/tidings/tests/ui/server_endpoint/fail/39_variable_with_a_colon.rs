use tidings::server_endpoint;

struct Chat;

#[server_endpoint("/rooms/:room")]
impl Chat {}

fn main() {}

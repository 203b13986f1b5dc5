use tidings::client::Client;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;

use super::peer::{accept_with, read_request};

#[tokio::test]
async fn a_unix_socket_is_connected_to_whatever_the_url_says() {
    let name = format!("tidings-client-{}.sock", std::process::id());
    let path = std::env::temp_dir().join(name);
    let listener = UnixListener::bind(&path).unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        let answer = accept_with("", b"\x81\x05hello")(&request);
        stream.write_all(&answer).await.unwrap();
        (request, stream)
    });
    let client = Client::builder().unix_socket(&path).build();
    let mut socket = client.open("ws://example.org/x").await.unwrap();
    assert_eq!(socket.next().await, Some("hello".into()));
    assert_eq!(socket.session().handshake().remote_addr(), None);
    let (request, _stream) = serving.await.unwrap();
    assert_eq!(request.header("host"), Some("example.org"));
    std::fs::remove_file(path).unwrap();
}

use std::net::SocketAddr;

use tidings::client::{Client, ConnectError, Credentials, Proxy, ProxyError};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::peer::{Answer, Peer, Request, accept, read_request, say, status};

/// Refuses as often as there are answers, and then connects to where it is asked to.
async fn proxy(refusals: Vec<Answer>) -> (Proxy, JoinHandle<Vec<Request>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let serving = tokio::spawn(async move {
        let mut requests = Vec::new();
        for refusal in refusals {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read_request(&mut stream).await;
            stream.write_all(&refusal(&request)).await.unwrap();
            requests.push(request);
        }
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        let target: SocketAddr = request.line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut upstream = TcpStream::connect(target).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        requests.push(request);
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
        requests
    });
    (proxy, serving)
}

#[tokio::test]
async fn a_proxy_connects_to_the_host_and_port_of_the_url() {
    let peer = Peer::start([accept()]).await;
    let (proxy, serving) = proxy(vec![]).await;
    let socket = Client::builder().proxy(proxy).build().open(&peer.url("/x")).await.unwrap();
    let addr = peer.addr;
    assert_eq!(peer.requests().await[0].line, "GET /x HTTP/1.1");
    drop(socket);
    let requests = serving.await.unwrap();
    assert_eq!(requests[0].line, format!("CONNECT {addr} HTTP/1.1"));
    assert_eq!(requests[0].header("host"), Some(&*addr.to_string()));
    assert_eq!(requests[0].header("proxy-authorization"), None);
}

#[tokio::test]
async fn a_proxy_that_asks_is_answered_and_the_server_does_not_see_it() {
    for (asked, answered) in [
        ("Basic realm=\"p\"", "Basic dXNlcjpwYXNzd29yZA=="),
        ("Digest realm=\"p\", nonce=\"n\", qop=\"auth\"", "Digest username=\"user\", realm=\"p\""),
    ] {
        let peer = Peer::start([accept()]).await;
        let refusal = status(
            "407 Proxy Authentication Required",
            &format!("Proxy-Authenticate: {asked}\r\n"),
        );
        let (proxy, serving) = proxy(vec![refusal]).await;
        let proxy = proxy.credentials(Credentials::new("user", "password"));
        let socket = Client::builder().proxy(proxy).build().open(&peer.url("/")).await.unwrap();
        assert_eq!(peer.requests().await[0].header("proxy-authorization"), None);
        drop(socket);
        let requests = serving.await.unwrap();
        let value = requests[1].header("proxy-authorization").unwrap();
        assert!(value.starts_with(answered), "{value}");
    }
}

#[tokio::test]
async fn a_proxy_that_asks_in_vain_or_refuses_is_an_error() {
    let asks = "Proxy-Authenticate: Basic realm=\"p\"\r\n";
    for (code, headers) in [("407 Proxy Authentication Required", asks), ("502 Bad Gateway", "")] {
        let peer = Peer::start([status(code, headers)]).await;
        let proxy = Proxy::new(&format!("http://{}", peer.addr)).unwrap();
        let client = Client::builder().proxy(proxy).build();
        let error = client.open("ws://example.org/").await.unwrap_err();
        let ConnectError::Proxy(ProxyError::Http(response)) = &error else { panic!("{error:?}") };
        assert_eq!(response.status().as_str(), &code[..3]);
        assert!(error.to_string().contains(&code[..3]), "{error}");
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_or_is_none_is_an_error_of_its_own() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let open = async |addr: SocketAddr| {
        let proxy = Proxy::new(&format!("http://{addr}")).unwrap();
        let client = Client::builder().proxy(proxy).build();
        client.open("ws://example.org/").await.unwrap_err()
    };
    let error = open(closed).await;
    assert!(matches!(error, ConnectError::Proxy(ProxyError::Io(_))), "{error:?}");
    for nonsense in ["220 mail\r\n", "HTTP/1.1 200 OK\r\n\r\nmore"] {
        let error = open(Peer::start([say(nonsense)]).await.addr).await;
        assert!(matches!(error, ConnectError::Proxy(ProxyError::InvalidResponse(_))), "{error:?}");
    }
}

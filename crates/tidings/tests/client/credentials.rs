use tidings::client::{Client, Credentials};

use super::peer::{Answer, Peer, accept, status};

fn challenge(challenge: &str) -> Answer {
    status("401 Unauthorized", &format!("WWW-Authenticate: {challenge}\r\n"))
}

fn client(credentials: Credentials) -> Client {
    Client::builder().credentials(credentials).build()
}

fn user() -> Credentials {
    Credentials::new("user", "password")
}

#[tokio::test]
async fn basic_is_answered_once_it_is_asked_for() {
    let peer = Peer::start([challenge("Basic realm=\"r\""), accept()]).await;
    client(user()).open(&peer.url("/")).await.unwrap();
    let requests = peer.requests().await;
    assert_eq!(requests[0].header("authorization"), None);
    assert_eq!(requests[1].header("authorization"), Some("Basic dXNlcjpwYXNzd29yZA=="));
}

#[tokio::test]
async fn digest_is_answered_for_the_target_of_the_request() {
    let asked = "Digest realm=\"r\", qop=\"auth\", algorithm=SHA-256, nonce=\"n\"";
    let peer = Peer::start([challenge(asked), accept()]).await;
    client(user()).open(&peer.url("/a?b")).await.unwrap();
    let requests = peer.requests().await;
    let value = requests[1].header("authorization").unwrap();
    assert!(value.starts_with("Digest username=\"user\", realm=\"r\", uri=\"/a?b\""), "{value}");
}

#[tokio::test]
async fn a_stale_nonce_is_answered_anew() {
    let first = "Digest realm=\"r\", qop=\"auth\", nonce=\"1\"";
    let stale = "Digest realm=\"r\", qop=\"auth\", nonce=\"2\", stale=true";
    let peer = Peer::start([challenge(first), challenge(stale), accept()]).await;
    client(user()).open(&peer.url("/")).await.unwrap();
    let requests = peer.requests().await;
    assert!(requests[2].header("authorization").unwrap().contains("nonce=\"2\""));
}

#[tokio::test]
async fn credentials_that_are_refused_are_not_repeated() {
    let asked = "Digest realm=\"r\", qop=\"auth\", nonce=\"1\"";
    let peer = Peer::start([challenge(asked), challenge(asked)]).await;
    let error = client(user()).open(&peer.url("/")).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 401);
    assert_eq!(peer.requests().await.len(), 2);
}

#[tokio::test]
async fn another_realm_is_not_answered() {
    for asked in ["Basic realm=\"outside\"", "Digest realm=\"outside\", nonce=\"n\""] {
        let peer = Peer::start([challenge(asked)]).await;
        let error = client(user().realm("inside")).open(&peer.url("/")).await.unwrap_err();
        assert_eq!(error.response().unwrap().status(), 401);
        assert_eq!(peer.requests().await.len(), 1);
    }
}

#[tokio::test]
async fn without_credentials_the_question_is_the_error() {
    let peer = Peer::start([challenge("Basic realm=\"r\"")]).await;
    let error = Client::default().open(&peer.url("/")).await.unwrap_err();
    assert_eq!(error.response().unwrap().headers()["www-authenticate"], "Basic realm=\"r\"");
}

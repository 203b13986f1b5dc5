//! Certificates: the server's, the clients', and whom they trust.

use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tidings::client::Client;
use tokio::runtime::Runtime;

use super::program::{Directory, Server, publish, run, serve, text};

/// A certificate that has signed itself, and the files in which it and its key are.
struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    cert_file: String,
    key_file: String,
}

impl Identity {
    fn new(directory: &Directory, name: &str) -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let pair = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&pair).unwrap();
        Self {
            cert_file: directory.file(&format!("{name}.pem"), &certificate.pem()),
            key_file: directory.file(&format!("{name}.key"), &pair.serialize_pem()),
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::Pkcs8(pair.serialize_der().into()),
        }
    }
}

/// Starts a server that shows this certificate.
fn start(directory: &Directory, identity: &Identity, more: &[&str]) -> (Server, String) {
    let certificate = ["--tls-cert", &identity.cert_file, "--tls-key", &identity.key_file];
    let stomp = ["--stomp-listen", "off", "--stomp-tls-listen", "127.0.0.1:0"];
    let server = Server::start(directory, &[&stomp[..], &certificate, more].concat());
    let url = format!("tls://{}", server.door("STOMPS"));
    (server, url)
}

/// Publishes, which has to fail with this in the one line that says why.
fn cannot_publish(arguments: &[&str], expected: &str) {
    let output = run("pub", arguments, b"");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?} {output:?}");
    assert!(told.lines().count() == 1 && told.contains(expected), "{arguments:?} {told}");
}

#[test]
fn a_server_is_believed_by_who_trusts_its_authority_or_is_told_to() {
    let directory = Directory::new();
    let (shown, other) = (Identity::new(&directory, "server"), Identity::new(&directory, "other"));
    let (server, url) = start(&directory, &shown, &[]);
    publish(&["-U", &url, "--ca", &shown.cert_file, "--receipt", "/queue/q", "trusted"]);
    publish(&["-U", &url, "--insecure", "--receipt", "/queue/q", "not looked at"]);
    cannot_publish(&["-U", &url, "/queue/q", "x"], "no secure connection");
    cannot_publish(
        &["-U", &url, "--ca", &other.cert_file, "/queue/q", "x"],
        "no secure connection",
    );
    let subscribe = ["-U", &url, "--ca", &shown.cert_file, "--body", "-n", "2", "/queue/q"];
    assert_eq!(text(&run("sub", &subscribe, b"").stdout), "trusted\nnot looked at\n");
    server.stop();
}

#[test]
fn clients_show_a_certificate_where_the_server_asks_for_one() {
    let directory = Directory::new();
    let shown = Identity::new(&directory, "server");
    let (ann, other) = (Identity::new(&directory, "ann"), Identity::new(&directory, "other"));
    let asks = ["--tls-client-ca", &ann.cert_file];
    let (server, url) = start(&directory, &shown, &asks);
    let trusting = ["-U", &url, "--ca", &shown.cert_file, "--receipt", "/queue/q", "x"];
    let showing = |who: &Identity| {
        let more =
            ["--cert".to_owned(), who.cert_file.clone(), "--key".to_owned(), who.key_file.clone()];
        trusting.iter().map(|&text| text.to_owned()).chain(more).collect::<Vec<_>>()
    };
    let publish_as = |who: &Identity| {
        let arguments = showing(who);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run("pub", &arguments, b"")
    };
    assert!(publish_as(&ann).status.success());
    assert_eq!(publish_as(&other).status.code(), Some(1));
    cannot_publish(&trusting, "cannot connect");
    assert_eq!(user_name(&url, &shown, &ann), "ann");
    server.stop();

    let optional = [&asks[..], &["--tls-client-cert", "optional"]].concat();
    let (server, url) = start(&directory, &shown, &optional);
    publish(&["-U", &url, "--ca", &shown.cert_file, "--receipt", "/queue/q", "x"]);
    assert_eq!(user_name(&url, &shown, &ann), "ann");
    server.stop();
}

/// Whom the server takes a client for that shows this certificate.
fn user_name(url: &str, server: &Identity, client: &Identity) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![client.certificate.clone()], client.key.clone_key())
        .unwrap();
    Runtime::new().unwrap().block_on(async {
        let builder = Client::builder().tls(&config).stomp().login("somebody", "x");
        let client = builder.connect(url).await.unwrap();
        client.connected_headers().unwrap().get("user-name").unwrap().to_owned()
    })
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_flag() {
    let directory = Directory::new();
    let (one, two) = (Identity::new(&directory, "one"), Identity::new(&directory, "two"));
    let url = "tls://127.0.0.1:1";
    let mismatched = ["-U", url, "--cert", &one.cert_file, "--key", &two.key_file];
    let cases: [(&[&str], &str); 6] = [
        (&["-U", url, "--ca", "/no/such/file"], "/no/such/file (--ca)"),
        (&["-U", url, "--ca", &one.key_file], "one.key (--ca): there is no certificate in it"),
        (&["-U", url, "--cert", &one.cert_file, "--key", &one.cert_file], "one.pem (--key)"),
        (&mismatched, "two.key (--key)"),
        (&["-U", "tcp://127.0.0.1:1", "--ca", &one.cert_file], "only for TLS"),
        (
            &["-U", "tls://example.org", "--insecure"],
            "--insecure is only for a server at localhost",
        ),
    ];
    for (arguments, expected) in cases {
        cannot_publish(&[arguments, &["/queue/q", "x"]].concat(), expected);
    }
    let missing = ["-U", url, "--cert", &one.cert_file, "/queue/q", "x"];
    assert!(text(&run("pub", &missing, b"").stderr).contains("--key"));

    let listen = ["--stomp-tls-listen", "127.0.0.1:0"];
    let cases: [(&[&str], &str); 3] = [
        (&["--tls-cert", &one.key_file, "--tls-key", &one.key_file], "one.key (--tls-cert)"),
        (&["--tls-cert", &one.cert_file, "--tls-key", &two.key_file], "two.key (--tls-key)"),
        (
            &["--tls-cert", &one.cert_file, "--tls-key", &one.key_file, "--tls-client-ca", "/none"],
            "/none (--tls-client-ca)",
        ),
    ];
    for (arguments, expected) in cases {
        let output = serve(&directory, &[&listen, arguments].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(text(&output.stderr).contains(expected), "{output:?}");
    }
}

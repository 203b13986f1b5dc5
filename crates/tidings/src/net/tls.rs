//! TLS for clients: rustls, with aws-lc-rs underneath.

use std::io;
use std::sync::{Arc, LazyLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::connector::Wire;

/// How a client checks servers, and what it shows them.
#[derive(Clone, Debug)]
pub(crate) struct TlsClient {
    not_http: Arc<ClientConfig>,
    http_1: Arc<ClientConfig>,
    /// Asks for HTTP/2 too.
    http_2: Arc<ClientConfig>,
}

/// What a client asks for by ALPN: RFC 7301.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alpn {
    /// Nothing: it is not HTTP that is spoken.
    None,
    Http1,
    /// HTTP/2, or else HTTP/1.1.
    Http2,
}

/// The name of HTTP/2 in ALPN: RFC 9113, section 3.1.
pub(super) const ALPN_HTTP_2: &[u8] = b"h2";
const ALPN_HTTP_1: &[u8] = b"http/1.1";

impl TlsClient {
    /// A client of a configuration, but for what that says of ALPN.
    pub(crate) fn new(config: &ClientConfig) -> Self {
        let with_alpn = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Arc::new(config)
        };
        let http_1 = with_alpn(&[ALPN_HTTP_1]);
        Self { not_http: with_alpn(&[]), http_1, http_2: with_alpn(&[ALPN_HTTP_2, ALPN_HTTP_1]) }
    }

    /// The client that trusts Mozilla's roots: one for the process, so that TLS sessions are resumed.
    pub(crate) fn with_webpki_roots() -> Self {
        static CLIENT: LazyLock<TlsClient> = LazyLock::new(|| {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("the provider has the default versions")
                .with_root_certificates(roots)
                .with_no_client_auth();
            TlsClient::new(&config)
        });
        CLIENT.clone()
    }

    /// Secures a connection to `host`: a name, or an address without brackets.
    pub(crate) async fn secure(&self, host: &str, alpn: Alpn, wire: Wire) -> io::Result<Wire> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let config = match alpn {
            Alpn::None => &self.not_http,
            Alpn::Http1 => &self.http_1,
            Alpn::Http2 => &self.http_2,
        };
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, wire).await?;
        Ok(Wire::Tls(Box::new(stream)))
    }
}

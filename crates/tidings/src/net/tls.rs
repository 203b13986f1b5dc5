//! TLS for clients: rustls, with aws-lc-rs underneath.

use std::io;
use std::sync::{Arc, LazyLock};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::connector::Wire;

/// How a client checks servers, and what it shows them.
#[derive(Clone, Debug)]
pub(crate) struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// A client of a configuration. ALPN asks for HTTP/1.1, whatever the configuration says.
    pub(crate) fn new(config: &ClientConfig) -> Self {
        let mut config = config.clone();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self(Arc::new(config))
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
    pub(crate) async fn secure(&self, host: &str, wire: Wire) -> io::Result<Wire> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let stream = TlsConnector::from(Arc::clone(&self.0)).connect(name, wire).await?;
        Ok(Wire::Tls(Box::new(stream)))
    }
}

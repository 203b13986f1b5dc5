//! STOMP over TLS: certificates from files.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;

use crate::command::pem::{in_file, read_authorities, read_certificates, read_key};

#[derive(Args, Clone, Debug)]
pub(crate) struct TlsSettings {
    /// Address for STOMP over TLS.
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = super::address,
        requires = "tls_cert",
        requires = "tls_key"
    )]
    pub(super) stomp_tls_listen: Option<SocketAddr>,
    /// The server's certificate and those that lead to its authority, in PEM.
    #[arg(long, value_name = "FILE", requires = "stomp_tls_listen")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "stomp_tls_listen")]
    tls_key: Option<PathBuf>,
    /// Ask clients of this address for certificates of these authorities, in PEM. The common name is the
    /// login. The other addresses go on accepting any login: turn them off, or leave them on loopback.
    #[arg(long, value_name = "FILE", requires = "stomp_tls_listen")]
    tls_client_ca: Option<PathBuf>,
    /// Whether clients must show a certificate. One that needs not and does not may log in as anybody, also
    /// by the common name of somebody else.
    #[arg(long, value_enum, default_value = "required", requires = "tls_client_ca")]
    tls_client_cert: ClientCertificate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClientCertificate {
    Required,
    Optional,
}

impl TlsSettings {
    /// The address and the certificates, if STOMP over TLS is wanted.
    pub(super) fn listener(&self) -> Result<Option<(SocketAddr, ServerConfig)>, Box<dyn Error>> {
        let (Some(address), Some(cert), Some(key)) =
            (self.stomp_tls_listen, &self.tls_cert, &self.tls_key)
        else {
            return Ok(None);
        };
        let certificates = read_certificates(cert, "--tls-cert")?;
        let private_key = read_key(key, "--tls-key")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match &self.tls_client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let roots = Arc::new(read_authorities(file, "--tls-client-ca")?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = match self.tls_client_cert {
                    ClientCertificate::Required => verifier,
                    ClientCertificate::Optional => verifier.allow_unauthenticated(),
                };
                builder.with_client_cert_verifier(verifier.build()?)
            }
        };
        let config = builder
            .with_single_cert(certificates, private_key)
            .map_err(|error| in_file(key, "--tls-key", error))?;
        Ok(Some((address, config)))
    }
}

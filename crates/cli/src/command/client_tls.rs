//! TLS of the commands that are clients: whom they trust, and what they show of themselves.

mod loopback;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use super::pem::{in_file, read_authorities, read_certificates, read_key};

#[derive(Args, Clone, Debug)]
pub(super) struct ClientTls {
    /// Trust the certificates of these authorities, in PEM, rather than those that browsers trust.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Accept any certificate; only of a server on this machine.
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
    /// Show this certificate, and those that lead to its authority, in PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl ClientTls {
    /// The configuration for the server at a URL; none where nothing was said about it.
    pub(super) fn config(&self, url: &str) -> Result<Option<ClientConfig>, Box<dyn Error>> {
        if let Self { ca: None, insecure: false, cert: None, .. } = self {
            return Ok(None);
        }
        if !is_secure(url) {
            return Err("--ca, --insecure and --cert are only for TLS: begin the URL with \
                        stomp+ssl://, wss:// or https://"
                .into());
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = if self.insecure {
            let verifier = loopback::any_certificate(url, provider)?;
            builder.dangerous().with_custom_certificate_verifier(verifier)
        } else {
            let roots = match &self.ca {
                Some(file) => read_authorities(file, "--ca")?,
                None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
            };
            builder.with_root_certificates(roots)
        };
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else {
            return Ok(Some(builder.with_no_client_auth()));
        };
        let certificates = read_certificates(cert, "--cert")?;
        let config = builder
            .with_client_auth_cert(certificates, read_key(key, "--key")?)
            .map_err(|error| in_file(key, "--key", error))?;
        Ok(Some(config))
    }
}

/// Whether the scheme of a URL is one of those that mean TLS.
fn is_secure(url: &str) -> bool {
    const SCHEMES: [&str; 7] = ["tls", "ssl", "stomps", "stomp+ssl", "stomp+tls", "wss", "https"];
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_how_to_be_secure_is_not_passed_over_where_nothing_is() {
        let insecure = ClientTls { ca: None, insecure: true, cert: None, key: None };
        for url in ["tcp://localhost", "ws://localhost", "http://localhost", "localhost"] {
            let error = insecure.config(url).unwrap_err().to_string();
            assert!(error.contains("only for TLS"), "{url}: {error}");
        }
        for url in ["tls://localhost", "STOMP+SSL://localhost", "wss://localhost/x"] {
            assert!(insecure.config(url).unwrap().is_some(), "{url}");
        }
        let nothing = ClientTls { insecure: false, ..insecure };
        assert!(nothing.config("tcp://localhost").unwrap().is_none());
    }
}

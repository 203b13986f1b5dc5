//! Certificates and keys from files in PEM. Errors name the file, and the flag that it was given by.

use std::error::Error;
use std::fmt::Display;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// All certificates of a file, of which there is at least one.
pub(super) fn read_certificates(
    file: &Path,
    flag: &str,
) -> Result<Vec<CertificateDer<'static>>, Box<dyn Error>> {
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates: Vec<_> = certificates.map_err(|error| in_file(file, flag, error))?;
    if certificates.is_empty() {
        return Err(in_file(file, flag, "there is no certificate in it"));
    }
    Ok(certificates)
}

/// The certificates of a file, as authorities.
pub(super) fn read_authorities(file: &Path, flag: &str) -> Result<RootCertStore, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    for authority in read_certificates(file, flag)? {
        roots.add(authority).map_err(|error| in_file(file, flag, error))?;
    }
    Ok(roots)
}

pub(super) fn read_key(file: &Path, flag: &str) -> Result<PrivateKeyDer<'static>, Box<dyn Error>> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| in_file(file, flag, error))
}

pub(super) fn in_file(file: &Path, flag: &str, error: impl Display) -> Box<dyn Error> {
    format!("{} ({flag}): {error}", file.display()).into()
}

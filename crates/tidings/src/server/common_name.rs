//! The name inside a client's certificate.

use x509_cert::Certificate;
use x509_cert::der::Decode;

/// The common name of the subject of a certificate in DER: RFC 5280, section 4.1.2.6. `None` if there is
/// none, or it is no text.
pub(crate) fn common_name(certificate: &[u8]) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let name = certificate.tbs_certificate().subject().common_name().ok()??;
    Some(name.into())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn certificate(names: &[(DnType, &str)]) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (kind, name) in names {
            params.distinguished_name.push(kind.clone(), *name);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_common_name_is_found_among_others() {
        let names = [(DnType::OrganizationName, "Example"), (DnType::CommonName, "ann é")];
        assert_eq!(common_name(&certificate(&names)).as_deref(), Some("ann é"));
        assert_eq!(common_name(&certificate(&names[..1])), None);
    }

    #[test]
    fn what_is_no_certificate_has_no_name() {
        let whole = certificate(&[(DnType::CommonName, "ann")]);
        for len in 0..whole.len() {
            let _ = common_name(&whole[..len]);
            let mut damaged = whole.clone();
            damaged[len] ^= 0xff;
            let _ = common_name(&damaged);
        }
        assert_eq!(common_name(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(common_name(&[0x30, 0xff]), None);
    }
}

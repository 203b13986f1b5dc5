//! The name inside a client's certificate: as much of X.509 and DER as that takes.

/// The common name of the subject of a certificate in DER: RFC 5280, section 4.1.2.6. `None` if there is
/// none, or it is no text.
pub(crate) fn common_name(certificate: &[u8]) -> Option<String> {
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    let (certificate, _) = Element::read(certificate)?;
    let (to_be_signed, _) = Element::read(certificate.within(SEQUENCE)?)?;
    let mut fields = Elements(to_be_signed.within(SEQUENCE)?);
    // The version has a tag of its own, and may be missing; then come the serial number, the algorithm,
    // the issuer and the validity.
    let skipped = if fields.clone().next()?.tag == VERSION { 5 } else { 4 };
    let subject = fields.nth(skipped)?;
    for names in Elements(subject.within(SEQUENCE)?) {
        for name in Elements(names.within(SET)?) {
            let mut attribute = Elements(name.within(SEQUENCE)?);
            let (kind, value) = (attribute.next()?, attribute.next()?);
            if kind.within(OBJECT_IDENTIFIER)? == COMMON_NAME {
                return value.text();
            }
        }
    }
    None
}

const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;

/// A value in DER, with its tag.
#[derive(Clone, Copy)]
struct Element<'a> {
    tag: u8,
    octets: &'a [u8],
}

impl<'a> Element<'a> {
    /// The first element, and what follows it.
    fn read(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let [tag, first, rest @ ..] = octets else { return None };
        let (length, rest) = match first {
            short @ 0..0x80 => (usize::from(*short), rest),
            // So many octets of length follow.
            long => {
                let (length, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                let add = |length: usize, octet: &u8| {
                    length.checked_mul(256)?.checked_add(usize::from(*octet))
                };
                (length.iter().try_fold(0, add)?, rest)
            }
        };
        let (octets, rest) = rest.split_at_checked(length)?;
        Some((Self { tag: *tag, octets }, rest))
    }

    /// What is inside, if it is of this kind.
    fn within(self, tag: u8) -> Option<&'a [u8]> {
        (self.tag == tag).then_some(self.octets)
    }

    fn text(self) -> Option<String> {
        let is_text = matches!(self.tag, UTF8_STRING | PRINTABLE_STRING | IA5_STRING);
        is_text.then(|| String::from_utf8(self.octets.to_vec()).ok()).flatten()
    }
}

/// Elements one after the other, as far as they can be read.
#[derive(Clone)]
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let (element, rest) = Element::read(self.0)?;
        self.0 = rest;
        Some(element)
    }
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

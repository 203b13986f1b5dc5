use std::fmt;

/// A version of the STOMP specification. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// STOMP 1.0.
    V1_0,
    /// STOMP 1.1.
    V1_1,
    /// STOMP 1.2.
    V1_2,
}

impl Version {
    /// Every version, the newest first: the order of preference for WebSocket subprotocols.
    pub const ALL: [Self; 3] = [Self::V1_2, Self::V1_1, Self::V1_0];

    /// Every version as a header lists them.
    pub(crate) const LIST: &str = "1.0,1.1,1.2";

    /// The version as it stands in `accept-version` and `version` headers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }

    /// The WebSocket subprotocol of the version, such as `v12.stomp`.
    ///
    /// The version of a session is still the one that CONNECT negotiates.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::V1_0 => "v10.stomp",
            Self::V1_1 => "v11.stomp",
            Self::V1_2 => "v12.stomp",
        }
    }

    /// The version that a WebSocket subprotocol stands for.
    pub fn from_subprotocol(subprotocol: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.subprotocol() == subprotocol)
    }

    /// The highest version that the client accepts: STOMP 1.2, "Protocol Negotiation".
    ///
    /// Takes the `accept-version` header, a list in any order. A client that sends none speaks 1.0.
    pub(crate) fn negotiate(accept_version: Option<&str>) -> Option<Self> {
        let Some(list) = accept_version else { return Some(Self::V1_0) };
        Self::ALL.into_iter().find(|ours| list.split(',').any(|item| item.trim() == ours.as_str()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_common_version_is_chosen_whatever_the_order() {
        let check = |list, expected| assert_eq!(Version::negotiate(list), expected, "{list:?}");
        check(None, Some(Version::V1_0));
        check(Some("1.0"), Some(Version::V1_0));
        check(Some("1.2,1.1"), Some(Version::V1_2));
        check(Some("1.1, 1.2"), Some(Version::V1_2));
        check(Some("1.0,1.1,2.0"), Some(Version::V1_1));
        check(Some("2.7"), None);
        check(Some(""), None);
        check(Some("1.20"), None);
    }

    #[test]
    fn a_version_has_one_subprotocol() {
        for version in Version::ALL {
            assert_eq!(Version::from_subprotocol(version.subprotocol()), Some(version));
        }
        assert_eq!(Version::from_subprotocol("V12.stomp"), None);
        assert!(Version::V1_0 < Version::V1_1 && Version::V1_1 < Version::V1_2);
    }
}

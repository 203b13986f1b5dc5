use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts the connections of each address.
#[derive(Debug, Default)]
pub(super) struct ConnectionsPerAddr(Mutex<HashMap<IpAddr, usize>>);

/// Counts a connection until it is dropped, for its request and then for its session.
#[derive(Debug)]
pub(crate) struct Counted {
    counts: Arc<ConnectionsPerAddr>,
    addr: IpAddr,
}

impl ConnectionsPerAddr {
    /// Counts another connection from `addr`, unless there are `max` already.
    pub(super) fn enter(self: &Arc<Self>, addr: IpAddr, max: usize) -> Option<Counted> {
        let addr = network(addr);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(addr).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Counted { counts: Arc::clone(self), addr })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.addr) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.addr);
            }
        }
    }
}

/// What one user may choose from: an address of IPv4, but a whole network of IPv6.
pub(super) fn network(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V4(addr) => addr.into(),
        IpAddr::V6(addr) => Ipv6Addr::from_bits(addr.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_so_many_connections_and_no_more() {
        let counts = Arc::<ConnectionsPerAddr>::default();
        let first = counts.enter(addr("192.0.2.1"), 2);
        let second = counts.enter(addr("::ffff:192.0.2.1"), 2);
        assert!(first.is_some() && second.is_some());
        assert!(counts.enter(addr("192.0.2.1"), 2).is_none());
        assert!(counts.enter(addr("192.0.2.2"), 2).is_some(), "another address");
        drop(second);
        assert!(counts.enter(addr("192.0.2.1"), 2).is_some());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address_and_nothing_is_left_behind() {
        let counts = Arc::<ConnectionsPerAddr>::default();
        let one = counts.enter(addr("2001:db8::1"), 1);
        assert!(counts.enter(addr("2001:db8::2"), 1).is_none());
        assert!(counts.enter(addr("2001:db8:0:1::1"), 1).is_some());
        drop(one);
        assert!(counts.0.lock().unwrap().is_empty());
    }
}

use proptest::prelude::*;

use super::*;
use crate::stomp::{AckMode, SubscriptionId, Version};
use crate::subscription::SessionKey;

fn subscription(serial: u64, class: &str, ack: AckMode) -> Arc<Subscription<u64>> {
    let id = SubscriptionId::from(class);
    Arc::new(Subscription {
        session: SessionKey(serial),
        subscriber: serial,
        id: id.clone(),
        ack,
        class: EncodingClass::stomp(Version::V1_2, Some(id)),
        serial,
        number: 1,
        destination: crate::destination::Destination::parse("/topic/x").unwrap(),
        ownership: crate::subscription::Ownership::Everybody,
        options: None,
        flow: Arc::default(),
    })
}

fn all(subscribers: &Subscribers<u64>) -> Vec<u64> {
    subscribers.groups().flat_map(|(_, group)| group.map(|one| one.serial)).collect()
}

/// What holds after every change.
fn check(subscribers: &Subscribers<u64>, expected: &[Arc<Subscription<u64>>]) {
    let mut expected = expected.to_vec();
    expected.sort_by(|one, two| order(one, two));
    let serials: Vec<u64> = expected.iter().map(|one| one.serial).collect();
    assert_eq!(all(subscribers), serials);
    assert_eq!(subscribers.len(), serials.len());

    expected.dedup_by(|one, two| order_of_octets(one, two).is_eq());
    assert_eq!(subscribers.groups().count(), expected.len(), "one group for the same octets");
    for (class, group) in subscribers.groups() {
        let first = group.first.ack;
        for one in group {
            assert_eq!((&one.class, expects_ack(one.ack)), (class, expects_ack(first)));
        }
    }

    let sizes: Vec<usize> =
        subscribers.segments.iter().map(|segment| segment.subscriptions.len()).collect();
    assert!(sizes.iter().all(|size| (1..=SEGMENT_MAX).contains(size)), "{sizes:?}");
}

#[test]
fn subscribers_of_one_class_are_one_group_across_segments() {
    let mut subscribers = Subscribers::default();
    let mut expected = Vec::new();
    for serial in 0..1000 {
        let one = subscription(serial, "sub-0", AckMode::Auto);
        subscribers = subscribers.with(Arc::clone(&one));
        expected.push(one);
    }
    check(&subscribers, &expected);
    assert_eq!(subscribers.segments.len(), 4, "segments are filled");
    assert_eq!(subscribers.groups().count(), 1);
}

#[test]
fn many_classes_in_any_order_take_few_segments() {
    let mut subscribers = Subscribers::default();
    for serial in (0..1000).rev() {
        let one = subscription(serial, &format!("{serial:04}"), AckMode::Auto);
        subscribers = subscribers.with(one);
    }
    assert!(subscribers.segments.len() <= 8, "{}", subscribers.segments.len());
}

#[test]
fn segments_shrink_with_their_subscribers() {
    let mut subscribers = Subscribers::default();
    let everyone: Vec<_> = (0..1024).map(|n| subscription(n, "sub-0", AckMode::Auto)).collect();
    for one in &everyone {
        subscribers = subscribers.with(Arc::clone(one));
    }
    for one in everyone.iter().filter(|one| one.serial % 16 != 0) {
        subscribers = subscribers.without(one).unwrap();
    }
    assert_eq!(subscribers.len(), 64);
    assert_eq!(subscribers.segments.len(), 1);
}

#[test]
fn a_snapshot_does_not_change() {
    let one = subscription(1, "a", AckMode::Auto);
    let before = Subscribers::default().with(Arc::clone(&one));
    let after = before.without(&one).unwrap();
    assert_eq!((all(&before), all(&after)), (vec![1], vec![]));
    assert!(after.without(&one).is_none());
}

#[test]
fn groups_differ_where_an_ack_is_expected() {
    let auto = subscription(1, "a", AckMode::Auto);
    let client = subscription(2, "a", AckMode::Client);
    let individual = subscription(3, "a", AckMode::ClientIndividual);
    let subscribers = Subscribers::default().with(auto).with(client).with(individual);
    let sizes: Vec<usize> = subscribers.groups().map(|(_, group)| group.count()).collect();
    assert_eq!(sizes, [1, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_changes_leave_all_subscribers_in_their_groups(
        classes in 1_u64..400,
        changes in prop::collection::vec((any::<u64>(), 0_u8..3), 1..1200),
    ) {
        let mut subscribers = Subscribers::default();
        let mut expected: Vec<Arc<Subscription<u64>>> = Vec::new();
        for (serial, (random, action)) in (0_u64..).zip(changes) {
            let at = usize::try_from(random).unwrap_or(0);
            if action == 0 && !expected.is_empty() {
                let one = expected.swap_remove(at % expected.len());
                subscribers = subscribers.without(&one).unwrap();
            } else {
                let mode = if random % 2 == 0 { AckMode::Auto } else { AckMode::Client };
                let one = subscription(serial, &(random % classes).to_string(), mode);
                subscribers = subscribers.with(Arc::clone(&one));
                expected.push(one);
            }
        }
        check(&subscribers, &expected);
    }
}

//! What a server must not do, it does under none of these seeds; and what is wrong on purpose is
//! found.

use tidings_sim::{Counts, Failure, Plan, Plant, run};

/// `TIDINGS_SEEDS` asks for more.
const SEEDS: u64 = 200;

fn seeds() -> u64 {
    std::env::var("TIDINGS_SEEDS").map_or(SEEDS, |text| text.parse().expect("it is a number"))
}

#[test]
fn nothing_acknowledged_is_lost_or_comes_again() {
    let mut total = Counts::default();
    for seed in 0..seeds() {
        total += run(seed, Plan::default()).unwrap_or_else(|failure| panic!("{failure}"));
    }
    println!("{total:#?}");
    let seen = [
        total.receipts,
        total.deliveries,
        total.redeliveries,
        total.commits,
        total.crashes,
        total.cuts,
        total.failures,
        total.revived,
        total.drained,
        total.unsubscribed,
        total.disconnected,
        total.refused_in_transactions,
        total.used_again,
        total.waits,
        total.meanwhile,
    ];
    assert!(seen.iter().all(|count| *count > 100), "too little has happened: {total:?}");
    // Few come in each other's way like that.
    assert!(total.superseded > 5, "too little has happened: {total:?}");
    // Who is thrown out does nothing that could go wrong.
    assert!(total.errors < total.sent / 30, "too much was refused: {total:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..5 {
        let runs = [run(seed, Plan::default()), run(seed, Plan::default())];
        let [Ok(first), Ok(second)] = runs else { panic!("seed {seed} fails") };
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn every_planted_defect_is_found() {
    for plant in Plant::DEFECTS {
        let plan = Plan { plant: *plant, ..Plan::default() };
        let found = (0..100).find_map(|seed| run(seed, plan).err());
        let Some(Failure { seed, what, .. }) = found else {
            panic!("{plant:?} is not found");
        };
        println!("{plant:?} is found with seed {seed}: {what}");
    }
}

#[test]
fn a_queue_that_stops_is_found_before_it_is_drained() {
    let plan = Plan { plant: Plant::ForgottenResume, ..Plan::default() };
    let is_it = |failure: &Failure| failure.what.contains("messages wait in");
    let found = (0..100).filter_map(|seed| run(seed, plan).err()).find(is_it);
    println!("{}", found.expect("somebody waits for messages that there are").what);
}

#[test]
fn a_failure_tells_what_has_happened_to_the_message() {
    let plan = Plan { plant: Plant::EarlyReceipts, ..Plan::default() };
    let failure = (0..100).find_map(|seed| run(seed, plan).err()).unwrap();
    let number: String = failure.what.chars().filter(char::is_ascii_digit).collect();
    let told = failure.to_string();
    for event in ["is sent to /", "is put at", "has its receipt"] {
        assert!(told.contains(&format!("message {number} {event}")), "{told}");
    }
}

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
        let counts = run(seed, Plan::default()).unwrap_or_else(|failure| panic!("{failure}"));
        total = added(total, counts);
    }
    println!("{total:#?}");
    let Counts {
        receipts,
        revived,
        deliveries,
        redeliveries,
        commits,
        crashes,
        cuts,
        failures,
        ..
    } = total;
    let seen = [
        receipts,
        deliveries,
        redeliveries,
        commits,
        crashes,
        cuts,
        failures,
        revived,
        total.drained,
    ];
    assert!(seen.iter().all(|count| *count > 100), "too little has happened: {total:?}");
}

/// Seeds that have found a defect of the broker.
const FOUND: &[u64] = &[];

#[test]
fn what_was_found_once_does_not_come_back() {
    for seed in FOUND {
        run(*seed, Plan::default()).unwrap_or_else(|failure| panic!("{failure}"));
    }
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

fn added(mut total: Counts, one: Counts) -> Counts {
    total.sent += one.sent;
    total.receipts += one.receipts;
    total.deliveries += one.deliveries;
    total.redeliveries += one.redeliveries;
    total.commits += one.commits;
    total.crashes += one.crashes;
    total.cuts += one.cuts;
    total.failures += one.failures;
    total.revived += one.revived;
    total.drained += one.drained;
    total
}

//! Tries inputs on a target until the time is over or one of them fails.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stats_alloc::Region;

use crate::ALLOCATOR;
use crate::mutation::mutate;
use crate::random::Random;
use crate::target::Target;
use crate::watchdog::Watchdog;

/// Octets that any input may make a target allocate, one allocation after the other, beyond what the
/// target is allowed for each octet.
const ALLOCATED_MAX: usize = 4 * 1024 * 1024;

/// Inputs remembered to be mutated further.
const POOL_MAX: usize = 256;

/// For how long to try inputs, and which.
pub(crate) struct Campaign {
    pub(crate) time: Duration,
    pub(crate) seed: u64,
}

impl Campaign {
    /// Replays the corpus of `target`, then tries other inputs.
    ///
    /// # Errors
    ///
    /// What failed, with the seed and the file that the input was written to.
    pub(crate) fn run(&self, target: &'static Target) -> Result<(), String> {
        let seed = self.seed;
        let watchdog = Watchdog::start(move |input| {
            eprintln!("{}", complaint(target, seed, input, "the input takes too long"));
            std::process::exit(1);
        });
        let attempt = |input: &[u8]| {
            watchdog.begin(input);
            let outcome = attempt(target, input);
            watchdog.end();
            outcome.map_err(|why| complaint(target, seed, input, &why))
        };
        let mut pool = Vec::new();
        for (_, input) in corpus(target).map_err(|error| error.to_string())? {
            attempt(&input)?;
            pool.push(input);
        }
        let kept = pool.len();
        let mut random = Random::new(seed);
        let start = Instant::now();
        let mut inputs = 0_u64;
        while start.elapsed() < self.time {
            let input = next_input(&mut random, target, &pool);
            attempt(&input)?;
            inputs += 1;
            if pool.len() < POOL_MAX {
                pool.push(input);
            } else if random.one_in(64) {
                // What is kept in the corpus stays in the pool.
                let at = kept + random.below((POOL_MAX - kept).max(1));
                pool[at.min(POOL_MAX - 1)] = input;
            }
        }
        println!("{}: {kept} kept inputs and {inputs} others, seed {seed}", target.name);
        Ok(())
    }
}

/// Tries the input in a file.
///
/// # Errors
///
/// When the file cannot be read, or the input fails.
pub(crate) fn replay(targets: &[&'static Target], path: &Path) -> Result<(), String> {
    let input = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    targets.iter().try_for_each(|target| attempt(target, &input))
}

/// The inputs that are kept of a target, in the order of their names.
pub(crate) fn corpus(target: &Target) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|file| Ok(file?.path())).collect::<io::Result<_>>()?;
    files.sort();
    files.into_iter().map(|file| Ok((file.clone(), fs::read(file)?))).collect()
}

fn next_input(random: &mut Random, target: &Target, pool: &[Vec<u8>]) -> Vec<u8> {
    let from_pool = |random: &mut Random| match pool.len() {
        0 => Vec::new(),
        len => pool[random.below(len)].clone(),
    };
    let mut input = match random.below(8) {
        0 => {
            let len = random.len();
            return random.octets(len);
        }
        1 => return (target.sample)(random),
        2..5 => (target.sample)(random),
        _ => from_pool(random),
    };
    let other = from_pool(random);
    mutate(random, &mut input, &other, target.dictionary);
    input
}

/// Runs the target, and says why the input fails if it does.
fn attempt(target: &Target, input: &[u8]) -> Result<(), String> {
    let region = Region::new(ALLOCATOR);
    let outcome = {
        let check = target.check;
        catch_unwind(|| check(input))
    };
    if outcome.is_err() {
        return Err("the target panicked".to_owned());
    }
    let allocated = region.change().bytes_allocated;
    let max = ALLOCATED_MAX + target.allocated_per_octet_max * input.len();
    if allocated > max {
        let len = input.len();
        return Err(format!("{len} octets of input made it allocate {allocated} octets"));
    }
    Ok(())
}

/// Writes the input to a file, and says everything that it takes to see it fail again.
fn complaint(target: &Target, seed: u64, input: &[u8], why: &str) -> String {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let folder = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let folder = folder.join("fuzz-failures");
    let path = folder.join(format!("{}-{:016x}", target.name, hasher.finish()));
    let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, input));
    let place = match written {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("nowhere ({error}): {}", input.escape_ascii()),
    };
    format!("{}: {why}; seed {seed}; the input is in {place}", target.name)
}

//! Runs as many seeds of the simulator as wanted: `make soak SEEDS=100000`, or `make soak SEEDS=1 START=4711`.
//!
//! On all processors, with progress; ends at the first broken promise, with the seed and what led to it.

use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use conduit_testkit::simulator::{Report, Simulation};

/// How often progress is told, in seeds.
const TOLD: u64 = 500;

/// What all threads share.
struct Soak {
    start: u64,
    seeds: u64,
    next: AtomicU64,
    goes_on: bool,
    has_failed: AtomicBool,
    total: Mutex<Report>,
}

impl Soak {
    fn run(&self) {
        while self.goes_on || !self.has_failed.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.seeds {
                return;
            }
            match Simulation::new(self.start.wrapping_add(index)).run() {
                Ok(report) => self.count(report),
                Err(failure) => {
                    self.has_failed.store(true, Ordering::Relaxed);
                    println!("\n{failure}");
                }
            }
        }
    }

    fn count(&self, report: Report) {
        let Ok(mut total) = self.total.lock() else { return };
        *total += report;
        if total.simulations % TOLD == 0 {
            print!(
                "\r{} of {} seeds from {}",
                total.simulations, self.seeds, self.start
            );
            let _ = std::io::stdout().flush();
        }
    }
}

fn number(name: &str) -> Result<Option<u64>, Box<dyn Error>> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => {
            let number = text
                .parse()
                .map_err(|_| format!("{name} is not a number: {text}"))?;
            Ok(Some(number))
        }
        _ => Ok(None),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Somewhere else at each run, and small enough to be typed.
    let random = RandomState::new().hash_one("start") % 1_000_000_000_000;
    let soak = Soak {
        start: number("START")?.unwrap_or(random),
        seeds: number("SEEDS")?.unwrap_or(10_000),
        next: AtomicU64::new(0),
        goes_on: std::env::var("GO_ON").is_ok_and(|value| !value.is_empty()),
        has_failed: AtomicBool::new(false),
        total: Mutex::default(),
    };
    let threads = thread::available_parallelism()?.get();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| soak.run());
        }
    });
    let total = soak.total.into_inner().map_err(|_| "a thread panicked")?;
    println!("\r{total:#?}");
    if soak.has_failed.into_inner() {
        return Err("a promise was broken".into());
    }
    println!("{} seeds from {} kept every promise", soak.seeds, soak.start);
    Ok(())
}

//! Seeds that found a fault once.

use conduit_testkit::simulator::Simulation;

/// A seed, and what it found. A change of how plans are made up changes what a seed does: those that matter beyond that
/// get a test of their own in the engine's tests.
const SEEDS: &[(u64, &str)] = &[(
    30_913,
    "a commit from before the store was put back counted under an epoch given again",
)];

#[test]
fn seeds_that_found_a_fault_once_find_it_no_more() {
    for (seed, found) in SEEDS {
        if let Err(failure) = Simulation::new(*seed).run() {
            panic!("{found}, again:\n{failure}");
        }
    }
}

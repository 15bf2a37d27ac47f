//! What happens when, drawn from a seed.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use crate::cluster::{LEASE_TIME, WORKERS};
use crate::mood::Mood;

/// The longest that a destination refuses everything: a tenth of the whole, within these.
const LONGEST_OUTAGE: (Duration, Duration) = (Duration::from_secs(9), Duration::from_secs(30));
/// How long a destination is left alone after that, so that what waits gets through.
const OUTAGE_REST: Duration = Duration::from_secs(9);
/// How long a server that was killed takes at most, by plan, to be back.
const RESTART: Duration = Duration::from_secs(2);
/// The same for a member of the replica set, and for an election.
const ELECTION: Duration = Duration::from_secs(8);

/// Something that is done to the cluster.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Disturbance {
    /// SIGKILL; started again after a while.
    KillWorker { worker: usize, down: Duration },
    /// The same with all workers at once.
    KillAllWorkers { down: Duration },
    /// SIGSTOP, and SIGCONT after a while.
    FreezeWorker { worker: usize, frozen: Duration },
    /// SIGTERM; started again when it has ended.
    RestartWorker { worker: usize },
    /// The primary steps down.
    StepDown,
    /// SIGKILL of the primary; started again after a while.
    KillPrimary { down: Duration },
    /// SIGKILL of Redis; started again after a while.
    KillRedis { down: Duration },
    /// SIGSTOP of Redis, and SIGCONT after a while.
    FreezeRedis { frozen: Duration },
    /// A destination misbehaves for a while; without a number all do.
    Receiver {
        destination: Option<usize>,
        mood: Mood,
        lasts: Duration,
    },
}

/// A disturbance and when it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    pub(crate) at: Duration,
    pub(crate) what: Disturbance,
}

/// Draws a schedule of `length` with a pause of at most `longest_pause` between the beginnings. The same seed gives the
/// same schedule. Each kind comes once before any comes again; what one is done to is left alone until it is over.
pub(crate) fn schedule(
    seed: u64,
    destinations: usize,
    length: Duration,
    longest_pause: Duration,
) -> Vec<Planned> {
    let mut rng = Rng::with_seed(seed);
    let longest_outage = (length / 10).clamp(LONGEST_OUTAGE.0, LONGEST_OUTAGE.1);
    let mut free = FreeFrom::new(destinations);
    let mut deck = Vec::new();
    let mut planned = Vec::new();
    let mut at = Duration::from_millis(500);
    while at < length {
        if deck.is_empty() {
            deck = (0..KINDS).collect();
            rng.shuffle(&mut deck);
        }
        // The first of the deck whose turn it can be.
        let drawn = deck.iter().enumerate().find_map(|(place, &kind)| {
            let what = draw(kind, destinations, longest_outage, &mut rng);
            free.take(&what, at).then_some((place, what))
        });
        if let Some((place, what)) = drawn {
            deck.remove(place);
            planned.push(Planned { at, what });
        }
        at += between(&mut rng, longest_pause / 8, longest_pause);
    }
    planned
}

const KINDS: u8 = 17;

fn draw(kind: u8, destinations: usize, longest_outage: Duration, rng: &mut Rng) -> Disturbance {
    let lease = |times: f64| LEASE_TIME.mul_f64(times);
    let worker = rng.usize(0..WORKERS);
    let down = between(rng, Duration::from_millis(50), lease(1.4));
    match kind {
        0 | 1 => Disturbance::KillWorker { worker, down },
        2 => Disturbance::KillAllWorkers { down },
        3 => Disturbance::FreezeWorker {
            worker,
            frozen: between(rng, lease(0.5), lease(1.0)),
        },
        4 => Disturbance::FreezeWorker {
            worker,
            frozen: between(rng, lease(1.1), lease(2.2)),
        },
        5 => Disturbance::RestartWorker { worker },
        6 => Disturbance::StepDown,
        7 => Disturbance::KillPrimary { down },
        8 => Disturbance::KillRedis { down },
        9 => Disturbance::FreezeRedis {
            frozen: between(rng, lease(0.1), lease(1.5)),
        },
        _ => {
            let is_everywhere = rng.u8(0..4) == 0;
            Disturbance::Receiver {
                destination: (!is_everywhere).then(|| rng.usize(0..destinations)),
                mood: Mood::draw(kind - 10, rng),
                lasts: between(rng, Duration::from_secs(1), longest_outage),
            }
        }
    }
}

fn between(rng: &mut Rng, from: Duration, to: Duration) -> Duration {
    from + (to - from).mul_f64(rng.f64())
}

/// From when on each thing may be disturbed again.
struct FreeFrom {
    workers: [Duration; WORKERS],
    mongodb: Duration,
    redis: Duration,
    destinations: Vec<Duration>,
}

impl FreeFrom {
    fn new(destinations: usize) -> Self {
        Self {
            workers: [Duration::ZERO; WORKERS],
            mongodb: Duration::ZERO,
            redis: Duration::ZERO,
            destinations: vec![Duration::ZERO; destinations],
        }
    }

    /// Books what a disturbance is done to; `false` if something of it is not free at `at`.
    fn take(&mut self, what: &Disturbance, at: Duration) -> bool {
        let (things, lasts): (Vec<&mut Duration>, Duration) = match what {
            Disturbance::KillWorker { worker, down } => (vec![&mut self.workers[*worker]], *down + RESTART),
            Disturbance::FreezeWorker { worker, frozen } => (vec![&mut self.workers[*worker]], *frozen),
            Disturbance::RestartWorker { worker } => (vec![&mut self.workers[*worker]], RESTART),
            Disturbance::KillAllWorkers { down } => (self.workers.iter_mut().collect(), *down + RESTART),
            Disturbance::StepDown => (vec![&mut self.mongodb], ELECTION),
            Disturbance::KillPrimary { down } => (vec![&mut self.mongodb], *down + ELECTION),
            Disturbance::KillRedis { down } => (vec![&mut self.redis], *down + RESTART),
            Disturbance::FreezeRedis { frozen } => (vec![&mut self.redis], *frozen),
            Disturbance::Receiver {
                destination, lasts, ..
            } => match destination {
                Some(one) => (vec![&mut self.destinations[*one]], *lasts + OUTAGE_REST),
                None => (self.destinations.iter_mut().collect(), *lasts + OUTAGE_REST),
            },
        };
        if things.iter().any(|free| **free > at) {
            return false;
        }
        things.into_iter().for_each(|free| *free = at + lasts);
        true
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillWorker { worker, down } => write!(f, "worker {worker} killed for {down:.1?}"),
            Self::KillAllWorkers { down } => write!(f, "all workers killed for {down:.1?}"),
            Self::FreezeWorker { worker, frozen } => write!(f, "worker {worker} frozen for {frozen:.1?}"),
            Self::RestartWorker { worker } => write!(f, "worker {worker} restarted gracefully"),
            Self::StepDown => write!(f, "the primary steps down"),
            Self::KillPrimary { down } => write!(f, "the primary killed for {down:.1?}"),
            Self::KillRedis { down } => write!(f, "Redis killed for {down:.1?}"),
            Self::FreezeRedis { frozen } => write!(f, "Redis frozen for {frozen:.1?}"),
            Self::Receiver {
                destination,
                mood,
                lasts,
            } => {
                let who =
                    destination.map_or("all destinations".to_owned(), |one| format!("destination {one}"));
                write!(f, "{who}: {mood} for {lasts:.1?}")
            }
        }
    }
}

#[test]
fn a_seed_gives_the_same_schedule_again_and_another_seed_another() {
    let of = |seed| schedule(seed, 4, Duration::from_secs(300), Duration::from_secs(3));
    assert_eq!(of(1), of(1));
    assert_ne!(of(1), of(2));
    assert!(of(1).len() > 100, "{}", of(1).len());
}

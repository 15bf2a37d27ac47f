//! The test itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use conduit_testkit::receiver::Receiver;
use mongodb::Database;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::account::Account;
use super::arrivals::Inbox;
use super::fleet::{Shape, fleet};
use super::history::{cluster_time, read};
use super::ledger::Ledger;
use super::size::Size;
use super::table::Table;
use super::toggled::Toggled;
use super::toggler::{Counts, Toggler};
use super::writer::{Notes, Writer};
use crate::harness::{Api, World};

const WRITERS: usize = 8;
const TOGGLERS: usize = 8;
/// How often a toggler makes a change.
const TOGGLE_DISTANCE: Duration = Duration::from_millis(400);
const POLL: Duration = Duration::from_millis(500);
/// How long everything may take to start, or to be settled.
const PATIENCE: Duration = Duration::from_secs(300);
/// Two for each of the two image modes.
const MOST_STREAMS_AT_REST: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_changed_nothing_is_lost_out_of_order_or_repeated_with_any_collection() {
    let size = Size::read();
    println!("toggling: {size:?}");
    let world = World::new().await;
    let receiver = Receiver::start().await;
    let inbox = Inbox::of(&receiver);
    let shapes = fleet(size.seed, size.collections, size.toggled());
    let since = cluster_time(&world.database).await.unwrap();
    // Without a worker, so that all of them start together.
    let api = world.start("api").await;
    let collections = create(&api.api, shapes, &receiver.url()).await;
    assert!(api.stop().await.success());

    let begun = Instant::now();
    let server = world.start("run").await;
    let wanted: usize = collections.iter().map(|one| one.targets.len()).sum();
    until_metric(&server.api, "conduit_watchers_active", |active| active == wanted).await;
    let starting = begun.elapsed();

    let most_streams = Arc::new(AtomicUsize::new(0));
    let watching = tokio::spawn(watch_streams(server.api.clone(), Arc::clone(&most_streams)));
    let begun = Instant::now();
    let Disturbed {
        notes,
        collections,
        counts,
        answers,
        writing,
    } = disturb(&size, &world.database, &server.api, collections).await;
    let written = notes.values().flatten().map(Vec::len).sum();
    let writes = read(&world.database, since, &notes).await;
    let mut ledger = Ledger::new(notes, writes, collections);
    ledger.settle(&server.api, &inbox).await;
    let settling = begun.elapsed() - writing;
    let at_rest = |streams| streams <= MOST_STREAMS_AT_REST;
    let streams_at_rest = until_metric(&server.api, "conduit_change_streams_open", at_rest).await;
    watching.abort();
    let log = server.log();
    assert!(server.stop().await.success());

    ledger.take(&inbox);
    let table = Table {
        collections: size.collections,
        toggled: size.toggled(),
        writes: written,
        writing,
        settling,
        starting,
        counts,
        answers,
        most_streams: most_streams.load(Ordering::Relaxed),
        streams_at_rest,
        accounts: ledger.accounts(),
    };
    println!("toggling: seed {}\n{table}", size.seed);
    let faults: Vec<String> = table.accounts.iter().flat_map(Account::faults).collect();
    if !faults.is_empty() {
        let kept = world.folder.keep();
        std::fs::write(kept.join("faults.txt"), faults.join("\n")).unwrap();
        std::fs::write(kept.join("timelines.txt"), ledger.timelines()).unwrap();
        std::fs::write(kept.join("server.log"), log).unwrap();
        let shown = &faults[..faults.len().min(10)];
        panic!(
            "{} faults, seed {}, more in {}:\n{}",
            faults.len(),
            size.seed,
            kept.display(),
            shown.join("\n")
        );
    }
}

/// Creates all collections, one after the other.
async fn create(api: &Api, shapes: Vec<Shape>, receiver: &str) -> Vec<Toggled> {
    let mut collections = Vec::new();
    for shape in shapes {
        let mut created = Toggled::new(shape, receiver.to_owned());
        let sent = Instant::now();
        api.create(created.shape.body(created.destinations())).await;
        created.asked(sent, Instant::now());
        collections.push(created);
    }
    collections
}

/// What was written and changed.
struct Disturbed {
    notes: HashMap<String, Notes>,
    collections: Vec<Toggled>,
    counts: Counts,
    answers: Vec<Duration>,
    /// How long the writers took.
    writing: Duration,
}

/// Writes to all collections and changes some of them meanwhile.
async fn disturb(size: &Size, database: &Database, api: &Api, collections: Vec<Toggled>) -> Disturbed {
    let begun = Instant::now();
    let mut writing = JoinSet::new();
    let distance = Duration::from_secs(1) * u32::try_from(WRITERS).unwrap()
        / u32::try_from(size.writes_per_second).unwrap();
    for number in 0..WRITERS {
        let own = collections.iter().skip(number).step_by(WRITERS);
        let names = own.map(|one| one.shape.name.clone()).collect();
        let writer = Writer::new(database.clone(), seed(size, 100 + number), names);
        writing.spawn(writer.run(size.writes().div_ceil(WRITERS), distance));
    }
    let (toggled, mut untouched): (Vec<Toggled>, Vec<Toggled>) =
        collections.into_iter().partition(|one| one.shape.is_toggled);
    let stop = Arc::new(AtomicBool::new(false));
    let mut toggling = JoinSet::new();
    for number in 0..TOGGLERS {
        let toggler = Toggler {
            api: api.clone(),
            database: database.clone(),
            rng: fastrand::Rng::with_seed(seed(size, 200 + number)),
            collections: toggled.iter().skip(number).step_by(TOGGLERS).cloned().collect(),
            counts: Counts::new(),
            answers: Vec::new(),
            stop: Arc::clone(&stop),
        };
        toggling.spawn(toggler.run(TOGGLE_DISTANCE));
    }
    let notes = writing.join_all().await.into_iter().flatten().collect();
    let writing = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    let mut counts = Counts::new();
    let mut answers = Vec::new();
    for toggler in toggling.join_all().await {
        untouched.extend(toggler.collections);
        answers.extend(toggler.answers);
        for (change, count) in toggler.counts {
            *counts.entry(change).or_default() += count;
        }
    }
    Disturbed {
        notes,
        collections: untouched,
        counts,
        answers,
        writing,
    }
}

fn seed(size: &Size, number: usize) -> u64 {
    size.seed.wrapping_mul(1_000).wrapping_add(number as u64)
}

async fn watch_streams(api: Api, most: Arc<AtomicUsize>) {
    loop {
        most.fetch_max(
            metric(&api, "conduit_change_streams_open").await,
            Ordering::Relaxed,
        );
        sleep(POLL).await;
    }
}

/// Looks at a metric until it is as wanted, and returns it.
async fn until_metric(api: &Api, name: &str, is_wanted: impl Fn(usize) -> bool) -> usize {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let value = metric(api, name).await;
        if is_wanted(value) {
            return value;
        }
        assert!(Instant::now() < deadline, "{name} is {value}");
        sleep(POLL / 5).await;
    }
}

async fn metric(api: &Api, name: &str) -> usize {
    let (_, text) = api.try_text("GET", "/metrics", "", Vec::new()).await.unwrap();
    let line = text.lines().find(|line| line.split(' ').next() == Some(name));
    let value = line
        .and_then(|line| line.rsplit_once(' '))
        .map(|(_, value)| value);
    value
        .unwrap_or_else(|| panic!("{name} is missing in\n{text}"))
        .parse()
        .unwrap()
}

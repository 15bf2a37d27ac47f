//! The storm: writers, a schedule of disturbances, and the account at the end.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::account::Account;
use crate::arrivals::Arrival;
use crate::causes::Episode;
use crate::changes::Changes;
use crate::cluster::{COLLECTIONS, Cluster, Shape};
use crate::schedule::{Planned, schedule};
use crate::table::Table;
use crate::writers::Writer;

const WRITERS: i64 = 4;
/// The seed of the short form: all kinds of disturbances are in it.
const SHORT_SEED: u64 = 2;
/// How long everything may take to arrive once all is calm.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long, and how dense.
struct Plan {
    seed: u64,
    length: Duration,
    longest_pause: Duration,
}

impl Plan {
    /// `CONDUIT_CHAOS_MINUTES` and `CONDUIT_CHAOS_SEED`, or the short form.
    fn read() -> Self {
        let seed = variable("CONDUIT_CHAOS_SEED").unwrap_or(SHORT_SEED);
        match variable::<f64>("CONDUIT_CHAOS_MINUTES") {
            Some(minutes) => Self {
                seed,
                length: Duration::from_secs_f64(60.0 * minutes),
                longest_pause: Duration::from_secs(3),
            },
            None => Self {
                seed,
                length: Duration::from_secs(12),
                longest_pause: Duration::from_millis(800),
            },
        }
    }
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    let number = text.parse().ok();
    Some(number.unwrap_or_else(|| panic!("{name} is no number: {text}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_killed_frozen_or_refused_nothing_is_lost_and_the_order_holds() {
    let plan = Plan::read();
    println!("chaos: seed {}, {:?} of disturbances", plan.seed, plan.length);
    let cluster = Arc::new(Cluster::start(plan.seed).await);
    let planned = schedule(
        plan.seed,
        cluster.destinations.len(),
        plan.length,
        plan.longest_pause,
    );
    let disturbances = planned.len();
    let (stop, writing) = start_writers(&cluster, plan.seed);

    let begin = Instant::now();
    carry_out(&cluster, planned, begin).await;
    sleep_until(begin + plan.length).await;
    stop.store(true, Ordering::Relaxed);
    let changes = collect(writing).await;
    println!("{:6.1} s  all is calm", begin.elapsed().as_secs_f64());

    settle(&cluster, &changes).await;
    println!("{:6.1} s  everything is settled", begin.elapsed().as_secs_f64());
    cluster.stop_workers().await;

    let mut table = Table {
        writes: changes.iter().map(Changes::count).sum(),
        dead_letters: 0,
        accounts: Vec::new(),
        ends: cluster.timeline.ends(),
    };
    let episodes = cluster.timeline.episodes();
    for destination in &cluster.destinations {
        let (shape, changes) = of_collection(&changes, destination.collection);
        let dead = cluster.dead_letters(destination.collection, destination.id).await;
        let (name, arrivals) = (destination.name(), destination.arrivals_with_senders().await);
        let mut account = Account::of(&name, &arrivals, changes, &dead, shape.images, &episodes);
        account.faults.extend(destination.ledger_faults());
        table.dead_letters += dead.len();
        table.accounts.push(account);
    }
    println!("chaos: seed {}, {disturbances} disturbances\n{table}", plan.seed);
    let faults = table.faults();
    if !faults.is_empty() {
        let shown: Vec<&str> = faults.iter().take(20).map(|fault| fault.as_str()).collect();
        let logs = keep(cluster, begin);
        panic!("{} faults, logs in {logs}:\n{}", faults.len(), shown.join("\n"));
    }
}

type Writing = Vec<JoinSet<Changes>>;

fn start_writers(cluster: &Cluster, seed: u64) -> (Arc<AtomicBool>, Writing) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut writing = Vec::new();
    for (collection, shape) in COLLECTIONS.iter().enumerate() {
        let mut writers = JoinSet::new();
        for number in 0..WRITERS {
            let seed = seed.wrapping_mul(1_000).wrapping_add(10 * collection as u64);
            let writer = Writer::new(
                cluster.database.collection(shape.name),
                shape.keyed_by,
                number,
                seed.wrapping_add(number.unsigned_abs()),
            );
            writers.spawn(writer.run(Arc::clone(&stop)));
        }
        writing.push(writers);
    }
    (stop, writing)
}

async fn collect(writing: Writing) -> Vec<Changes> {
    let mut all = Vec::new();
    for writers in writing {
        let mut changes = Changes::default();
        writers
            .join_all()
            .await
            .into_iter()
            .for_each(|of_writer| changes.merge(of_writer));
        all.push(changes);
    }
    all
}

fn of_collection<'a>(changes: &'a [Changes], collection: &str) -> (&'static Shape, &'a Changes) {
    let found = COLLECTIONS
        .iter()
        .zip(changes)
        .find(|(shape, _)| shape.name == collection);
    found.unwrap()
}

/// Begins each disturbance at its time and waits until all are over.
async fn carry_out(cluster: &Arc<Cluster>, planned: Vec<Planned>, begin: Instant) {
    let mut running = JoinSet::new();
    for Planned { at, what } in planned {
        sleep_until(begin + at).await;
        println!("{:6.1} s  {what}", begin.elapsed().as_secs_f64());
        let cluster = Arc::clone(cluster);
        running.spawn(async move { cluster.disturb(&what).await });
    }
    running.join_all().await;
}

/// Waits until every change has arrived or is a dead letter, and nothing waits for a retry.
async fn settle(cluster: &Cluster, changes: &[Changes]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut open = Vec::new();
        for destination in &cluster.destinations {
            let (_, changes) = of_collection(changes, destination.collection);
            let dead = cluster.dead_letters(destination.collection, destination.id).await;
            let (noted, wanted) = (destination.noted(), changes.count());
            if noted + dead.len() < wanted {
                open.push(format!("{}: {noted} of {wanted}", destination.name()));
            }
        }
        let status = cluster.get("/api/status").await;
        let is_settled = open.is_empty() && nothing_waits(&status);
        if is_settled || Instant::now() > deadline {
            if !is_settled {
                // What did not come is for the account to say.
                println!("not settled: {open:?}\n{status}");
            }
            return;
        }
        sleep(Duration::from_millis(250)).await;
    }
}

fn nothing_waits(status: &Value) -> bool {
    let collections = status.as_array().unwrap().iter();
    let mut destinations = collections.flat_map(|one| one["destinations"].as_array().unwrap());
    destinations.all(|one| one["retry_length"] == 0 && one["lag_seconds"].as_f64() == Some(0.0))
}

/// Leaves the logs where they are, with all arrivals and episodes beside them.
fn keep(cluster: Arc<Cluster>, begin: Instant) -> String {
    let cluster = Arc::into_inner(cluster).unwrap();
    let since = |at: Instant| at.saturating_duration_since(begin).as_secs_f64();
    let folder = cluster.folder.keep();
    for destination in &cluster.destinations {
        let arrivals = destination.arrivals();
        let lines = arrivals.iter().map(|arrival| {
            let Arrival {
                at,
                answered,
                sender,
                fate,
                ..
            } = arrival;
            let (at, answered) = (since(*at), since(*answered));
            let (key, sequence, event, kind) =
                (&arrival.key, &arrival.sequence, &arrival.event_id, &arrival.kind);
            format!("{at:.3}\t{answered:.3}\t{sender:?}\t{fate:?}\t{key}\t{sequence}\t{event}\t{kind}\n")
        });
        let file = format!("arrivals-{}-{}.tsv", destination.collection, destination.id);
        std::fs::write(folder.join(file), lines.collect::<String>()).unwrap();
    }
    let episodes = cluster.timeline.episodes();
    let lines = episodes.iter().map(
        |Episode {
             cause,
             process,
             from,
             until,
         }| {
            format!(
                "{:.3}\t{:.3}\t{cause}\t{process:?}\n",
                since(*from),
                since(*until)
            )
        },
    );
    std::fs::write(folder.join("episodes.tsv"), lines.collect::<String>()).unwrap();
    folder.display().to_string()
}

//! (g) From the acknowledgement of a write to the receiver, against a bare reader of the same writes.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::Failure;
use crate::child::Child;
use crate::findings::{Bar, Row};
use crate::receiver::ReceiverProcess;
use crate::role::{FollowerJob, Job, ReceiverJob, SinkKind};
use crate::suite::{Suite, float};

/// Writes a second.
const RATES: [u64; 2] = [100, 1000];
const PERCENTILES: [(f64, &str); 3] = [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")];
const COLLECTION: &str = "latency";
/// How often it is asked what arrived.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How often at most.
const ASKED: usize = 200;

/// The number of a document, and a moment in nanoseconds.
type Moments = Vec<(i64, u64)>;

pub(super) async fn measure(figure: &'static str, suite: &Suite) -> Result<(), Failure> {
    suite.mongo.create(&[COLLECTION.to_owned()]).await?;
    for a_second in RATES {
        let (mut bare, mut ours) = (vec![Vec::new(); 3], vec![Vec::new(); 3]);
        for round in 0..suite.settings.rounds {
            let limit = of_reader(suite, a_second).await?;
            let latency = of_conduit(suite, a_second).await?;
            suite.note(
                figure,
                round,
                &format!(
                    "p50 of the reader {:.2} ms, of conduit {:.2} ms",
                    limit[0], latency[0]
                ),
            );
            for index in 0..PERCENTILES.len() {
                bare[index].push(limit[index]);
                ours[index].push(latency[index]);
            }
        }
        for (((_, name), ours), bare) in PERCENTILES.into_iter().zip(ours).zip(bare) {
            let row = Row::new(figure, format!("latency at {a_second}/s, {name}"), "ms", ours)
                .beside("a bare reader", bare);
            let has_bar = a_second == 1000 && name == "p50";
            suite.add(if has_bar {
                row.with_bar(Bar::AboveAtMost(1.0))
            } else {
                row
            })?;
        }
    }
    Ok(())
}

async fn of_reader(suite: &Suite, a_second: u64) -> Result<[f64; 3], Failure> {
    let job = FollowerJob {
        mongodb: suite.mongo.uri(),
        database: suite.mongo.name(),
    };
    let mut reader = Child::start(&Job::Follower(job)).await?;
    let written = write(suite, a_second).await?;
    let arrived = arrivals(&mut reader, &written).await?;
    let () = reader.ask("stop").await?;
    Ok(latencies(&written, &arrived))
}

async fn of_conduit(suite: &Suite, a_second: u64) -> Result<[f64; 3], Failure> {
    let mut receiver = ReceiverProcess::start(ReceiverJob {
        keeps_arrivals: true,
        ..ReceiverJob::default()
    })
    .await?;
    let job = suite.live_job(vec![COLLECTION.to_owned()], 1, SinkKind::Post(receiver.url()));
    let mut conduit = suite
        .stream(job)
        .await?
        .ok_or("conduit did not come to stream")?
        .child;
    let written = write(suite, a_second).await?;
    let arrived = arrivals(receiver.child(), &written).await?;
    let () = conduit.ask("stop").await?;
    conduit.end().await?;
    Ok(latencies(&written, &arrived))
}

async fn write(suite: &Suite, a_second: u64) -> Result<Moments, Failure> {
    let documents = a_second * suite.settings.seconds;
    suite
        .writer(vec![COLLECTION.to_owned()], a_second, documents)
        .await?
        .ask("write")
        .await
}

/// When each document that was written arrived first, once all have.
///
/// A record may come twice, and a reader of the whole database sees what else is written; both are said.
async fn arrivals(process: &mut Child, written: &Moments) -> Result<HashMap<i64, u64>, Failure> {
    let wanted: HashSet<i64> = written.iter().map(|(number, _)| *number).collect();
    let (mut all, mut again, mut others) = (HashMap::new(), 0, 0);
    for _ in 0..ASKED {
        for (number, at) in process.ask::<Moments>("arrivals").await? {
            match all.entry(number) {
                _ if !wanted.contains(&number) => others += 1,
                Entry::Occupied(_) => again += 1,
                Entry::Vacant(entry) => {
                    entry.insert(at);
                }
            }
        }
        if all.len() == wanted.len() {
            if again + others > 0 {
                eprintln!(
                    "  beside {} documents came {again} again and {others} others",
                    all.len()
                );
            }
            return Ok(all);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    let (came, all) = (all.len(), wanted.len());
    Err(format!("{came} of {all} documents arrived, {again} again, and {others} others").into())
}

/// The percentiles, in milliseconds. A document can arrive before its write is acknowledged.
fn latencies(written: &Moments, arrived: &HashMap<i64, u64>) -> [f64; 3] {
    let mut latencies: Vec<f64> = written
        .iter()
        .filter_map(|(number, since)| Some((float(*arrived.get(number)?) - float(*since)) / 1e6))
        .collect();
    latencies.sort_by(f64::total_cmp);
    PERCENTILES.map(|(part, _)| percentile(&latencies, part))
}

/// The value that `part` of all are at or below.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
fn percentile(sorted: &[f64], part: f64) -> f64 {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let sorted: Vec<f64> = (1..=1000).map(f64::from).collect();
        assert_eq!(
            [0.5, 0.99, 0.999].map(|part| percentile(&sorted, part)),
            [500.0, 990.0, 999.0]
        );
        assert_eq!(percentile(&[7.0], 0.5), 7.0);
    }

    #[test]
    fn latency_is_from_the_acknowledgement_of_the_same_document() {
        let written = vec![(1, 5_000_000), (2, 1_000_000)];
        let arrived = HashMap::from([(2, 3_000_000), (1, 4_000_000)]);
        assert_eq!(latencies(&written, &arrived), [-1.0, 2.0, 2.0]);
    }
}

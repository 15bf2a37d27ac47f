//! (f) Many collections of two destinations each: what the server and Conduit take for the same writes, against one bare
//! reader of the whole database.

use serde_json::Value;

use crate::Failure;
use crate::child::Child;
use crate::findings::{Bar, Row};
use crate::receiver::ReceiverProcess;
use crate::role::{FollowerJob, Job, ReceiverJob, SinkKind};
use crate::suite::{Suite, Usage, float};

/// Writes a second, over all collections.
const A_SECOND: u64 = 2000;
const DESTINATIONS: usize = 2;
/// The number of collections that has bars.
const MANY: usize = 1000;
const MEGABYTE: f64 = 1024.0 * 1024.0;
const LIMIT: &str = "one bare reader of the database";

/// What rounds found, one value each.
#[derive(Default)]
struct Found {
    server: Vec<f64>,
    server_of_reader: Vec<f64>,
    conduit: Vec<f64>,
    reader: Vec<f64>,
    streams: Vec<f64>,
    start_seconds: Vec<f64>,
    idle_megabytes: Vec<f64>,
}

pub(super) async fn measure(figure: &'static str, suite: &Suite) -> Result<(), Failure> {
    for &count in &suite.settings.collections {
        let names: Vec<String> = (0..count)
            .map(|number| format!("many_{count}_{number}"))
            .collect();
        suite.mongo.create(&names).await?;
        let receiver = ReceiverProcess::start(ReceiverJob::default()).await?;
        let mut found = Found::default();
        let mut all_stream = true;
        for round in 0..suite.settings.rounds {
            with_reader(suite, &names, &mut found).await?;
            all_stream = with_conduit(suite, &names, receiver.url(), &mut found).await?;
            if !all_stream {
                break;
            }
            let last = |values: &[f64]| values.last().copied().unwrap_or_default();
            suite.note(
                figure,
                round,
                &format!(
                    "{count} collections: mongod {:.0} us/write, with the reader {:.0}",
                    last(&found.server),
                    last(&found.server_of_reader),
                ),
            );
        }
        if all_stream {
            report(figure, suite, count, found)?;
        } else {
            suite.add(Row::missed(
                figure,
                format!("{count} collections"),
                "not all came to stream",
            ))?;
        }
    }
    Ok(())
}

fn report(figure: &'static str, suite: &Suite, count: usize, found: Found) -> Result<(), Failure> {
    let name = |what: &str| format!("{count} collections, {what}");
    let with_bar = |row: Row, bar| if count >= MANY { row.with_bar(bar) } else { row };
    let server =
        Row::new(figure, name("mongod"), "us/write", found.server).beside(LIMIT, found.server_of_reader);
    suite.add(with_bar(server, Bar::RatioAtMost(1.3)))?;
    suite.add(Row::new(figure, name("Conduit"), "us/write", found.conduit).beside(LIMIT, found.reader))?;
    suite.add(with_bar(
        Row::new(figure, name("open streams"), "", found.streams),
        Bar::AtMost(4.0),
    ))?;
    suite.add(with_bar(
        Row::new(figure, name("until all stream"), "s", found.start_seconds),
        Bar::AtMost(10.0),
    ))?;
    suite.add(with_bar(
        Row::new(figure, name("memory, idle"), "MB", found.idle_megabytes),
        Bar::AtMost(100.0),
    ))
}

async fn with_reader(suite: &Suite, names: &[String], found: &mut Found) -> Result<(), Failure> {
    let job = FollowerJob {
        mongodb: suite.mongo.uri(),
        database: suite.mongo.name(),
    };
    let mut reader = Child::start(&Job::Follower(job)).await?;
    let documents = A_SECOND * suite.settings.seconds;
    let mut writer = suite.writer(names.to_vec(), A_SECOND, documents).await?;
    let (before, server): (Usage, _) = (reader.ask("usage").await?, suite.mongo.cpu()?);
    let _: Value = writer.ask("write").await?;
    let server = suite.mongo.cpu()? - server;
    let after: Usage = reader.ask("usage").await?;
    let () = reader.ask("stop").await?;
    found
        .server_of_reader
        .push(server.as_secs_f64() * 1e6 / float(documents));
    found
        .reader
        .push((after.cpu_seconds - before.cpu_seconds) * 1e6 / float(documents));
    Ok(())
}

/// False if not all subscriptions came to stream.
async fn with_conduit(
    suite: &Suite,
    names: &[String],
    url: String,
    found: &mut Found,
) -> Result<bool, Failure> {
    let job = suite.live_job(names.to_vec(), DESTINATIONS, SinkKind::Post(url));
    // Readers that were killed leave streams behind, which the server keeps for minutes.
    let left_behind = suite.mongo.open_streams().await?;
    let Some(streaming) = suite.stream(job).await? else {
        return Ok(false);
    };
    let mut conduit = streaming.child;
    let documents = A_SECOND * suite.settings.seconds;
    let mut writer = suite.writer(names.to_vec(), A_SECOND, documents).await?;
    let (before, server): (Usage, _) = (conduit.ask("usage").await?, suite.mongo.cpu()?);
    let streams = suite.mongo.open_streams().await?.saturating_sub(left_behind);
    let _: Value = writer.ask("write").await?;
    suite
        .delivered(&mut conduit, documents * DESTINATIONS as u64)
        .await?;
    let server = suite.mongo.cpu()? - server;
    let after: Usage = conduit.ask("usage").await?;
    let () = conduit.ask("stop").await?;
    conduit.end().await?;
    found.server.push(server.as_secs_f64() * 1e6 / float(documents));
    found
        .conduit
        .push((after.cpu_seconds - before.cpu_seconds) * 1e6 / float(documents));
    found.streams.push(float(streams));
    found.start_seconds.push(streaming.seconds);
    found.idle_megabytes.push(float(before.resident_bytes) / MEGABYTE);
    Ok(true)
}

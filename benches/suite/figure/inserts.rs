//! (a) Inserts to a null sink, against a cursor that decodes nothing; (c) the same inserts over HTTP in batches, against
//! both.

use crate::Failure;
use crate::findings::{Bar, Row};
use crate::receiver::ReceiverProcess;
use crate::role::{Images, ReceiverJob, SinkKind};
use crate::samples::Samples;
use crate::suite::Suite;

const CURSOR: &str = "a bare cursor, nothing decoded";

pub(super) async fn measure(figure: &'static str, suite: &Suite) -> Result<(), Failure> {
    let load = suite.inserts(suite.settings.records).await?;
    let records = load.changes;
    let (mut bare, mut keys, mut watermark) = (Samples::default(), Samples::default(), Samples::default());
    for round in 0..suite.settings.rounds {
        let limit = bare.add(
            suite.read(suite.cursor_job(&load, Images::Inserted)).await?,
            records,
        );
        let mut job = suite.conduit_job(&load, Images::Inserted, SinkKind::Null);
        let with_keys = keys.add(suite.drain(job.clone()).await?, records);
        job.watermark = true;
        let without = watermark.add(suite.drain(job).await?, records);
        let found = format!("cursor {limit:.0}/s, keys {with_keys:.0}/s, watermark {without:.0}/s");
        suite.note(figure, round, &found);
    }
    for (what, ours) in [("null sink", keys), ("null sink, watermark", watermark)] {
        let rate = Row::new(figure, what, "records/s", ours.rates).beside(CURSOR, bare.rates.clone());
        suite.add(rate.with_bar(Bar::RatioAtLeast(0.85)))?;
        let cpu =
            Row::new(figure, "  processor time", "us/record", ours.cpu).beside(CURSOR, bare.cpu.clone());
        suite.add(cpu.with_bar(Bar::AtMost(8.0)))?;
    }
    Ok(())
}

pub(super) async fn measure_batches(figure: &'static str, suite: &Suite) -> Result<(), Failure> {
    let load = suite.inserts(suite.settings.records).await?;
    let records = load.changes;
    let receiver = ReceiverProcess::start(ReceiverJob::default()).await?;
    let (mut bare, mut null, mut ours) = (Samples::default(), Samples::default(), Samples::default());
    for round in 0..suite.settings.rounds {
        let limit = bare.add(
            suite.read(suite.cursor_job(&load, Images::Inserted)).await?,
            records,
        );
        let job = |sink| suite.conduit_job(&load, Images::Inserted, sink);
        let nothing = null.add(suite.drain(job(SinkKind::Null)).await?, records);
        let batches = ours.add(
            suite.drain(job(SinkKind::PostBatches(receiver.url()))).await?,
            records,
        );
        let found = format!("cursor {limit:.0}/s, null sink {nothing:.0}/s, batches {batches:.0}/s");
        suite.note(figure, round, &found);
    }
    let row = || Row::new(figure, "HTTP, 100 a request", "records/s", ours.rates.clone());
    let bar = Bar::RatioAtLeast(0.80);
    suite.add(
        row()
            .beside("Conduit's null sink, figure a", null.rates)
            .with_bar(bar),
    )?;
    suite.add(row().beside(CURSOR, bare.rates).with_bar(bar))?;
    suite.add(
        Row::new(figure, "  processor time", "us/record", ours.cpu).beside("Conduit's null sink", null.cpu),
    )
}

//! (b) Single records over HTTP, in order, against the same work with no product around it: a loop of requests, a cursor
//! that drains the same events and a client that does the same `SET`s, beside each other. With a receiver that takes its
//! time, against the loop of requests alone.

use crate::Failure;
use crate::findings::{Bar, Row};
use crate::receiver::{Received, ReceiverProcess};
use crate::role::{BareJob, Images, PostJob, ReceiverJob, SetJob, SinkKind};
use crate::samples::Samples;
use crate::suite::{Suite, float};

/// As many requests at a time as the HTTP sink makes.
const IN_FLIGHT: u64 = 64;
/// The size of a record of the inserts.
const RECORD_BYTES: u16 = 848;
/// Which part of the records is sent: each costs more than one to a null sink.
const PART: u64 = 3;

pub(super) async fn measure(figure: &'static str, suite: &Suite, delay_ms: u64) -> Result<(), Failure> {
    let load = suite.inserts((suite.settings.records / PART).max(1)).await?;
    let records = load.changes;
    let is_slow = delay_ms > 0;
    let receiver = ReceiverJob {
        delay_ms,
        ..ReceiverJob::default()
    };
    let mut receiver = ReceiverProcess::start(receiver).await?;
    let url = receiver.url();
    let posts = PostJob {
        url: url.clone(),
        requests: records,
        in_flight: IN_FLIGHT,
        body_bytes: RECORD_BYTES.into(),
    };
    let limit = BareJob {
        posts: Some(posts),
        cursor: (!is_slow).then(|| suite.cursor_job(&load, Images::Inserted)),
        sets: (!is_slow).then(|| SetJob {
            redis: suite.redis.uri(),
            keys: records,
        }),
    };
    let (mut bare, mut ours) = (Samples::default(), Samples::default());
    for round in 0..suite.settings.rounds {
        let bare = bare.add(suite.bare(limit.clone()).await?, records);
        receiver.forget().await?;
        let job = suite.conduit_job(&load, Images::Inserted, SinkKind::Post(url.clone()));
        let rate = ours.add(suite.drain(job).await?, records);
        check(receiver.received().await?, records)?;
        suite.note(figure, round, &format!("bare {bare:.0}/s, conduit {rate:.0}/s"));
    }
    let (what, limit) = if is_slow {
        ("HTTP, one by one, answered after 2 ms", "64 requests in flight")
    } else {
        (
            "HTTP, one by one",
            "64 requests in flight, beside a cursor and SETs",
        )
    };
    let rate = Row::new(figure, what, "records/s", ours.rates).beside(limit, bare.rates);
    suite.add(rate.with_bar(Bar::RatioAtLeast(0.85)))?;
    let cpu = Row::new(figure, "  processor time", "us/record", ours.cpu).beside(limit, bare.cpu);
    suite.add(if is_slow {
        cpu
    } else {
        cpu.with_bar(Bar::AtMost(30.0))
    })
}

/// The limit is only one if its requests are as large as ours.
fn check(received: Received, records: u64) -> Result<(), Failure> {
    if received.requests < records {
        return Err(format!("{} requests arrived, of {records}", received.requests).into());
    }
    let bytes = float(received.bytes) / float(received.requests);
    if (bytes / f64::from(RECORD_BYTES) - 1.0).abs() > 0.05 {
        return Err(format!("a record has {bytes:.0} bytes, and the limit's requests {RECORD_BYTES}").into());
    }
    Ok(())
}

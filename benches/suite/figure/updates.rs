//! (d) Updates with images that are looked up, (e) with images that are stored, to a null sink, each against a cursor that
//! has the server do the same.

use crate::Failure;
use crate::database::StoresImages;
use crate::findings::{Bar, Row};
use crate::role::{Images, SinkKind};
use crate::samples::Samples;
use crate::suite::Suite;

/// Which part of the records is updated: a look-up costs the server more than an insert.
const PART: u64 = 5;

pub(super) async fn measure(figure: &'static str, suite: &Suite, images: Images) -> Result<(), Failure> {
    let (what, limit, stores, bar) = match images {
        Images::Stored => (
            "updates, stored images",
            "a bare cursor with fullDocument: whenAvailable",
            StoresImages::Yes,
            None,
        ),
        Images::Inserted | Images::LookedUp => (
            "updates, looked-up images",
            "a bare cursor with fullDocument: updateLookup",
            StoresImages::No,
            Some(Bar::RatioAtLeast(3.5)),
        ),
    };
    let records = (suite.settings.records / PART).max(1);
    eprintln!("writing and updating {records} documents of 500 bytes");
    let load = suite
        .mongo
        .update(&format!("updates_{figure}"), records, stores)
        .await?;
    let (mut bare, mut ours) = (Samples::default(), Samples::default());
    for round in 0..suite.settings.rounds {
        let limit = bare.add(suite.read(suite.cursor_job(&load, images)).await?, records);
        let rate = ours.add(
            suite
                .drain(suite.conduit_job(&load, images, SinkKind::Null))
                .await?,
            records,
        );
        suite.note(
            figure,
            round,
            &format!("cursor {limit:.0}/s, conduit {rate:.0}/s"),
        );
    }
    let rate = Row::new(figure, what, "records/s", ours.rates).beside(limit, bare.rates);
    suite.add(match bar {
        Some(bar) => rate.with_bar(bar),
        None => rate,
    })?;
    suite.add(Row::new(figure, "  processor time", "us/record", ours.cpu).beside(limit, bare.cpu))
}

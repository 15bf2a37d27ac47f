//! (h) Single records over HTTP, in order per document, against what else there is for it.

use std::path::Path;

use crate::Failure;
use crate::findings::{Bar, Row};
use crate::peer::{Peer, Place};
use crate::receiver::ReceiverProcess;
use crate::role::{Images, ReceiverJob, SinkKind};
use crate::samples::Samples;
use crate::suite::Suite;

const COLLECTION: &str = "peers";
/// Which part of the records is sent.
const PART: u64 = 3;

/// A product, which part of the records it sends at its rate, and how much faster Conduit is to be.
struct Rival {
    peer: Peer,
    part: u64,
    bar: Option<Bar>,
}

const RIVALS: [Rival; 4] = [
    Rival {
        peer: Peer {
            name: "watch, one POST, save the token, in Python",
            variable: "CONDUIT_BENCH_PYTHON",
            script: "hand_written.py",
            argument: None,
        },
        part: 50,
        bar: Some(Bar::RatioAtLeast(15.0)),
    },
    Rival {
        peer: Peer {
            name: "mq-bridge, in order",
            variable: "CONDUIT_BENCH_MQ_BRIDGE",
            script: "mq_bridge_route.py",
            argument: Some("1"),
        },
        part: 6,
        bar: Some(Bar::RatioAtLeast(2.0)),
    },
    Rival {
        peer: Peer {
            name: "mq-bridge, without order",
            variable: "CONDUIT_BENCH_MQ_BRIDGE",
            script: "mq_bridge_route.py",
            argument: Some("20"),
        },
        part: 3,
        bar: Some(Bar::RatioAtLeast(1.3)),
    },
    Rival {
        peer: Peer {
            name: "the Debezium engine, one by one",
            variable: "CONDUIT_BENCH_DEBEZIUM",
            script: "debezium_engine.py",
            argument: None,
        },
        part: 50,
        bar: None,
    },
];

impl Rival {
    fn is_there(&self) -> bool {
        std::env::var_os(self.peer.variable).is_some()
    }
}

pub(super) async fn measure(figure: &'static str, suite: &Suite) -> Result<(), Failure> {
    let (there, absent): (Vec<&Rival>, Vec<&Rival>) = RIVALS.iter().partition(|rival| rival.is_there());
    if !there.is_empty() {
        let folder = tempfile::tempdir()?;
        compare(figure, suite, &there, folder.path()).await?;
    }
    for rival in absent {
        let reason = format!("{} is not set; see docs/performance.md", rival.peer.variable);
        suite.add(Row::skipped(figure, beside(rival), reason))?;
    }
    Ok(())
}

async fn compare(
    figure: &'static str,
    suite: &Suite,
    rivals: &[&Rival],
    folder: &Path,
) -> Result<(), Failure> {
    let mut receiver = ReceiverProcess::start(ReceiverJob::default()).await?;
    suite.mongo.create(&[COLLECTION.to_owned()]).await?;
    // Each goes on where it ended: so a place for each round is made before the records are written.
    for (number, rival) in rivals.iter().enumerate() {
        eprintln!("starting {} once for each round", rival.peer.name);
        for round in 0..suite.settings.rounds {
            rival
                .peer
                .prime(&place(suite, folder, number, round), &mut receiver)
                .await?;
        }
    }
    let records = (suite.settings.records / PART).max(1);
    let load = suite.mongo.refill(COLLECTION, records).await?;
    let mut theirs = vec![Vec::new(); rivals.len()];
    let mut ours = Samples::default();
    for round in 0..suite.settings.rounds {
        let mut found = String::new();
        for (number, rival) in rivals.iter().enumerate() {
            let some = (suite.settings.records / rival.part).clamp(2, records.max(2));
            let place = place(suite, folder, number, round);
            let rate = rival.peer.deliver(&place, some, &mut receiver).await?.rate();
            found += &format!("{} {rate:.0}/s; ", rival.peer.name);
            theirs[number].push(rate);
        }
        let job = suite.conduit_job(&load, Images::Inserted, SinkKind::Post(receiver.url()));
        let rate = ours.add(suite.drain(job).await?, load.changes);
        suite.note(figure, round, &format!("{found}conduit {rate:.0}/s"));
    }
    for (rival, theirs) in rivals.iter().zip(theirs) {
        let row =
            Row::new(figure, beside(rival), "records/s", ours.rates.clone()).beside(rival.peer.name, theirs);
        suite.add(match rival.bar {
            Some(bar) => row.with_bar(bar),
            None => row,
        })?;
    }
    Ok(())
}

fn beside(rival: &Rival) -> String {
    format!("beside {}", rival.peer.name)
}

fn place<'a>(suite: &'a Suite, folder: &'a Path, number: usize, round: usize) -> Place<'a> {
    Place {
        folder,
        mongo: &suite.mongo,
        collection: COLLECTION,
        state: folder.join(format!("{number}-{round}")),
    }
}

//! What is written to Redis at 1,000 records a second: commits, and commands, those of scripts counted too.

use crate::Failure;
use crate::clock;
use crate::findings::{Bar, Row};
use crate::role::SinkKind;
use crate::suite::{Suite, float};

const A_SECOND: u64 = 1000;
const COLLECTION: &str = "commits";

/// What a run wrote.
struct Written {
    commits_a_second: f64,
    commands_a_record: f64,
    scripts_a_record: f64,
}

pub(super) async fn measure(figure: &'static str, suite: &Suite) -> Result<(), Failure> {
    suite.mongo.create(&[COLLECTION.to_owned()]).await?;
    let (mut keys, mut watermark) = (Vec::new(), Vec::new());
    for round in 0..suite.settings.rounds {
        keys.push(run(suite, false).await?);
        watermark.push(run(suite, true).await?);
        let (with, without) = (&keys[round], &watermark[round]);
        suite.note(
            figure,
            round,
            &format!(
                "commands a record {:.3} with keys, {:.3} with watermark",
                with.commands_a_record, without.commands_a_record
            ),
        );
    }
    for (what, runs, bar) in [("keys", keys, 1.2), ("watermark", watermark, 0.05)] {
        let commits = runs.iter().map(|run| run.commits_a_second).collect();
        let commands = runs.iter().map(|run| run.commands_a_record).collect();
        suite
            .add(Row::new(figure, format!("commits, {what}"), "1/s", commits).with_bar(Bar::AtMost(20.0)))?;
        let row = Row::new(figure, format!("Redis commands, {what}"), "1/record", commands);
        suite.add(row.with_bar(Bar::AtMost(bar)))?;
        let scripts = runs.iter().map(|run| run.scripts_a_record).collect();
        suite.add(Row::new(
            figure,
            "  scripts, which these are part of",
            "1/record",
            scripts,
        ))?;
    }
    Ok(())
}

async fn run(suite: &Suite, watermark: bool) -> Result<Written, Failure> {
    let names = vec![COLLECTION.to_owned()];
    let mut job = suite.live_job(names.clone(), 1, SinkKind::Null);
    job.watermark = watermark;
    let mut conduit = suite
        .stream(job)
        .await?
        .ok_or("conduit did not come to stream")?
        .child;
    let documents = A_SECOND * suite.settings.seconds;
    let mut writer = suite.writer(names, A_SECOND, documents).await?;
    let (began, calls) = (clock::now(), suite.redis.calls().await?);
    let commits = suite.redis.commits(COLLECTION).await?;
    let _: serde_json::Value = writer.ask("write").await?;
    suite.delivered(&mut conduit, documents).await?;
    let commits = suite.redis.commits(COLLECTION).await?.saturating_sub(commits);
    let (took, after) = (clock::now() - began, suite.redis.calls().await?);
    let () = conduit.ask("stop").await?;
    conduit.end().await?;
    Ok(Written {
        // So many commits have one interval less between them.
        commits_a_second: float(commits.saturating_sub(1)) / took.as_secs_f64(),
        commands_a_record: float(after.commands - calls.commands) / float(documents),
        scripts_a_record: float(after.scripts - calls.scripts) / float(documents),
    })
}

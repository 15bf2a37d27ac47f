//! What the suite's processes do.
//!
//! Each is this program, started again with a job in its arguments. It says a line of JSON when it is ready, then answers
//! each line on its standard input with one, and ends with its standard input: so none outlives the suite. The process
//! that runs Conduit runs nothing else, so that its processor time is Conduit's.

mod bare;
mod conduit;
mod follower;
mod job;
mod receiver;
mod writer;

use std::io::{BufRead, Write};

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::Failure;
use bare::Bare;
use conduit::ConduitProcess;
use follower::Follower;
use receiver::Receiver;
use writer::Writer;

pub(crate) use job::{
    BareJob, ConduitJob, CursorJob, FollowerJob, Images, Job, PostJob, ReceiverJob, SetJob, SinkKind,
    WriterJob,
};

/// Answers the suite.
#[async_trait]
trait Role: Send {
    /// What the first line says.
    fn introduction(&self) -> Value {
        Value::Null
    }

    /// Does what `word` says, and reports.
    async fn answer(&mut self, word: &str) -> Result<Value, Failure>;
}

/// Plays the part that `job` gives until the standard input ends.
pub(crate) fn play(job: &str) -> Result<(), Failure> {
    let job: Job = serde_json::from_str(job)?;
    // The receiver is a server of one thread; everything else runs as the server of Conduit does.
    let mut runtime = match job {
        Job::Receiver(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    runtime.enable_all().build()?.block_on(async {
        let role: Box<dyn Role> = match job {
            Job::Bare(job) => Box::new(Bare::new(job).await?),
            Job::Conduit(job) => Box::new(ConduitProcess::new(job).await?),
            Job::Follower(job) => Box::new(Follower::new(job).await?),
            Job::Receiver(job) => Box::new(Receiver::new(&job).await?),
            Job::Writer(job) => Box::new(Writer::new(job).await?),
        };
        answer_lines(role).await
    })
}

async fn answer_lines(mut role: Box<dyn Role>) -> Result<(), Failure> {
    let (sender, mut lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
        // Whoever asked is gone, and so is the use of any answer.
        std::process::exit(0);
    });
    say(&role.introduction())?;
    while let Some(line) = lines.recv().await {
        say(&role.answer(&line).await?)?;
    }
    Ok(())
}

fn say(value: &Value) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{value}")?;
    Ok(output.flush()?)
}

//! The thread that writes.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::thread;

use conduit_core::{RecordBatch, SinkError, SinkErrorKind};
use tokio::sync::{mpsc, oneshot};

use super::line_output::LineOutput;
use crate::format::PayloadFormat;
use crate::lines;

/// The thread that writes to standard output, shared by all sinks of the process, once there is one.
static SHARED: Mutex<Option<Writer>> = Mutex::new(None);

/// Hands batches to a thread that writes them one after the other, each whole. Cloning is cheap and shares the thread.
///
/// A pipe that nobody reads blocks whoever writes to it, for ever if need be. So that is neither a thread of the runtime,
/// which would keep the process from ending, nor the caller: the thread is left behind when the process ends.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct Job {
    batch: RecordBatch,
    format: PayloadFormat,
    answer: oneshot::Sender<Result<(), SinkError>>,
}

impl Writer {
    /// The process's standard output.
    pub(super) fn stdout() -> io::Result<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = &*shared {
            return Ok(writer.clone());
        }
        // Locked for the whole of a batch, so that nothing else that the process prints comes in between.
        let writer = Self::start(|output, lines| output.write(&mut io::stdout().lock(), lines))?;
        *shared = Some(writer.clone());
        Ok(writer)
    }

    /// Something else to write to, on a thread of its own that ends with the last clone of the writer.
    pub(super) fn to(mut target: impl Write + Send + 'static) -> io::Result<Self> {
        Self::start(move |output, lines| output.write(&mut target, lines))
    }

    fn start(
        write: impl FnMut(&mut LineOutput, &[u8]) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        // Each sink makes one call at a time, so that one sink's batches are bounded, and so are the waiting ones.
        let (jobs, given) = mpsc::channel(1);
        thread::Builder::new()
            .name("conduit-stdout".to_owned())
            .spawn(move || run(given, write))?;
        Ok(Self { jobs })
    }

    /// Writes a batch and flushes it.
    pub(super) async fn write(&self, batch: RecordBatch, format: PayloadFormat) -> Result<(), SinkError> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            batch,
            format,
            answer,
        };
        let is_gone = self.jobs.send(job).await.is_err();
        match answered.await {
            Ok(result) if !is_gone => result,
            _ => Err(SinkError::unavailable("the thread that writes has ended")),
        }
    }
}

fn run(mut given: mpsc::Receiver<Job>, mut write: impl FnMut(&mut LineOutput, &[u8]) -> io::Result<()>) {
    let mut output = LineOutput::default();
    while let Some(job) = given.blocking_recv() {
        // Whoever gave up waiting calls again.
        if job.answer.is_closed() {
            continue;
        }
        let lines = lines::encode(&job.batch, job.format);
        let result = if job.batch.is_permitted() {
            write(&mut output, &lines).map_err(|error| {
                SinkError::unavailable("cannot write to the standard output").with_source(error)
            })
        } else {
            let message = "nothing was written to the standard output";
            Err(SinkError::new(SinkErrorKind::NotSent, message))
        };
        let _ = job.answer.send(result);
    }
}

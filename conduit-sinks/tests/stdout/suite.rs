//! The conformance suite of sinks, with something else in place of the process's own output.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::Sink;
use conduit_sinks::format::PayloadFormat;
use conduit_sinks::stdout::StdoutSink;
use conduit_testkit::sink_suite::{Behaviour, SinkHarness};

struct Harness;

/// The other end of a pipe.
#[derive(Clone, Default)]
struct Reader {
    pipe: Arc<(Mutex<Pipe>, Condvar)>,
}

#[derive(Default)]
struct Pipe {
    bytes: Vec<u8>,
    is_closed: bool,
    is_stalled: bool,
    wait: Duration,
}

impl Reader {
    fn set(&self, change: impl FnOnce(&mut Pipe)) {
        let mut pipe = self.pipe.0.lock().unwrap();
        (pipe.is_closed, pipe.is_stalled, pipe.wait) = (false, false, Duration::ZERO);
        change(&mut pipe);
        self.pipe.1.notify_all();
    }
}

impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (pipe, changed) = &*self.pipe;
        let mut pipe = changed
            .wait_while(pipe.lock().unwrap(), |pipe| pipe.is_stalled)
            .unwrap();
        if pipe.is_closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // As a pipe takes no more than fits in.
        let taken = bytes.len().min(64 * 1024);
        pipe.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        let wait = self.pipe.0.lock().unwrap().wait;
        thread::sleep(wait);
        Ok(())
    }
}

#[async_trait]
impl SinkHarness for Harness {
    type Guard = Reader;

    async fn create(&self) -> (Reader, Arc<dyn Sink>) {
        let reader = Reader::default();
        let sink = StdoutSink::to(reader.clone(), PayloadFormat::Conduit).unwrap();
        (reader, Arc::new(sink.with_timeout(Duration::from_secs(3))))
    }

    async fn arrived(&self, reader: &Reader) -> Vec<Vec<u8>> {
        let pipe = reader.pipe.0.lock().unwrap();
        let lines = pipe.bytes.split_inclusive(|byte| *byte == b'\n');
        let whole = lines.filter_map(|line| line.strip_suffix(b"\n"));
        whole.map(<[u8]>::to_vec).collect()
    }

    async fn behave(&self, reader: &Reader, behaviour: &Behaviour) -> Result<(), &'static str> {
        match behaviour {
            Behaviour::Well => reader.set(|_| ()),
            Behaviour::Down => reader.set(|pipe| pipe.is_closed = true),
            Behaviour::Hang => reader.set(|pipe| pipe.is_stalled = true),
            Behaviour::Slow(wait) => reader.set(|pipe| pipe.wait = *wait),
            Behaviour::Refuse(_) => return Err("a pipe takes every record"),
            Behaviour::Throttle(_) => return Err("a pipe asks nobody to wait"),
            Behaviour::RefuseCredentials => return Err("a pipe knows no credentials"),
            _ => return Err("a pipe has no answer that could be lost"),
        }
        Ok(())
    }
}

conduit_testkit::sink_suite!(Harness);

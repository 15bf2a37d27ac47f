//! The conformance suite on the sink.

mod log;

use std::sync::Arc;

use async_trait::async_trait;
use conduit_core::Sink;
use conduit_testkit::sink_suite::{Behaviour, SinkHarness};
use log::{Log, TOKEN};

struct Harness;

#[async_trait]
impl SinkHarness for Harness {
    type Guard = Log;

    async fn create(&self) -> (Log, Arc<dyn Sink>) {
        let (log, sink) = Log::start().await;
        (log, Arc::new(sink))
    }

    async fn arrived(&self, log: &Log) -> Vec<Vec<u8>> {
        log.lines
            .borrow()
            .iter()
            .map(|line| line.clone().into_bytes())
            .collect()
    }

    async fn behave(&self, log: &Log, behaviour: &Behaviour) -> Result<(), &'static str> {
        *log.behaviour.lock().unwrap() = behaviour.clone();
        Ok(())
    }

    fn secrets(&self) -> &'static [&'static str] {
        &[TOKEN]
    }

    fn skips(&self) -> &'static [(&'static str, &'static str)] {
        &[(
            "a_record_of_a_mebibyte_arrives_byte_for_byte",
            "the log takes lines of 256 KiB at most",
        )]
    }
}

conduit_testkit::sink_suite!(Harness);

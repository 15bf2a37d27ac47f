//! A destination that keeps one record of each event id.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use conduit_core::Sink;
use conduit_testkit::sink_suite::{Behaviour, Repeats, SinkHarness};

use crate::recording::{Destination, Recording};

struct Dropping;

#[async_trait]
impl SinkHarness for Dropping {
    type Guard = Destination;

    async fn create(&self) -> (Destination, Arc<dyn Sink>) {
        Recording.create().await
    }

    async fn arrived(&self, guard: &Destination) -> Vec<Vec<u8>> {
        let mut seen = HashSet::new();
        let mut arrived = guard.arrived();
        arrived.retain(|record| seen.insert(record.clone()));
        arrived
    }

    async fn behave(&self, guard: &Destination, behaviour: &Behaviour) -> Result<(), &'static str> {
        guard.behave(behaviour);
        Ok(())
    }

    fn repeats(&self) -> Repeats {
        Repeats::Dropped
    }
}

conduit_testkit::sink_suite!(Dropping);

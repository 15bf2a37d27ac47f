//! What the suite needs to know of the sink under test.

use std::sync::Arc;

use async_trait::async_trait;

use conduit_core::Sink;

use super::{Behaviour, Scene};
use crate::clause;

/// What the destination does with a record that it has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Repeats {
    /// It arrives once more: whoever reads the destination tells repeats by their event id.
    #[default]
    Kept,
    /// It changes nothing.
    Dropped,
}

/// Makes sinks for the suite, each with a destination of its own, and looks at what arrived there.
#[async_trait]
pub trait SinkHarness: Send + Sync + 'static {
    /// The destination: what must live as long as the sink, and tells what arrived.
    type Guard: Send + Sync;

    /// Makes an empty destination, nothing of it shared with another one, and a sink that delivers to it.
    ///
    /// Clauses of destinations that do not answer take as long as the sink's time-out: about a second is
    /// best.
    async fn create(&self) -> (Self::Guard, Arc<dyn Sink>);

    /// Reads what is durable at the destination: the JSON of each record that it took, in the order in which
    /// it took them, at least of each key. A destination that keeps something else gives back the records'
    /// JSON as far as it has it, with `eventID`, and leaves out the clauses that compare it byte for byte.
    async fn arrived(&self, guard: &Self::Guard) -> Vec<Vec<u8>>;

    /// Makes the destination behave like this from now on.
    ///
    /// # Errors
    /// The reason why it cannot be made to; the clauses that need it are then left out, and the reason is
    /// shown.
    async fn behave(&self, guard: &Self::Guard, behaviour: &Behaviour) -> Result<(), &'static str> {
        let _ = (guard, behaviour);
        Err("the harness has no `behave`")
    }

    /// What the destination does with repeats.
    fn repeats(&self) -> Repeats {
        Repeats::default()
    }

    /// Texts that no error and no log may show: the credentials that the sink was made with.
    fn secrets(&self) -> &'static [&'static str] {
        &[]
    }

    /// The clauses that are left out, each with the reason, which is printed.
    fn skips(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

/// Runs one clause, unless the harness leaves it out. Called by the tests that `sink_suite!` makes.
///
/// # Panics
/// If the sink breaks the clause.
pub fn run<H, F>(name: &'static str, harness: H, clause: impl FnOnce(Scene<H>) -> F)
where
    H: SinkHarness,
    F: Future<Output = ()>,
{
    clause::run(name, harness.skips(), || async {
        clause(Scene::set(name, harness).await).await;
    });
}

/// Checks that every clause that the harness leaves out is one.
///
/// # Panics
/// If one is not.
pub fn check_skips(harness: &impl SinkHarness, clauses: &[&str]) {
    clause::check_skips(harness.skips(), clauses);
}

//! What workers are configured to run, as it is now.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use conduit_core::{
    ClusterTime, CollectionSpec, Images, RecordType, SinkLimits, SubscriptionSpec, TypeFilter, WatchTarget,
};

use super::endpoint::Endpoint;
use super::happening::{Happening, Session};
use super::journal::Journal;
use super::names;
use super::plan::{DestinationPlan, Plan};
use super::sink::SimulatedSink;

/// The collections and destinations that are configured. A destination that is taken out and put in again has another life.
#[derive(Debug)]
pub(super) struct Configuration {
    journal: Journal,
    calls: Arc<AtomicU64>,
    suspended: Vec<bool>,
    destinations: Vec<Configured>,
    lives: usize,
}

#[derive(Debug)]
struct Configured {
    plan: DestinationPlan,
    endpoint: Arc<Endpoint>,
    life: Option<(usize, ClusterTime)>,
    revision: u64,
}

impl Configuration {
    /// Nothing is configured yet.
    pub(super) fn new(plan: &Plan, endpoints: &[Arc<Endpoint>], journal: Journal) -> Self {
        let destinations = plan.destinations.iter().zip(endpoints);
        let configured = destinations.map(|(plan, endpoint)| Configured {
            plan: plan.clone(),
            endpoint: Arc::clone(endpoint),
            life: None,
            revision: 0,
        });
        Self {
            journal,
            calls: Arc::default(),
            suspended: vec![false; plan.collections],
            destinations: configured.collect(),
            lives: 0,
        }
    }

    /// Puts a destination in, to start at a time, unless it is in.
    pub(super) fn add(&mut self, destination: usize, start: ClusterTime) {
        let configured = &mut self.destinations[destination];
        if configured.life.is_none() {
            let life = self.lives;
            configured.life = Some((life, start));
            self.lives += 1;
            self.journal.note(Happening::LifeBegan {
                life,
                destination,
                start,
            });
        }
    }

    /// Takes a destination out.
    pub(super) fn remove(&mut self, destination: usize) {
        if let Some((life, _)) = self.destinations[destination].life.take() {
            self.journal.note(Happening::LifeEnded(life));
        }
    }

    pub(super) fn set_retries(&mut self, destination: usize, max_retries: u32) {
        let configured = &mut self.destinations[destination];
        configured.plan.retry.max_retries = max_retries;
        configured.revision += 1;
        self.journal.note(Happening::Retries {
            destination,
            max_retries,
        });
    }

    pub(super) fn set_concurrency(&mut self, destination: usize, concurrency: usize) {
        let configured = &mut self.destinations[destination];
        configured.plan.limits.concurrency = concurrency;
        configured.revision += 1;
    }

    /// Takes a collection out for a while, or puts it in again.
    pub(super) fn suspend(&mut self, collection: usize, is_suspended: bool) {
        self.suspended[collection] = is_suspended;
    }

    /// Puts every collection in again.
    pub(super) fn resume_all(&mut self) {
        self.suspended.fill(false);
    }

    /// Returns what a run of a worker has to run.
    pub(super) fn specs(&self, session: Session) -> Vec<CollectionSpec> {
        let collections = (0..self.suspended.len()).filter(|collection| !self.suspended[*collection]);
        let spec = |collection| {
            // The last collections are read by a stream of their own.
            let images = if collection < 2 {
                Images::New
            } else {
                Images::NewAndOld
            };
            let target = WatchTarget {
                images,
                ..WatchTarget::new(names::collection(collection))
            };
            let spec = CollectionSpec::new(target);
            let destinations = self.destinations.iter().enumerate();
            destinations
                .filter(|(_, configured)| configured.plan.collection == collection)
                .filter_map(|(number, configured)| self.subscription(number, configured, session))
                .fold(spec, CollectionSpec::with_subscription)
        };
        collections.map(spec).collect()
    }

    fn subscription(
        &self,
        number: usize,
        configured: &Configured,
        session: Session,
    ) -> Option<SubscriptionSpec> {
        let (life, start) = configured.life?;
        let sink = self.sink(configured, session, life, configured.plan.limits);
        let spec = SubscriptionSpec::new(names::destination(number), sink)
            .with_start(start)
            .with_retry(configured.plan.retry.clone())
            .with_revision(configured.revision);
        Some(if configured.plan.is_choosy {
            spec.with_filter(TypeFilter(vec![RecordType::Insert, RecordType::Remove]))
        } else {
            spec
        })
    }

    fn sink(
        &self,
        configured: &Configured,
        session: Session,
        life: usize,
        limits: SinkLimits,
    ) -> SimulatedSink {
        SimulatedSink {
            endpoint: Arc::clone(&configured.endpoint),
            journal: self.journal.clone(),
            calls: Arc::clone(&self.calls),
            session,
            life,
            limits,
            in_hand: AtomicUsize::new(0),
        }
    }
}

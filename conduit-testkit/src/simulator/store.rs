//! The state store of a simulated world: one server, which crashes and is away, and each worker's way to it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    CollectionName, Commit, Lease, LetterSelection, OpenRequest, Opened, ProcessedId, QueueLengths, Record,
    RetryId, StateError, StateStore, StoredLetter, SubscriptionId, SubscriptionStart, SubscriptionState,
    WaitingRecord,
};
use conduit_state::MemoryStore;
use fastrand::Rng;

use super::clock::WorldClock;
use super::happening::{Happening, Session};
use super::journal::Journal;
use super::names;
use super::plan::{LinkFaults, MAX_STEP};

/// The server.
#[derive(Debug)]
pub(super) struct StoreServer {
    clock: Arc<WorldClock>,
    journal: Journal,
    state: Mutex<ServerState>,
    /// Counts its lives: what was on its way when it crashed never comes.
    life: AtomicU64,
    is_calm: AtomicBool,
}

#[derive(Debug)]
struct ServerState {
    store: MemoryStore,
    images: Vec<MemoryStore>,
    away_until: Duration,
    restoring_until: Duration,
}

impl StoreServer {
    pub(super) fn new(clock: Arc<WorldClock>, journal: Journal) -> Arc<Self> {
        let store = MemoryStore::with_clock(clock.clone());
        let state = ServerState {
            store,
            images: Vec::new(),
            away_until: Duration::ZERO,
            restoring_until: Duration::ZERO,
        };
        Arc::new(Self {
            clock,
            journal,
            state: Mutex::new(state),
            life: AtomicU64::new(0),
            is_calm: AtomicBool::new(false),
        })
    }

    fn state(&self) -> MutexGuard<'_, ServerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self) -> MemoryStore {
        self.state().store.clone()
    }

    /// Cannot be reached by anybody for so long.
    pub(super) fn go_away(&self, lasts: Duration) {
        let until = self.clock.elapsed() + lasts;
        let mut state = self.state();
        state.away_until = state.away_until.max(until);
    }

    /// Keeps an image of the present state.
    pub(super) fn keep_image(&self) {
        let mut state = self.state();
        let image = state.store.image();
        state.images.push(image);
        let number = state.images.len() - 1;
        drop(state);
        self.journal.note(Happening::ImageKept(number));
    }

    /// Crashes, and is as it was at one of the last images when it can be reached again.
    pub(super) fn restore(&self, back: usize, away: Duration) {
        let mut state = self.state();
        let Some(number) = state.images.len().checked_sub(back + 1) else {
            return;
        };
        state.store = state.images[number].image();
        // Images that were kept later are of a history that did not happen.
        state.images.truncate(number + 1);
        let until = self.clock.elapsed() + away;
        state.restoring_until = until;
        drop(state);
        self.life.fetch_add(1, Ordering::Relaxed);
        self.journal.note(Happening::Restored { image: number, until });
    }

    /// Ends all faults.
    pub(super) fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
        self.state().away_until = Duration::ZERO;
    }
}

/// One worker's way to the server.
#[derive(Debug)]
pub(super) struct StoreLink {
    server: Arc<StoreServer>,
    session: Session,
    faults: LinkFaults,
    rng: Mutex<Rng>,
    away_until: Mutex<Duration>,
    last_trouble: Mutex<Option<Duration>>,
}

/// A call that reached the server.
struct Passage {
    server_life: u64,
    back: Duration,
    answer_is_lost: bool,
}

impl StoreLink {
    pub(super) fn new(server: Arc<StoreServer>, session: Session, faults: LinkFaults, seed: u64) -> Self {
        Self {
            server,
            session,
            faults,
            rng: Mutex::new(Rng::with_seed(seed)),
            away_until: Mutex::default(),
            last_trouble: Mutex::default(),
        }
    }

    /// This worker cannot reach the server for so long.
    pub(super) fn go_away(&self, lasts: Duration) {
        let until = self.server.clock.elapsed() + lasts;
        let mut away_until = self.away_until.lock().unwrap_or_else(PoisonError::into_inner);
        *away_until = until.max(*away_until);
    }

    /// When a call of this worker last failed or took long.
    pub(super) fn last_trouble(&self) -> Option<Duration> {
        *self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_away(&self) -> bool {
        let away_until = *self.away_until.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, state) = (self.server.clock.elapsed(), self.server.state());
        let is_away = now < away_until.max(state.away_until) && !self.is_calm();
        is_away || now < state.restoring_until
    }

    fn is_calm(&self) -> bool {
        self.server.is_calm.load(Ordering::Relaxed)
    }

    fn note_trouble(&self) {
        *self.last_trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.server.clock.elapsed());
    }

    fn trouble(&self, what: &str) -> StateError {
        self.note_trouble();
        StateError::unavailable(format!("simulated: {what}"))
    }

    /// Goes to the server, if it gets there.
    async fn go(&self) -> Result<Passage, StateError> {
        let server_life = self.server.life.load(Ordering::Relaxed);
        let (mut there, mut back) = (Duration::ZERO, Duration::ZERO);
        let (mut fails, mut answer_is_lost) = (false, false);
        if !self.is_calm() {
            let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
            there = Duration::from_millis(rng.u64(0..=self.faults.max_latency_ms));
            back = Duration::from_millis(rng.u64(0..=self.faults.max_latency_ms));
            fails = rng.u32(0..1000) < self.faults.fails_before;
            answer_is_lost = rng.u32(0..1000) < self.faults.loses_answer;
            if rng.u32(0..1000) < self.faults.slow {
                let slow = if rng.bool() { &mut there } else { &mut back };
                *slow += Duration::from_millis(rng.u64(500..=8_000));
                drop(rng);
                self.note_trouble();
            }
        }
        if !there.is_zero() {
            tokio::time::sleep(there).await;
        }
        if fails || self.is_away() || self.server.life.load(Ordering::Relaxed) != server_life {
            return Err(self.trouble("the store cannot be reached"));
        }
        Ok(Passage {
            server_life,
            back,
            answer_is_lost,
        })
    }

    /// Comes back with the answer, if it is not lost.
    async fn come_back(&self, passage: Passage) -> Result<(), StateError> {
        if !passage.back.is_zero() {
            tokio::time::sleep(passage.back).await;
        }
        let crashed = self.server.life.load(Ordering::Relaxed) != passage.server_life;
        if passage.answer_is_lost || crashed || (!passage.back.is_zero() && self.is_away()) {
            return Err(self.trouble("the answer was lost"));
        }
        Ok(())
    }

    fn note(&self, happening: Happening) {
        self.server.journal.note(happening);
    }

    fn note_loaded(&self, starts: &[SubscriptionStart]) {
        for start in starts {
            if let Some(destination) = names::number_of_destination(&start.destination) {
                let (start, life) = (start.start, start.life);
                self.note(Happening::Loaded {
                    destination,
                    start,
                    life,
                });
            }
        }
    }

    fn note_commit(&self, commit: &Commit, result: &Result<(), StateError>) {
        let Some(destination) = names::number_of_destination(&commit.subscription.destination) else {
            return;
        };
        let session = self.session;
        self.note(match result {
            Ok(()) => Happening::Committed {
                session,
                destination,
                commit: Arc::new(commit.clone()),
            },
            Err(error) => Happening::CommitRefused {
                session,
                destination,
                kind: error.kind(),
            },
        });
    }
}

/// Leases last a little longer here than their holders think: the clocks of two workers may be a step apart.
#[async_trait]
impl StateStore for StoreLink {
    async fn open(&self, request: &OpenRequest) -> Result<Opened, StateError> {
        let passage = self.go().await?;
        let mut request = request.clone();
        request.lease_time += 2 * MAX_STEP;
        let opened = self.server.store().open(&request).await?;
        if let (Opened::Taken { lease, .. }, Some(collection)) =
            (&opened, names::number_of_collection(&request.collection))
        {
            let (session, epoch) = (self.session, lease.epoch);
            self.note(Happening::LeaseTaken {
                session,
                collection,
                epoch,
            });
            self.note_loaded(&request.subscriptions);
        }
        self.come_back(passage).await?;
        Ok(opened)
    }

    async fn load(
        &self,
        lease: &Lease,
        subscriptions: &[SubscriptionStart],
    ) -> Result<Vec<SubscriptionState>, StateError> {
        let passage = self.go().await?;
        let states = self.server.store().load(lease, subscriptions).await?;
        self.note_loaded(subscriptions);
        self.come_back(passage).await?;
        Ok(states)
    }

    async fn renew(
        &self,
        leases: &[Lease],
        lease_time: Duration,
    ) -> Result<Vec<Result<(), StateError>>, StateError> {
        let passage = self.go().await?;
        let answers = self
            .server
            .store()
            .renew(leases, lease_time + 2 * MAX_STEP)
            .await?;
        self.come_back(passage).await?;
        Ok(answers)
    }

    async fn release(&self, lease: &Lease) -> Result<(), StateError> {
        let passage = self.go().await?;
        self.server.store().release(lease).await?;
        if let Some(collection) = names::number_of_collection(&lease.collection) {
            let (session, epoch) = (self.session, lease.epoch);
            self.note(Happening::LeaseReleased {
                session,
                collection,
                epoch,
            });
        }
        self.come_back(passage).await
    }

    async fn commit(&self, commits: &[Commit]) -> Vec<Result<(), StateError>> {
        let unavailable = |error: &StateError| {
            let again = |_: &Commit| Err(StateError::unavailable(error.message()));
            commits.iter().map(again).collect()
        };
        let passage = match self.go().await {
            Ok(passage) => passage,
            Err(error) => return unavailable(&error),
        };
        let sent: Vec<Commit> = commits.iter().map(over_the_wire).collect();
        let answers = self.server.store().commit(&sent).await;
        for (commit, answer) in sent.iter().zip(&answers) {
            self.note_commit(commit, answer);
        }
        match self.come_back(passage).await {
            Ok(()) => answers,
            Err(error) => unavailable(&error),
        }
    }

    async fn waiting(
        &self,
        subscription: &SubscriptionId,
        ids: &[RetryId],
    ) -> Result<Vec<Option<WaitingRecord>>, StateError> {
        let passage = self.go().await?;
        let waiting = self.server.store().waiting(subscription, ids).await?;
        self.come_back(passage).await?;
        Ok(waiting)
    }

    async fn processed(
        &self,
        subscription: &SubscriptionId,
        ids: &[ProcessedId],
    ) -> Result<Vec<bool>, StateError> {
        let passage = self.go().await?;
        let processed = self.server.store().processed(subscription, ids).await?;
        self.come_back(passage).await?;
        Ok(processed)
    }

    async fn dead_letters(
        &self,
        collection: &CollectionName,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<String>, StateError> {
        self.server.store().dead_letters(collection, after, limit).await
    }

    async fn lengths(&self, subscriptions: &[SubscriptionId]) -> Result<Vec<QueueLengths>, StateError> {
        self.server.store().lengths(subscriptions).await
    }

    async fn letters(
        &self,
        collection: &CollectionName,
        selection: &LetterSelection,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StoredLetter>, StateError> {
        let store = self.server.store();
        store.letters(collection, selection, after, limit).await
    }

    async fn purge_dead_letters(
        &self,
        collection: &CollectionName,
        selection: &LetterSelection,
    ) -> Result<u64, StateError> {
        self.server
            .store()
            .purge_dead_letters(collection, selection)
            .await
    }

    async fn forget(&self, subscription: &SubscriptionId) -> Result<(), StateError> {
        let passage = self.go().await?;
        self.server.store().forget(subscription).await?;
        if let Some(destination) = names::number_of_destination(&subscription.destination) {
            self.note(Happening::Forgotten(destination));
        }
        self.come_back(passage).await
    }

    async fn forget_collection(&self, collection: &CollectionName) -> Result<(), StateError> {
        self.server.store().forget_collection(collection).await
    }

    async fn ping(&self) -> Result<(), StateError> {
        self.go().await.map(drop)
    }
}

/// The commit as a server has it: records of its own, so that what a worker has in memory can be told from it.
fn over_the_wire(commit: &Commit) -> Commit {
    let mut commit = commit.clone();
    let parked = commit
        .parked
        .iter_mut()
        .filter_map(|parked| parked.record.as_mut());
    for record in parked.chain(commit.dead.iter_mut().map(|letter| &mut letter.record)) {
        *record = Arc::new(Record::clone(record));
    }
    commit
}

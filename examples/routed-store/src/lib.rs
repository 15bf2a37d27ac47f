//! One state store of several: each collection has its state in one of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    CollectionName, Commit, Lease, LetterSelection, OpenRequest, Opened, ProcessedId, QueueLengths, RetryId,
    StateError, StateStore, StoredLetter, SubscriptionId, SubscriptionStart, SubscriptionState,
    WaitingRecord,
};
use futures_util::future::{join_all, try_join_all};

/// Keeps some collections in stores of their own, and all others in one.
///
/// A collection stays where it is: with another route it begins anew there, and its state here is left behind.
#[derive(Debug)]
pub struct RoutedStore {
    /// The first is for whatever has no route.
    stores: Vec<Arc<dyn StateStore>>,
    routes: HashMap<CollectionName, usize>,
}

/// The items of a call that are for one store, and where they stood in the call.
struct Part<'a, T> {
    store: &'a Arc<dyn StateStore>,
    places: Vec<usize>,
    items: Vec<T>,
}

impl RoutedStore {
    /// Makes a store that keeps everything in `others`.
    pub fn new(others: Arc<dyn StateStore>) -> Self {
        let (stores, routes) = (vec![others], HashMap::new());
        Self { stores, routes }
    }

    /// Keeps a collection in `store`.
    pub fn with_route(mut self, collection: CollectionName, store: Arc<dyn StateStore>) -> Self {
        self.routes.insert(collection, self.stores.len());
        self.stores.push(store);
        self
    }

    fn index(&self, collection: &CollectionName) -> usize {
        self.routes.get(collection).copied().unwrap_or(0)
    }

    fn of(&self, collection: &CollectionName) -> &Arc<dyn StateStore> {
        &self.stores[self.index(collection)]
    }

    /// Splits a call by store; what is for one store keeps its order.
    fn split<T: Clone>(&self, items: &[T], collection: impl Fn(&T) -> &CollectionName) -> Vec<Part<'_, T>> {
        let part = |store| Part {
            store,
            places: Vec::new(),
            items: Vec::new(),
        };
        let mut parts: Vec<Part<'_, T>> = self.stores.iter().map(part).collect();
        for (place, item) in items.iter().enumerate() {
            let part = &mut parts[self.index(collection(item))];
            part.places.push(place);
            part.items.push(item.clone());
        }
        parts.retain(|part| !part.items.is_empty());
        parts
    }
}

/// Puts the answers of all stores in the order of the call.
fn in_order<T, A>(parts: Vec<Part<'_, T>>, answers: Vec<Vec<A>>) -> Vec<A> {
    let of_part = |(part, answers): (Part<'_, T>, Vec<A>)| part.places.into_iter().zip(answers);
    let mut all: Vec<(usize, A)> = parts.into_iter().zip(answers).flat_map(of_part).collect();
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, answer)| answer).collect()
}

type Answer<T> = Result<T, StateError>;

#[async_trait]
impl StateStore for RoutedStore {
    async fn commit(&self, commits: &[Commit]) -> Vec<Answer<()>> {
        let parts = self.split(commits, |commit| &commit.subscription.collection);
        let answers = join_all(parts.iter().map(|part| part.store.commit(&part.items))).await;
        in_order(parts, answers)
    }

    async fn renew(&self, leases: &[Lease], lease_time: Duration) -> Answer<Vec<Answer<()>>> {
        let parts = self.split(leases, |lease| &lease.collection);
        let answers = join_all(parts.iter().map(|part| part.store.renew(&part.items, lease_time))).await;
        // A store that does not answer speaks of its own leases only.
        let of_each = |(part, answer): (&Part<'_, Lease>, Answer<Vec<Answer<()>>>)| match answer {
            Ok(answers) => answers,
            Err(error) => {
                let again = || Err(StateError::new(error.kind(), error.message()));
                part.items.iter().map(|_| again()).collect()
            }
        };
        let answers = parts.iter().zip(answers).map(of_each).collect();
        Ok(in_order(parts, answers))
    }

    async fn lengths(&self, subscriptions: &[SubscriptionId]) -> Answer<Vec<QueueLengths>> {
        let parts = self.split(subscriptions, |subscription| &subscription.collection);
        let answers = try_join_all(parts.iter().map(|part| part.store.lengths(&part.items))).await?;
        Ok(in_order(parts, answers))
    }

    async fn ping(&self) -> Answer<()> {
        try_join_all(self.stores.iter().map(|store| store.ping())).await?;
        Ok(())
    }

    async fn open(&self, request: &OpenRequest) -> Answer<Opened> {
        self.of(&request.collection).open(request).await
    }

    async fn load(&self, lease: &Lease, starts: &[SubscriptionStart]) -> Answer<Vec<SubscriptionState>> {
        self.of(&lease.collection).load(lease, starts).await
    }

    async fn release(&self, lease: &Lease) -> Answer<()> {
        self.of(&lease.collection).release(lease).await
    }

    async fn waiting(&self, of: &SubscriptionId, ids: &[RetryId]) -> Answer<Vec<Option<WaitingRecord>>> {
        self.of(&of.collection).waiting(of, ids).await
    }

    async fn processed(&self, of: &SubscriptionId, ids: &[ProcessedId]) -> Answer<Vec<bool>> {
        self.of(&of.collection).processed(of, ids).await
    }

    async fn dead_letters(
        &self,
        collection: &CollectionName,
        after: Option<u64>,
        limit: usize,
    ) -> Answer<Vec<String>> {
        self.of(collection).dead_letters(collection, after, limit).await
    }

    async fn letters(
        &self,
        collection: &CollectionName,
        selection: &LetterSelection,
        after: Option<u64>,
        limit: usize,
    ) -> Answer<Vec<StoredLetter>> {
        self.of(collection)
            .letters(collection, selection, after, limit)
            .await
    }

    async fn purge_dead_letters(&self, collection: &CollectionName, which: &LetterSelection) -> Answer<u64> {
        self.of(collection).purge_dead_letters(collection, which).await
    }

    async fn forget(&self, subscription: &SubscriptionId) -> Answer<()> {
        self.of(&subscription.collection).forget(subscription).await
    }

    async fn forget_collection(&self, collection: &CollectionName) -> Answer<()> {
        self.of(collection).forget_collection(collection).await
    }
}

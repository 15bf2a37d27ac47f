//! What a host holds of a running engine.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::board::{Board, CollectionStatus};
use super::command::{Command, CommandError, Redriven, Reply};
use super::conduit::InvalidSetup;
use super::spec::{CollectionSpec, SubscriptionSpec};
use crate::contract::{LetterSelection, Rewind};
use crate::value::{Clock, ClusterTime, CollectionName, DestinationId, WorkerId};

/// Most commands that wait to be passed on.
const MAX_COMMANDS: usize = 64;

/// What a host wants of the engine.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) specs: watch::Receiver<Vec<CollectionSpec>>,
    pub(super) peers: watch::Receiver<Vec<WorkerId>>,
    pub(super) commands: mpsc::Receiver<(CollectionName, Command)>,
}

/// Looks at a running engine and changes what it runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    specs: Arc<watch::Sender<Vec<CollectionSpec>>>,
    peers: Arc<watch::Sender<Vec<WorkerId>>>,
    commands: mpsc::Sender<(CollectionName, Command)>,
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
    worker: WorkerId,
}

impl Handle {
    pub(super) fn new(
        collections: Vec<CollectionSpec>,
        clock: Arc<dyn Clock>,
        worker: WorkerId,
    ) -> (Self, Orders) {
        let (specs, wanted) = watch::channel(collections);
        let (peers, live) = watch::channel(Vec::new());
        let (commands, given) = mpsc::channel(MAX_COMMANDS);
        let orders = Orders {
            specs: wanted,
            peers: live,
            commands: given,
        };
        let handle = Self {
            specs: Arc::new(specs),
            peers: Arc::new(peers),
            commands,
            board: Arc::default(),
            clock,
            worker,
        };
        (handle, orders)
    }

    pub(super) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// Replaces what the engine runs. Subscriptions that stay the same (id, revision, start, rewind, paused or not,
    /// target) are not touched; changed ones are drained and go on from where they stand; one that is taken out of a
    /// collection is drained and its state dropped, but for dead letters; a collection that is taken out only stops.
    ///
    /// Returns at once; the engine follows.
    ///
    /// # Errors
    /// If a collection is there twice, or a destination twice in a collection; nothing is changed then.
    pub fn set_collections(&self, collections: Vec<CollectionSpec>) -> Result<(), InvalidSetup> {
        check(&collections)?;
        self.specs.send_replace(collections);
        Ok(())
    }

    /// Tells which workers there are on the same state, this one among them or not. Each then takes its share of the
    /// collections, and hands over what is not of it: drained, committed, lease given back. Default: none, so that this
    /// engine takes whatever it can get.
    pub fn set_peers(&self, peers: Vec<WorkerId>) {
        self.peers.send_if_modified(|known| {
            let is_new = *known != peers;
            *known = peers;
            is_new
        });
    }

    /// Pauses a destination, or all of a collection: what is in hand is finished, then nothing is delivered and the
    /// position stays. Holds until [`resume`](Self::resume) or the next [`set_collections`](Self::set_collections) that
    /// says otherwise. Returns at once.
    pub fn pause(&self, collection: &CollectionName, destination: Option<&DestinationId>) {
        self.change(collection, destination, |spec| spec.is_paused = true);
    }

    /// Ends a pause. Returns at once.
    pub fn resume(&self, collection: &CollectionName, destination: Option<&DestinationId>) {
        self.change(collection, destination, |spec| spec.is_paused = false);
    }

    /// Moves the position of a destination, or of all of a collection, to before everything that happened at `to`:
    /// delivers again from there, also what was processed before. Records that wait for later changes are dropped,
    /// earlier ones kept. If the source no longer has the history, the destination halts. Returns at once.
    ///
    /// A host that keeps its specs elsewhere sets [`SubscriptionSpec::with_rewind`] there instead.
    pub fn rewind(&self, collection: &CollectionName, destination: Option<&DestinationId>, to: ClusterTime) {
        // Greater than any that an earlier rewind of this kind stored, which may not be loaded yet.
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        self.change(collection, destination, |spec| {
            let generation = now.max(spec.rewind.generation + 1);
            spec.rewind = Rewind { generation, to };
        });
    }

    fn change(
        &self,
        collection: &CollectionName,
        destination: Option<&DestinationId>,
        change: impl Fn(&mut SubscriptionSpec),
    ) {
        self.specs.send_modify(|specs| {
            let of_collection = specs.iter_mut().filter(|spec| spec.name() == collection);
            let subscriptions = of_collection.flat_map(|spec| &mut spec.subscriptions);
            let wanted = |id: &DestinationId| destination.is_none_or(|wanted| wanted == id);
            subscriptions
                .filter(|subscription| wanted(&subscription.id))
                .for_each(change);
        });
    }

    /// Sends dead letters again: they wait with all their attempts before them, and are not dead letters any more once
    /// this returns. One whose key has had a newer record acknowledged is stale and stays, unless `include_stale`;
    /// one whose key has newer records that wait for a retry stays too, until they are through.
    ///
    /// Dropping the future does not undo it.
    ///
    /// # Errors
    /// By kind; see [`CommandErrorKind`](super::CommandErrorKind).
    pub async fn redrive(
        &self,
        collection: &CollectionName,
        selection: LetterSelection,
        include_stale: bool,
    ) -> Result<Redriven, CommandError> {
        self.command(collection, |reply| Command::Redrive {
            selection,
            include_stale,
            reply,
        })
        .await
    }

    /// Drops dead letters and returns how many there were.
    ///
    /// # Errors
    /// As [`redrive`](Self::redrive).
    pub async fn purge(
        &self,
        collection: &CollectionName,
        selection: LetterSelection,
    ) -> Result<u64, CommandError> {
        self.command(collection, |reply| Command::Purge { selection, reply })
            .await
    }

    async fn command<T>(
        &self,
        collection: &CollectionName,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, CommandError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send((collection.clone(), command(reply))).await;
        sent.map_err(|_closed| CommandError::ended())?;
        answer.await.unwrap_or_else(|_closed| Err(CommandError::ended()))
    }

    /// Returns the status of everything that runs, by collection name.
    #[must_use]
    pub fn status(&self) -> Vec<CollectionStatus> {
        self.board.snapshot(self.clock.now())
    }

    /// Returns the identity under which the engine holds leases.
    #[must_use]
    pub fn worker(&self) -> &WorkerId {
        &self.worker
    }
}

/// Checks that nothing is there twice.
pub(super) fn check(collections: &[CollectionSpec]) -> Result<(), InvalidSetup> {
    let mut names = HashSet::new();
    for collection in collections {
        let name = collection.name();
        if !names.insert(name) {
            return Err(InvalidSetup {
                message: format!("the collection {name} is there twice"),
            });
        }
        let mut ids = HashSet::new();
        for subscription in &collection.subscriptions {
            if !ids.insert(&subscription.id) {
                let id = &subscription.id;
                return Err(InvalidSetup {
                    message: format!("the destination {id} of {name} is there twice"),
                });
            }
        }
    }
    Ok(())
}

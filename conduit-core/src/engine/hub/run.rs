//! A shared stream, and those who read from it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::member::{Member, SLICE};
use crate::contract::{BatchLimits, RecordStream, StreamBatch, WatchError, WatchTarget, Watcher};
use crate::engine::backoff::Backoff;
use crate::value::{CollectionName, Position, Record};

/// How often members are told how far was read though nothing was for them.
const TELL_INTERVAL: Duration = Duration::from_secs(2);

type Stream = Box<dyn RecordStream>;
type Opening = BoxFuture<'static, Result<Stream, WatchError>>;
type Reading = BoxFuture<'static, (Stream, Result<StreamBatch, WatchError>)>;

/// Where batches come from.
///
/// What was begun is kept, so that a wait for a batch ends in time however often the run is asked.
enum Source {
    /// Nothing is open; it is tried again then.
    Resting(Instant),
    Opening(Opening),
    Reading(Reading),
}

/// What a run's source comes to.
pub(super) enum RunEvent {
    /// The stream is open.
    Opened,
    Batch(StreamBatch),
    Failed(WatchError),
}

/// One stream of some collections, opened again where it stopped when it fails.
pub(super) struct Run {
    watcher: Arc<dyn Watcher>,
    limits: BatchLimits,
    covered: HashMap<CollectionName, WatchTarget>,
    source: Source,
    backoff: Backoff,
    /// Everything up to here was handed over.
    position: Position,
    reached_end: bool,
    has_read: bool,
    /// Whether it came to anything, or to the end of the history.
    has_moved: bool,
    pub(super) began: Instant,
    /// Whether it is to take the lead's place once it is open.
    pub(super) succeeds_lead: bool,
    members: HashMap<CollectionName, Vec<Member>>,
    stalled: Vec<Stalled>,
    /// Whether a member may not know of the end of the history.
    is_end_news: bool,
    next_tell: Instant,
}

/// A member that the last batch found full.
struct Stalled {
    member: Member,
    records: Vec<Arc<Record>>,
    /// Since when the others wait for it, and for how long they will.
    others_wait: Option<(Instant, Instant)>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("position", &self.position)
            .field("covered", &self.covered.len())
            .field("members", &self.members().count())
            .field("stalled", &self.stalled.len())
            .finish_non_exhaustive()
    }
}

impl Run {
    /// A run from `position` on, whose stream is opened when it is first asked for something.
    pub(super) fn new(
        watcher: Arc<dyn Watcher>,
        limits: BatchLimits,
        covered: HashMap<CollectionName, WatchTarget>,
        position: Position,
    ) -> Self {
        let now = Instant::now();
        Self {
            watcher,
            limits,
            covered,
            source: Source::Resting(now),
            backoff: Backoff::default(),
            position,
            reached_end: false,
            has_read: false,
            has_moved: false,
            began: now,
            succeeds_lead: false,
            members: HashMap::new(),
            stalled: Vec::new(),
            is_end_news: true,
            next_tell: now + TELL_INTERVAL,
        }
    }

    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    /// Whether it has come to the end of the history.
    pub(super) fn reached_end(&self) -> bool {
        self.reached_end
    }

    pub(super) fn covers(&self, target: &WatchTarget) -> bool {
        self.covered.get(&target.collection) == Some(target)
    }

    pub(super) fn covered(&self) -> impl Iterator<Item = &WatchTarget> {
        self.covered.values()
    }

    /// What its members want to read.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &WatchTarget> {
        let stalled = self.stalled.iter().map(|stalled| &stalled.member);
        self.members().chain(stalled).map(|member| &member.target)
    }

    /// The history that it reads, once that is known: whoever named a time did not say of what.
    fn history(&self) -> Option<&str> {
        let source = &self.position.stream().source;
        (self.has_read || !source.is_empty()).then_some(source)
    }

    /// Whether the places of both are known to be of one history, and so can be compared.
    pub(super) fn is_comparable_with(&self, other: &Self) -> bool {
        self.history().is_some() && self.history() == other.history()
    }

    /// Whether nothing came of it so far, not even an error.
    pub(super) fn is_futile(&self) -> bool {
        !self.has_moved && !self.backoff.is_failing()
    }

    /// When it may be ended for others that wait.
    pub(super) fn slice_end(&self) -> Instant {
        let stalled = self.stalled.iter().map(|stalled| &stalled.member);
        let slices = self.members().chain(stalled).map(|member| member.slice);
        let slice = slices.max().filter(|_| self.is_futile());
        self.began + slice.unwrap_or(SLICE)
    }

    /// Whether the member can go on from its place in this run: nothing for it was passed over, and the two places are of
    /// one history.
    pub(super) fn can_take(&self, member: &Member) -> bool {
        let (ours, theirs) = (&self.position.stream().source, &member.position.stream().source);
        self.covers(&member.target)
            && member.position >= self.position
            // Without a source it is a time that somebody named.
            && (theirs.is_empty() || theirs == ours)
    }

    /// Takes a member along, of which [`can_take`](Self::can_take) holds.
    pub(super) fn take(&mut self, mut member: Member) {
        member.knows_end = false;
        member.queue.set_attached(true);
        self.is_end_news = true;
        let name = member.target.collection.clone();
        self.members.entry(name).or_default().push(member);
    }

    /// Gives up all members, each with the position up to which it was given everything.
    pub(super) fn disband(&mut self) -> Vec<Member> {
        let mut members: Vec<Member> = self.members.drain().flat_map(|(_, members)| members).collect();
        for member in &mut members {
            if member.position < self.position {
                member.position = self.position.clone();
            }
        }
        // These were not given the last batch.
        members.extend(self.stalled.drain(..).map(|stalled| stalled.member));
        members
    }

    pub(super) fn is_deserted(&self) -> bool {
        self.members.is_empty() && self.stalled.is_empty()
    }

    /// Lets those go who are not listening any more.
    pub(super) fn prune(&mut self) {
        self.members.retain(|_, members| {
            members.retain(|member| !member.queue.is_closed());
            !members.is_empty()
        });
        self.stalled.retain(|stalled| !stalled.member.queue.is_closed());
    }

    fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values().flatten()
    }

    /// Whether the next batch may be asked for: the last one was handed to everybody.
    pub(super) fn can_read(&self) -> bool {
        self.stalled.is_empty()
    }

    /// Waits for what comes of the source. Cancel-safe; after a failure [`failed`](Self::failed) is to be called.
    pub(super) async fn next(&mut self) -> RunEvent {
        loop {
            match &mut self.source {
                Source::Resting(until) => {
                    tokio::time::sleep_until(*until).await;
                    let (watcher, start) = (Arc::clone(&self.watcher), self.position.clone());
                    let targets: Vec<WatchTarget> = self.covered.values().cloned().collect();
                    let opening = async move { watcher.open(&targets, &start).await };
                    self.source = Source::Opening(Box::pin(opening));
                }
                Source::Opening(opening) => match opening.await {
                    Ok(stream) => {
                        self.read(stream);
                        return RunEvent::Opened;
                    }
                    Err(error) => return RunEvent::Failed(error),
                },
                Source::Reading(reading) => match reading.await {
                    (stream, Ok(batch)) => {
                        self.read(stream);
                        return RunEvent::Batch(batch);
                    }
                    (_, Err(error)) => return RunEvent::Failed(error),
                },
            }
        }
    }

    fn read(&mut self, mut stream: Stream) {
        let limits = self.limits;
        self.source = Source::Reading(Box::pin(async move {
            let batch = stream.next_batch(limits).await;
            (stream, batch)
        }));
    }

    /// Notes that the source failed; it is opened again after a wait, which is returned.
    pub(super) fn failed(&mut self, why: &Arc<str>) -> Duration {
        let wait = self.backoff.next();
        self.source = Source::Resting(Instant::now() + wait);
        self.reached_end = false;
        self.is_end_news = true;
        // Once it goes on, everybody is told at once.
        self.next_tell = Instant::now();
        for member in self.members.values_mut().flatten() {
            member.interrupt(why);
        }
        for stalled in &mut self.stalled {
            stalled.member.interrupt(why);
        }
        wait
    }

    /// Whether the last that was heard of the source is that it failed.
    pub(super) fn is_failing(&self) -> bool {
        self.backoff.is_failing()
    }

    /// Notes that the source works; tells whether it had failed.
    pub(super) fn recovered(&mut self) -> bool {
        self.backoff.reset()
    }

    /// Hands a batch to all whom it concerns. Whoever has no room for it is stalled.
    pub(super) fn hand_over(&mut self, batch: StreamBatch) {
        let StreamBatch {
            records,
            position,
            reached_end,
        } = batch;
        let from = self.position.clone();
        let now = Instant::now();
        if !self.has_moved && (position > from || reached_end) {
            self.has_moved = true;
            // How long it took to come to something is not held against its members.
            self.began = now;
        }
        self.has_read = true;
        // Positions never go back, whatever a source says.
        if position >= from {
            self.position = position;
        }
        self.reached_end = reached_end;
        for (collection, records) in by_collection(records) {
            self.hand_to_collection(&collection, records, &from);
        }
        let must_tell = now >= self.next_tell;
        if must_tell || (reached_end && self.is_end_news) {
            if must_tell {
                self.next_tell = now + TELL_INTERVAL;
            }
            self.is_end_news = !reached_end;
            for member in self.members.values_mut().flatten() {
                if must_tell || !member.knows_end {
                    member.tell(&self.position, reached_end);
                }
            }
        }
    }

    fn hand_to_collection(
        &mut self,
        collection: &CollectionName,
        records: Vec<Arc<Record>>,
        from: &Position,
    ) {
        let Some(members) = self.members.get_mut(collection) else {
            return;
        };
        let mut left = Some(records);
        let mut index = 0;
        while index < members.len() {
            let is_last = index + 1 == members.len();
            let member = &mut members[index];
            let wanted = if member.position > *from {
                left.as_deref()
                    .map(|records| member.wants_of(records).to_vec())
                    .unwrap_or_default()
            } else if is_last {
                left.take().unwrap_or_default()
            } else {
                left.clone().unwrap_or_default()
            };
            if wanted.is_empty() {
                index += 1;
            } else if member.queue.has_room() {
                member.give(wanted, self.position.clone(), self.reached_end);
                self.is_end_news |= !self.reached_end;
                index += 1;
            } else {
                // The last one, which had no turn yet, takes its place.
                let mut member = members.swap_remove(index);
                if member.position < *from {
                    member.position = from.clone();
                }
                self.stalled.push(Stalled {
                    member,
                    records: wanted,
                    others_wait: None,
                });
            }
        }
        if members.is_empty() {
            self.members.remove(collection);
        }
    }

    /// Gives stalled members what they can take now.
    pub(super) fn serve_stalled(&mut self, now: Instant) {
        let mut index = 0;
        while index < self.stalled.len() {
            if !self.stalled[index].member.queue.has_room() {
                index += 1;
                continue;
            }
            let Stalled {
                mut member,
                records,
                others_wait,
            } = self.stalled.swap_remove(index);
            if let Some((since, _)) = others_wait {
                member.end_stall(now.duration_since(since), now);
            }
            member.give(records, self.position.clone(), self.reached_end);
            self.is_end_news |= !self.reached_end;
            let name = member.target.collection.clone();
            self.members.entry(name).or_default().push(member);
        }
    }

    /// Returns the members that have kept others waiting too long, which are members no more.
    pub(super) fn detach_stalled(&mut self, now: Instant, others_wait: bool) -> Vec<Member> {
        let others_wait = others_wait || !self.members.is_empty();
        let mut detached = Vec::new();
        let mut index = 0;
        while index < self.stalled.len() {
            let stalled = &mut self.stalled[index];
            if !others_wait {
                stalled.others_wait = None;
            } else if stalled.others_wait.is_none() {
                stalled.others_wait = Some((now, stalled.member.begin_to_stall(now)));
            }
            if stalled.others_wait.is_some_and(|(_, until)| until <= now) {
                detached.push(self.stalled.swap_remove(index).member);
            } else {
                index += 1;
            }
        }
        detached
    }

    /// When the next stalled member is to be detached.
    pub(super) fn next_detachment(&self) -> Option<Instant> {
        self.stalled
            .iter()
            .filter_map(|stalled| stalled.others_wait)
            .map(|(_, until)| until)
            .min()
    }
}

/// Parts records by collection, each part in order.
fn by_collection(records: Vec<Arc<Record>>) -> Vec<(CollectionName, Vec<Arc<Record>>)> {
    let Some(first) = records.first() else {
        return Vec::new();
    };
    if records
        .iter()
        .all(|record| record.collection() == first.collection())
    {
        return vec![(first.collection().clone(), records)];
    }
    let mut parts: Vec<(CollectionName, Vec<Arc<Record>>)> = Vec::new();
    let mut places: HashMap<CollectionName, usize> = HashMap::new();
    for record in records {
        let place = match places.get(record.collection()) {
            Some(place) => *place,
            None => {
                parts.push((record.collection().clone(), Vec::new()));
                places.insert(record.collection().clone(), parts.len() - 1);
                parts.len() - 1
            }
        };
        parts[place].1.push(record);
    }
    parts
}

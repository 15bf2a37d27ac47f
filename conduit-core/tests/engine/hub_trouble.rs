//! Streams that are slow to open, refused, or of another history, and members that hang: nobody else is kept waiting.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::{
    BatchLimits, ClusterTime, CollectionSpec, Conduit, DestinationId, Position, RecordStream, RecordType,
    Settings, SinkError, StreamBatch, StreamIdentity, SubscriptionPhase, SubscriptionSpec, WatchError,
    WatchTarget, Watcher,
};
use conduit_testkit::{Answer, RecordingSink};
use tokio::time::Instant;

use crate::harness::{Running, World, collection, repeated, subscription};

/// So many changes stand farther apart than one stream takes members along.
const FAR: u64 = 400;

/// Reads what a world's watcher reads, with the troubles that a test asks for.
#[derive(Debug, Default)]
struct Troubles {
    /// How long each opening takes.
    delay: Mutex<Duration>,
    /// How long streams of a source with a name bring nothing, not even a newer position.
    silence: Mutex<Duration>,
    /// How long each batch takes, of a source with a name.
    pace: Mutex<Duration>,
    /// What the source calls itself in streams that are opened from now on.
    source: Mutex<Option<&'static str>>,
    refuses: Mutex<bool>,
    asked: AtomicUsize,
}

#[derive(Clone, Debug)]
struct Troubled {
    world: Arc<World>,
    troubles: Arc<Troubles>,
}

struct RenamedStream {
    stream: Box<dyn RecordStream>,
    source: &'static str,
    pace: Duration,
    start: Position,
    silent_until: Instant,
}

impl Troubled {
    fn new() -> Self {
        Self {
            world: Arc::new(World::new()),
            troubles: Arc::default(),
        }
    }

    fn write(&self, collection: &str, count: u64) {
        for value in 0..count {
            self.world
                .watcher
                .change(collection, "k", RecordType::Modify, value);
        }
    }

    fn start(&self, settings: Settings, collections: Vec<CollectionSpec>) -> Running {
        let store = Arc::new(self.world.store.clone());
        let builder = Conduit::builder(Arc::new(self.clone()), store)
            .clock(self.world.clock.clone())
            .settings(settings);
        let builder = collections
            .into_iter()
            .fold(builder, |builder, spec| builder.collection(spec));
        Running::of(builder.build().unwrap())
    }

    fn asked(&self) -> usize {
        self.troubles.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Watcher for Troubled {
    async fn open(
        &self,
        targets: &[WatchTarget],
        start: &Position,
    ) -> Result<Box<dyn RecordStream>, WatchError> {
        if self.troubles.asked.fetch_add(1, Ordering::SeqCst) > 10_000 {
            // Whoever asks again and again would keep time from passing.
            std::future::pending::<()>().await;
        }
        let delay = *self.troubles.delay.lock().unwrap();
        tokio::time::sleep(delay).await;
        if *self.troubles.refuses.lock().unwrap() {
            return Err(WatchError::invalid("refused"));
        }
        let Some(source) = *self.troubles.source.lock().unwrap() else {
            return self.world.watcher.open(targets, start).await;
        };
        let position = start.clone();
        let token = start.token().unwrap_or_default();
        let start = Position::after(start.time(), token, Arc::default());
        let stream = self.world.watcher.open(targets, &start).await?;
        let pace = *self.troubles.pace.lock().unwrap();
        Ok(Box::new(RenamedStream {
            stream,
            source,
            pace,
            start: position,
            silent_until: Instant::now() + *self.troubles.silence.lock().unwrap(),
        }))
    }

    async fn now(&self) -> Result<ClusterTime, WatchError> {
        self.world.watcher.now().await
    }
}

#[async_trait]
impl RecordStream for RenamedStream {
    async fn next_batch(&mut self, limits: BatchLimits) -> Result<StreamBatch, WatchError> {
        if Instant::now() < self.silent_until {
            tokio::time::sleep(limits.max_wait).await;
            return Ok(StreamBatch {
                records: Vec::new(),
                position: self.start.clone(),
                reached_end: false,
            });
        }
        tokio::time::sleep(self.pace).await;
        let mut batch = self.stream.next_batch(limits).await?;
        let stream = StreamIdentity {
            source: self.source.to_owned(),
            options: String::new(),
        };
        let token = batch.position.token().unwrap_or_default();
        batch.position = Position::after(batch.position.time(), token, Arc::new(stream));
        Ok(batch)
    }
}

fn seeded() -> Settings {
    Settings {
        seed: Some(1),
        ..Settings::default()
    }
}

/// Collections with one destination each, of the same name; those that are paused stand still.
fn specs(sinks: &[(&str, &RecordingSink)], paused: &[&str]) -> Vec<CollectionSpec> {
    let spec = |(name, sink): &(&str, &RecordingSink)| {
        let destination = subscription(name, (*sink).clone(), 5).paused(paused.contains(name));
        collection(name, vec![destination])
    };
    sinks.iter().map(spec).collect()
}

/// The stream that it comes to has one member, for whom nobody waited so far, and which takes nothing for an hour.
#[tokio::test(start_paused = true)]
async fn who_comes_to_the_stream_of_one_that_hangs_goes_on() {
    let source = Troubled::new();
    let hung = RecordingSink::scripted(|_, _| {
        Answer::Fail(SinkError::throttled("HTTP 429", Some(Duration::from_secs(7200))))
    });
    let other = RecordingSink::new();
    let all = [("hung", &hung), ("other", &other)];
    let settings = Settings {
        max_read_records: 8,
        max_in_flight_records: 8,
        ..seeded()
    };
    let running = source.start(settings, specs(&all, &[]));
    running.until_phase("other", SubscriptionPhase::Streaming).await;
    running.handle.set_collections(specs(&all, &["other"])).unwrap();
    running.until_phase("other", SubscriptionPhase::Paused).await;
    source.write("hung", 40);
    source.write("other", 1);
    running
        .until("hung", |status| status.lag_seconds > Some(0.0))
        .await;
    running.handle.set_collections(specs(&all, &[])).unwrap();
    running.until("other", |status| status.delivered == 1).await;
    for count in 2..20 {
        source.write("other", 1);
        running.until("other", |status| status.delivered == count).await;
    }
    running.stop().await;
}

/// What a source calls itself can change while streams are open, as MongoDB's name for a replica set does for a user who
/// is given the right to read its id.
#[tokio::test(start_paused = true)]
async fn streams_that_cannot_be_compared_do_not_wait_for_each_other() {
    let source = Troubled::new();
    let sinks = [RecordingSink::new(), RecordingSink::new()];
    let all = [("live", &sinks[0]), ("late", &sinks[1])];
    *source.troubles.source.lock().unwrap() = Some("set:name");
    let running = source.start(seeded(), specs(&all, &[]));
    source.write("live", 1);
    running.until("live", |status| status.delivered == 1).await;
    running.until_phase("late", SubscriptionPhase::Streaming).await;
    running.handle.set_collections(specs(&all, &["late"])).unwrap();
    running.until_phase("late", SubscriptionPhase::Paused).await;
    *source.troubles.source.lock().unwrap() = Some("id:1");
    source.write("late", 5);
    source.write("live", 1);
    running.handle.set_collections(specs(&all, &[])).unwrap();
    running.until("late", |status| status.delivered == 5).await;
    for count in 3..30 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        source.write("live", 1);
        running.until("live", |status| status.delivered == count).await;
    }
    assert_eq!(source.world.watcher.open_streams(), 1);
    running.stop().await;
    assert!(repeated(&sinks[0]).is_empty());
}

/// Where it stands cannot be compared with anything until it is open, since nobody knows of which source its time is.
#[tokio::test(start_paused = true)]
async fn a_stream_that_opens_slowly_is_not_left_unopened_for_one_behind_it() {
    let source = Troubled::new();
    let sinks = [RecordingSink::new(), RecordingSink::new()];
    source.write("slow", FAR);
    *source.troubles.delay.lock().unwrap() = Duration::from_secs(60);
    let id = DestinationId::new("slow".to_owned()).unwrap();
    let start = ClusterTime::new(u32::try_from(FAR).unwrap(), 0);
    let slow = SubscriptionSpec::new(id, sinks[0].clone()).with_start(start);
    let slow = vec![collection("slow", vec![slow])];
    let running = source.start(seeded(), slow.clone());
    running.until("slow", |_| source.asked() == 1).await;
    *source.troubles.delay.lock().unwrap() = Duration::ZERO;
    let mut both = slow;
    both.extend(specs(&[("behind", &sinks[1])], &[]));
    running.handle.set_collections(both).unwrap();
    running.until_phase("behind", SubscriptionPhase::Streaming).await;
    running.until("slow", |status| status.delivered == 1).await;
    source.write("behind", 1);
    running.until("behind", |status| status.delivered == 1).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_refused_is_asked_for_slowly() {
    let source = Troubled::new();
    let sinks = [RecordingSink::new(), RecordingSink::new(), RecordingSink::new()];
    let all = [("live", &sinks[0]), ("gone", &sinks[1])];
    let running = source.start(seeded(), specs(&all, &[]));
    source.write("live", 5);
    running.until("live", |status| status.delivered == 5).await;
    *source.troubles.refuses.lock().unwrap() = true;
    let before = source.asked();
    // One stream fewer to cover, which is worth a new stream; later one more, at a place where nobody stands.
    running.handle.set_collections(specs(&all[..1], &[])).unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    let fewer = source.asked() - before;
    assert!((1..10).contains(&fewer), "{fewer}");
    let mut new = specs(&all[..1], &[]);
    let destination = SubscriptionSpec::new(DestinationId::new("new".to_owned()).unwrap(), sinks[2].clone());
    new.push(collection("new", vec![destination]));
    running.handle.set_collections(new).unwrap();
    running
        .until("new", |status| {
            status
                .reason
                .as_deref()
                .is_some_and(|reason| reason.contains("refused"))
        })
        .await;
    let before = source.asked();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let more = source.asked() - before;
    assert!((5..30).contains(&more), "{more}");
    *source.troubles.refuses.lock().unwrap() = false;
    source.write("new", 3);
    source.write("live", 3);
    running.until("new", |status| status.delivered == 3).await;
    running.until("live", |status| status.delivered == 8).await;
    running.stop().await;
}

/// Each has its turn until it has got something, however long that takes.
#[tokio::test(start_paused = true)]
async fn those_that_are_far_behind_get_on_though_streams_open_slowly() {
    those_that_are_far_behind_get_on(|troubles| *troubles.delay.lock().unwrap() = Duration::from_secs(30))
        .await;
}

/// A stream that is open is no use either before the source has come to something.
#[tokio::test(start_paused = true)]
async fn those_that_are_far_behind_get_on_though_streams_are_silent_at_first() {
    those_that_are_far_behind_get_on(|troubles| *troubles.silence.lock().unwrap() = Duration::from_secs(30))
        .await;
}

async fn those_that_are_far_behind_get_on(trouble: impl Fn(&Troubles)) {
    let source = Troubled::new();
    *source.troubles.source.lock().unwrap() = Some("set:name");
    let sinks = [RecordingSink::new(), RecordingSink::new(), RecordingSink::new()];
    let all = [("far", &sinks[0]), ("farther", &sinks[1]), ("live", &sinks[2])];
    let running = source.start(seeded(), specs(&all, &[]));
    source.write("live", 1);
    running.until_phase("farther", SubscriptionPhase::Streaming).await;
    running.handle.set_collections(specs(&all, &["farther"])).unwrap();
    running.until_phase("farther", SubscriptionPhase::Paused).await;
    source.write("live", FAR);
    running
        .until("far", |status| status.lag_seconds == Some(0.0))
        .await;
    running.until("live", |status| status.delivered == FAR + 1).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    running
        .handle
        .set_collections(specs(&all, &["far", "farther"]))
        .unwrap();
    running.until_phase("far", SubscriptionPhase::Paused).await;
    for _ in 0..FAR {
        source.write("live", 1);
    }
    source.write("far", 5);
    source.write("farther", 5);
    running
        .until("live", |status| status.delivered == 2 * FAR + 1)
        .await;
    trouble(&source.troubles);
    running.handle.set_collections(specs(&all, &[])).unwrap();
    for id in ["far", "farther"] {
        running.until(id, |status| status.delivered == 5).await;
    }
    running.stop().await;
    assert!(repeated(&sinks[2]).is_empty());
}

/// It stands far ahead of the stream of the others, so that one for all of them, opened behind, is of no use to it.
#[tokio::test(start_paused = true)]
async fn a_new_collection_does_not_wait_until_the_others_have_caught_up() {
    let source = Troubled::new();
    let sinks = [RecordingSink::new(), RecordingSink::new()];
    *source.troubles.source.lock().unwrap() = Some("set:name");
    *source.troubles.pace.lock().unwrap() = Duration::from_secs(1);
    source.write("behind", 10 * FAR);
    let settings = Settings {
        max_read_records: 8,
        ..seeded()
    };
    let behind = [("behind", &sinks[0])];
    let running = source.start(settings, specs(&behind, &[]));
    running.until("behind", |status| status.delivered > 0).await;
    *source.troubles.delay.lock().unwrap() = Duration::from_secs(3);
    let id = DestinationId::new("new".to_owned()).unwrap();
    let mut both = specs(&behind, &[]);
    both.push(collection(
        "new",
        vec![SubscriptionSpec::new(id, sinks[1].clone())],
    ));
    running.handle.set_collections(both).unwrap();
    running.until_phase("new", SubscriptionPhase::Starting).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    source.write("new", 1);
    running.until("new", |status| status.delivered == 1).await;
    let delivered = running.status("behind").unwrap().delivered;
    assert!(delivered < 5 * FAR, "{delivered}");
    running
        .until("behind", |status| status.delivered == 10 * FAR)
        .await;
    running.stop().await;
    assert!(repeated(&sinks[0]).is_empty());
}

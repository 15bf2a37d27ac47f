//! Changes collections at random over the API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use fastrand::Rng;
use mongodb::Database;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::change::Change;
use super::history::cluster_time;
use super::toggled::Toggled;
use crate::harness::{Api, PATIENCE};

/// The API answers a pause when it was seen to be followed, or after five seconds in any case.
const SURELY_FOLLOWED: Duration = Duration::from_millis(4_500);
const POLL: Duration = Duration::from_millis(100);

/// How often what was done.
pub(super) type Counts = BTreeMap<Change, usize>;

/// Changes collections of its own, one after the other.
pub(super) struct Toggler {
    pub(super) api: Api,
    pub(super) database: Database,
    pub(super) rng: Rng,
    pub(super) collections: Vec<Toggled>,
    pub(super) counts: Counts,
    /// How long the API took to take in each change of a configuration.
    pub(super) answers: Vec<Duration>,
    /// Set when nothing is written any more.
    pub(super) stop: Arc<AtomicBool>,
}

impl Toggler {
    /// Makes a change every `distance` until it is told to stop, and ends all pauses then.
    pub(super) async fn run(mut self, distance: Duration) -> Self {
        let mut ticks = interval(distance);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.is_over() && !self.collections.is_empty() {
            ticks.tick().await;
            let place = self.rng.usize(0..self.collections.len());
            self.change(place).await;
        }
        for place in 0..self.collections.len() {
            self.resume_all(place).await;
        }
        self
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    async fn change(&mut self, place: usize) {
        let toggled = &self.collections[place];
        let change = Change::draw(toggled.is_on, &mut self.rng);
        let id = toggled.draw_id(&mut self.rng);
        let is_possible = match change {
            Change::Add => !toggled.free_ids().is_empty(),
            Change::Remove | Change::RemoveWhenSettled => toggled.targets.len() > 1,
            _ => true,
        };
        if !is_possible {
            return;
        }
        let change = match change {
            Change::Pause if toggled.targets[id].is_paused => Change::Resume,
            change => change,
        };
        *self.counts.entry(change).or_default() += 1;
        match change {
            Change::Off => self.turn_off(place).await,
            Change::OffWhenSettled => {
                if self.until_settled(place).await {
                    self.turn_off(place).await;
                    self.until_released(place).await;
                }
            }
            Change::OffAndOn => {
                self.turn_off(place).await;
                self.turn_on(place).await;
            }
            Change::On => self.turn_on(place).await,
            Change::Filter | Change::EventTypes | Change::Options => {
                self.change_target(place, id, change).await
            }
            Change::Add => self.add(place).await,
            Change::Remove => self.remove(place, id).await,
            Change::RemoveWhenSettled => {
                if self.until_settled(place).await {
                    self.remove(place, id).await;
                }
            }
            Change::RemoveAndAdd => self.remove_and_add(place, id).await,
            Change::Pause => {
                self.pause(place, &[id]).await;
            }
            Change::Resume => self.resume(place, &[id]).await,
        }
    }

    async fn turn_off(&mut self, place: usize) {
        self.collections[place].is_on = false;
        self.send(place).await;
    }

    async fn turn_on(&mut self, place: usize) {
        let toggled = &mut self.collections[place];
        toggled.is_on = true;
        for target in toggled.targets.values_mut() {
            // A stream that begins is not paused, but may be shown as before for a moment.
            target.is_seen_unpaused &= !target.is_paused;
            target.is_paused = false;
        }
        self.send(place).await;
    }

    async fn change_target(&mut self, place: usize, id: &'static str, change: Change) {
        let target = self.collections[place].targets.get_mut(id).unwrap();
        match change {
            Change::Filter => target.wants.draw_filter(&mut self.rng),
            Change::EventTypes => target.wants.draw_kinds(&mut self.rng),
            _ => target.draw_options(&mut self.rng),
        }
        let is_paused = target.is_paused;
        let is_checked = self.rng.bool();
        self.send(place).await;
        if is_checked && self.collections[place].is_on && !is_paused {
            self.pause(place, &[id]).await;
            self.resume(place, &[id]).await;
        }
    }

    async fn add(&mut self, place: usize) {
        let toggled = &mut self.collections[place];
        let free = toggled.free_ids();
        toggled.add(free[self.rng.usize(0..free.len())]);
        self.send(place).await;
    }

    async fn remove(&mut self, place: usize, id: &'static str) {
        self.collections[place].targets.remove(id);
        self.send(place).await;
    }

    async fn remove_and_add(&mut self, place: usize, id: &'static str) {
        let mut target = self.collections[place].targets.remove(id).unwrap();
        self.send(place).await;
        target.is_seen_unpaused &= !target.is_paused;
        target.is_paused = false;
        self.collections[place].targets.insert(id, target);
        self.send(place).await;
    }

    /// Makes the server's configuration that of the collection.
    async fn send(&mut self, place: usize) {
        let toggled = &mut self.collections[place];
        let body = json!({"stream_enabled": toggled.is_on, "destinations": toggled.destinations()});
        let sent = Instant::now();
        until_done(
            &self.api,
            "PATCH",
            &format!("/api/collections/{}", toggled.shape.name),
            Some(body),
        )
        .await;
        toggled.asked(sent, Instant::now());
        self.answers.push(sent.elapsed());
    }

    /// Pauses streams; whether they were surely seen to be. Then the server follows all that was asked for before.
    async fn pause(&mut self, place: usize, ids: &[&'static str]) -> bool {
        let is_in_time = self.steer(place, ids, "pause").await;
        let toggled = &mut self.collections[place];
        let mut is_seen = is_in_time;
        for id in ids {
            let target = toggled.targets.get_mut(id).unwrap();
            if is_in_time && target.is_seen_unpaused {
                toggled.timelines.get_mut(id).unwrap().followed();
            } else {
                is_seen = false;
            }
            target.is_paused = true;
            target.is_seen_unpaused = false;
        }
        is_seen
    }

    async fn resume(&mut self, place: usize, ids: &[&'static str]) {
        let is_in_time = self.steer(place, ids, "resume").await;
        let toggled = &mut self.collections[place];
        for id in ids {
            let target = toggled.targets.get_mut(id).unwrap();
            target.is_paused = false;
            target.is_seen_unpaused = is_in_time;
        }
    }

    async fn resume_all(&mut self, place: usize) {
        let toggled = &self.collections[place];
        let paused = toggled.targets.iter().filter(|(_, target)| target.is_paused);
        let paused: Vec<&'static str> = paused.map(|(id, _)| *id).collect();
        if toggled.is_on {
            self.resume(place, &paused).await;
        }
    }

    /// Pauses or resumes streams; whether the server was seen to do so.
    async fn steer(&self, place: usize, ids: &[&'static str], what: &str) -> bool {
        let name = &self.collections[place].shape.name;
        let mut is_in_time = true;
        for id in ids {
            let path = format!("/api/collections/{name}/{what}?destination={id}");
            let sent = Instant::now();
            until_done(&self.api, "POST", &path, None).await;
            is_in_time &= sent.elapsed() < SURELY_FOLLOWED;
        }
        is_in_time
    }

    /// Waits until everything that was written before is settled at each destination; not once nothing is written any
    /// more, since a stream without records says how far it is too seldom.
    async fn until_settled(&mut self, place: usize) -> bool {
        let ids: Vec<&'static str> = self.collections[place].targets.keys().copied().collect();
        let deadline = Instant::now() + PATIENCE;
        // What is shown of a life before this one would not do.
        loop {
            self.resume_all(place).await;
            if self.pause(place, &ids).await {
                break;
            }
            if self.is_over() || Instant::now() > deadline {
                return false;
            }
        }
        self.resume_all(place).await;
        let up_to = Instant::now();
        let time = i64::from(cluster_time(&self.database).await.unwrap().time);
        let is_past = |destination: &Value| {
            let position = destination["position_time"].as_str();
            position.is_some_and(|text| text.parse::<jiff::Timestamp>().unwrap().as_second() > time)
        };
        let is_settled = |status: &Value| status["destinations"].as_array().unwrap().iter().all(is_past);
        self.until(place, |status| self.is_over() || is_settled(status))
            .await;
        if self.is_over() {
            return false;
        }
        let toggled = &mut self.collections[place];
        for id in toggled.targets.keys() {
            toggled.timelines.get_mut(id).unwrap().settled(up_to);
        }
        true
    }

    /// Waits until no worker has the collection, whose stream was turned off: nothing comes then.
    async fn until_released(&mut self, place: usize) {
        self.until(place, |status| status["worker"].is_null()).await;
        let toggled = &mut self.collections[place];
        for id in toggled.targets.keys() {
            toggled.timelines.get_mut(id).unwrap().followed();
        }
    }

    async fn until(&self, place: usize, wanted: impl Fn(&Value) -> bool) {
        let name = &self.collections[place].shape.name;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = until_done(&self.api, "GET", &format!("/api/collections/{name}/status"), None).await;
            if wanted(&status) {
                return;
            }
            assert!(Instant::now() < deadline, "never as wanted: {status}");
            sleep(POLL).await;
        }
    }
}

/// Repeats a request while the server is too busy to know what became of it: doing it twice changes nothing.
async fn until_done(api: &Api, method: &str, path: &str, body: Option<Value>) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, answer) = api.call(method, path, body.clone()).await;
        if status == StatusCode::OK {
            return answer;
        }
        assert!(
            status == StatusCode::SERVICE_UNAVAILABLE && Instant::now() < deadline,
            "{method} {path}: {answer}"
        );
        sleep(POLL).await;
    }
}

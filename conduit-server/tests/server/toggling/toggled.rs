//! A collection that is changed: what is configured, and what was asked for when.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::fleet::Shape;
use super::timeline::Timeline;
use super::wants::Wants;

/// The ids of destinations; few, so that they are used again and again.
const IDS: [&str; 3] = ["a", "b", "c"];

/// A destination as it is configured.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) wants: Wants,
    /// What does not change which records come.
    options: Value,
    pub(super) is_paused: bool,
    /// Whether a pause that is seen can only be a new one.
    pub(super) is_seen_unpaused: bool,
}

/// A collection as it is configured, and the timelines of all destinations that it has or had.
#[derive(Clone, Debug)]
pub(super) struct Toggled {
    pub(super) shape: Shape,
    receiver: String,
    pub(super) is_on: bool,
    pub(super) targets: BTreeMap<&'static str, Target>,
    pub(super) timelines: BTreeMap<&'static str, Timeline>,
}

impl Toggled {
    /// A collection that is about to be created, with its first destinations.
    pub(super) fn new(shape: Shape, receiver: String) -> Self {
        let mut toggled = Self {
            is_on: true,
            targets: BTreeMap::new(),
            timelines: BTreeMap::new(),
            shape,
            receiver,
        };
        for id in &IDS[..1 + usize::from(toggled.shape.has_two_destinations)] {
            toggled.add(id);
        }
        toggled
    }

    /// Adds a destination that gets everything.
    pub(super) fn add(&mut self, id: &'static str) {
        let target = Target {
            wants: Wants::all(self.shape.images),
            options: json!({}),
            is_paused: false,
            is_seen_unpaused: true,
        };
        self.targets.insert(id, target);
    }

    /// The ids that a destination could be added by.
    pub(super) fn free_ids(&self) -> Vec<&'static str> {
        IDS.into_iter()
            .filter(|id| !self.targets.contains_key(id))
            .collect()
    }

    /// One of its destinations.
    pub(super) fn draw_id(&self, rng: &mut Rng) -> &'static str {
        let ids: Vec<&&str> = self.targets.keys().collect();
        ids[rng.usize(0..ids.len())]
    }

    /// The destinations as the API takes them.
    pub(super) fn destinations(&self) -> Vec<Value> {
        let shown = |(id, target): (&&str, &Target)| {
            let mut shown = json!({
                "id": id, "type": "http", "endpoint": format!("{}{}", self.receiver, path(&self.shape.name, id)),
                "event_types": target.wants.event_types(),
            });
            let fields = shown.as_object_mut().unwrap();
            let filter = target.wants.filter_criteria();
            if !filter.is_null() {
                fields.insert("filter_criteria".to_owned(), filter);
            }
            fields.extend(target.options.as_object().unwrap().clone());
            shown
        };
        self.targets.iter().map(shown).collect()
    }

    /// Notes a request that made it what it is now.
    pub(super) fn asked(&mut self, sent: Instant, answered: Instant) {
        for id in IDS {
            let target = self.targets.get(id).filter(|_| self.is_on);
            let wants = target.map(|target| &target.wants);
            let timeline = self.timelines.entry(id).or_default();
            if timeline.wants() != wants {
                timeline.asked(sent, answered, wants.cloned());
            }
        }
    }
}

impl Target {
    pub(super) fn draw_options(&mut self, rng: &mut Rng) {
        let mut options = json!({"max_retries": rng.u8(0..=20), "timeout": format!("{}s", rng.u8(20..60))});
        if rng.bool() {
            options["batch"] =
                json!({"max_records": rng.u16(1..=100), "max_wait": format!("{}ms", rng.u8(1..200))});
        }
        self.options = options;
    }
}

/// Where records of a destination are sent.
pub(super) fn path(collection: &str, id: &str) -> String {
    format!("/{collection}/{id}")
}

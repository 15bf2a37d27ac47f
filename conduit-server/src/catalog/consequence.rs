//! What a new configuration does to positions, to undelivered records and to documents.

use std::collections::HashMap;

use conduit_core::{DestinationId, QueueLengths};
use serde::Serialize;

use super::change::are_alike;
use super::{CollectionConfig, Destination};
use crate::destination_type::DestinationTypes;

/// One thing that a change of the configuration brings about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Consequence {
    /// Stable and `snake_case`, for programs.
    pub(crate) code: &'static str,
    /// Whose; `null` if it is the collection's.
    pub(crate) destination: Option<DestinationId>,
    /// For people.
    pub(crate) message: String,
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Comparison<'a> {
    /// The configuration that is replaced, if there is one.
    pub(crate) old: Option<&'a CollectionConfig>,
    pub(crate) new: &'a CollectionConfig,
    /// The queues of the old destinations.
    pub(crate) lengths: &'a HashMap<DestinationId, QueueLengths>,
    pub(crate) types: &'a DestinationTypes,
}

impl Comparison<'_> {
    /// Whether undelivered records would vanish, which an update does only if it is told to.
    pub(crate) fn needs_discard(&self) -> bool {
        let undrained = |gone: &Destination| {
            let lengths = self.lengths_of(gone);
            lengths.waiting + lengths.dead > 0
        };
        self.removed().any(undrained)
    }

    /// Everything that it brings about: first what concerns the collection, then each destination.
    pub(crate) fn consequences(&self) -> Vec<Consequence> {
        let mut found = Vec::new();
        self.of_collection(&mut found);
        for destination in &self.new.destinations {
            let (code, message) = match self.find_old(destination) {
                Some(old) => match self.of_kept(old, destination) {
                    Some(consequence) => consequence,
                    None => continue,
                },
                None if self.new.stream_enabled => (
                    "starts_now",
                    "starts now: it gets what is written from now on".to_owned(),
                ),
                None => (
                    "stream_off",
                    "gets nothing until stream_enabled is true".to_owned(),
                ),
            };
            found.push(Consequence {
                code,
                destination: Some(destination.id.clone()),
                message,
            });
        }
        found.extend(self.removed().map(|gone| {
            let QueueLengths { waiting, dead } = self.lengths_of(gone);
            let (code, message) = match waiting + dead {
                0 => (
                    "state_lost",
                    "is removed and loses its position; none of its records waits or is dead".to_owned(),
                ),
                _ => (
                    "records_lost",
                    format!(
                        "is removed and loses its position: {waiting} waiting and {dead} dead records vanish"
                    ),
                ),
            };
            Consequence {
                code,
                destination: Some(gone.id.clone()),
                message,
            }
        }));
        found
    }

    fn of_collection(&self, found: &mut Vec<Consequence>) {
        let mut add = |code, message: String| {
            found.push(Consequence {
                code,
                destination: None,
                message,
            });
        };
        let (old, new) = (self.old, self.new);
        let had_images = old.is_some_and(|old| old.old_image);
        match (had_images, new.old_image) {
            (false, true) if old.is_some() => add(
                "old_images_on",
                "records of changes from now on have old images; earlier ones have none".to_owned(),
            ),
            (true, false) => add(
                "old_images_off",
                "records have no old images any more; MongoDB goes on storing them".to_owned(),
            ),
            _ => {}
        }
        let old_ttl = old.and_then(|old| old.ttl_attribute.as_ref());
        match &new.ttl_attribute {
            Some(field) if old_ttl != Some(field) => add(
                "documents_expire",
                format!(
                    "MongoDB deletes documents whose {field} is a date in the past, also those that are there already"
                ),
            ),
            None if old_ttl.is_some() => {
                add("documents_stay", "documents do not expire any more".to_owned());
            }
            _ => {}
        }
        if let Some(old) = old {
            if old.image_format != new.image_format {
                add(
                    "format_changes",
                    "records that are read from now on are in the new format; those that wait stay as they are"
                        .to_owned(),
                );
            }
            if old.deletion_protection && !new.deletion_protection {
                add(
                    "unprotected",
                    "the collection can be deleted from now on".to_owned(),
                );
            }
        }
    }

    /// What becomes of a destination that stays.
    fn of_kept(&self, old: &Destination, new: &Destination) -> Option<(&'static str, String)> {
        let QueueLengths { waiting, dead } = self.lengths_of(old);
        let was_on = self.old.is_some_and(|old| old.stream_enabled);
        match (was_on, self.new.stream_enabled) {
            (false, true) => Some((
                "starts_now",
                "starts now: it gets what is written from now on".to_owned(),
            )),
            (true, false) => Some((
                "position_lost",
                format!("loses its position and {waiting} waiting records; {dead} dead records are kept"),
            )),
            (false, false) => None,
            (true, true) if are_alike(old, new) => None,
            (true, true) if self.target(old) != self.target(new) => Some((
                "target_changes",
                format!(
                    "keeps its position; {waiting} waiting records and what follows go to the new target"
                ),
            )),
            (true, true) => Some((
                "position_kept",
                format!("keeps its position and {waiting} waiting records"),
            )),
        }
    }

    fn target(&self, destination: &Destination) -> Option<(String, String)> {
        let kind = self.types.get(&destination.kind)?;
        Some((destination.kind.clone(), kind.target(&destination.settings)))
    }

    fn find_old(&self, wanted: &Destination) -> Option<&Destination> {
        let olds = self.old?.destinations.iter();
        olds.into_iter().find(|old| old.id == wanted.id)
    }

    fn removed(&self) -> impl Iterator<Item = &Destination> {
        let olds = self.old.map_or(&[][..], |old| &old.destinations).iter();
        olds.filter(|old| !self.new.destinations.iter().any(|new| new.id == old.id))
    }

    fn lengths_of(&self, destination: &Destination) -> QueueLengths {
        self.lengths.get(&destination.id).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(body: Value) -> CollectionConfig {
        let mut whole = json!({"collection_name": "orders", "stream_enabled": true});
        whole
            .as_object_mut()
            .unwrap()
            .extend(body.as_object().unwrap().clone());
        CollectionConfig::read(whole, None, (&DestinationTypes::for_tests(), &[])).unwrap()
    }

    fn http(id: &str, endpoint: &str) -> Value {
        json!({"id": id, "type": "http", "endpoint": endpoint})
    }

    /// The codes and whose they are, and whether it needs to be told to discard; every old destination has 2 waiting and 1
    /// dead record.
    fn codes(old: Option<Value>, new: Value) -> (Vec<(&'static str, Option<String>)>, bool) {
        let (old, new) = (old.map(config), config(new));
        let queues = QueueLengths { waiting: 2, dead: 1 };
        let olds = old.iter().flat_map(|old| &old.destinations);
        let lengths = olds.map(|old| (old.id.clone(), queues)).collect();
        let types = DestinationTypes::for_tests();
        let comparison = Comparison {
            old: old.as_ref(),
            new: &new,
            lengths: &lengths,
            types: &types,
        };
        let all = comparison.consequences().into_iter();
        let all = all.map(|one| (one.code, one.destination.map(|id| id.to_string())));
        (all.collect(), comparison.needs_discard())
    }

    fn of(code: &'static str, destination: &str) -> (&'static str, Option<String>) {
        (code, Some(destination.to_owned()))
    }

    #[test]
    fn what_is_the_same_has_no_consequence() {
        let same = json!({"destinations": [http("a", "http://h/")]});
        assert_eq!(codes(Some(same.clone()), same), (vec![], false));
    }

    #[test]
    fn a_new_destination_starts_now_or_with_the_stream() {
        let new = json!({"destinations": [http("a", "http://h/")]});
        assert_eq!(codes(None, new.clone()).0, [of("starts_now", "a")]);
        let mut off = new.clone();
        off["stream_enabled"] = json!(false);
        assert_eq!(codes(None, off.clone()).0, [of("stream_off", "a")]);
        assert_eq!(codes(Some(off), new).0, [of("starts_now", "a")]);
    }

    #[test]
    fn a_removed_destination_takes_its_records_with_it() {
        let old = json!({"destinations": [http("a", "http://h/"), http("b", "http://h/")]});
        let new = json!({"destinations": [http("a", "http://h/")]});
        assert_eq!(codes(Some(old), new), (vec![of("records_lost", "b")], true));
    }

    #[test]
    fn a_stream_that_is_turned_off_loses_positions_but_asks_for_no_discard() {
        let old = json!({"destinations": [http("a", "http://h/")]});
        let new = json!({"destinations": [http("a", "http://h/")], "stream_enabled": false});
        assert_eq!(codes(Some(old), new), (vec![of("position_lost", "a")], false));
    }

    #[test]
    fn a_changed_destination_keeps_its_position() {
        let old = json!({"destinations": [http("a", "http://h/")]});
        let moved = json!({"destinations": [http("a", "http://other/")]});
        assert_eq!(codes(Some(old.clone()), moved).0, [of("target_changes", "a")]);
        let mut patient = http("a", "http://h/");
        patient["timeout"] = json!("1s");
        let patient = json!({"destinations": [patient]});
        assert_eq!(codes(Some(old), patient).0, [of("position_kept", "a")]);
    }

    #[test]
    fn what_concerns_the_documents_is_said() {
        let old = json!({"old_image": false});
        let new = json!({"old_image": true, "ttl_attribute": "e", "deletion_protection": false, "image_format": "extjson"});
        let wanted = [
            "old_images_on",
            "documents_expire",
            "format_changes",
            "unprotected",
        ];
        let found = |old, new| {
            codes(Some(old), new)
                .0
                .into_iter()
                .map(|(code, _)| code)
                .collect::<Vec<_>>()
        };
        assert_eq!(found(old.clone(), new.clone()), wanted);
        let wanted = ["old_images_off", "documents_stay", "format_changes"];
        assert_eq!(found(new, old), wanted);
    }
}

//! Compares what was changed with what arrived at one destination.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;
use tokio::time::Instant;

use crate::arrivals::Arrival;
use crate::causes::{Cause, Episode, cause_of_repeat};
use crate::changes::{Change, Changes};

/// Whether the image of a record is the document as it was at the change, or as it was looked up later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Images {
    OfTheChange,
    LookedUp,
}

/// A record in the dead letters.
#[derive(Clone, Debug)]
pub(crate) struct DeadLetter {
    key: String,
    sequence: String,
}

impl DeadLetter {
    /// Reads an item of the API.
    pub(crate) fn of(item: &Value) -> Self {
        let record = &item["record"];
        Self {
            key: record["keys"].to_string(),
            sequence: record["sequenceNumber"].as_str().unwrap().to_owned(),
        }
    }
}

/// What became of the changes of one destination.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) deliveries: usize,
    pub(crate) lost: Vec<String>,
    pub(crate) out_of_order: Vec<String>,
    /// Records that a worker had begun to send when it was frozen and sent when it was thawed, after another one had:
    /// no check before a write can rule that out.
    pub(crate) held_back: Vec<String>,
    /// Whatever else is wrong.
    pub(crate) faults: Vec<String>,
    pub(crate) repeats: Vec<Cause>,
    /// Those that must not be, for people.
    pub(crate) wrong_repeats: Vec<String>,
    /// When each change that arrived was written, and when it first came.
    pub(crate) journeys: Vec<(Instant, Instant)>,
}

impl Account {
    pub(crate) fn of(
        name: &str,
        arrivals: &[Arrival],
        changes: &Changes,
        dead: &[DeadLetter],
        images: Images,
        episodes: &[Episode],
    ) -> Self {
        let mut by_key: HashMap<&str, Vec<&Arrival>> = HashMap::new();
        for arrival in arrivals.iter().filter(|arrival| arrival.is_noted()) {
            by_key.entry(&arrival.key).or_default().push(arrival);
        }
        let take_overs = episodes.iter().filter(|episode| episode.is_take_over(arrivals));
        let take_overs: Vec<&Episode> = take_overs.collect();
        let mut account = Self {
            deliveries: by_key.values().map(Vec::len).sum(),
            ..Self::default()
        };
        for (key, arrivals) in &by_key {
            let subject = format!("{name} {key}");
            let in_turn = account.set_aside_held_back(&subject, arrivals, &take_overs);
            account.check_order(&subject, &in_turn);
            account.explain_repeats(&subject, &in_turn, episodes);
            if !changes.of_key.contains_key(*key) {
                account.faults.push(format!("{subject}: nobody wrote that key"));
            }
        }
        for (key, changes) in &changes.of_key {
            let arrivals = by_key.get(&**key).map_or(&[][..], |arrivals| arrivals);
            let dead = dead.iter().filter(|letter| letter.key == *key);
            account.compare(&format!("{name} {key}"), changes, arrivals, dead, images);
        }
        account
    }

    /// Returns the arrivals without the repeats that a frozen worker held back.
    fn set_aside_held_back<'a>(
        &mut self,
        subject: &str,
        arrivals: &[&'a Arrival],
        take_overs: &[&Episode],
    ) -> Vec<&'a Arrival> {
        let mut seen: HashSet<&str> = HashSet::new();
        let mut in_turn = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            let is_first = seen.insert(&arrival.sequence);
            if is_first
                || !take_overs
                    .iter()
                    .any(|episode| episode.may_have_held_back(arrival))
            {
                in_turn.push(*arrival);
            } else {
                self.repeats.push(Cause::WorkerFrozen);
                self.held_back.push(format!("{subject}: {}", arrival.event_id));
            }
        }
        in_turn
    }

    /// Each delivery of a key is at most one step ahead of the one before it, and the last is the newest: first
    /// deliveries come in order, and whoever goes back to an older record goes through all that follow it again.
    fn check_order(&mut self, subject: &str, arrivals: &[&Arrival]) {
        let mut sequences: Vec<&str> = arrivals.iter().map(|arrival| &*arrival.sequence).collect();
        sequences.sort_unstable();
        sequences.dedup();
        let step = |arrival: &Arrival| sequences.binary_search(&&*arrival.sequence).unwrap_or_default();
        let mut next = 0;
        for arrival in arrivals {
            if step(arrival) > next {
                let (sequence, left_out) = (&arrival.sequence, sequences[next]);
                self.out_of_order
                    .push(format!("{subject}: {sequence} came where {left_out} was due"));
            }
            next = step(arrival) + 1;
        }
        if next != sequences.len() {
            self.out_of_order
                .push(format!("{subject}: the last that came is not the newest"));
        }
    }

    fn explain_repeats(&mut self, subject: &str, arrivals: &[&Arrival], episodes: &[Episode]) {
        let mut earlier: HashMap<&str, &Arrival> = HashMap::new();
        for arrival in arrivals {
            let Some(before) = earlier.insert(&arrival.sequence, arrival) else {
                continue;
            };
            if before.event_id != arrival.event_id {
                self.faults
                    .push(format!("{subject}: {} has two event ids", arrival.sequence));
            }
            let cause = cause_of_repeat(before, episodes);
            self.repeats.push(cause);
            if !cause.is_allowed() {
                let (event, gap) = (&arrival.event_id, arrival.at - before.at);
                let (first, second) = (before.sender, arrival.sender);
                let line = format!(
                    "{subject}: {event}, {cause}: at {:?} by {first:?}, again {gap:?} later by {second:?}",
                    before.at
                );
                self.wrong_repeats.push(line);
            }
        }
    }

    fn compare<'a>(
        &mut self,
        subject: &str,
        changes: &[Change],
        arrivals: &[&Arrival],
        dead: impl Iterator<Item = &'a DeadLetter>,
        images: Images,
    ) {
        // By sequence; those that are in the dead letters only have no arrival.
        let mut settled: BTreeMap<&str, Option<&Arrival>> =
            dead.map(|letter| (&*letter.sequence, None)).collect();
        for arrival in arrivals {
            let first = settled.entry(&arrival.sequence).or_default();
            first.get_or_insert(arrival);
        }
        let (wanted, got) = (changes.len(), settled.len());
        if got < wanted {
            let missing = (got..wanted).map(|_| format!("{subject}: {got} of {wanted} changes arrived"));
            return self.lost.extend(missing);
        }
        if got > wanted {
            return self
                .faults
                .push(format!("{subject}: {got} records of {wanted} changes"));
        }
        for (number, (change, arrival)) in changes.iter().zip(settled.into_values()).enumerate() {
            let Some(arrival) = arrival else { continue };
            self.journeys.push((change.written, arrival.at));
            let has_image = match (images, change.kind, change.value, arrival.value) {
                // Looked up, it is as new as the change or newer, and gone if the document is.
                (Images::LookedUp, "MODIFY", Some(wanted), got) => got.is_none_or(|got| got >= wanted),
                (_, _, wanted, got) => wanted == got,
            };
            if arrival.kind != change.kind || !has_image {
                let got = (&arrival.kind, arrival.value);
                self.faults.push(format!(
                    "{subject}: change {number} is {change:?}, the record {got:?}"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mood::Fate;

    /// Three changes of one key: values 1, 2, 3.
    fn changes() -> Changes {
        let mut changes = Changes::default();
        for (kind, value) in [("INSERT", 1), ("MODIFY", 2), ("MODIFY", 3)] {
            changes.add("k".to_owned(), kind, Some(value));
        }
        changes
    }

    /// What arrived, by value, a second apart.
    fn account(values: &[i64], episodes: &[Episode], start: Instant) -> Account {
        by_senders(values, [1; 4], episodes, start)
    }

    fn by_senders(values: &[i64], senders: [u32; 4], episodes: &[Episode], start: Instant) -> Account {
        let arrivals = values.iter().zip(0..).map(|(value, second): (_, usize)| Arrival {
            at: start + Duration::from_secs(second as u64),
            answered: start + Duration::from_secs(second as u64),
            connection: None,
            sender: senders.get(second).copied(),
            fate: Fate::Acknowledged,
            event_id: format!("e{value}"),
            sequence: format!("s{value}"),
            key: "k".to_owned(),
            kind: if *value == 1 { "INSERT" } else { "MODIFY" }.to_owned(),
            value: Some(*value),
        });
        let arrivals: Vec<Arrival> = arrivals.collect();
        Account::of("d", &arrivals, &changes(), &[], Images::OfTheChange, episodes)
    }

    fn killed(process: u32, at: Instant) -> Episode {
        Episode {
            cause: Cause::WorkerKilled,
            process: Some(process),
            from: at,
            until: at,
        }
    }

    #[test]
    fn what_did_not_come_is_lost() {
        let account = account(&[1, 2], &[], Instant::now());
        assert_eq!(account.lost, ["d k: 2 of 3 changes arrived"]);
    }

    #[test]
    fn a_replay_from_an_older_record_is_in_order_and_a_leap_or_an_old_end_is_not() {
        let of = |values: &[i64]| account(values, &[], Instant::now()).out_of_order.len();
        assert_eq!(of(&[1, 2, 3]), 0);
        assert_eq!(of(&[1, 2, 1, 2, 2, 3]), 0);
        assert_eq!(of(&[2, 1, 3]), 2);
        assert_eq!(of(&[1, 2, 1, 3]), 1);
        assert_eq!(of(&[1, 2, 3, 2]), 1);
    }

    #[test]
    fn a_repeat_is_explained_by_the_end_of_its_own_sender_right_after_it() {
        let start = Instant::now();
        let second = start + Duration::from_secs(1);
        let of = |episode: Episode| account(&[1, 2, 2, 3], &[episode], start).repeats;
        assert_eq!(of(killed(1, second)), [Cause::WorkerKilled]);
        assert_eq!(of(killed(2, second)), [Cause::Unexplained]);
        assert_eq!(of(killed(1, start)), [Cause::Unexplained]);
        assert_eq!(
            of(killed(1, second + Duration::from_secs(1))),
            [Cause::Unexplained]
        );
    }

    #[test]
    fn what_a_frozen_worker_held_back_is_counted_apart_and_only_right_after_its_thaw() {
        let start = Instant::now();
        let of = |thawed: u64, process: u32| {
            let thawed = start + Duration::from_secs(thawed);
            let frozen = Episode {
                cause: Cause::WorkerFrozen,
                process: Some(process),
                from: start,
                until: thawed,
            };
            let account = by_senders(&[1, 2, 3, 2], [1, 2, 2, 1], &[frozen], start);
            (account.held_back.len(), account.out_of_order.len())
        };
        assert_eq!(of(3, 1), (1, 0));
        assert_eq!(of(3, 3), (0, 1));
        assert_eq!(of(2, 1), (0, 1));
    }

    #[test]
    fn a_record_of_another_content_is_a_fault() {
        let account = account(&[1, 2, 4], &[], Instant::now());
        assert_eq!(account.faults.len(), 1, "{:?}", account.faults);
    }
}

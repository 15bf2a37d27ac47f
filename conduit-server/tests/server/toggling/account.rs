//! Compares what was written and asked for with what came to one destination.

use std::collections::{HashMap, HashSet};

use super::arrivals::Arrival;
use super::fleet::{Shape, document_of};
use super::history::Writes;
use super::timeline::{Life, Timeline};
use super::wants::{Decision, Images, Kind, Wants};
use super::writer::{Note, Notes};

/// What is known of a collection.
pub(super) struct Subject<'a> {
    pub(super) shape: &'a Shape,
    pub(super) notes: &'a Notes,
    pub(super) writes: &'a Writes,
}

/// What became of the writes at one destination.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) deliveries: usize,
    /// Writes that had to come.
    pub(super) due: usize,
    pub(super) lost: Vec<String>,
    pub(super) out_of_order: Vec<String>,
    pub(super) duplicates: Vec<String>,
    /// Records that nothing in force let through.
    pub(super) unwanted: Vec<String>,
    /// Records that are not what was written.
    pub(super) wrong: Vec<String>,
}

impl Account {
    pub(super) fn of(name: &str, subject: &Subject<'_>, timeline: &Timeline, arrivals: &[&Arrival]) -> Self {
        let mut account = Self {
            deliveries: arrivals.len(),
            ..Self::default()
        };
        let mut came: Vec<HashSet<usize>> = vec![HashSet::new(); subject.notes.len()];
        let mut newest: HashMap<usize, (usize, i64)> = HashMap::new();
        for arrival in arrivals {
            let Some(&(document, number)) = subject.writes.get(&arrival.record.sequence_number) else {
                account
                    .wrong
                    .push(format!("{name}: nobody wrote {:?}", arrival.record));
                continue;
            };
            let line = || {
                format!(
                    "{name}: write {number} of document {document}, {:?}",
                    arrival.record
                )
            };
            if !came[document].insert(number) {
                account.duplicates.push(line());
                continue;
            }
            let (last, looked_up) = newest.get(&document).copied().unwrap_or((0, 0));
            if number < last {
                account
                    .out_of_order
                    .push(format!("{} after write {last}", line()));
                continue;
            }
            let image = arrival.record.new_image.as_ref().map(|image| image.counter);
            // An image that is looked up may be of a later life of the document, which that life's insertion is behind.
            let is_looked_up = subject.notes[document][number].kind == Kind::Modify;
            let image = image.filter(|_| is_looked_up).unwrap_or(looked_up);
            newest.insert(document, (number, image));
            if image < looked_up || !subject.is_right(document, number, arrival) {
                account.wrong.push(line());
            }
            let decide = |wants: &Wants| subject.decide(wants, document, number);
            if !timeline.may_come(arrival.at, decide) {
                account.unwanted.push(line());
            }
        }
        for (document, came) in came.iter().enumerate() {
            account.find_lost(name, subject, timeline, document, came);
        }
        account
    }

    /// A write had to come if everything that may have judged it wanted it, and it was settled, or a later one of its
    /// document came in the same life.
    fn find_lost(
        &mut self,
        name: &str,
        subject: &Subject<'_>,
        timeline: &Timeline,
        document: usize,
        came: &HashSet<usize>,
    ) {
        let mut later_came: Option<Life> = None;
        for (number, note) in subject.notes[document].iter().enumerate().rev() {
            let Some(life) = timeline.life_of(note) else {
                continue;
            };
            let has_come = came.contains(&number);
            let is_due = timeline.is_settled(life, note) || later_came == Some(life);
            let decide = |wants: &Wants| subject.decide(wants, document, number);
            if is_due && timeline.was_always_wanted(life, note, decide) {
                self.due += 1;
                if !has_come {
                    self.lost.push(format!(
                        "{name}: write {number} of document {document}, {note:?}, {life:?}"
                    ));
                }
            }
            if has_come {
                later_came = Some(life);
            }
        }
    }

    /// Everything that must not be, one line each.
    pub(super) fn faults(&self) -> impl Iterator<Item = String> {
        let kinds = [
            ("lost", &self.lost),
            ("out of order", &self.out_of_order),
            ("duplicate", &self.duplicates),
            ("unwanted", &self.unwanted),
            ("wrong", &self.wrong),
        ];
        kinds
            .into_iter()
            .flat_map(|(kind, lines)| lines.iter().map(move |line| format!("{kind}: {line}")))
    }
}

impl Subject<'_> {
    fn decide(&self, wants: &Wants, document: usize, number: usize) -> Decision {
        let notes = &self.notes[document];
        let may_be_gone = notes[number + 1..].iter().any(|note| note.kind == Kind::Remove);
        wants.decide(document, notes[number].kind, may_be_gone)
    }

    /// Whether a record is what was written.
    fn is_right(&self, document: usize, number: usize, arrival: &Arrival) -> bool {
        let (note, record) = (&self.notes[document][number], &arrival.record);
        let key = record.keys[self.shape.key_field()].as_str().and_then(document_of);
        let (new, old) = (&record.new_image, &record.old_image);
        let (new, old) = (
            new.as_ref().map(|image| image.counter),
            old.as_ref().map(|image| image.counter),
        );
        let (before, after) = self.counters(document, number);
        let has_images = match (self.shape.images, note.kind) {
            (Images::OfTheChange, _) => (old, new) == (before, after),
            (Images::LookedUp, Kind::Modify) => new.is_none_or(|new| new >= note.counter),
            (Images::LookedUp, _) => new == after,
        };
        key == Some(document)
            && record.record_type == note.kind.as_str()
            && record.table_name == self.shape.name
            && has_images
    }

    /// The document's counter before and after a write, where there is a document.
    fn counters(&self, document: usize, number: usize) -> (Option<i64>, Option<i64>) {
        let counter = |note: &Note| (note.kind != Kind::Remove).then_some(note.counter);
        let notes = &self.notes[document];
        let before = number.checked_sub(1).and_then(|before| counter(&notes[before]));
        (before, counter(&notes[number]))
    }
}

//! What was asked of a destination, and when.

use tokio::time::Instant;

use super::wants::{Decision, Kind, Wants};
use super::writer::Note;

/// What a destination is to get from some request on.
#[derive(Clone, Debug)]
struct Stance {
    sent: Instant,
    answered: Instant,
    /// When the server was seen to do what this or a later request says.
    followed: Option<Instant>,
    /// Nothing while there is no such destination or its stream is off.
    wants: Option<Wants>,
}

/// A time up to which all writes were seen to be settled, and when that was seen.
#[derive(Clone, Copy, Debug)]
struct Settled {
    up_to: Instant,
    seen: Instant,
}

/// Everything that was asked of one destination. From when its stream is turned on to when it is turned off is a *life*.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    stances: Vec<Stance>,
    settled: Vec<Settled>,
}

/// A life in which a write was wholly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// The stances that it consists of.
    first: usize,
    end: usize,
}

impl Timeline {
    /// Notes a request that has been answered.
    pub(super) fn asked(&mut self, sent: Instant, answered: Instant, wants: Option<Wants>) {
        self.stances.push(Stance {
            sent,
            answered,
            followed: None,
            wants,
        });
    }

    /// What was asked for last.
    pub(super) fn wants(&self) -> Option<&Wants> {
        self.stances.last()?.wants.as_ref()
    }

    /// Notes that the server was seen to do what was asked last.
    pub(super) fn followed(&mut self) {
        let last = self.stances.last_mut().unwrap();
        last.followed.get_or_insert_with(Instant::now);
    }

    /// Notes that everything that was written up to a time was seen to be settled.
    pub(super) fn settled(&mut self, up_to: Instant) {
        let seen = Instant::now();
        self.settled.push(Settled { up_to, seen });
    }

    /// The life that began before the write was sent and did not end before it was acknowledged.
    pub(super) fn life_of(&self, note: &Note) -> Option<Life> {
        let in_force = self
            .stances
            .iter()
            .rposition(|stance| stance.answered <= note.sent)?;
        let is_off = |stance: &Stance| stance.wants.is_none();
        if is_off(&self.stances[in_force]) {
            return None;
        }
        let first = self.stances[..in_force]
            .iter()
            .rposition(is_off)
            .map_or(0, |off| off + 1);
        let end = self.stances[in_force..].iter().position(is_off);
        let end = end.map_or(self.stances.len(), |off| in_force + off);
        let ends = self.stances.get(end).map(|off| off.sent);
        ends.is_none_or(|ends| note.acknowledged <= ends)
            .then_some(Life { first, end })
    }

    /// Whether the write, of that life, was seen to be settled before the life's end.
    pub(super) fn is_settled(&self, life: Life, note: &Note) -> bool {
        self.seen_settled(life, note).is_some()
    }

    fn seen_settled(&self, life: Life, note: &Note) -> Option<Instant> {
        let ends = self.stances.get(life.end).map(|off| off.sent);
        let covers = |settled: &&Settled| {
            settled.up_to >= note.acknowledged && ends.is_none_or(|ends| settled.seen <= ends)
        };
        self.settled.iter().find(covers).map(|settled| settled.seen)
    }

    /// Whether everything that may have judged a write of that life wanted it.
    pub(super) fn was_always_wanted(
        &self,
        life: Life,
        note: &Note,
        decide: impl Fn(&Wants) -> Decision,
    ) -> bool {
        let seen = self.seen_settled(life, note);
        let stances = &self.stances[life.first..life.end];
        let is_over = |stance: &Stance| stance.followed.is_some_and(|followed| followed <= note.sent);
        let oldest = stances.iter().rposition(is_over).unwrap_or(0);
        let mut judges = stances[oldest..]
            .iter()
            .filter(|stance| seen.is_none_or(|seen| stance.sent <= seen));
        judges.all(|stance| {
            stance
                .wants
                .as_ref()
                .is_some_and(|wants| decide(wants) == Decision::Yes)
        })
    }

    /// Whether anything that may have let a record through at a time did want it.
    pub(super) fn may_come(&self, at: Instant, decide: impl Fn(&Wants) -> Decision) -> bool {
        let is_over = |stance: &Stance| stance.followed.is_some_and(|followed| followed <= at);
        let oldest = self.stances.iter().rposition(is_over).unwrap_or(0);
        let mut judges = self.stances[oldest..].iter().filter(|stance| stance.sent <= at);
        judges.any(|stance| {
            stance
                .wants
                .as_ref()
                .is_some_and(|wants| decide(wants) != Decision::No)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::wants::Images;
    use super::*;

    fn at(second: u64) -> Instant {
        use std::sync::LazyLock;
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        *START + Duration::from_secs(second)
    }

    fn note(sent: u64, acknowledged: u64) -> Note {
        Note {
            kind: Kind::Insert,
            counter: 1,
            sent: at(sent),
            acknowledged: at(acknowledged),
        }
    }

    /// On from 10 to 20, and from 30 on; the answers take a second.
    fn timeline() -> Timeline {
        let mut timeline = Timeline::default();
        let all = || Some(Wants::all(Images::LookedUp));
        for (sent, wants) in [(10, all()), (14, all()), (20, None), (30, all())] {
            timeline.asked(at(sent), at(sent + 1), wants);
        }
        timeline
    }

    #[test]
    fn a_write_at_a_border_is_of_no_life() {
        let timeline = timeline();
        let of = |sent, acknowledged| timeline.life_of(&note(sent, acknowledged));
        let (first, second) = (Life { first: 0, end: 2 }, Life { first: 3, end: 4 });
        assert_eq!((of(11, 12), of(16, 20)), (Some(first), Some(first)));
        assert_eq!(of(31, 99), Some(second));
        assert_eq!(
            (of(9, 12), of(10, 11), of(19, 21), of(25, 26), of(30, 31)),
            (None, None, None, None, None)
        );
    }

    #[test]
    fn what_the_server_was_seen_to_follow_is_all_that_counts() {
        let mut timeline = timeline();
        let wanted = |_: &Wants| Decision::Yes;
        assert!(timeline.may_come(at(25), wanted), "it may not know yet");
        timeline.stances[2].followed = Some(at(22));
        assert!(timeline.may_come(at(21), wanted) && !timeline.may_come(at(25), wanted));
        assert!(timeline.may_come(at(30), wanted));
    }

    #[test]
    fn settled_is_what_was_seen_to_be_before_the_end() {
        let mut timeline = timeline();
        let life = timeline.life_of(&note(12, 13)).unwrap();
        let mark = |up_to, seen| Settled {
            up_to: at(up_to),
            seen: at(seen),
        };
        timeline.settled = vec![mark(12, 18), mark(15, 21), mark(15, 19)];
        assert!(timeline.is_settled(life, &note(12, 13)) && timeline.is_settled(life, &note(14, 15)));
        assert!(!timeline.is_settled(life, &note(15, 16)));
    }
}

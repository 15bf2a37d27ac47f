//! The verdict over all destinations.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::account::Account;
use crate::causes::count;

/// How a run ended; its `Display` is the table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) writes: usize,
    pub(crate) dead_letters: usize,
    pub(crate) accounts: Vec<Account>,
    /// When the disturbances were over.
    pub(crate) ends: Vec<Instant>,
}

impl Table {
    /// Everything that must not be, one line each.
    pub(crate) fn faults(&self) -> Vec<&String> {
        self.accounts
            .iter()
            .flat_map(|account| {
                [
                    &account.lost,
                    &account.out_of_order,
                    &account.faults,
                    &account.wrong_repeats,
                ]
            })
            .flatten()
            .collect()
    }

    /// The longest that nothing new came to a destination while something was due to it.
    fn longest_stall(&self) -> Duration {
        self.accounts.iter().map(longest_stall).max().unwrap_or_default()
    }

    /// How long after the end of each disturbance everything had come that was written before it, sorted.
    fn recoveries(&self) -> Vec<Duration> {
        let journeys = || self.accounts.iter().flat_map(|account| &account.journeys);
        let recovery = |end: &Instant| {
            let late = journeys().filter(|(written, _)| written <= end);
            late.map(|(_, arrived)| arrived.saturating_duration_since(*end))
                .max()
                .unwrap_or_default()
        };
        let mut recoveries: Vec<Duration> = self.ends.iter().map(recovery).collect();
        recoveries.sort_unstable();
        recoveries
    }
}

fn longest_stall(account: &Account) -> Duration {
    let mut journeys = account.journeys.clone();
    journeys.sort_unstable_by_key(|(_, arrived)| *arrived);
    let mut longest = Duration::ZERO;
    // From the last arrival back, so that the oldest change still due is known at each.
    let mut oldest_due = None::<Instant>;
    for (number, (written, arrived)) in journeys.iter().enumerate().rev() {
        let oldest = oldest_due.map_or(*written, |oldest| oldest.min(*written));
        oldest_due = Some(oldest);
        let before = number.checked_sub(1).map(|before| journeys[before].1);
        let since = before.map_or(oldest, |before| before.max(oldest));
        longest = longest.max(arrived.saturating_duration_since(since));
    }
    longest
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |of: fn(&Account) -> usize| self.accounts.iter().map(of).sum::<usize>();
        let mut row = |name: &str, figure: &dyn fmt::Display| writeln!(f, "  {name:<30}{figure:>10}");
        row("writes", &self.writes)?;
        row("deliveries", &sum(|account| account.deliveries))?;
        row("lost", &sum(|account| account.lost.len()))?;
        row("out of order", &sum(|account| account.out_of_order.len()))?;
        let causes = self
            .accounts
            .iter()
            .flat_map(|account| account.repeats.iter().copied());
        for (cause, repeats) in count(causes) {
            row(&format!("duplicates, {cause}"), &repeats)?;
        }
        row(
            "of them held back in a freeze",
            &sum(|account| account.held_back.len()),
        )?;
        row("dead letters", &self.dead_letters)?;
        let seconds = |duration: Duration| format!("{:.1} s", duration.as_secs_f64());
        row("longest stall", &seconds(self.longest_stall()))?;
        let recoveries = self.recoveries();
        let of = |place: usize| recoveries.get(place).copied().unwrap_or_default();
        row("to recover, median", &seconds(of(recoveries.len() / 2)))?;
        row(
            "to recover, longest",
            &seconds(of(recoveries.len().saturating_sub(1))),
        )
    }
}

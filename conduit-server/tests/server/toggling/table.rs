//! How a run ended.

use std::fmt;
use std::time::Duration;

use super::account::Account;
use super::toggler::Counts;

/// The figures of a run; its `Display` is the table.
pub(super) struct Table {
    pub(super) collections: usize,
    pub(super) toggled: usize,
    pub(super) writes: usize,
    pub(super) writing: Duration,
    pub(super) settling: Duration,
    pub(super) starting: Duration,
    pub(super) counts: Counts,
    /// How long the API took to take in each change of a configuration.
    pub(super) answers: Vec<Duration>,
    pub(super) most_streams: usize,
    pub(super) streams_at_rest: usize,
    pub(super) accounts: Vec<Account>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |of: fn(&Account) -> usize| self.accounts.iter().map(of).sum::<usize>();
        let seconds = |duration: Duration| format!("{:.1}", duration.as_secs_f64());
        #[allow(clippy::cast_precision_loss, reason = "for people")]
        let rate = self.writes as f64 / self.writing.as_secs_f64();
        let mut row = |name: &str, figure: &dyn fmt::Display| writeln!(f, "  {name:<42}{figure:>10}");
        row("collections", &self.collections)?;
        row("changed ones of them", &self.toggled)?;
        row("writes", &self.writes)?;
        row("writes a second", &format!("{rate:.0}"))?;
        row("deliveries", &sum(|account| account.deliveries))?;
        row("deliveries that had to be", &sum(|account| account.due))?;
        row("changes", &self.counts.values().sum::<usize>())?;
        for (change, count) in &self.counts {
            row(&format!("  {change}"), count)?;
        }
        let mut answers = self.answers.clone();
        answers.sort_unstable();
        let answer = |place: usize| seconds(answers.get(place).copied().unwrap_or_default());
        row("seconds to an answer, median", &answer(answers.len() / 2))?;
        row(
            "seconds to an answer, longest",
            &answer(answers.len().saturating_sub(1)),
        )?;
        row("lost", &sum(|account| account.lost.len()))?;
        row("out of order", &sum(|account| account.out_of_order.len()))?;
        row("duplicates", &sum(|account| account.duplicates.len()))?;
        row("unwanted", &sum(|account| account.unwanted.len()))?;
        row("wrong", &sum(|account| account.wrong.len()))?;
        row("most change streams open", &self.most_streams)?;
        row("change streams open at rest", &self.streams_at_rest)?;
        row("seconds to start", &seconds(self.starting))?;
        row("seconds until all was settled", &seconds(self.settling))
    }
}

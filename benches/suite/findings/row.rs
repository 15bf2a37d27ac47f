//! One figure.

use serde_json::{Value, json};

use super::Bar;

/// What was measured, round by round, and beside it its limit in the same rounds.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    figure: &'static str,
    what: String,
    unit: &'static str,
    ours: Vec<f64>,
    limit: Option<(String, Vec<f64>)>,
    bar: Option<Bar>,
    absent: Option<Absent>,
}

/// Why there is nothing to show.
#[derive(Clone, Debug)]
enum Absent {
    /// It cannot be measured here.
    Skipped(String),
    /// It was tried, and did not come so far.
    Missed(String),
}

impl Row {
    pub(crate) fn new(
        figure: &'static str,
        what: impl Into<String>,
        unit: &'static str,
        ours: Vec<f64>,
    ) -> Self {
        Self {
            figure,
            what: what.into(),
            unit,
            ours,
            limit: None,
            bar: None,
            absent: None,
        }
    }

    /// A figure that could not be measured here.
    pub(crate) fn skipped(figure: &'static str, what: impl Into<String>, reason: impl Into<String>) -> Self {
        let absent = Some(Absent::Skipped(reason.into()));
        Self {
            absent,
            ..Self::new(figure, what, "", Vec::new())
        }
    }

    /// A figure that did not come so far that there is something to measure: below any bar.
    pub(crate) fn missed(figure: &'static str, what: impl Into<String>, reason: impl Into<String>) -> Self {
        let absent = Some(Absent::Missed(reason.into()));
        Self {
            absent,
            ..Self::new(figure, what, "", Vec::new())
        }
    }

    /// Sets what it is measured against, in the same rounds.
    pub(crate) fn beside(mut self, what: impl Into<String>, limit: Vec<f64>) -> Self {
        self.limit = Some((what.into(), limit));
        self
    }

    /// Sets what is to be reached.
    pub(crate) fn with_bar(mut self, bar: Bar) -> Self {
        self.bar = Some(bar);
        self
    }

    fn limit_median(&self) -> Option<f64> {
        self.limit.as_ref().and_then(|(_, limit)| median(limit))
    }

    fn ratios(&self) -> Vec<f64> {
        let limit = self.limit.iter().flat_map(|(_, limit)| limit);
        self.ours
            .iter()
            .zip(limit)
            .map(|(ours, limit)| ours / limit)
            .collect()
    }

    /// Whether the bar is reached, if there is one and something was measured.
    fn is_reached(&self) -> Option<bool> {
        if let Some(Absent::Missed(_)) = &self.absent {
            return Some(false);
        }
        let ratio = median(&self.ratios());
        Some(
            self.bar?
                .is_reached(median(&self.ours)?, self.limit_median(), ratio),
        )
    }

    fn verdict(&self) -> &'static str {
        match self.is_reached() {
            Some(true) => "reached",
            Some(false) => "BELOW THE BAR",
            None => "",
        }
    }

    /// The names of the table's columns.
    pub(crate) fn head() -> String {
        columns(["", "what", "ours", "limit", "unit", "ratio", "bar", ""])
    }

    /// The row of the table.
    pub(crate) fn line(&self) -> String {
        let (figure, what, verdict) = (self.figure, &self.what, self.verdict());
        match &self.absent {
            Some(Absent::Skipped(reason)) => return format!("{figure:<8} {what:<44} skipped: {reason}"),
            Some(Absent::Missed(reason)) => return format!("{figure:<8} {what:<44} {verdict}: {reason}"),
            None => {}
        }
        let number = |number: Option<f64>| number.map(show).unwrap_or_default();
        columns([
            figure,
            what,
            &number(median(&self.ours)),
            &number(self.limit_median()),
            self.unit,
            &number(median(&self.ratios())),
            &self.bar.map(|bar| bar.to_string()).unwrap_or_default(),
            verdict,
        ])
    }

    pub(crate) fn json(&self) -> Value {
        let limit = self
            .limit
            .as_ref()
            .map(|(what, samples)| json!({ "what": what, "median": median(samples), "samples": samples }));
        let ratios = self.ratios();
        json!({
            "figure": self.figure,
            "what": self.what,
            "unit": self.unit,
            "ours": { "median": median(&self.ours), "samples": self.ours },
            "limit": limit,
            "ratio": { "median": median(&ratios), "samples": ratios },
            "bar": self.bar.map(|bar| bar.to_string()),
            "reached": self.is_reached(),
            "skipped": self.absent.as_ref().map(|(Absent::Skipped(reason) | Absent::Missed(reason))| reason),
        })
    }

    /// Whether it was measured and missed its bar.
    pub(crate) fn is_missed(&self) -> bool {
        self.is_reached() == Some(false)
    }
}

fn columns([figure, what, ours, limit, unit, ratio, bar, verdict]: [&str; 8]) -> String {
    let line =
        format!("{figure:<8} {what:<44} {ours:>10} {limit:>10} {unit:<12} {ratio:>7}  {bar:<15} {verdict}");
    line.trim_end().to_owned()
}

/// Three digits that count, but whole numbers whole.
fn show(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{number:.2}"),
        _ => format!("{number:.4}"),
    }
}

/// The middle one; of an even number the mean of the two in the middle.
pub(crate) fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => sorted.get(middle).copied(),
        _ => Some(f64::midpoint(*sorted.get(middle - 1)?, *sorted.get(middle)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_rounds_ratios() {
        let row = Row::new("a", "null sink", "records/s", vec![90.0, 10.0, 80.0])
            .beside("cursor", vec![100.0, 100.0, 80.0])
            .with_bar(Bar::RatioAtLeast(0.85));
        assert_eq!(median(&row.ratios()), Some(0.9));
        assert_eq!((row.is_reached(), row.is_missed()), (Some(true), false));
        assert!(row.line().ends_with("reached"), "{}", row.line());
    }

    #[test]
    fn a_row_below_its_bar_says_so() {
        let row = Row::new("a", "processor time", "us/record", vec![9.0, 11.0]).with_bar(Bar::AtMost(8.0));
        assert!(row.is_missed());
        assert!(row.line().ends_with("BELOW THE BAR"), "{}", row.line());
        assert_eq!(row.json()["ours"]["median"], 10.0);
    }

    #[test]
    fn a_skipped_row_says_why_and_misses_nothing() {
        let row = Row::skipped("h", "a loop in Python", "there is no pymongo");
        assert!(
            row.line().ends_with("skipped: there is no pymongo"),
            "{}",
            row.line()
        );
        assert!(!row.is_missed());
    }
}

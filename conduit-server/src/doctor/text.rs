//! A report for people.

use std::fmt::Write as _;

use super::finding::Verdict;
use super::report::Report;

/// Whether colours are shown beside the signs and words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Colours {
    Shown,
    None,
}

impl Verdict {
    fn sign(self) -> &'static str {
        match self {
            Self::Ok => "✓",
            Self::Warning => "!",
            Self::Failed => "✗",
            Self::Skipped => "-",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// The parameter of the escape sequence that begins its colour.
    fn colour(self) -> &'static str {
        match self {
            Self::Ok => "32",
            Self::Warning => "33",
            Self::Failed => "31;1",
            Self::Skipped => "2",
        }
    }
}

/// Writes a report as lines: sign, verdict and name aligned, what was found, and beneath it the cure.
pub(crate) fn write_text(report: &Report, colours: Colours) -> String {
    let width = report
        .checks
        .iter()
        .map(|check| check.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for check in &report.checks {
        let (sign, word) = (check.verdict.sign(), check.verdict.word());
        let verdict = format!("{sign} {word:<7}");
        let verdict = match colours {
            Colours::Shown => format!("\u{1b}[{}m{verdict}\u{1b}[0m", check.verdict.colour()),
            Colours::None => verdict,
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{verdict}  {:<width$}  {}",
            printable(&check.name),
            printable(&check.found)
        );
        if let Some(cure) = &check.cure {
            let _ = writeln!(text, "           → {}", printable(cure));
        }
    }
    let count = |verdict| report.count(verdict);
    let _ = writeln!(
        text,
        "\n{} ok, {} warnings, {} failed, {} skipped",
        count(Verdict::Ok),
        count(Verdict::Warning),
        count(Verdict::Failed),
        count(Verdict::Skipped)
    );
    text
}

/// What a server said may hold control characters, which a terminal would obey.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Check, Finding};

    fn report() -> Report {
        Report {
            checks: vec![
                Check::new("redis", Finding::ok("answers")),
                Check::new(
                    "redis eviction",
                    Finding::failed("may throw\u{1b}[2Jkeys away", "set noeviction"),
                ),
            ],
        }
    }

    #[test]
    fn lines_are_aligned_and_hold_no_escape_sequences() {
        let expected = "\
✓ ok       redis           answers
✗ failed   redis eviction  may throw [2Jkeys away
           → set noeviction

1 ok, 0 warnings, 1 failed, 0 skipped
";
        assert_eq!(write_text(&report(), Colours::None), expected);
    }

    #[test]
    fn a_verdict_is_a_word_too_where_colours_are_shown() {
        let text = write_text(&report(), Colours::Shown);
        assert!(text.contains("\u{1b}[31;1m✗ failed \u{1b}[0m"), "{text}");
    }
}

//! What a figure is to reach.

use std::fmt;

/// The bar of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bar {
    /// Ours, divided by the limit, is at least this.
    RatioAtLeast(f64),
    /// Ours, divided by the limit, is at most this.
    RatioAtMost(f64),
    /// Ours is at most this.
    AtMost(f64),
    /// Ours is at most this above the limit.
    AboveAtMost(f64),
}

impl Bar {
    /// Whether the medians reach it: of ours, of the limit, of the ratios of each round.
    pub(crate) fn is_reached(self, ours: f64, limit: Option<f64>, ratio: Option<f64>) -> bool {
        match self {
            Self::RatioAtLeast(bar) => ratio.is_some_and(|ratio| ratio >= bar),
            Self::RatioAtMost(bar) => ratio.is_some_and(|ratio| ratio <= bar),
            Self::AtMost(bar) => ours <= bar,
            Self::AboveAtMost(bar) => limit.is_some_and(|limit| ours <= limit + bar),
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RatioAtLeast(bar) => write!(f, "ratio >= {bar}"),
            Self::RatioAtMost(bar) => write!(f, "ratio <= {bar}"),
            Self::AtMost(bar) => write!(f, "<= {bar}"),
            Self::AboveAtMost(bar) => write!(f, "<= limit + {bar}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_reached_or_missed() {
        let cases = [
            (Bar::RatioAtLeast(0.85), true, false),
            (Bar::RatioAtMost(0.85), false, true),
            (Bar::AtMost(8.0), false, false),
            (Bar::AboveAtMost(1.0), true, true),
        ];
        for (bar, at_90_percent, at_80_percent) in cases {
            assert_eq!(bar.is_reached(9.0, Some(10.0), Some(0.9)), at_90_percent, "{bar}");
            assert_eq!(bar.is_reached(8.1, Some(10.0), Some(0.8)), at_80_percent, "{bar}");
        }
        assert!(!Bar::RatioAtLeast(0.1).is_reached(9.0, None, None));
    }
}

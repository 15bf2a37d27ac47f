//! When a failed record is tried again, and how often.

use std::time::Duration;

/// The schedule of retries: exponential, capped, jittered.
///
/// The default waits 1, 2, 4, 8 and 16 seconds (each within 5 %) and gives up after the sixth attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// How often a record is tried again after its first attempt.
    pub max_retries: u32,
    /// The wait before the first retry; each next one is twice as long.
    pub first_delay: Duration,
    /// The longest wait.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 5,
            first_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(300),
        }
    }
}

/// Half the width of the jitter. Small enough that the sum over all retries stays within a tenth.
const JITTER: f64 = 0.05;

impl RetryPolicy {
    /// The default schedule with another number of retries.
    #[must_use]
    pub fn with_max_retries(max_retries: u32) -> Self {
        Self {
            max_retries,
            ..Self::default()
        }
    }

    /// Returns the wait after the attempt with this number (1 for the first).
    #[must_use]
    pub fn delay(&self, attempt: u32, rng: &mut fastrand::Rng) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let plain = self
            .first_delay
            .saturating_mul(1_u32 << doublings)
            .min(self.max_delay);
        plain.mul_f64(1.0 - JITTER + 2.0 * JITTER * rng.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_schedule_doubles_from_one_second_within_a_tenth() {
        let policy = RetryPolicy::default();
        let mut rng = fastrand::Rng::with_seed(7);
        for (attempt, seconds) in [
            (1, 1.0),
            (2, 2.0),
            (3, 4.0),
            (4, 8.0),
            (5, 16.0),
            (9, 256.0),
            (10, 300.0),
            (60, 300.0),
        ] {
            for _ in 0..100 {
                let delay = policy.delay(attempt, &mut rng).as_secs_f64();
                assert!(
                    (delay / seconds - 1.0).abs() <= 0.1,
                    "attempt {attempt} waits {delay}"
                );
            }
        }
    }
}

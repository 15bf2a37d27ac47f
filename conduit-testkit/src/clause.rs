//! What the suites have in common: running a clause, leaving one out, dropping a future midway.
#![allow(clippy::expect_used)]

use std::future::poll_fn;
use std::io::Write;
use std::pin::pin;
use std::task::Poll;

/// Clauses that are left out, each with the reason.
pub(crate) type Skips = &'static [(&'static str, &'static str)];

/// Runs a clause on a runtime of its own, unless `skips` has it.
pub(crate) fn run<F: Future<Output = ()>>(name: &str, skips: Skips, clause: impl FnOnce() -> F) {
    if let Some((_, reason)) = skips.iter().find(|(skipped, _)| *skipped == name) {
        say_skipped(name, reason);
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(clause());
}

/// Says that a clause is left out. Written past the capture of a passing test's output, so that `cargo test`
/// shows it.
pub(crate) fn say_skipped(name: &str, reason: &str) {
    let _ = writeln!(std::io::stderr().lock(), "SKIPPED {name}: {reason}");
}

/// Fails if a clause is to be left out that there is none of: else a misspelt name would go unnoticed once
/// the clause passes.
pub(crate) fn check_skips(skips: Skips, clauses: &[&str]) {
    for (name, reason) in skips {
        assert!(clauses.contains(name), "{name} is left out, but is no clause");
        assert!(!reason.is_empty(), "{name} is left out without a reason");
        say_skipped(name, reason);
    }
}

/// Polls `future` at most so many times and drops it if it is not ready then.
pub(crate) async fn give_up_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKIPS: Skips = &[("a_clause", "the destination is a file")];

    #[test]
    fn a_clause_that_is_left_out_is_not_run() {
        run("a_clause", SKIPS, || async { panic!("it is left out") });
    }

    #[test]
    #[should_panic(expected = "it is run")]
    fn a_clause_that_is_not_left_out_is_run() {
        run("another", SKIPS, || async { panic!("it is run") });
    }

    #[test]
    #[should_panic(expected = "a_clause is left out, but is no clause")]
    fn a_misspelt_name_is_found() {
        check_skips(SKIPS, &["a_clauze"]);
    }

    #[test]
    #[should_panic(expected = "without a reason")]
    fn a_reason_must_be_given() {
        check_skips(&[("a_clause", "")], &["a_clause"]);
    }

    #[tokio::test]
    async fn a_future_is_polled_so_often_and_dropped() {
        for (polls, expected) in [(0, None), (1, None), (3, None), (4, Some(7))] {
            let three_waits = async {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                7
            };
            assert_eq!(give_up_after(polls, three_waits).await, expected);
        }
    }
}

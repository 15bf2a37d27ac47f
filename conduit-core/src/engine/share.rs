//! Which collections are whose, of several workers on the same state.

use std::collections::HashMap;

use crate::value::{CollectionName, RecordKey, WorkerId};

/// Whether a worker aims at a collection's lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// It does.
    Ours,
    /// Another worker does.
    Of(WorkerId),
}

/// Shares collections out among live workers: evenly, the same whoever computes it, and with few moves when a worker comes
/// or goes.
///
/// Each collection goes to the worker that its name and theirs hash highest to, of those that have room left.
pub(super) fn share_of<'a>(
    us: &WorkerId,
    peers: &[WorkerId],
    collections: impl Iterator<Item = &'a CollectionName>,
) -> HashMap<CollectionName, Share> {
    let mut workers: Vec<&WorkerId> = peers.iter().chain([us]).collect();
    workers.sort_unstable();
    workers.dedup();
    let mut names: Vec<&CollectionName> = collections.collect();
    names.sort_unstable();
    let room = names.len().div_ceil(workers.len());
    let mut taken = vec![0; workers.len()];
    let mut shares = HashMap::with_capacity(names.len());
    for name in names {
        let free = (0..workers.len()).filter(|at| taken[*at] < room);
        let best = free.max_by_key(|at| RecordKey::of(format!("{}/{name}", workers[*at]).as_bytes()));
        // There is room for all, so there is a best.
        let Some(best) = best else { continue };
        taken[best] += 1;
        let share = if workers[best] == us {
            Share::Ours
        } else {
            Share::Of(workers[best].clone())
        };
        shares.insert(name.clone(), share);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<CollectionName> {
        (0..count)
            .map(|number| CollectionName::new(format!("c{number}")).unwrap())
            .collect()
    }

    fn ours(us: &str, peers: &[&str], names: &[CollectionName]) -> Vec<CollectionName> {
        let peers: Vec<WorkerId> = peers.iter().map(|peer| WorkerId::new(*peer)).collect();
        let shares = share_of(&WorkerId::new(us), &peers, names.iter());
        let mut ours: Vec<CollectionName> = shares
            .into_iter()
            .filter(|(_, share)| *share == Share::Ours)
            .map(|(name, _)| name)
            .collect();
        ours.sort();
        ours
    }

    #[test]
    fn a_worker_alone_has_everything() {
        assert_eq!(ours("a", &[], &names(7)).len(), 7);
    }

    #[test]
    fn several_workers_have_even_shares_of_which_none_is_left_out_or_given_twice() {
        for count in [1, 2, 3, 10, 101] {
            let names = names(count);
            let peers = ["a", "b", "c"];
            let mut all: Vec<CollectionName> = Vec::new();
            for worker in peers {
                let share = ours(worker, &peers, &names);
                assert!(
                    share.len() <= count.div_ceil(3),
                    "{worker} has {} of {count}",
                    share.len()
                );
                all.extend(share);
            }
            all.sort();
            assert_eq!(all, {
                let mut names = names;
                names.sort();
                names
            });
        }
    }

    #[test]
    fn a_worker_that_goes_moves_little_more_than_its_own() {
        let names = names(300);
        let before = ours("a", &["a", "b", "c"], &names);
        let after = ours("a", &["a", "b"], &names);
        let kept = before.iter().filter(|name| after.contains(name)).count();
        assert!(kept >= 90, "{kept} of {} stay", before.len());
    }
}

//! Says in the log, before it happens, that MongoDB is about to overwrite what a subscription has to read.

use std::collections::HashSet;
use std::time::Duration;

use conduit_core::{CollectionStatus, SubscriptionId, WorkerId};
use conduit_mongo::OplogWindow;

use super::Worker;
use crate::history::{has_recovered, is_short, left};

/// How often it is looked.
const INTERVAL: Duration = Duration::from_secs(5);
/// Of how many subscriptions a look tells by name: a burst of changes makes the oplog short for all of them at once.
const MAX_LINES: usize = 20;

/// Those that were said to be short of history.
#[derive(Debug, Default)]
struct Outlook {
    short: HashSet<SubscriptionId>,
}

/// What is new to say of one.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Short { seconds_left: u64 },
    Recovered,
}

impl Worker {
    /// Looks at the history left to all subscriptions that this worker holds, and logs each that gets short once, and once
    /// more when it has recovered. Never ends.
    pub(crate) async fn watch_history(&self) {
        let mut outlook = Outlook::default();
        loop {
            if let Some(window) = self.history.window() {
                let news = outlook.look(self.handle.worker(), &self.handle.status(), window);
                tell(&news, window);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

impl Outlook {
    fn look(
        &mut self,
        us: &WorkerId,
        statuses: &[CollectionStatus],
        window: OplogWindow,
    ) -> Vec<(SubscriptionId, News)> {
        let mut news = Vec::new();
        let mut held = HashSet::new();
        let ours = statuses
            .iter()
            .filter(|status| status.holder.as_ref() == Some(us));
        for collection in ours {
            for status in &collection.destinations {
                let (Some(left), Some(position)) = (left(status, Some(window)), status.position_time) else {
                    continue;
                };
                let id = SubscriptionId {
                    collection: collection.collection.clone(),
                    destination: status.id.clone(),
                };
                held.insert(id.clone());
                if is_short(&window, position) {
                    if self.short.insert(id.clone()) {
                        let seconds_left = left.as_secs();
                        news.push((id, News::Short { seconds_left }));
                    }
                } else if has_recovered(&window, position) && self.short.remove(&id) {
                    news.push((id, News::Recovered));
                }
            }
        }
        // What another worker took over, or nobody wants any more, is nothing to speak of here.
        self.short.retain(|id| held.contains(id));
        news
    }
}

fn tell(news: &[(SubscriptionId, News)], window: OplogWindow) {
    let oplog_seconds = window.length().as_secs();
    for (id, news) in news.iter().take(MAX_LINES) {
        let (collection, destination) = (&id.collection, &id.destination);
        match news {
            News::Short { seconds_left: 0 } => tracing::error!(
                %collection, %destination, oplog_seconds,
                "MongoDB has overwritten the change at the position: the stream cannot be read on"
            ),
            News::Short { seconds_left } => tracing::warn!(
                %collection, %destination, history_seconds_left = seconds_left, oplog_seconds,
                "history gets short: if nothing moves, MongoDB soon overwrites the change at the position; mend what keeps \
                 the destination back, or make the oplog larger (replSetResizeOplog)"
            ),
            News::Recovered => tracing::info!(
                %collection, %destination, oplog_seconds, "there is enough history again"
            ),
        }
    }
    let more = news.len().saturating_sub(MAX_LINES);
    if more > 0 {
        tracing::warn!(
            more,
            oplog_seconds,
            "so many more subscriptions are short of history, or not any more: the status tells which"
        );
    }
}

#[cfg(test)]
mod tests {
    use conduit_core::WallTime;
    use serde_json::json;

    use super::*;

    fn at(hours: i64) -> WallTime {
        WallTime::from_millis(hours * 3_600_000)
    }

    /// What is new of a subscription whose position is of this hour, of an oplog from the hour 0 to the hour 100.
    fn look(outlook: &mut Outlook, holder: &str, position: i64) -> Vec<News> {
        let status = json!([{"collection": "orders", "holder": holder, "destinations": [{
            "id": "d", "phase": "holding", "reason": null, "since": 0, "lag_seconds": null, "position_time": at(position),
            "low_water_mark": null, "generation": 0, "delivered": 0, "filtered": 0, "retried": 0, "dead_lettered": 0,
            "retry_length": 0, "dlq_length": 0, "rate": 0.0, "last_error": null, "last_error_time": null,
        }]}]);
        let status: Vec<CollectionStatus> = serde_json::from_value(status).unwrap();
        let window = OplogWindow::new(at(0), at(100), None);
        let news = outlook.look(&WorkerId::new("us"), &status, window);
        news.into_iter().map(|(_, news)| news).collect()
    }

    #[test]
    fn one_that_gets_short_is_told_once_and_once_more_when_it_has_recovered() {
        let mut outlook = Outlook::default();
        assert_eq!(look(&mut outlook, "us", 30), []);
        let seconds_left = 20 * 3600;
        assert_eq!(look(&mut outlook, "us", 20), [News::Short { seconds_left }]);
        assert_eq!(look(&mut outlook, "us", 19), []);
        assert_eq!(look(&mut outlook, "us", 26), [], "not by a margin");
        assert_eq!(look(&mut outlook, "us", 20), []);
        assert_eq!(look(&mut outlook, "us", 40), [News::Recovered]);
        assert_eq!(look(&mut outlook, "us", 20), [News::Short { seconds_left }]);
    }

    #[test]
    fn only_the_holder_speaks() {
        let mut outlook = Outlook::default();
        assert_eq!(look(&mut outlook, "another", 1), []);
        assert_eq!(look(&mut outlook, "us", 1).len(), 1);
        assert_eq!(look(&mut outlook, "another", 1), []);
        assert_eq!(look(&mut outlook, "us", 1).len(), 1, "taken over again");
    }
}

//! What an API gives to whoever holds a collection's lease to do, where there is an answer to wait for.

use conduit_core::{CollectionName, CommandError, DestinationId, Handle, LetterSelection, Redriven};
use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::destination_type::DestinationTypes;
use crate::test_delivery::{self, TestedDestination};

/// What is to be done. Stored as JSON on its way to another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Send dead letters again.
    Redrive {
        selection: LetterSelection,
        /// Those too whose document has had a newer record acknowledged since.
        include_stale: bool,
    },
    /// Drop dead letters.
    Purge { selection: LetterSelection },
    /// Send a sample record to one destination, or to all.
    Test { destination: Option<DestinationId> },
}

/// What it came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderAnswer {
    /// Of a redrive.
    Redriven(Redriven),
    /// Of a purge: how many.
    Purged(u64),
    /// Of a test.
    Tested(Vec<TestedDestination>),
}

/// What orders are carried out with, in the process of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Executor {
    pub(crate) engine: Handle,
    pub(crate) catalog: Catalog,
    pub(crate) types: DestinationTypes,
}

impl Order {
    /// Whether only the holder of the collection's lease can do it. Else any worker can if nobody holds it.
    pub(crate) fn needs_lease(&self) -> bool {
        match self {
            Self::Redrive { .. } | Self::Purge { .. } => true,
            Self::Test { .. } => false,
        }
    }
}

impl Executor {
    /// Has it done here. Dropping the future does not undo it.
    pub(crate) async fn carry_out(
        &self,
        order: &Order,
        collection: &CollectionName,
    ) -> Result<OrderAnswer, CommandError> {
        match order {
            Order::Redrive {
                selection,
                include_stale,
            } => {
                let redriven = self.engine.redrive(collection, selection.clone(), *include_stale);
                redriven.await.map(OrderAnswer::Redriven)
            }
            Order::Purge { selection } => {
                let purged = self.engine.purge(collection, selection.clone());
                purged.await.map(OrderAnswer::Purged)
            }
            Order::Test { destination } => {
                let config = test_delivery::config_of(&self.catalog, collection).await?;
                let tested = test_delivery::test(&config, destination.as_ref(), &self.types);
                Ok(OrderAnswer::Tested(tested.await))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use conduit_core::CommandErrorKind;

    use super::*;

    #[test]
    fn orders_and_answers_read_back_from_their_json() {
        let redrive = Order::Redrive {
            selection: LetterSelection {
                destination: None,
                ids: Some(vec![7]),
            },
            include_stale: true,
        };
        let test = Order::Test {
            destination: DestinationId::new("d").ok(),
        };
        for order in [redrive, test] {
            let text = serde_json::to_string(&order).unwrap();
            assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), order);
        }
        let tested = TestedDestination {
            id: DestinationId::new("d").unwrap(),
            kind: "http".to_owned(),
            delivered: false,
            status: Some(500),
            latency_ms: Some(3.1),
            error: Some("HTTP 500".to_owned()),
        };
        for answer in [
            Ok(OrderAnswer::Purged(3)),
            Ok(OrderAnswer::Tested(vec![tested])),
            Err(CommandError::new(CommandErrorKind::AtRest, "it rests")),
        ] {
            let text = serde_json::to_string(&answer).unwrap();
            let back: Result<OrderAnswer, CommandError> = serde_json::from_str(&text).unwrap();
            assert_eq!(back, answer);
        }
    }
}

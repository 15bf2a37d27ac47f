//! Work on dead letters, as an API gives it to whoever holds the collection's lease.

use conduit_core::{CollectionName, CommandError, Handle, LetterSelection, Redriven};
use serde::{Deserialize, Serialize};

/// What is to be done. Stored as JSON on its way to another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LetterOrder {
    /// Send them again.
    Redrive {
        selection: LetterSelection,
        /// Those too whose document has had a newer record acknowledged since.
        include_stale: bool,
    },
    /// Drop them.
    Purge { selection: LetterSelection },
}

/// What it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LetterAnswer {
    /// Of a redrive.
    Redriven(Redriven),
    /// Of a purge: how many.
    Purged(u64),
}

impl LetterOrder {
    /// Has this process's engine do it. Dropping the future does not undo it.
    pub(crate) async fn carry_out(
        &self,
        engine: &Handle,
        collection: &CollectionName,
    ) -> Result<LetterAnswer, CommandError> {
        match self {
            Self::Redrive {
                selection,
                include_stale,
            } => {
                let redriven = engine.redrive(collection, selection.clone(), *include_stale);
                redriven.await.map(LetterAnswer::Redriven)
            }
            Self::Purge { selection } => {
                let purged = engine.purge(collection, selection.clone());
                purged.await.map(LetterAnswer::Purged)
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
        let order = LetterOrder::Redrive {
            selection: LetterSelection {
                destination: None,
                ids: Some(vec![7]),
            },
            include_stale: true,
        };
        let text = serde_json::to_string(&order).unwrap();
        assert_eq!(serde_json::from_str::<LetterOrder>(&text).unwrap(), order);
        for answer in [
            Ok(LetterAnswer::Purged(3)),
            Err(CommandError::new(CommandErrorKind::AtRest, "it rests")),
        ] {
            let text = serde_json::to_string(&answer).unwrap();
            let back: Result<LetterAnswer, CommandError> = serde_json::from_str(&text).unwrap();
            assert_eq!(back, answer);
        }
    }
}

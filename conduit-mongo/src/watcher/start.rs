//! Where a change stream is opened.

use bson::raw::cstr;
use bson::{RawDocumentBuf, Timestamp, rawdoc};
use conduit_core::{ClusterTime, Position};

/// Where a change stream is opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// After the change, or the moment, of a resume token.
    AfterToken(String),
    /// At the first change of this time.
    AtTime(ClusterTime),
    /// At the first change of this time that comes after a token.
    ///
    /// Unlike [`Start::AfterToken`], no stream refuses it, and unlike with [`Start::AtTime`], what is not after
    /// the token is never made an event of: it can be too large for one.
    Beyond(ClusterTime, String),
    /// At the change of this time and token, which is the only one to come.
    Only(ClusterTime, String),
}

impl Start {
    /// After `position`, for a stream of any shape.
    pub(super) fn beyond(position: &Position) -> Self {
        match position.token() {
            Some(token) => Self::Beyond(position.time(), token.to_owned()),
            None => Self::AtTime(position.time()),
        }
    }

    /// Adds the options of the stage `$changeStream`.
    pub(super) fn add_to(&self, stage: &mut RawDocumentBuf) {
        match self {
            // Unlike resumeAfter, startAfter also goes on after an invalidation (the database was dropped).
            Self::AfterToken(token) => {
                stage.append(cstr!("startAfter"), rawdoc! { "_data": token.as_str() });
            }
            Self::AtTime(time) | Self::Beyond(time, _) | Self::Only(time, _) => {
                stage.append(cstr!("startAtOperationTime"), timestamp(*time));
            }
        }
    }

    /// What an event must be besides one of the stream's collections. Tokens sort as text.
    pub(super) fn filter(&self) -> Option<RawDocumentBuf> {
        match self {
            Self::AfterToken(_) | Self::AtTime(_) => None,
            Self::Beyond(time, token) => {
                let later = rawdoc! { "clusterTime": { "$gt": timestamp(*time) } };
                let after = rawdoc! { "_id._data": { "$gt": token.as_str() } };
                Some(rawdoc! { "$or": [later, after] })
            }
            Self::Only(_, token) => Some(rawdoc! { "_id._data": token.as_str() }),
        }
    }
}

fn timestamp(time: ClusterTime) -> Timestamp {
    Timestamp {
        time: time.t,
        increment: time.i,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_after_the_token_at_its_time_is_beyond_a_position() {
        let time = ClusterTime::new(5, 1);
        let position = Position::after(time, "82AB", std::sync::Arc::default());
        let start = Start::beyond(&position);
        assert_eq!(start, Start::Beyond(time, "82AB".into()));
        let mut stage = RawDocumentBuf::new();
        start.add_to(&mut stage);
        assert_eq!(stage, rawdoc! { "startAtOperationTime": timestamp(time) });
        let filter = rawdoc! { "$or": [
            { "clusterTime": { "$gt": timestamp(time) } },
            { "_id._data": { "$gt": "82AB" } },
        ] };
        assert_eq!(start.filter(), Some(filter));
        let moment = Start::beyond(&Position::at_time(time));
        assert_eq!(moment, Start::AtTime(time));
        assert_eq!(moment.filter(), None);
    }
}

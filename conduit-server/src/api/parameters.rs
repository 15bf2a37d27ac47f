//! What stands behind the `?` of a path.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use conduit_core::{DestinationId, LetterSelection, RecordType};
use url::form_urlencoded;

use super::problem::Problem;
use crate::catalog::Faults;
use crate::tail::Wanted;

pub(super) const DEFAULT_LIMIT: usize = 100;
pub(super) const MAX_LIMIT: usize = 1000;

/// `?dry_run=true` of a creation: says what would be stored, and stores nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Create {
    pub(crate) dry_run: bool,
}

/// `?discard=true&dry_run=true` of an update.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Update {
    /// Destinations that go take their records with them.
    pub(crate) discard: bool,
    /// What would be stored is said, and nothing is.
    pub(crate) dry_run: bool,
}

/// `?keep_data=true` of a deletion: the documents stay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepData(pub(crate) bool);

/// `?limit=&cursor=` of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) limit: usize,
    /// The id of the last item that was shown before.
    pub(crate) after: Option<u64>,
}

/// No parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoParameters;

/// `?destination=ID`; all of a collection's without it.
#[derive(Clone, Debug)]
pub(crate) struct OneDestination(pub(crate) Option<String>);

/// `?event_types=INSERT,MODIFY`, `?destination=ID` or both: which records are followed.
#[derive(Clone, Debug)]
pub(crate) struct Followed(pub(crate) Wanted);

/// `?destination=ID`, `?ids=1,2` or both: which dead letters are meant.
#[derive(Clone, Debug)]
pub(crate) struct Selection(pub(crate) LetterSelection);

impl<S: Send + Sync> FromRequestParts<S> for NoParameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        read(parts.uri.query(), &[], &mut faults);
        Ok(faults.or(Self)?)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OneDestination {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let mut values = read(parts.uri.query(), &["destination"], &mut faults);
        Ok(faults.or(Self(values.remove("destination")))?)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Selection {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(read_selection(parts.uri.query())?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Followed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(read_followed(parts.uri.query())?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Create {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let [dry_run] = read_flags(parts.uri.query(), ["dry_run"])?;
        Ok(Self { dry_run })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Update {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let [discard, dry_run] = read_flags(parts.uri.query(), ["discard", "dry_run"])?;
        Ok(Self { discard, dry_run })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for KeepData {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let [keep_data] = read_flags(parts.uri.query(), ["keep_data"])?;
        Ok(Self(keep_data))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(read_page(parts.uri.query())?)
    }
}

/// Returns each parameter's value; unknown and repeated ones are faults.
fn read(query: Option<&str>, known: &[&'static str], faults: &mut Faults) -> BTreeMap<&'static str, String> {
    let mut values = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let Some(known_name) = known.iter().find(|known| **known == name) else {
            let message = match known {
                [] => "unknown query parameter; there are none here".to_owned(),
                known => format!("unknown query parameter; known here: {}", known.join(", ")),
            };
            faults.add(name, message);
            continue;
        };
        if values.insert(*known_name, value.into_owned()).is_some() {
            faults.add(*known_name, "is given more than once");
        }
    }
    values
}

fn read_flags<const N: usize>(query: Option<&str>, names: [&'static str; N]) -> Result<[bool; N], Faults> {
    let mut faults = Faults::default();
    let values = read(query, &names, &mut faults);
    let flags = names.map(|name| match values.get(name).map(String::as_str) {
        None | Some("false" | "0") => false,
        Some("true" | "1" | "") => true,
        Some(_) => {
            faults.add(name, "must be true or false");
            false
        }
    });
    faults.or(flags)
}

fn read_page(query: Option<&str>) -> Result<Page, Faults> {
    let mut faults = Faults::default();
    let values = read(query, &["limit", "cursor"], &mut faults);
    let limit = match values.get("limit").map(|text| text.parse()) {
        None => DEFAULT_LIMIT,
        Some(Ok(limit)) if (1..=MAX_LIMIT).contains(&limit) => limit,
        Some(_) => {
            faults.add("limit", format!("must be a whole number from 1 to {MAX_LIMIT}"));
            DEFAULT_LIMIT
        }
    };
    let after = match values.get("cursor").map(|text| text.parse()) {
        None => None,
        Some(Ok(after)) => Some(after),
        Some(Err(_)) => {
            faults.add("cursor", "must be the next_cursor of an earlier answer");
            None
        }
    };
    faults.or(Page { limit, after })
}

/// Reads a destination and a list, which may come as one text with commas, or one by one.
fn read_with_list(
    query: Option<&str>,
    list: &'static str,
    faults: &mut Faults,
) -> (Option<DestinationId>, Vec<String>) {
    let pairs = || form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let others = pairs().filter(|(name, _)| name != list);
    let others = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(others)
        .finish();
    let mut values = read(Some(&others), &["destination", list], faults);
    let destination = values.remove("destination").and_then(|text| {
        let id = DestinationId::new(text);
        id.map_err(|_| faults.add("destination", "is no id of a destination"))
            .ok()
    });
    let lists = pairs().filter(|(name, _)| name == list);
    (destination, lists.map(|(_, text)| text.into_owned()).collect())
}

fn read_followed(query: Option<&str>) -> Result<Wanted, Faults> {
    let mut faults = Faults::default();
    let (destination, lists) = read_with_list(query, "event_types", &mut faults);
    let types: Option<Vec<RecordType>> = lists
        .iter()
        .flat_map(|list| list.split(','))
        .map(|name| match name.trim() {
            "INSERT" => Some(RecordType::Insert),
            "MODIFY" => Some(RecordType::Modify),
            "REMOVE" | "DELETE" => Some(RecordType::Remove),
            _ => None,
        })
        .collect();
    if types.is_none() {
        faults.add(
            "event_types",
            "must be of INSERT, MODIFY and REMOVE, such as INSERT,MODIFY",
        );
    }
    let event_types = types.filter(|types| !types.is_empty());
    faults.or(Wanted {
        destination,
        event_types,
    })
}

fn read_selection(query: Option<&str>) -> Result<LetterSelection, Faults> {
    let mut faults = Faults::default();
    let (destination, lists) = read_with_list(query, "ids", &mut faults);
    let ids: Result<Vec<u64>, _> = lists
        .iter()
        .flat_map(|list| list.split(','))
        .map(|id| id.trim().parse())
        .collect();
    let ids = match (lists.is_empty(), ids) {
        (true, _) => None,
        (false, Ok(ids)) => Some(ids),
        (false, Err(_)) => {
            faults.add("ids", "must be ids of dead letters, such as 1,2");
            None
        }
    };
    faults.or(LetterSelection { destination, ids })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places<T: std::fmt::Debug>(read: Result<T, Faults>) -> Vec<String> {
        read.unwrap_err().places()
    }

    #[test]
    fn a_flag_is_true_false_or_left_out() {
        for (query, wanted) in [
            (None, false),
            (Some(""), false),
            (Some("discard"), true),
            (Some("discard=1"), true),
            (Some("discard=true"), true),
            (Some("discard=false"), false),
            (Some("%64iscard=0"), false),
        ] {
            assert_eq!(read_flags(query, ["discard"]), Ok([wanted]), "{query:?}");
        }
        assert_eq!(
            places(read_flags(Some("discard=maybe"), ["discard"])),
            ["discard"]
        );
    }

    #[test]
    fn unknown_and_repeated_parameters_are_faults_that_name_them() {
        assert_eq!(
            places(read_flags(Some("Discard=true&odd"), ["discard"])),
            ["Discard", "odd"]
        );
        assert_eq!(
            places(read_flags(Some("discard=true&discard=true"), ["discard"])),
            ["discard"]
        );
        assert_eq!(
            places(read_page(Some("limit=0&cursor=x&page=2"))),
            ["page", "limit", "cursor"]
        );
        assert_eq!(places(read_page(Some("limit=%ff"))), ["limit"]);
    }

    #[test]
    fn a_page_has_a_limit_and_a_place_to_go_on() {
        let (limit, after) = (DEFAULT_LIMIT, None);
        assert_eq!(read_page(None), Ok(Page { limit, after }));
        let (limit, after) = (1000, Some(7));
        assert_eq!(read_page(Some("cursor=7&limit=1000")), Ok(Page { limit, after }));
    }

    #[test]
    fn records_are_followed_by_destination_and_types_listed_or_repeated() {
        let followed = |query| read_followed(query).unwrap();
        assert_eq!(followed(None), Wanted::default());
        assert_eq!(
            followed(Some("event_types=INSERT,DELETE&destination=d&event_types=MODIFY")),
            Wanted {
                destination: DestinationId::new("d").ok(),
                event_types: Some(vec![RecordType::Insert, RecordType::Remove, RecordType::Modify]),
            }
        );
        assert_eq!(places(read_followed(Some("event_types=insert"))), ["event_types"]);
        assert_eq!(
            places(read_followed(Some("destination=A+b&event_types=&types=INSERT"))),
            ["types", "destination", "event_types"]
        );
    }

    #[test]
    fn dead_letters_are_selected_by_destination_and_ids_listed_or_repeated() {
        let selection = |query| read_selection(query).unwrap();
        assert_eq!(selection(None), LetterSelection::default());
        assert_eq!(
            selection(Some("ids=1,2&ids=7&destination=d")),
            LetterSelection {
                destination: DestinationId::new("d").ok(),
                ids: Some(vec![1, 2, 7]),
            }
        );
        assert_eq!(places(read_selection(Some("ids=1,x"))), ["ids"]);
        assert_eq!(places(read_selection(Some("ids="))), ["ids"]);
        assert_eq!(
            places(read_selection(Some("destination=a&destination=b&id=3"))),
            ["destination", "id"]
        );
    }
}

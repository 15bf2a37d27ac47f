//! Which changes make a collection be as it is wanted, in the order in which they are made.

use bson::{Document, doc};
use conduit_core::CollectionName;

use super::error::{AdminError, AdminErrorKind, AdminField};
use super::index::{Index, KEY_INDEX, TTL_INDEX};
use super::layout::{CollectionLayout, StoredImages};
use super::step::Step;

/// What is known of a collection that is there.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Found {
    stores_images: bool,
    is_capped: bool,
    indexes: Vec<Index>,
}

impl Found {
    /// Takes over what `listCollections` and `listIndexes` tell.
    pub(super) fn new(info: &Document, indexes: Vec<Index>) -> Self {
        let options = info.get_document("options").ok();
        let images = options.and_then(|options| options.get_document("changeStreamPreAndPostImages").ok());
        Self {
            stores_images: images.is_some_and(|images| images.get_bool("enabled").unwrap_or(false)),
            is_capped: options.is_some_and(|options| options.get_bool("capped").unwrap_or(false)),
            indexes,
        }
    }

    /// A collection that was just created for `layout`.
    pub(super) fn created(layout: &CollectionLayout) -> Self {
        Self {
            stores_images: layout.images == StoredImages::On,
            is_capped: false,
            indexes: Index::of(&doc! { "name": "_id_", "key": { "_id": 1 } })
                .into_iter()
                .collect(),
        }
    }
}

/// Plans the changes that are left to make, or says what stands against them.
///
/// What is likely to fail, and what costs little to undo, comes first; what only drops comes last.
pub(super) fn plan(layout: &CollectionLayout, found: &Found) -> Result<Vec<Step>, AdminError> {
    let (mut made, mut replaced, mut dropped) = (Vec::new(), Vec::new(), Vec::new());
    let indexes = [
        (KEY_INDEX, AdminField::Key, Index::key(layout)),
        (TTL_INDEX, AdminField::TimeToLive, Index::ttl(layout)),
    ];
    for (name, field, wanted) in indexes {
        let own = found.indexes.iter().find(|index| index.name() == name);
        if let (Some(own), Some(wanted)) = (own, &wanted)
            && own.is_as(wanted)
        {
            continue;
        }
        let others = || found.indexes.iter().filter(|index| !index.is_own());
        let wanted = wanted.filter(|wanted| !others().any(|other| other.serves_as(wanted)));
        match (own, wanted) {
            (None, None) => {}
            (Some(own), None) => dropped.push(Step::DropIndex(own.clone())),
            (own, Some(wanted)) => {
                if field == AdminField::TimeToLive && found.is_capped {
                    return Err(capped(&layout.name));
                }
                if let Some(other) = others().find(|other| other.rules_out(&wanted)) {
                    return Err(conflict(&layout.name, &wanted, other).about(field));
                }
                match own {
                    None => made.push(Step::MakeIndex(wanted)),
                    Some(own) => {
                        replaced.push(Step::DropIndex(own.clone()));
                        replaced.push(Step::MakeIndex(wanted));
                    }
                }
            }
        }
    }
    let images = match layout.images {
        StoredImages::Keep => None,
        StoredImages::On => Some(true),
        StoredImages::Off => Some(false),
    };
    let images = images.filter(|&wanted| wanted != found.stores_images);
    made.extend(images.map(Step::StoreImages));
    made.append(&mut replaced);
    made.append(&mut dropped);
    Ok(made)
}

fn capped(name: &CollectionName) -> AdminError {
    let message = format!("{name} is a capped collection, whose documents cannot expire");
    AdminError::new(AdminErrorKind::NotSupported, message).about(AdminField::TimeToLive)
}

fn conflict(name: &CollectionName, wanted: &Index, other: &Index) -> AdminError {
    let message = format!(
        "cannot make the index {} of {name} over {}: the index {} of these fields exists with other options",
        wanted.name(),
        wanted.fields().join(", "),
        other.name(),
    );
    AdminError::new(AdminErrorKind::Conflict, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> CollectionLayout {
        CollectionLayout {
            key_fields: vec!["id".to_owned()],
            ttl_attribute: Some("expires".to_owned()),
            images: StoredImages::On,
            ..CollectionLayout::new(CollectionName::new("users").unwrap())
        }
    }

    fn planned(layout: &CollectionLayout, options: Document, indexes: &[Document]) -> Vec<String> {
        let indexes = indexes.iter().filter_map(Index::of).collect();
        let found = Found::new(&doc! { "options": options }, indexes);
        match plan(layout, &found) {
            Ok(steps) => steps.iter().map(|step| step.describe(&layout.name)).collect(),
            Err(error) => vec![format!("{:?} {:?}", error.kind(), error.field().unwrap())],
        }
    }

    #[test]
    fn what_can_fail_comes_first_and_what_drops_last() {
        let ttl = |field: &str| doc! { "name": TTL_INDEX, "key": { field: 1 }, "expireAfterSeconds": 0 };
        assert_eq!(
            planned(&layout(), doc! {}, &[ttl("other")]),
            [
                "make the index conduit_key of users over id",
                "turn on stored images of users",
                "drop the index conduit_ttl of users",
                "make the index conduit_ttl of users over expires",
            ]
        );
        let plain = CollectionLayout::new(layout().name);
        assert_eq!(
            planned(&plain, doc! {}, &[ttl("other")]),
            ["drop the index conduit_ttl of users"]
        );
    }

    #[test]
    fn what_cannot_be_is_seen_before_anything_is_done() {
        let plain = doc! { "name": "mine", "key": { "expires": 1 } };
        assert_eq!(planned(&layout(), doc! {}, &[plain]), ["Conflict TimeToLive"]);
        assert_eq!(
            planned(&layout(), doc! { "capped": true }, &[]),
            ["NotSupported TimeToLive"]
        );
    }

    #[test]
    fn an_index_of_documents_that_have_it_stands_against_nothing() {
        let partial = doc! { "name": "mine", "key": { "expires": 1 }, "partialFilterExpression": { "a": 1 } };
        assert_eq!(planned(&layout(), doc! {}, &[partial]).len(), 3);
    }
}

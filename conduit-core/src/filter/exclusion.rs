//! Reads `anything-but`.

use serde_json::value::RawValue;

use super::case::{AnyCase, Side};
use super::json::Json;
use super::leaf::Leaf;
use super::matcher::Matcher;
use super::number::comparable;
use super::operator::{NOT_COMPARABLE, only_member, read_wildcard, string};
use super::parse::Faults;

/// Reads what `anything-but` takes; `shown` becomes the name of the operator for people.
pub(super) fn read_anything_but(
    raw: &RawValue,
    place: &str,
    shown: &mut String,
    faults: &mut Faults,
) -> Option<Matcher> {
    let mut but = Leaf::default();
    match faults.read(raw, place)? {
        Json::Object(members) => {
            let (inner, raw) = only_member(&members, place, faults)?;
            let place = format!("{place}.{inner}");
            if !matches!(inner, "prefix" | "suffix" | "equals-ignore-case" | "wildcard") {
                let cure = "it takes prefix, suffix, equals-ignore-case and wildcard, or values";
                faults.add(&place, format!("anything-but does not take this: {cure}"));
                return None;
            }
            *shown = format!("anything-but {inner}");
            for (place, text) in strings(raw, &place, faults)? {
                but.add(read_excluded(inner, text, &place, faults)?);
            }
        }
        Json::Array(elements) => {
            let mut is_text = None;
            for (index, raw) in elements.iter().enumerate() {
                let place = format!("{place}[{index}]");
                let json = faults.read(raw, &place)?;
                let is_string = matches!(json, Json::String(_));
                if *is_text.get_or_insert(is_string) != is_string {
                    faults.add(
                        &place,
                        "anything-but takes only strings or only numbers in one list",
                    );
                    return None;
                }
                add_excluded(&mut but, json, &place, faults)?;
            }
            if elements.is_empty() {
                faults.add(
                    place,
                    "an empty list excludes nothing: name at least one string or number",
                );
                return None;
            }
        }
        json => add_excluded(&mut but, json, place, faults)?,
    }
    Some(Matcher::AnythingBut(but))
}

fn add_excluded(but: &mut Leaf, json: Json<'_>, place: &str, faults: &mut Faults) -> Option<()> {
    match json {
        Json::String(text) => but.add_string(text),
        Json::Number(text) => match comparable(text.as_bytes()) {
            Some(number) => but.add(Matcher::Number(number)),
            None => {
                faults.add(place, format!("{text} {NOT_COMPARABLE}"));
                return None;
            }
        },
        other => {
            faults.add(
                place,
                format!("anything-but takes strings and numbers, not {}", other.kind()),
            );
            return None;
        }
    }
    Some(())
}

fn read_excluded(operator: &str, text: String, place: &str, faults: &mut Faults) -> Option<Matcher> {
    match operator {
        "prefix" | "suffix" if text.is_empty() => {
            let cure = "every string has it, so nothing would match";
            faults.add(place, format!("an empty {operator} within anything-but: {cure}"));
            None
        }
        "prefix" => Some(Matcher::Prefix(text.into())),
        "suffix" => Some(Matcher::Suffix(text.into())),
        "wildcard" => read_wildcard(&text, place, faults),
        _ => Some(Matcher::AnyCase(Side::Whole, AnyCase::new(&text))),
    }
}

/// A string, or a list of at least one string, each with its place.
fn strings(raw: &RawValue, place: &str, faults: &mut Faults) -> Option<Vec<(String, String)>> {
    match faults.read(raw, place)? {
        Json::String(text) => Some(vec![(place.to_owned(), text)]),
        Json::Array(elements) if !elements.is_empty() => {
            let places = (0..elements.len()).map(|index| format!("{place}[{index}]"));
            places
                .zip(elements)
                .map(|(place, raw)| string(raw, &place, faults).map(|text| (place, text)))
                .collect()
        }
        other => {
            let kind = other.kind();
            faults.add(
                place,
                format!("must be a string or a list of at least one string, not {kind}"),
            );
            None
        }
    }
}

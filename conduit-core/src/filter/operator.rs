//! Reads the list of matchers of a field.

use serde_json::value::RawValue;

use super::address::{Address, Block};
use super::case::{AnyCase, Side};
use super::exclusion::read_anything_but;
use super::json::Json;
use super::leaf::Leaf;
use super::matcher::Matcher;
use super::number::{Bound, NumberRange, comparable};
use super::parse::Faults;
use super::wildcard::Wildcard;

const OPERATORS: &str =
    "prefix, suffix, equals-ignore-case, wildcard, exactly, anything-but, numeric, exists, cidr";
pub(super) const NOT_COMPARABLE: &str = "has more digits than a 64-bit float, or is out of its range: only numbers that a float has exactly are compared";

/// Reads a field's list: the leaf, and the names of its operators for people. None after a fault.
pub(super) fn read_leaf(elements: &[&RawValue], place: &str, faults: &mut Faults) -> Option<(Leaf, String)> {
    let mut leaf = Leaf::default();
    let mut names: Vec<String> = Vec::new();
    if elements.is_empty() {
        faults.add(
            place,
            "an empty list matches nothing: list at least one value or operator",
        );
        return None;
    }
    let before = faults.count();
    for (index, raw) in elements.iter().enumerate() {
        let place = format!("{place}[{index}]");
        let Some(json) = faults.read(raw, &place) else {
            continue;
        };
        let name = match json {
            Json::Object(members) => match read_operator(&members, &place, &mut leaf, faults) {
                Some(name) => name,
                None => continue,
            },
            Json::Array(_) => {
                faults.add(
                    &place,
                    "a list within a list: write its values into the outer list",
                );
                continue;
            }
            literal => {
                add_literal(&mut leaf, literal);
                "equals".to_owned()
            }
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    (faults.count() == before).then(|| (leaf, names.join(" or ")))
}

fn add_literal(leaf: &mut Leaf, literal: Json<'_>) {
    match literal {
        Json::String(text) => match Address::of(text.as_bytes()) {
            Some(address) => leaf.add(Matcher::Address(address)),
            None => leaf.add_string(text),
        },
        Json::Number(text) => leaf.add(match comparable(text.as_bytes()) {
            Some(number) => Matcher::Number(number),
            None => Matcher::NumberText(text.into()),
        }),
        Json::True => leaf.add(Matcher::True),
        Json::False => leaf.add(Matcher::False),
        _ => leaf.add(Matcher::Null),
    }
}

/// The one member of an operator's object.
pub(super) fn only_member<'a>(
    members: &'a [(String, &'a RawValue)],
    place: &str,
    faults: &mut Faults,
) -> Option<(&'a str, &'a RawValue)> {
    match members {
        [(name, value)] => Some((name, value)),
        [] => {
            faults.add(
                place,
                format!("an empty object is no operator: name one of {OPERATORS}"),
            );
            None
        }
        _ => {
            let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
            let names = names.join(", ");
            let cure = "an operator's object has one name: write an object for each";
            faults.add(place, format!("{cure}, or nest fields without a list ({names})"));
            None
        }
    }
}

/// Reads an operator into `leaf`; returns its name.
fn read_operator(
    members: &[(String, &RawValue)],
    place: &str,
    leaf: &mut Leaf,
    faults: &mut Faults,
) -> Option<String> {
    let (name, raw) = only_member(members, place, faults)?;
    let place = format!("{place}.{name}");
    let mut shown = name.to_owned();
    match name {
        "exists" => match faults.read(raw, &place)? {
            Json::True => leaf.add(Matcher::Present),
            Json::False => leaf.add_absence(),
            other => {
                faults.add(
                    &place,
                    format!("must be true or false, without quotes, not {}", other.kind()),
                );
                return None;
            }
        },
        "exactly" => leaf.add_string(string(raw, &place, faults)?),
        "prefix" | "suffix" => leaf.add(read_affix(name, raw, &place, &mut shown, faults)?),
        "equals-ignore-case" => {
            leaf.add(Matcher::AnyCase(
                Side::Whole,
                AnyCase::new(&string(raw, &place, faults)?),
            ));
        }
        "wildcard" => leaf.add(read_wildcard(&string(raw, &place, faults)?, &place, faults)?),
        "cidr" => leaf.add(read_cidr(&string(raw, &place, faults)?, &place, faults)?),
        "numeric" => leaf.add(read_numeric(raw, &place, faults)?),
        "anything-but" => leaf.add(read_anything_but(raw, &place, &mut shown, faults)?),
        _ => {
            faults.add(&place, format!("no such operator: the operators are {OPERATORS}"));
            return None;
        }
    }
    Some(shown)
}

pub(super) fn string(raw: &RawValue, place: &str, faults: &mut Faults) -> Option<String> {
    match faults.read(raw, place)? {
        Json::String(text) => Some(text),
        other => {
            faults.add(place, format!("must be a string, not {}", other.kind()));
            None
        }
    }
}

/// Reads what `prefix` and `suffix` take: a string, or one compared without regard to case.
fn read_affix(
    name: &str,
    raw: &RawValue,
    place: &str,
    shown: &mut String,
    faults: &mut Faults,
) -> Option<Matcher> {
    let is_prefix = name == "prefix";
    match faults.read(raw, place)? {
        Json::String(text) if is_prefix => Some(Matcher::Prefix(text.into())),
        Json::String(text) => Some(Matcher::Suffix(text.into())),
        Json::Object(members) => {
            if let [(inner, text)] = members.as_slice()
                && inner == "equals-ignore-case"
            {
                *shown = format!("{name} {inner}");
                let text = string(text, &format!("{place}.{inner}"), faults)?;
                let side = if is_prefix { Side::Start } else { Side::End };
                return Some(Matcher::AnyCase(side, AnyCase::new(&text)));
            }
            faults.add(place, r#"must be a string, or {"equals-ignore-case": string}"#);
            None
        }
        other => {
            let cure = "write an operator's object for each string";
            let kind = other.kind();
            faults.add(
                place,
                format!("must be a string or {{\"equals-ignore-case\": string}}, not {kind}: {cure}"),
            );
            None
        }
    }
}

pub(super) fn read_wildcard(text: &str, place: &str, faults: &mut Faults) -> Option<Matcher> {
    match Wildcard::parse(text) {
        Ok(wildcard) => Some(Matcher::Wildcard(wildcard)),
        Err(message) => {
            faults.add(place, message);
            None
        }
    }
}

fn read_cidr(text: &str, place: &str, faults: &mut Faults) -> Option<Matcher> {
    let parts = text.split_once('/');
    let Some((address, bits)) = parts else {
        faults.add(
            place,
            "must be an address, a slash and the number of bits, as in \"10.0.0.0/8\"",
        );
        return None;
    };
    let Some(address) = Address::of(address.as_bytes()) else {
        faults.add(place, "what stands before the slash is no IPv4 or IPv6 address");
        return None;
    };
    let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits = if is_number { bits.parse().ok() } else { None };
    match bits.and_then(|bits| Block::new(address, bits)) {
        Some(block) => Some(Matcher::Block(block)),
        None => {
            let most = address.bits() - 1;
            let cure = "write a single address as a plain string";
            faults.add(
                place,
                format!("after the slash there must be a number of bits from 0 to {most}: {cure}"),
            );
            None
        }
    }
}

/// Reads the number at `index` of a `numeric` list.
fn number(element: Option<&&RawValue>, operator: &str, place: &str, faults: &mut Faults) -> Option<f64> {
    let json = element.and_then(|raw| faults.read(raw, place));
    let Some(Json::Number(text)) = json else {
        faults.add(place, format!("`{operator}` must be followed by a number"));
        return None;
    };
    let number = comparable(text.as_bytes());
    if number.is_none() {
        faults.add(place, format!("{text} {NOT_COMPARABLE}"));
    }
    number
}

fn read_numeric(raw: &RawValue, place: &str, faults: &mut Faults) -> Option<Matcher> {
    const FORM: &str = r#"["=", n], ["<", n], ["<=", n], [">", n], [">=", n], or a lower and then an upper bound, as in [">", 0, "<=", 5]"#;
    let elements = match faults.read(raw, place)? {
        Json::Array(elements) => elements,
        other => {
            faults.add(place, format!("must be a list, not {}: {FORM}", other.kind()));
            return None;
        }
    };
    let mut operators = Vec::new();
    for element in elements.iter().step_by(2) {
        match faults.read(element, place)? {
            Json::String(operator) => operators.push(operator),
            other => {
                faults.add(
                    place,
                    format!("has {} where an operator is expected: {FORM}", other.kind()),
                );
                return None;
            }
        }
    }
    let operators: Vec<&str> = operators.iter().map(String::as_str).collect();
    let value = |at: usize, faults: &mut Faults| number(elements.get(at), operators[at / 2], place, faults);
    let is_low = |operator: &str| matches!(operator, ">" | ">=");
    let is_high = |operator: &str| matches!(operator, "<" | "<=");
    let bound = |operator: &str, value| Bound {
        value,
        is_included: operator.ends_with('='),
    };
    match operators.as_slice() {
        ["="] => value(1, faults).map(Matcher::Number),
        [low] if is_low(low) => {
            let low = Some(bound(low, value(1, faults)?));
            Some(Matcher::Range(NumberRange { low, high: None }))
        }
        [high] if is_high(high) => {
            let high = Some(bound(high, value(1, faults)?));
            Some(Matcher::Range(NumberRange { low: None, high }))
        }
        [low, high] if is_low(low) && is_high(high) => {
            let (low, high) = (bound(low, value(1, faults)?), bound(high, value(3, faults)?));
            if low.value >= high.value {
                faults.add(place, "the lower bound must be less than the upper one");
                return None;
            }
            Some(Matcher::Range(NumberRange {
                low: Some(low),
                high: Some(high),
            }))
        }
        _ => {
            faults.add(place, format!("must be {FORM}"));
            None
        }
    }
}

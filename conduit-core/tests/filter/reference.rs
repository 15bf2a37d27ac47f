//! The language once more: slow, on trees, with nothing clever. All choices of values are tried.

use std::net::Ipv4Addr;

use serde_json::Value;

/// A value that is no object and no array: its path, the value, and of which elements of which arrays it is part.
struct Occurrence<'a> {
    path: Vec<String>,
    value: &'a Value,
    elements: Vec<(usize, usize)>,
}

fn occurrences<'a>(
    value: &'a Value,
    path: &[String],
    elements: &[(usize, usize)],
    arrays: &mut usize,
    all: &mut Vec<Occurrence<'a>>,
) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path: Vec<String> = path
                    .iter()
                    .cloned()
                    .chain(name.split('.').map(str::to_owned))
                    .collect();
                occurrences(value, &path, elements, arrays, all);
            }
        }
        Value::Array(array) => {
            let number = *arrays;
            *arrays += 1;
            for (index, value) in array.iter().enumerate() {
                let mut elements = elements.to_vec();
                if value.is_object() || value.is_array() {
                    elements.push((number, index));
                }
                occurrences(value, path, &elements, arrays, all);
            }
        }
        value => all.push(Occurrence {
            path: path.to_vec(),
            value,
            elements: elements.to_vec(),
        }),
    }
}

type Rule<'a> = Vec<(Vec<String>, &'a [Value])>;

fn rules<'a>(conditions: &'a Value, path: &[String], mut rules: Vec<Rule<'a>>) -> Vec<Rule<'a>> {
    for (name, condition) in conditions.as_object().unwrap() {
        if name == "$or" {
            let alternatives = condition.as_array().unwrap().iter();
            rules = alternatives
                .flat_map(|alternative| self::rules(alternative, path, rules.clone()))
                .collect();
            continue;
        }
        let path: Vec<String> = path
            .iter()
            .cloned()
            .chain(name.split('.').map(str::to_owned))
            .collect();
        match condition {
            Value::Array(matchers) => {
                for rule in &mut rules {
                    rule.retain(|(known, _)| *known != path);
                    rule.push((path.clone(), matchers));
                }
            }
            inner => rules = self::rules(inner, &path, rules),
        }
    }
    rules
}

/// Whether a document matches what a pattern says of it.
pub(crate) fn matches(conditions: &Value, document: &Value) -> bool {
    let mut all = Vec::new();
    occurrences(document, &[], &[], &mut 0, &mut all);
    rules(conditions, &[], vec![Rule::new()])
        .iter()
        .any(|rule| choose(rule, &all, &[]))
}

/// Whether values can be chosen for all of `rule` that are of the same elements as those chosen already.
fn choose(rule: &[(Vec<String>, &[Value])], all: &[Occurrence<'_>], chosen: &[(usize, usize)]) -> bool {
    let [(path, matchers), rest @ ..] = rule else {
        return true;
    };
    let mut there = all
        .iter()
        .filter(|occurrence| occurrence.path == *path)
        .peekable();
    let may_be_absent = matchers
        .iter()
        .any(|matcher| matcher["exists"] == Value::Bool(false));
    if there.peek().is_none() {
        return may_be_absent && choose(rest, all, chosen);
    }
    there.any(|occurrence| {
        let is_consistent = occurrence
            .elements
            .iter()
            .all(|(array, index)| chosen.iter().all(|(other, at)| other != array || at == index));
        let elements: Vec<(usize, usize)> = chosen.iter().chain(&occurrence.elements).copied().collect();
        is_consistent
            && matchers.iter().any(|matcher| is_match(matcher, occurrence.value))
            && choose(rest, all, &elements)
    })
}

fn is_match(matcher: &Value, value: &Value) -> bool {
    let Value::Object(operator) = matcher else {
        return match (address(matcher), address(value)) {
            (Some(ours), theirs) => Some(ours) == theirs,
            _ => is_equal(matcher, value),
        };
    };
    let (operator, argument) = operator.iter().next().unwrap();
    let text = value.as_str();
    match operator.as_str() {
        "exists" => *argument == Value::Bool(true),
        "exactly" => argument == value,
        "equals-ignore-case" => text.is_some_and(|text| text.to_lowercase() == lower(argument)),
        "prefix" if argument.is_object() => text.is_some_and(|text| {
            text.to_lowercase()
                .starts_with(&lower(&argument["equals-ignore-case"]))
        }),
        "suffix" if argument.is_object() => text.is_some_and(|text| {
            text.to_lowercase()
                .ends_with(&lower(&argument["equals-ignore-case"]))
        }),
        "prefix" => text.is_some_and(|text| text.starts_with(argument.as_str().unwrap())),
        "suffix" => text.is_some_and(|text| text.ends_with(argument.as_str().unwrap())),
        "wildcard" => {
            text.is_some_and(|text| is_wild(argument.as_str().unwrap().as_bytes(), text.as_bytes()))
        }
        "numeric" => value.as_f64().is_some_and(|number| is_in_range(argument, number)),
        "cidr" => address(value).is_some_and(|address| address.starts_with("10.0.0.")),
        "anything-but" => match argument {
            Value::Object(_) => !is_match(argument, value),
            Value::Array(excluded) => !excluded.iter().any(|excluded| is_equal(excluded, value)),
            excluded => !is_equal(excluded, value),
        },
        other => panic!("{other}"),
    }
}

fn is_equal(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

fn lower(value: &Value) -> String {
    value.as_str().unwrap().to_lowercase()
}

fn is_in_range(bounds: &Value, number: f64) -> bool {
    bounds.as_array().unwrap().chunks(2).all(|bound| {
        let limit = bound[1].as_f64().unwrap();
        match bound[0].as_str().unwrap() {
            ">" => number > limit,
            ">=" => number >= limit,
            "<" => number < limit,
            "<=" => number <= limit,
            other => panic!("{other}"),
        }
    })
}

fn is_wild(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|skipped| is_wild(rest, &text[skipped..])),
        [first, rest @ ..] => text.first() == Some(first) && is_wild(rest, &text[1..]),
    }
}

/// An address in one spelling.
fn address(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    if text.contains(':') {
        return text
            .parse::<std::net::Ipv6Addr>()
            .ok()
            .map(|address| address.to_string());
    }
    let parts: Option<Vec<u8>> = text.split('.').map(|part| part.parse().ok()).collect();
    let parts: [u8; 4] = parts?.try_into().ok()?;
    Some(Ipv4Addr::from(parts).to_string())
}

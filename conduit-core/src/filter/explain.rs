//! Why a record matches or does not.

use serde::Serialize;
use serde_json::Value;

use super::expand::Rule;
use super::parse::{Field, Image};
use super::scan::is_json;
use super::tree::Tree;

/// How many values are shown of a path that leads through arrays.
const MAX_FOUND: usize = 20;

/// What became of one field of a pattern.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The field, as in `new_image.total`.
    pub path: String,
    /// The operator, as in `numeric` or `anything-but prefix`, `equals` for plain values; several are joined by `or`.
    pub operator: String,
    /// Whether the field is as it should be.
    pub matched: bool,
    /// What the record has there, null if nothing. Through arrays, what their elements have: at most 20 values.
    pub found: Option<Value>,
}

pub(super) fn explain(
    fields: &[Field],
    rules: &[Rule],
    shown: &[usize],
    matches: bool,
    new_image: Option<&[u8]>,
    old_image: Option<&[u8]>,
) -> Vec<Explanation> {
    let is_met = |rule: Rule| Tree::<[u64; 4]>::new(&[rule], fields).matches(new_image, old_image);
    // What is no JSON matches nothing, also where only another image is asked about.
    let is_asked = |image: Image| shown.iter().any(|&field| fields[field].image == image);
    let is_sound = |image: Image, bytes: Option<&[u8]>| !is_asked(image) || bytes.is_none_or(is_json);
    let is_sound = is_sound(Image::New, new_image) && is_sound(Image::Old, old_image);
    let mut matched: Vec<bool> = (0..fields.len())
        .map(|field| is_sound && shown.contains(&field) && is_met(vec![field]))
        .collect();
    if !matches {
        // Each by itself, all fields of a rule may match: then those are to blame that do not match together.
        for rule in rules {
            if !rule.iter().all(|&field| matched[field]) {
                continue;
            }
            let mut together = Rule::new();
            for &field in rule {
                together.push(field);
                if !is_met(together.clone()) {
                    together.pop();
                    matched[field] = false;
                }
            }
        }
    }
    let read = |image: Option<&[u8]>| -> Option<Value> { serde_json::from_slice(image?).ok() };
    let (new_image, old_image) = (read(new_image), read(old_image));
    let explanation = |&number: &usize| {
        let field = &fields[number];
        let image = match field.image {
            Image::New => &new_image,
            Image::Old => &old_image,
        };
        Explanation {
            path: field.path.clone(),
            operator: field.operators.clone(),
            matched: matched[number],
            found: image.as_ref().and_then(|image| found(image, &field.names)),
        }
    };
    shown.iter().map(explanation).collect()
}

/// What there is at a path.
fn found(value: &Value, names: &[Box<str>]) -> Option<Value> {
    let (mut all, mut is_many) = (Vec::new(), false);
    collect(value, names, &mut all, &mut is_many);
    if is_many || all.len() > 1 {
        return (!all.is_empty()).then(|| Value::from(all));
    }
    all.pop()
}

fn collect(value: &Value, names: &[Box<str>], all: &mut Vec<Value>, is_many: &mut bool) {
    if all.len() >= MAX_FOUND {
        return;
    }
    match value {
        _ if names.is_empty() => all.push(value.clone()),
        Value::Array(elements) => {
            *is_many = true;
            elements
                .iter()
                .for_each(|element| collect(element, names, all, is_many));
        }
        Value::Object(members) => {
            // A member's name can have dots, and so be several names of the path.
            for count in 1..=names.len() {
                if let Some(inner) = members.get(&names[..count].join(".")) {
                    collect(inner, &names[count..], all, is_many);
                }
            }
        }
        _ => {}
    }
}

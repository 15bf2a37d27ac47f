//! A document, with the lines that its parts stand on.

use serde_json::Value;

/// A part of a document.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Node {
    /// From 1.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

/// What a part is, as JSON has it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    /// As it is written: filters look at the text of numbers.
    Number(String),
    Text(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Writes it as JSON.
    pub(crate) fn to_json(&self) -> String {
        let mut json = String::new();
        self.write(&mut json);
        json
    }

    fn write(&self, json: &mut String) {
        match &self.kind {
            Kind::Null => json.push_str("null"),
            Kind::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
            Kind::Number(text) => json.push_str(text),
            Kind::Text(text) => json.push_str(&quoted(text)),
            Kind::Array(items) => {
                json.push('[');
                for (index, item) in items.iter().enumerate() {
                    json.push_str(if index == 0 { "" } else { "," });
                    item.write(json);
                }
                json.push(']');
            }
            Kind::Object(members) => {
                json.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    json.push_str(if index == 0 { "" } else { "," });
                    json.push_str(&quoted(name));
                    json.push(':');
                    value.write(json);
                }
                json.push('}');
            }
        }
    }

    /// Finds a member of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Object(members) => members
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, node)| node),
            _ => None,
        }
    }

    /// Returns the line on which a field stands that is named as faults name it, such as `destinations[0].endpoint`: that of
    /// the nearest part around it if it is missing.
    pub(crate) fn line_of(&self, field: &str) -> usize {
        let mut node = self;
        let mut rest = field;
        while !rest.is_empty() {
            let (found, after) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                Some((index, after)) => (node.item(index), after),
                None => {
                    let end = rest.find(['.', '[']).unwrap_or(rest.len());
                    let (name, after) = rest.split_at(end);
                    (node.get(name), after)
                }
            };
            let Some(found) = found else { break };
            node = found;
            rest = after.strip_prefix('.').unwrap_or(after);
        }
        node.line
    }

    fn item(&self, index: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Array(items) => items.get(index.parse::<usize>().ok()?),
            _ => None,
        }
    }
}

/// A text as JSON has it, which is also how YAML has it.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

//! One field of a type of destinations.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::settings::MASK;
use super::stored_secret::{RESERVED_PREFIX, StoredSecret, has_reserved_name};
use crate::catalog::{Fields, kind_of, parse_duration, show_duration, whole_number};
use crate::secrets::SecretReference;

/// A field that destinations of a type have: its name, what it holds, and what it is when left out.
///
/// ```
/// use std::time::Duration;
/// use conduit_server::Field;
///
/// let fields = vec![
///     Field::address("address").required(),
///     Field::text("subject").or("changes"),
///     Field::secret("token"),
///     Field::duration("timeout", Duration::from_millis(1)..=Duration::from_secs(300)).or("30s"),
/// ];
/// ```
#[derive(Clone, Debug)]
pub struct Field {
    name: &'static str,
    shape: Shape,
    is_required: bool,
    default: Value,
    example: Option<&'static str>,
}

#[derive(Clone, Debug)]
enum Shape {
    Text,
    Url,
    Address,
    Object,
    Integer(RangeInclusive<u64>),
    Duration(RangeInclusive<Duration>),
    Secret,
    Secrets { most: usize },
    SecretMap,
    Group(Vec<Field>),
}

impl Field {
    fn new(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            shape,
            is_required: false,
            default: Value::Null,
            example: None,
        }
    }

    /// Text that is not empty.
    #[must_use]
    pub fn text(name: &'static str) -> Self {
        Self::new(name, Shape::Text)
    }

    /// An http or https URL without user info or fragment.
    #[must_use]
    pub fn url(name: &'static str) -> Self {
        Self::new(name, Shape::Url)
    }

    /// A host and a port, such as `logs:9999` or `[::1]:9999`. As with a URL, addresses at which clouds serve a machine's
    /// metadata are refused.
    #[must_use]
    pub fn address(name: &'static str) -> Self {
        Self::new(name, Shape::Address)
    }

    /// A JSON object, taken as it is. No name in it may begin with `conduit:`.
    #[must_use]
    pub fn object(name: &'static str) -> Self {
        Self::new(name, Shape::Object)
    }

    /// A whole number in a range.
    #[must_use]
    pub fn integer(name: &'static str, range: RangeInclusive<u64>) -> Self {
        Self::new(name, Shape::Integer(range))
    }

    /// A duration, such as `"30s"`, in a range.
    #[must_use]
    pub fn duration(name: &'static str, range: RangeInclusive<Duration>) -> Self {
        Self::new(name, Shape::Duration(range))
    }

    /// A secret: never shown again. It may also be given as `{"env": "CONDUIT_DEST_…"}` or `{"file": "NAME"}`, as those of
    /// the other kinds: the sink gets what is there.
    #[must_use]
    pub fn secret(name: &'static str) -> Self {
        Self::new(name, Shape::Secret)
    }

    /// One secret, or an array of at most `most`.
    #[must_use]
    pub fn secrets(name: &'static str, most: usize) -> Self {
        Self::new(name, Shape::Secrets { most })
    }

    /// An object whose values are secrets.
    #[must_use]
    pub fn secret_map(name: &'static str) -> Self {
        Self::new(name, Shape::SecretMap)
    }

    /// Fields that belong together, as an object. If it is left out, so are they: their defaults and what is required of
    /// them are those of an object that is there.
    #[must_use]
    pub fn group(name: &'static str, fields: Vec<Field>) -> Self {
        Self::new(name, Shape::Group(fields))
    }

    /// Has to be given.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// What it is when left out, as it would be given: a duration as `"30s"`. Default: `null`.
    #[must_use]
    pub fn or(mut self, default: impl Into<Value>) -> Self {
        self.default = default.into();
        self
    }

    /// What it may look like, for the documentation of the API. Default: none.
    #[must_use]
    pub fn such_as(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    fn check_default(&self) -> Result<(), String> {
        if self.default.is_null() {
            return Ok(());
        }
        let nothing_stored = &mut |_: &Value| None;
        let checked = match &self.shape {
            // It would be shown, or would have to be read member by member.
            Shape::Secret | Shape::Secrets { .. } | Shape::SecretMap | Shape::Group(_) => {
                Err("cannot have one".to_owned())
            }
            shape => shape.check(self.default.clone(), &Value::Null, nothing_stored),
        };
        let wrong = |message| format!("the default of the field {:?}: {message}", self.name);
        checked.map(|_| ()).map_err(wrong)
    }

    /// Takes the field out of a body; a masked secret takes what is stored, and is noted in `kept`.
    pub(super) fn read(&self, fields: &mut Fields<'_>, stored: &Value, kept: &mut Vec<String>) -> Value {
        let Some(value) = fields.take(self.name) else {
            if self.is_required {
                fields.fault(self.name, format!("is required: {}", self.shape.expected()));
            }
            return self.default.clone();
        };
        if let Shape::Group(members) = &self.shape {
            let place = fields.place(self.name);
            let before = kept.len();
            let group = read_group(members, value, &place, stored, (fields, kept));
            for member in kept.iter_mut().skip(before) {
                *member = format!("{}.{member}", self.name);
            }
            return group;
        }
        let mut keep = |stored: &Value| {
            // Of several secrets in one field, the field is noted once.
            if kept.last().is_none_or(|last| last != self.name) {
                kept.push(self.name.to_owned());
            }
            (!stored.is_null()).then(|| stored.clone())
        };
        match self.shape.check(value, stored, &mut keep) {
            Ok(value) => value,
            Err(message) => {
                fields.fault(self.name, message);
                self.default.clone()
            }
        }
    }
}

fn read_group(
    members: &[Field],
    value: Value,
    place: &str,
    stored: &Value,
    (fields, kept): (&mut Fields<'_>, &mut Vec<String>),
) -> Value {
    let Some(mut inner) = Fields::of(value, place, fields.faults()) else {
        return Value::Null;
    };
    let mut group = Map::new();
    for member in members {
        let stored = stored.get(member.name).unwrap_or(&Value::Null);
        group.insert(member.name.to_owned(), member.read(&mut inner, stored, kept));
    }
    inner.finish(&names(members));
    Value::Object(group)
}

/// Says what is wrong with the declaration of fields, if anything is: a name twice, a default that would be refused.
pub(super) fn check_all(fields: &[Field]) -> Result<(), String> {
    for (index, field) in fields.iter().enumerate() {
        if fields
            .iter()
            .take(index)
            .any(|earlier| earlier.name == field.name)
        {
            return Err(format!("the field {:?} is there twice", field.name));
        }
        field.check_default()?;
        if let Shape::Group(members) = &field.shape {
            check_all(members)?;
        }
    }
    Ok(())
}

/// What of the shown values may say where records go.
pub(super) fn target_of(fields: &[Field], shown: &Value) -> Value {
    let part = |field: &Field| {
        let value = shown.get(field.name)?;
        let part = match &field.shape {
            Shape::Duration(_) | Shape::Secret | Shape::Secrets { .. } | Shape::SecretMap => return None,
            Shape::Group(members) => target_of(members, value),
            _ => value.clone(),
        };
        Some((field.name.to_owned(), part))
    };
    fields.iter().filter_map(part).collect()
}

/// The names of fields, for messages.
pub(super) fn names(fields: &[Field]) -> String {
    fields.iter().map(Field::name).collect::<Vec<_>>().join(", ")
}

impl Shape {
    fn expected(&self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Url => "an http or https URL".to_owned(),
            Self::Address => "a host and a port, such as \"logs:9999\"".to_owned(),
            Self::Object | Self::Group(_) => "an object".to_owned(),
            Self::Integer(range) => format!("a whole number from {} to {}", range.start(), range.end()),
            Self::Duration(range) => format!(
                "a duration from {} to {}, such as \"30s\"",
                show_duration(*range.start()),
                show_duration(*range.end())
            ),
            Self::Secret => "a string".to_owned(),
            Self::Secrets { most } => format!("a string, or an array of at most {most}"),
            Self::SecretMap => "an object of strings".to_owned(),
        }
    }

    /// Returns what is kept of a value.
    fn check(
        &self,
        value: Value,
        stored: &Value,
        keep: &mut dyn FnMut(&Value) -> Option<Value>,
    ) -> Result<Value, String> {
        let wrong = |value: &Value| format!("must be {}, not {}", self.expected(), kind_of(value));
        match (self, value) {
            (Self::Text, Value::String(text)) if text.is_empty() => {
                Err("cannot be empty: leave it out".to_owned())
            }
            (Self::Text, text @ Value::String(_)) => Ok(text),
            (Self::Url, Value::String(text)) => {
                let url = crate::catalog::check_endpoint(&text)?;
                Ok(Value::String(url.to_string()))
            }
            (Self::Address, Value::String(text)) => {
                if !is_host_and_port(&text) {
                    return Err(format!("must be {}", self.expected()));
                }
                crate::catalog::check_endpoint(&format!("http://{text}/"))?;
                Ok(Value::String(text))
            }
            (Self::Object, object @ Value::Object(_)) => {
                if has_reserved_name(&object) {
                    return Err(format!("cannot have names that begin with {RESERVED_PREFIX:?}"));
                }
                Ok(object)
            }
            (Self::Integer(range), value) => {
                match whole_number(&value).filter(|number| range.contains(number)) {
                    Some(number) => Ok(json!(number)),
                    None => Err(format!("must be {}", self.expected())),
                }
            }
            (Self::Duration(range), Value::String(text)) => {
                let duration = parse_duration(&text)?;
                if !range.contains(&duration) {
                    return Err(format!("must be {}", self.expected()));
                }
                Ok(Value::String(show_duration(duration)))
            }
            (Self::Secret, value) => secret(value, stored, keep),
            (Self::Secrets { .. }, value @ (Value::String(_) | Value::Object(_))) => {
                let first = stored.get(0).unwrap_or(&Value::Null);
                Ok(Value::Array(vec![secret(value, first, keep)?]))
            }
            (Self::Secrets { most }, Value::Array(values)) => {
                if values.is_empty() || values.len() > *most {
                    return Err(format!("must be {}", self.expected()));
                }
                let each = values.into_iter().enumerate().map(|(index, value)| {
                    let stored = stored.get(index).unwrap_or(&Value::Null);
                    secret(value, stored, keep)
                });
                each.collect::<Result<_, _>>().map(Value::Array)
            }
            (Self::SecretMap, Value::Object(values)) => {
                if let Some(name) = values.keys().find(|name| name.starts_with(RESERVED_PREFIX)) {
                    return Err(format!("cannot have the name {name:?}"));
                }
                let each = values.into_iter().map(|(name, value)| {
                    let stored = stored.get(&name).unwrap_or(&Value::Null);
                    let value =
                        secret(value, stored, keep).map_err(|message| format!("{name:?} {message}"))?;
                    Ok((name, value))
                });
                each.collect::<Result<_, String>>().map(Value::Object)
            }
            (_, value) => Err(wrong(&value)),
        }
    }
}

/// Whether a text is the authority of a URL, without user info and with a port.
fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_port = port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    let is_plain = !host.is_empty() && !host.contains(['/', '\\', '?', '#', '@', ' ']);
    is_port && is_plain && (is_bracketed || !host.contains(':'))
}

fn secret(
    value: Value,
    stored: &Value,
    keep: &mut dyn FnMut(&Value) -> Option<Value>,
) -> Result<Value, String> {
    match value {
        Value::String(text) if text == MASK => {
            keep(stored).ok_or_else(|| "there is no stored secret to keep: send the secret itself".to_owned())
        }
        Value::String(text) if text.is_empty() => Err("cannot be empty: leave it out".to_owned()),
        Value::String(text) => Ok(StoredSecret::Plain(text).into_value()),
        reference @ Value::Object(_) => {
            let reference = SecretReference::read(&reference)?;
            Ok(StoredSecret::Reference(reference).into_value())
        }
        other => Err(format!("must be a string, not {}", kind_of(&other))),
    }
}

#[path = "field_schema.rs"]
pub(crate) mod schema;
#[cfg(test)]
#[path = "field_tests.rs"]
mod tests;

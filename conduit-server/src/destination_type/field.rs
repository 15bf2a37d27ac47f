//! One field of a type of destinations.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::settings::{MASK, hide};
use crate::catalog::{Fields, kind_of, parse_duration, show_duration};

/// A field that destinations of a type have: its name, what it holds, and what it is when left out.
///
/// ```
/// use std::time::Duration;
/// use conduit_server::Field;
///
/// let fields = vec![
///     Field::url("endpoint").required(),
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
}

#[derive(Clone, Debug)]
enum Shape {
    Text,
    Url,
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

    /// A JSON object, taken as it is.
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

    /// A secret: never shown again.
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

    /// Fields that belong together, as an object.
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

    /// What it is when left out. Default: `null`.
    #[must_use]
    pub fn or(mut self, default: impl Into<Value>) -> Self {
        self.default = default.into();
        self
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
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
            return read_group(members, value, &place, stored, (fields, kept));
        }
        let mut keep = |stored: &Value| {
            kept.push(self.name.to_owned());
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

/// The names of fields, for messages.
pub(super) fn names(fields: &[Field]) -> String {
    fields.iter().map(Field::name).collect::<Vec<_>>().join(", ")
}

impl Shape {
    fn expected(&self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Url => "an http or https URL".to_owned(),
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
            (Self::Object, object @ Value::Object(_)) => Ok(object),
            (Self::Integer(range), value) => match value.as_u64().filter(|number| range.contains(number)) {
                Some(number) => Ok(json!(number)),
                None => Err(format!("must be {}", self.expected())),
            },
            (Self::Duration(range), Value::String(text)) => {
                let duration = parse_duration(&text)?;
                if !range.contains(&duration) {
                    return Err(format!("must be {}", self.expected()));
                }
                Ok(Value::String(show_duration(duration)))
            }
            (Self::Secret, value) => secret(value, stored, keep),
            (Self::Secrets { .. }, value @ Value::String(_)) => {
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
        Value::String(text) => Ok(hide(text)),
        Value::Object(object) if object.contains_key("env") || object.contains_key("file") => Err(
            "this version does not take secrets from the environment or files yet: send the secret itself"
                .to_owned(),
        ),
        other => Err(format!("must be a string, not {}", kind_of(&other))),
    }
}

//! A destination's configuration.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use conduit_core::{
    CollectionName, DestinationId, EventPattern, Filter, PatternError, Record, RecordKey, RecordType, Sink,
    TypeFilter,
};
use conduit_sinks::format::PayloadFormat;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::faults::{Faults, Fields, kind_of};
use crate::destination_type::{
    DestinationSettings, DestinationType, DestinationTypes, SettingFault, SinkRequest, field_names,
    read_settings,
};
use crate::doctor::Finding;

/// A validated destination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Destination {
    pub(crate) id: DestinationId,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) event_types: Vec<RecordType>,
    /// The text of the pattern that records have to match.
    #[serde(default)]
    pub(crate) filter_criteria: Option<String>,
    pub(crate) max_retries: u32,
    pub(crate) format: PayloadFormat,
    /// What its type has beside that.
    pub(crate) settings: DestinationSettings,
}

const ALL_TYPES: [RecordType; 3] = [RecordType::Insert, RecordType::Modify, RecordType::Remove];
/// The fields that destinations of every type have.
pub(crate) const COMMON_FIELDS: &str = "type, id, event_types, filter_criteria, max_retries, format";

/// What destinations are read with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DestinationContext<'a> {
    pub(crate) types: &'a DestinationTypes,
    /// Unless its name is wrong.
    pub(crate) collection: Option<&'a CollectionName>,
    /// The destinations that are replaced.
    pub(crate) stored: &'a [Destination],
    /// Whether records have old images.
    pub(crate) has_old_images: bool,
    /// The filters as they were written, by the place of the destination, as far as that is known.
    pub(crate) filters: &'a [Option<String>],
}

/// Decides which records a destination gets.
#[derive(Clone, Debug)]
pub(crate) struct RecordFilter {
    types: TypeFilter,
    pattern: Option<EventPattern>,
}

impl Filter for RecordFilter {
    fn matches(&self, record: &Record) -> bool {
        let matches = |pattern: &EventPattern| Filter::matches(pattern, record);
        self.types.matches(record) && self.pattern.as_ref().is_none_or(matches)
    }
}

impl Destination {
    /// Reads the destinations of a body; ids that come out alike are faults.
    pub(crate) fn read_all(
        values: Vec<Value>,
        context: DestinationContext<'_>,
        faults: &mut Faults,
    ) -> Vec<Self> {
        let mut destinations = Vec::new();
        let mut seen: HashMap<DestinationId, usize> = HashMap::new();
        for (index, value) in values.into_iter().enumerate() {
            let path = format!("destinations[{index}]");
            let written = context.filters.get(index).and_then(Option::as_deref);
            let Some(destination) = Self::read(value, (&path, written), context, faults) else {
                continue;
            };
            if let Some(first) = seen.insert(destination.id.clone(), index) {
                let id = &destination.id;
                let message =
                    format!("destinations[{first}] has the id {id:?} too: give each an `id` of its own");
                faults.add(format!("{path}.id"), message);
            }
            destinations.push(destination);
        }
        destinations
    }

    /// Reads the destination that stands at a path, whose filter was written so if that is known.
    fn read(
        value: Value,
        (path, written): (&str, Option<&str>),
        context: DestinationContext<'_>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let before = faults.len();
        let mut fields = Fields::of(value, path, faults)?;
        let kind = read_kind(&mut fields, context.types)?;
        let given_id = fields.string("id");
        let event_types = read_event_types(&mut fields);
        let max_retries = fields.integer("max_retries", 0..=20, 5);
        let format = read_format(&mut fields, kind);
        let given_id = given_id.map(|id| {
            DestinationId::new(id)
                .map_err(|_| fields.fault("id", "must be 1 to 64 of the characters a-z, 0-9 and -"))
        });
        // Without an id, the one that is replaced can be found only once the target is read: no secret of it is kept then.
        let stored = match &given_id {
            Some(Ok(id)) => context.stored.iter().find(|stored| stored.id == *id),
            Some(Err(())) => None,
            None => stored_target(&fields, kind, context),
        };
        let stored = stored.filter(|stored| stored.kind == kind.name());
        let known_texts = [
            written,
            stored.and_then(|stored| stored.filter_criteria.as_deref()),
        ];
        let filter_criteria = read_filter(&mut fields, known_texts, context.has_old_images);
        let (settings, kept) = read_settings(kind, &mut fields, stored.map(|stored| &stored.settings));
        for secret in kept {
            let keeper = |settings| kind.keeper_of_secrets(settings);
            if stored.is_some_and(|stored| keeper(&stored.settings) != keeper(&settings)) {
                let message = "the stored secret is not sent to another origin: send the secret itself";
                fields.fault(&secret, message);
            }
        }
        fields.finish(&format!("{COMMON_FIELDS}, {}", field_names(kind)));
        let is_read = faults.len() == before;
        let id = match given_id {
            Some(id) => id.ok()?,
            None => made_id(kind, &settings),
        };
        let destination = Self {
            id,
            kind: kind.name().to_owned(),
            event_types,
            filter_criteria,
            max_retries: u32::try_from(max_retries).unwrap_or(20),
            format,
            settings,
        };
        // Only what is whole is checked as a whole.
        if let Some(collection) = context.collection.filter(|_| is_read)
            && let Err(found) = destination.check(collection, context.types)
        {
            for SettingFault { field, message } in found {
                let place = if field.is_empty() {
                    path.to_owned()
                } else {
                    format!("{path}.{field}")
                };
                faults.add(place, message);
            }
        }
        Some(destination)
    }

    /// Says what is wrong with the settings. A secret that is elsewhere is not asked for: where it has to be is with the
    /// worker, which may be another process on another machine.
    fn check(&self, collection: &CollectionName, types: &DestinationTypes) -> Result<(), Vec<SettingFault>> {
        let (settings, stand_ins) = self.settings.with_stand_ins();
        let Err(mut faults) = self.make_sink(collection, types, &settings) else {
            return Ok(());
        };
        // A stand-in need not be what a host's own type asks for.
        faults.retain(|fault| !stand_ins.contains(&fault.field));
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Returns the destination with every secret at hand, which are read where they are referred to.
    ///
    /// # Errors
    /// The secrets that are not to be had here.
    pub(crate) fn resolved(&self, types: &DestinationTypes) -> Result<Self, Vec<SettingFault>> {
        Ok(Self {
            settings: self.settings.resolve(types.secrets())?,
            ..self.clone()
        })
    }

    /// Makes the sink; the faults are those of the settings, and secrets that are not to be had here.
    pub(crate) fn sink(
        &self,
        collection: &CollectionName,
        types: &DestinationTypes,
    ) -> Result<Arc<dyn Sink>, Vec<SettingFault>> {
        let settings = self.settings.resolve(types.secrets())?;
        self.make_sink(collection, types, &settings)
    }

    fn make_sink(
        &self,
        collection: &CollectionName,
        types: &DestinationTypes,
        settings: &DestinationSettings,
    ) -> Result<Arc<dyn Sink>, Vec<SettingFault>> {
        let Some(kind) = types.get(&self.kind) else {
            let message = format!(
                "this server does not know {:?}: it has {}",
                self.kind,
                types.names()
            );
            return Err(vec![SettingFault::new("type", message)]);
        };
        kind.sink(self.request(collection, settings))
    }

    /// Looks whether it could take records now; nothing is sent.
    pub(crate) async fn probe(&self, collection: &CollectionName, types: &DestinationTypes) -> Finding {
        let settings = match self.settings.resolve(types.secrets()) {
            Ok(settings) => settings,
            Err(faults) => return unusable(&faults),
        };
        if let Err(faults) = self.make_sink(collection, types, &settings) {
            return unusable(&faults);
        }
        match types.get(&self.kind) {
            Some(kind) => kind.probe(self.request(collection, &settings)).await,
            None => Finding::skipped("this server does not know its type"),
        }
    }

    fn request<'a>(
        &self,
        collection: &'a CollectionName,
        settings: &'a DestinationSettings,
    ) -> SinkRequest<'a> {
        SinkRequest {
            collection,
            format: self.format,
            settings,
        }
    }

    /// Returns what the API shows.
    pub(crate) fn show(&self) -> Value {
        let mut shown = self.common();
        if let Value::Object(settings) = self.settings.shown() {
            shown.extend(settings);
        }
        Value::Object(shown)
    }

    /// Returns the fields that destinations of every type have, as the API shows them.
    pub(crate) fn common(&self) -> Map<String, Value> {
        let common = json!({
            "id": self.id,
            "type": self.kind,
            "event_types": self.event_types,
            "filter_criteria": self.filter_criteria.as_deref().and_then(shown_filter),
            "max_retries": self.max_retries,
            "format": self.format,
        });
        match common {
            Value::Object(common) => common,
            _ => Map::new(),
        }
    }

    /// Returns what decides which records it gets; `None` if it gets all.
    ///
    /// # Errors
    /// If the stored pattern is none: it is of another version.
    pub(crate) fn filter(&self) -> Result<Option<RecordFilter>, Vec<SettingFault>> {
        let pattern = self
            .filter_criteria
            .as_deref()
            .map(EventPattern::parse)
            .transpose();
        let pattern =
            pattern.map_err(|error| vec![SettingFault::new("filter_criteria", error.to_string())])?;
        if pattern.is_none() && ALL_TYPES.iter().all(|wanted| self.event_types.contains(wanted)) {
            return Ok(None);
        }
        Ok(Some(RecordFilter {
            types: TypeFilter(self.event_types.clone()),
            pattern,
        }))
    }

    /// Tells one configuration from another, so that a change restarts the subscription. Of secrets at hand it is told by
    /// what they are, not by how they are stored or where they are.
    pub(crate) fn revision(&self) -> u64 {
        // Serializing plain data to a string cannot fail; if it did, the destination would merely not restart.
        let text = serde_json::to_string(self).unwrap_or_default();
        RecordKey::of(text.as_bytes()).lane(usize::MAX) as u64
    }
}

/// A destination that the server does not use as it is configured.
fn unusable(faults: &[SettingFault]) -> Finding {
    let said: Vec<String> = faults.iter().map(SettingFault::to_string).collect();
    let is_egress = said
        .iter()
        .any(|fault| fault.contains("only public ones are allowed"));
    let cure = if is_egress {
        "Give it a public address, or start API and workers with CONDUIT_EGRESS=any."
    } else {
        "Correct the destination as it says, with PATCH or conduit apply; its position and what waits stay."
    };
    Finding::failed(format!("it cannot be used here: {}", said.join("; ")), cure)
}

fn read_kind<'a>(fields: &mut Fields<'_>, types: &'a DestinationTypes) -> Option<&'a dyn DestinationType> {
    let value = fields.take("type");
    let message = match value.as_ref() {
        None => format!("is required: this server has {}", types.names()),
        Some(Value::String(kind)) => match types.get(kind) {
            Some(kind) => return Some(&**kind),
            None => format!("unknown type {kind:?}: this server has {}", types.names()),
        },
        Some(other) => format!("must be a string, not {}", kind_of(other)),
    };
    fields.fault("type", message);
    None
}

fn read_format(fields: &mut Fields<'_>, kind: &dyn DestinationType) -> PayloadFormat {
    match fields.string("format").map(|format| format.parse()) {
        None => return PayloadFormat::default(),
        Some(Ok(PayloadFormat::CloudEvents)) if !kind.takes_cloud_events() => {
            let message = format!(
                "destinations of type {:?} do not write cloudevents: leave it out",
                kind.name()
            );
            fields.fault("format", message);
        }
        Some(Ok(format)) => return format,
        Some(Err(_)) => fields.fault("format", "must be \"conduit\" or \"cloudevents\""),
    }
    PayloadFormat::default()
}

/// Reads a filter, with the text that it was written in if one of those that are known is its own.
fn read_filter(
    fields: &mut Fields<'_>,
    known_texts: [Option<&str>; 2],
    has_old_images: bool,
) -> Option<String> {
    let value = fields.take("filter_criteria")?;
    let is_its_own = |text: &&str| shown_filter(text).as_ref() == Some(&value);
    let text = known_texts.into_iter().flatten().find(is_its_own);
    let text = text.map_or_else(|| value.to_string(), str::to_owned);
    let place = fields.place("filter_criteria");
    match EventPattern::parse(&text) {
        Err(error) => pattern_faults(&place, &error, fields.faults()),
        Ok(pattern) if pattern.uses_old_image() && !has_old_images => {
            let message = "looks at old_image, which records have only with old_image: true";
            fields.fault("filter_criteria", message);
        }
        Ok(_) => return Some(text),
    }
    None
}

fn shown_filter(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// Adds what is wrong with a pattern that stands at `place`.
pub(crate) fn pattern_faults(place: &str, error: &PatternError, faults: &mut Faults) {
    for fault in error.faults() {
        let at = match fault.path() {
            "" => place.to_owned(),
            path => format!("{place}.{path}"),
        };
        faults.add(at, fault.message());
    }
}

fn read_event_types(fields: &mut Fields<'_>) -> Vec<RecordType> {
    let Some(values) = fields.array("event_types") else {
        return ALL_TYPES.to_vec();
    };
    let mut wanted = HashSet::new();
    for (index, value) in values.iter().enumerate() {
        match value.as_str() {
            Some("INSERT") => wanted.insert(RecordType::Insert),
            Some("MODIFY") => wanted.insert(RecordType::Modify),
            Some("REMOVE" | "DELETE") => wanted.insert(RecordType::Remove),
            _ => {
                let place = format!("event_types[{index}]");
                fields.fault(&place, "must be \"INSERT\", \"MODIFY\" or \"REMOVE\"");
                continue;
            }
        };
    }
    if values.is_empty() {
        fields.fault("event_types", "cannot be empty: leave it out for all types");
    }
    ALL_TYPES
        .into_iter()
        .filter(|kind| wanted.contains(kind))
        .collect()
}

/// The stored destination whose id would be made of the same target.
fn stored_target<'a>(
    fields: &Fields<'_>,
    kind: &dyn DestinationType,
    context: DestinationContext<'a>,
) -> Option<&'a Destination> {
    // Read once for the target alone: what is wrong is said when it is read for good.
    let mut faults = Faults::default();
    let mut copy = Fields::of(Value::Object(fields.left()), "", &mut faults)?;
    let (settings, _) = read_settings(kind, &mut copy, None);
    let id = made_id(kind, &settings);
    context.stored.iter().find(|stored| stored.id == id)
}

/// An id made of the type and the target.
fn made_id(kind: &dyn DestinationType, settings: &DestinationSettings) -> DestinationId {
    let target = format!("{}\n{}", kind.name(), kind.target(settings));
    let id = format!(
        "{}-{}",
        kind.name(),
        &RecordKey::of(target.as_bytes()).to_string()[..4]
    );
    // The name of a type is checked when it is registered.
    #[allow(clippy::expect_used)]
    DestinationId::new(id).expect("a made id is legal")
}

#[cfg(test)]
#[path = "destination_tests.rs"]
mod tests;

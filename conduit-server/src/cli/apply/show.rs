//! Shows a plan, and what became of it.

use serde::Serialize;
use serde_json::Value;

use super::carry_out::{Fate, FateWord};
use super::plan::{Action, Change, Consequence, Item, Plan};
use crate::cli::console::{Console, Paint, plain};
use crate::cli::error::{CliError, Fault};

const MASK: &str = "********";

/// Shows a plan to people.
pub(super) fn plan(plan: &Plan, console: &Console) -> String {
    let mut text = String::new();
    for item in &plan.items {
        text.push_str(&show_item(item, console));
    }
    let count = |action| plan.count(action);
    let mut summary = format!(
        "Plan: {} to create, {} to change, {} to delete, {} unchanged",
        count(Action::Create),
        count(Action::Change),
        count(Action::Delete),
        count(Action::Unchanged)
    );
    if plan.refused() > 0 {
        summary.push_str(&format!(", {} refused", plan.refused()));
    }
    text.push_str(&console.paint(Paint::Strong, &summary));
    text.push_str(".\n");
    text
}

fn show_item(item: &Item, console: &Console) -> String {
    let (word, paint) = match item.action {
        Action::Create => ("create", Paint::Good),
        Action::Change => ("change", Paint::Notable),
        Action::Delete => ("delete", Paint::Bad),
        Action::Refused => ("refused", Paint::Bad),
        Action::Unchanged => ("unchanged", Paint::Faint),
    };
    let name = console.paint(Paint::Strong, &plain(&item.name));
    let mut lines = vec![format!("{name}: {}", console.paint(paint, word))];
    lines.extend(
        item.changes
            .iter()
            .map(|change| format!("    {}", show_change(change, item.action))),
    );
    lines.extend(
        item.steps
            .iter()
            .map(|step| format!("  MongoDB: {}", plain(step))),
    );
    for consequence in &item.consequences {
        lines.push(show_consequence(consequence, console));
    }
    if item.needs_discard {
        let line = "  undelivered records would vanish: needs --discard";
        lines.push(console.paint(Paint::Bad, line));
    }
    if let Some(refusal) = &item.refusal {
        lines.extend(show_refusal(item, refusal));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn show_change(Change { field, from, to }: &Change, action: Action) -> String {
    let field = plain(field);
    match (from, to) {
        (Value::Null, to) => format!("+ {field}: {}", show_value(to)),
        (from, Value::Null) if action != Action::Create => format!("- {field}: {}", show_value(from)),
        // What differs and looks alike is a secret.
        (from, to) if from == to => format!("~ {field}: {} -> another secret", show_value(from)),
        (from, to) => format!("~ {field}: {} -> {}", show_value(from), show_value(to)),
    }
}

/// Shows a value on one line, without what is not set.
fn show_value(value: &Value) -> String {
    match value {
        Value::String(mask) if mask == MASK => MASK.to_owned(),
        Value::Object(members) => {
            let set = members.iter().filter(|(_, value)| !value.is_null());
            let shown: Vec<String> = set
                .map(|(name, value)| format!("{}: {}", plain(name), show_value(value)))
                .collect();
            format!("{{{}}}", shown.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(show_value).collect();
            format!("[{}]", items.join(", "))
        }
        other => plain(&other.to_string()),
    }
}

fn show_consequence(consequence: &Consequence, console: &Console) -> String {
    let whose = consequence.destination.as_deref();
    let whose = whose.map(|id| format!("{}: ", plain(id))).unwrap_or_default();
    let paint = match consequence.code.as_str() {
        "records_lost" | "position_lost" | "documents_expire" => Paint::Bad,
        "state_lost" | "target_changes" | "unprotected" => Paint::Notable,
        _ => Paint::Plain,
    };
    format!(
        "  => {whose}{}",
        console.paint(paint, &plain(&consequence.message))
    )
}

fn show_refusal(item: &Item, refusal: &CliError) -> Vec<String> {
    let place = item
        .wanted
        .as_ref()
        .map(|wanted| format!(" ({})", wanted.place()));
    let mut lines = vec![format!(
        "  {}{}",
        plain(refusal.message()),
        plain(&place.unwrap_or_default())
    )];
    let faults = refusal.refusal().map_or(&[][..], |refusal| &refusal.errors);
    lines.extend(faults.iter().map(|fault| {
        let Fault { field, message } = fault;
        let line = item.wanted.as_ref().and_then(|wanted| wanted.place_of(fault));
        let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        format!("    {line}{}: {}", plain(field), plain(message))
    }));
    lines.extend(refusal.advice().map(|advice| format!("  try: {advice}")));
    lines
}

#[derive(Serialize)]
struct ShownItem<'a> {
    collection_name: &'a str,
    action: Action,
    changes: &'a [Change],
    steps: &'a [String],
    consequences: &'a [Consequence],
    needs_discard: bool,
    /// What became of it; `null` if it was only planned.
    outcome: Option<FateWord>,
    /// Why it was refused, or failed.
    error: Option<&'a str>,
    errors: Vec<ShownFault<'a>>,
}

#[derive(Serialize)]
struct ShownFault<'a> {
    field: &'a str,
    message: &'a str,
}

/// Prints plan and outcome for scripts, if it is a script that reads.
pub(super) fn json(plan: &Plan, fates: &[Fate], console: &Console) -> Result<(), CliError> {
    if !console.is_json() {
        return Ok(());
    }
    let items: Vec<ShownItem<'_>> = plan
        .items
        .iter()
        .enumerate()
        .map(|(index, item)| show_json(item, fates.get(index)))
        .collect();
    let text = serde_json::to_string_pretty(&serde_json::json!({ "collections": items }));
    let text = text.map_err(|error| CliError::failed(format!("the plan has no JSON: {error}")))?;
    console.print(&text)
}

fn show_json<'a>(item: &'a Item, fate: Option<&'a Fate>) -> ShownItem<'a> {
    let error = match fate {
        Some(Fate::Failed(error)) => Some(error),
        _ => item.refusal.as_ref(),
    };
    let faults = error
        .and_then(CliError::refusal)
        .map_or(&[][..], |refusal| &refusal.errors);
    ShownItem {
        collection_name: &item.name,
        action: item.action,
        changes: &item.changes,
        steps: &item.steps,
        consequences: &item.consequences,
        needs_discard: item.needs_discard,
        outcome: fate.map(Fate::word),
        error: error.map(CliError::message),
        errors: faults
            .iter()
            .map(|fault| ShownFault {
                field: &fault.field,
                message: &fault.message,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_and_looks_alike_is_another_secret() {
        let change = |from: Value, to: Value| {
            let change = Change {
                field: "destinations[d].bearer_token".to_owned(),
                from,
                to,
            };
            show_change(&change, Action::Change)
        };
        let field = "destinations[d].bearer_token";
        assert_eq!(
            change(json!(MASK), json!(MASK)),
            format!("~ {field}: ******** -> another secret")
        );
        assert_eq!(change(json!(null), json!(MASK)), format!("+ {field}: ********"));
        assert_eq!(change(json!(MASK), json!(null)), format!("- {field}: ********"));
        assert_eq!(
            change(json!(MASK), json!({"env": "CONDUIT_DEST_X"})),
            format!("~ {field}: ******** -> {{env: \"CONDUIT_DEST_X\"}}")
        );
    }

    #[test]
    fn what_is_not_set_is_not_shown() {
        let value = json!({"id": "d", "batch": null, "event_types": ["INSERT"]});
        assert_eq!(show_value(&value), "{id: \"d\", event_types: [\"INSERT\"]}");
    }
}

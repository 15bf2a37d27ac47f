//! The documentation of the API, to read: the OpenAPI document as a page without scripts.

use std::fmt::Write;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Map, Value};

use super::asset::{Asset, CSS};
use super::page::{Page, escape};
use crate::api::openapi::Document;

/// The page.
pub(crate) async fn docs(State(document): State<Document>) -> Page {
    Page::new(render(document.value()))
}

/// How it looks.
pub(crate) async fn docs_style(headers: HeaderMap) -> Response {
    let style = Asset {
        name: "docs.css",
        content_type: CSS,
        content: include_str!("docs.css").into(),
    };
    style.answer(&headers)
}

/// Writes formatted text; writing to a text cannot fail.
macro_rules! put {
    ($html:expr, $($text:tt)*) => { let _ = write!($html, $($text)*); };
}

fn render(document: &Value) -> String {
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>API · Conduit</title>\n\
         <link rel=\"stylesheet\" href=\"/assets/docs.css\">\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#content\">To the content</a>\n<div class=\"frame\">\n<nav aria-label=\"Operations\">\n",
    );
    let groups = groups(document);
    for (tag, operations) in &groups {
        put!(html, "<strong>{}</strong><ul>", escape(tag));
        for one in operations {
            put!(
                html,
                "<li><a href=\"#{}\"><span class=\"method\">{}</span> {}</a></li>",
                escape(one.id()),
                escape(one.method),
                escape(one.path)
            );
        }
        html.push_str("</ul>\n");
    }
    html.push_str("<a href=\"#shapes\">Shapes</a>\n</nav>\n<main id=\"content\">\n");
    put!(
        html,
        "<h1>{} <span class=\"muted\">{}</span></h1>\n<p>{}</p>\n<p>As a file: <a href=\"/openapi.json\">openapi.json</a></p>\n",
        escape(text(&document["info"]["title"])),
        escape(text(&document["info"]["version"])),
        prose(text(&document["info"]["description"]))
    );
    for (tag, operations) in &groups {
        put!(html, "<section aria-label=\"{0}\">\n<h2>{0}</h2>\n", escape(tag));
        for one in operations {
            one.render(&mut html, document);
        }
        html.push_str("</section>\n");
    }
    html.push_str("<section aria-label=\"Shapes\">\n<h2 id=\"shapes\">Shapes</h2>\n");
    for (name, schema) in members(&document["components"]["schemas"]) {
        put!(html, "<h3 id=\"shape-{0}\">{0}</h3>\n", escape(name));
        render_schema(&mut html, schema);
    }
    html.push_str("</section>\n</main>\n</div>\n</body>\n</html>\n");
    html
}

/// One operation of the document.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    described: &'a Value,
}

/// The operations by their tag, in the document's order.
fn groups(document: &Value) -> Vec<(&str, Vec<Operation<'_>>)> {
    let mut groups: Vec<(&str, Vec<Operation<'_>>)> = Vec::new();
    for (path, methods) in members(&document["paths"]) {
        for (method, described) in members(methods) {
            let tag = text(&described["tags"][0]);
            let operation = Operation {
                method,
                path,
                described,
            };
            match groups.iter_mut().find(|(known, _)| *known == tag) {
                Some((_, operations)) => operations.push(operation),
                None => groups.push((tag, vec![operation])),
            }
        }
    }
    groups
}

impl<'a> Operation<'a> {
    fn id(&self) -> &'a str {
        text(&self.described["operationId"])
    }

    fn render(&self, html: &mut String, document: &Value) {
        put!(
            html,
            "<article>\n<h3 id=\"{}\"><span class=\"method\">{}</span> <code>{}</code></h3>\n<p>{}</p>\n",
            escape(self.id()),
            escape(self.method),
            escape(self.path),
            prose(text(&self.described["summary"]))
        );
        if let Some(description) = self.described["description"].as_str() {
            put!(html, "<p>{}</p>\n", prose(description));
        }
        let parameters = self.described["parameters"].as_array();
        if let Some(parameters) = parameters.filter(|all| !all.is_empty()) {
            html.push_str("<h4>Parameters</h4>\n<table>\n");
            for one in parameters {
                put!(
                    html,
                    "<tr><th scope=\"row\"><code>{}</code> <span class=\"muted\">{}</span></th><td>{}<br>{}</td></tr>\n",
                    escape(text(&one["name"])),
                    escape(text(&one["in"])),
                    prose(text(&one["description"])),
                    kind(&one["schema"])
                );
            }
            html.push_str("</table>\n");
        }
        if let Some(schema) = self
            .described
            .pointer("/requestBody/content/application~1json/schema")
        {
            put!(html, "<h4>Body</h4>\n<p>{}</p>\n", kind(schema));
            let shape = schema["$ref"]
                .as_str()
                .and_then(|path| document.pointer(path.strip_prefix('#')?));
            render_example(html, shape.unwrap_or(schema));
        }
        html.push_str("<h4>Answers</h4>\n<table>\n");
        for (status, answer) in members(&self.described["responses"]) {
            let shapes = members(&answer["content"]).map(|(_, content)| kind(&content["schema"]));
            let shapes: Vec<String> = shapes.collect();
            put!(
                html,
                "<tr><th scope=\"row\">{}</th><td>{} {}</td></tr>\n",
                escape(status),
                prose(text(&answer["description"])),
                shapes.join(", ")
            );
        }
        html.push_str("</table>\n</article>\n");
    }
}

fn render_schema(html: &mut String, schema: &Value) {
    if let Some(description) = schema["description"].as_str() {
        put!(html, "<p>{}</p>\n", prose(description));
    }
    let Some(properties) = schema["properties"].as_object() else {
        put!(html, "<p>{}</p>\n", kind(schema));
        return;
    };
    let required = schema["required"].as_array();
    html.push_str("<table>\n");
    for (name, member) in properties {
        let is_required = required.is_some_and(|all| all.iter().any(|one| one == name));
        put!(
            html,
            "<tr><th scope=\"row\"><code>{}</code>{}</th><td>{} {}</td></tr>\n",
            escape(name),
            if is_required {
                ""
            } else {
                " <span class=\"muted\">optional</span>"
            },
            kind(member),
            prose(text(&member["description"]))
        );
    }
    html.push_str("</table>\n");
    render_example(html, schema);
}

fn render_example(html: &mut String, schema: &Value) {
    if let Some(example) = schema["examples"].get(0) {
        let example = serde_json::to_string_pretty(example).unwrap_or_default();
        put!(
            html,
            "<details><summary>Example</summary><pre>{}</pre></details>\n",
            escape(&example)
        );
    }
}

/// What a value may be, in a few words of HTML.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#shape-{0}\">{0}</a>", escape(name));
    }
    for several in ["oneOf", "anyOf"] {
        if let Some(kinds) = schema[several].as_array() {
            let kinds: Vec<String> = kinds.iter().map(kind).collect();
            return kinds.join(" or ");
        }
    }
    let constant = schema.get("const").map(|value| vec![value]);
    let values = constant.or_else(|| schema["enum"].as_array().map(|values| values.iter().collect()));
    if let Some(values) = values {
        let shown = values
            .iter()
            .map(|value| format!("<code>{}</code>", escape(&value.to_string())));
        return with_limits(&shown.collect::<Vec<_>>().join(" or "), schema);
    }
    let named = match &schema["type"] {
        Value::String(kind) => escape(kind),
        Value::Array(kinds) => {
            let kinds: Vec<String> = kinds.iter().map(|kind| escape(text(kind))).collect();
            kinds.join(" or ")
        }
        _ => "anything".to_owned(),
    };
    let items = match schema.get("items") {
        Some(items) => format!("{named} of {}", kind(items)),
        None => named,
    };
    with_limits(&items, schema)
}

fn with_limits(kind: &str, schema: &Value) -> String {
    const LIMITS: [(&str, &str); 8] = [
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("minLength", "characters at least"),
        ("maxLength", "characters at most"),
        ("minItems", "items at least"),
        ("maxItems", "items at most"),
        ("format", "as"),
        ("default", "default"),
    ];
    let limits = LIMITS.iter().filter_map(|(name, words)| {
        let value = schema.get(*name).filter(|value| !value.is_null())?;
        Some(format!("{words} {}", escape(&value.to_string())))
    });
    let limits: Vec<String> = limits.collect();
    match limits.is_empty() {
        true => kind.to_owned(),
        false => format!("{kind} <span class=\"muted\">({})</span>", limits.join(", ")),
    }
}

/// Writes a sentence; what stands between backticks is code.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let written = parts.map(|(index, part)| match index % 2 {
        0 => escape(part),
        _ => format!("<code>{}</code>", escape(part)),
    });
    written.collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = value.as_object().into_iter().flat_map(Map::iter);
    members.map(|(name, value)| (name.as_str(), value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_the_document_says_is_text_on_the_page() {
        let document = json!({
            "info": { "title": "<script>", "description": "a & b" },
            "paths": { "/x\"": { "get": { "operationId": "x", "tags": ["<t>"], "summary": "<b>",
                "parameters": [{ "name": "<p>", "schema": { "enum": ["<e>"] } }], "responses": {} } } },
            "components": { "schemas": { "<S>": { "properties": { "<m>": { "$ref": "#/<r>" } } } } },
        });
        let html = render(&document);
        for tag in ["<script>", "<t>", "<b>", "<p><", "<e>", "<S>", "<m>", "<r>"] {
            assert!(!html.contains(tag), "{tag} in {html}");
        }
        assert!(html.contains("a &amp; b"));
    }

    #[test]
    fn every_operation_and_shape_has_a_place() {
        let document = Document::of(&crate::destination_type::DestinationTypes::for_tests());
        let html = render(document.value());
        for id in [
            "createCollection",
            "tailCollection",
            "shape-NewDestination-http",
            "shape-Problem",
        ] {
            assert!(html.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }
}

//! The description as a page of plain HTML.

use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Write as _;

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h2 { border-top: 1px solid #8888; padding-top: 1.5rem; margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #8884; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .6rem; border: 1px solid #8884; }
.wide { overflow-x: auto; }
</style>
"#;

/// How deep the fields of fields are shown.
const DEPTH_MAX: usize = 4;

/// Makes the page of a document of `OpenAPI`.
pub(super) fn render(document: &Value) -> String {
    let info = &document["info"];
    let title = text(&info["title"]);
    let mut page = format!("{HEAD}<title>{title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n");
    paragraphs(&mut page, &info["description"]);
    page.push_str("<p>For programs: <a href=\"/docs/openapi.json\">openapi.json</a></p>\n<ul>\n");
    let operations = operations(document);
    for (path, method, operation) in &operations {
        let _ = writeln!(
            page,
            "<li><a href=\"#{}\"><code>{} {}</code></a> {}</li>",
            anchor(operation),
            method.to_uppercase(),
            escaped(path),
            words(string(&operation["summary"])),
        );
    }
    page.push_str("</ul>\n");
    for (path, method, operation) in &operations {
        let _ = writeln!(
            page,
            "<h2 id=\"{}\"><code>{} {}</code></h2>",
            anchor(operation),
            method.to_uppercase(),
            escaped(path),
        );
        paragraphs(&mut page, &operation["summary"]);
        paragraphs(&mut page, &operation["description"]);
        parameters(&mut page, document, operation);
        body(&mut page, document, operation);
        answers(&mut page, document, operation);
    }
    page.push_str("</body>\n</html>\n");
    page
}

/// Path, method and what is said of them, in the document's order.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    operations.collect()
}

fn parameters(page: &mut String, document: &Value, operation: &Value) {
    let all = items(&operation["parameters"]);
    let rows = all.iter().map(|one| {
        let place = format!("{} ({})", string(&one["name"]), string(&one["in"]));
        let needed = one["required"].as_bool().unwrap_or(false);
        row(
            document,
            &place,
            &one["schema"],
            needed,
            &one["description"],
        )
    });
    table(
        page,
        "Parameters",
        ["name", "kind", "meaning"],
        rows.collect(),
    );
}

fn body(page: &mut String, document: &Value, operation: &Value) {
    let kinds = operation["requestBody"]["content"].as_object();
    let Some((kind, content)) = kinds.into_iter().flatten().next() else {
        return;
    };
    let mut rows = Vec::new();
    fields(document, &content["schema"], "", 0, &mut rows);
    let heading = format!("Body, {kind}");
    table(page, &heading, ["field", "kind", "meaning"], rows);
    let own = resolved(document, &content["schema"]);
    if let Some(example) = content.get("example").or_else(|| own.get("example")) {
        let example = serde_json::to_string_pretty(example).unwrap_or_default();
        let _ = writeln!(page, "<pre><code>{}</code></pre>", escaped(&example));
    }
}

fn answers(page: &mut String, document: &Value, operation: &Value) {
    let mut rows = Vec::new();
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let kinds = answer["content"].as_object().into_iter().flatten();
        let kinds: Vec<_> = kinds.map(|(kind, _)| kind.as_str()).collect();
        rows.push(cells([
            status,
            &kinds.join(", "),
            string(&answer["description"]),
        ]));
        let content = answer["content"].as_object().into_iter().flatten().next();
        if let Some((_, content)) = content.filter(|_| status.starts_with('2')) {
            fields(document, &content["schema"], "", 0, &mut rows);
        }
    }
    table(
        page,
        "Answers",
        ["status or field", "kind", "meaning"],
        rows,
    );
}

/// A row for each field of an object, and for those of the objects inside.
fn fields(document: &Value, schema: &Value, before: &str, depth: usize, rows: &mut Vec<String>) {
    let schema = resolved(document, schema);
    if depth > DEPTH_MAX {
        return;
    }
    for part in ["allOf", "oneOf"]
        .iter()
        .flat_map(|name| items(&schema[name]))
    {
        let kind = kind(document, part);
        if schema.get("oneOf").is_some() && kind != "null" {
            let which = cells([before, &kind, "either this"]);
            rows.push(which);
        }
        fields(document, part, before, depth + 1, rows);
    }
    if schema.get("items").is_some() {
        fields(
            document,
            &schema["items"],
            &format!("{before}[]."),
            depth + 1,
            rows,
        );
    }
    let needed = items(&schema["required"]);
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let place = format!("{before}{name}");
        let is_needed = needed.iter().any(|one| one == name);
        let own = resolved(document, field);
        let meaning = field.get("description").unwrap_or(&own["description"]);
        rows.push(row(document, &place, field, is_needed, meaning));
        fields(document, field, &format!("{place}."), depth + 1, rows);
    }
}

fn row(document: &Value, place: &str, schema: &Value, needed: bool, meaning: &Value) -> String {
    let mut kind = kind(document, schema);
    if needed {
        kind.push_str(", needed");
    }
    cells([place, &kind, string(meaning)])
}

/// The type in words, with its limits.
fn kind(document: &Value, schema: &Value) -> String {
    let schema = resolved(document, schema);
    let mut words = match &schema["type"] {
        Value::String(one) => one.clone(),
        Value::Array(many) => many.iter().map(string).collect::<Vec<_>>().join(" or "),
        _ if schema.get("oneOf").is_some() => "one of these".to_owned(),
        _ if schema.get("allOf").is_some() => "object".to_owned(),
        _ => "anything".to_owned(),
    };
    for (key, before) in [
        ("format", ""),
        ("pattern", "matches "),
        ("minLength", "characters ≥ "),
        ("maxLength", "characters ≤ "),
        ("minItems", "items ≥ "),
        ("maxItems", "items ≤ "),
        ("not", "but not "),
    ] {
        if let Some(value) = schema.get(key) {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let _ = write!(words, ", {before}{value}");
        }
    }
    words
}

/// What a reference leads to; anything else is itself.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"]
        .as_str()
        .and_then(|place| place.strip_prefix('#'));
    reference
        .and_then(|place| document.pointer(place))
        .unwrap_or(schema)
}

fn table(page: &mut String, heading: &str, head: [&str; 3], rows: Vec<String>) {
    if rows.is_empty() {
        return;
    }
    let [a, b, c] = head;
    let _ = writeln!(
        page,
        "<h3>{}</h3>\n<div class=\"wide\"><table>\n<tr><th>{a}</th><th>{b}</th><th>{c}</th></tr>\n{}\n</table></div>",
        escaped(heading),
        rows.join("\n"),
    );
}

fn cells([place, kind, meaning]: [&str; 3]) -> String {
    let (place, kind, meaning) = (escaped(place), escaped(kind), words(meaning));
    format!("<tr><td><code>{place}</code></td><td>{kind}</td><td>{meaning}</td></tr>")
}

fn paragraphs(page: &mut String, said: &Value) {
    for paragraph in string(said).split("\n\n").filter(|one| !one.is_empty()) {
        let _ = writeln!(page, "<p>{}</p>", words(paragraph));
    }
}

fn anchor(operation: &Value) -> Cow<'_, str> {
    text(&operation["operationId"])
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn text(value: &Value) -> Cow<'_, str> {
    escaped(string(value))
}

/// A text as HTML, with what stands between backticks as code.
fn words(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| {
        let part = escaped(part);
        if at % 2 == 1 {
            format!("<code>{part}</code>")
        } else {
            part.into_owned()
        }
    });
    parts.collect()
}

/// A text that HTML takes for nothing else.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"']) {
        return text.into();
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;").into()
}

//! The description is of what is there: of every address, and of no other.

use super::*;
use rstest::rstest;
use std::collections::BTreeSet;
use std::path::Path;

/// The addresses that the sources register: a router does not tell them.
fn registered(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            registered(&path, found);
        } else {
            let source = std::fs::read_to_string(&path).unwrap();
            // Tests have routers of their own.
            let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let source: String = source.split_whitespace().collect();
            let routes = source.split(".route(\"").skip(1);
            found.extend(routes.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
}

#[test]
fn every_address_is_described_and_no_other() {
    let mut found = BTreeSet::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    registered(&sources, &mut found);
    // Where the collector is alone; in the shop it is the shop's front page.
    assert!(found.remove("/"));
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let described: BTreeSet<String> = paths.keys().cloned().collect();
    assert_eq!(described, found);
}

#[test]
fn what_is_added_has_a_place() {
    for (place, key, value) in additions() {
        let schema = DOCUMENT.pointer(place);
        assert_eq!(schema.unwrap_or_else(|| panic!("{place}"))[key], value);
    }
}

#[rstest]
#[case("post", "/track", "200 400 408 413 429 503")]
#[case("post", "/event", "202 400 408 413 429 503")]
#[case("post", "/events", "202 400 408 413 429 503")]
#[case("post", "/v1/batch", "200 400 401 408 413 415 429 503")]
// 400 is for methods that there are not.
#[case("get", "/api/clicks", "200 400 503")]
#[case("get", "/api/clicks/{counter}", "200 400 404 503")]
#[case("put", "/api/clicks/{counter}", "200 400 404 429 503")]
fn an_address_tells_of_the_answers_that_it_gives(
    #[case] method: &str,
    #[case] path: &str,
    #[case] statuses: &str,
) {
    let answers = DOCUMENT["paths"][path][method]["responses"].as_object();
    let described: BTreeSet<_> = answers.unwrap().keys().map(String::as_str).collect();
    assert_eq!(described, statuses.split(' ').collect());
}

#[test]
fn every_reference_leads_somewhere() {
    fn look(value: &Value, seen: &mut usize) {
        if let Some(place) = value["$ref"].as_str() {
            *seen += 1;
            let place = place.strip_prefix('#').unwrap();
            assert!(DOCUMENT.pointer(place).is_some(), "{place}");
        }
        match value {
            Value::Array(items) => items.iter().for_each(|item| look(item, seen)),
            Value::Object(fields) => fields.values().for_each(|field| look(field, seen)),
            _ => {}
        }
    }
    let mut seen = 0;
    look(&DOCUMENT, &mut seen);
    assert!(seen > 10, "{seen}");
}

#[test]
fn the_page_tells_of_every_operation_and_loads_nothing() {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            let heading = format!("<code>{} {path}</code></h2>", method.to_uppercase());
            assert!(PAGE.contains(&heading), "{heading}");
            let id = operation["operationId"].as_str().unwrap();
            assert_eq!(PAGE.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
            assert!(
                operation["summary"].is_string(),
                "{heading} says what it is"
            );
        }
    }
    for never in ["<script", "src=", "url(", "@import", "<link"] {
        assert!(!PAGE.contains(never), "{never}");
    }
}

#[rstest]
#[case("a <b> & \"c\"", "a &lt;b&gt; &amp; &quot;c&quot;")]
#[case("plain", "plain")]
fn words_stay_words(#[case] words: &str, #[case] html: &str) {
    let document = json!({"info": {"title": words}, "paths": {}});
    assert!(page::render(&document).contains(&format!("<h1>{html}</h1>")));
}

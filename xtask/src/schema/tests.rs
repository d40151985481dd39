//! The schema, core's reader and every manifest of the repository agree.
//!
//! Valid is what a small interpreter of the schema's own keywords says; it knows no others, so that none goes unchecked.
//! A complete validator would bring fifty crates for one test.

use std::path::PathBuf;

use regex_lite::Regex;
use serde_json::{Map, Value};
use stellatune_plugins::manifest;

use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn what_is_committed_is_current() {
    run(&root(), &["--check".into()]).expect("current");
}

/// Why a value does not fit a schema, if it does not.
fn fault(schema: &Value, value: &Value, document: &Value) -> Option<String> {
    let Value::Object(keywords) = schema else { panic!("no schema: {schema}") };
    keywords.iter().find_map(|(keyword, rule)| broken(keyword, rule, keywords, value, document))
}

fn broken(keyword: &str, rule: &Value, all: &Map<String, Value>, value: &Value, document: &Value) -> Option<String> {
    let fits = |schema: &Value, value: &Value| fault(schema, value, document);
    let list = |rule: &Value| rule.as_array().cloned().unwrap_or_default();
    let holds = match keyword {
        "$schema" | "$defs" | "title" | "description" | "examples" | "format" | "then" | "else" | "default" => true,
        "$ref" => {
            let pointer = rule.as_str().and_then(|rule| rule.strip_prefix('#')).expect("a reference inside");
            return fits(document.pointer(pointer).expect("it leads somewhere"), value);
        }
        "type" => {
            let one = |kind: &Value| match kind.as_str().expect("a type") {
                "null" => value.is_null(),
                "string" => value.is_string(),
                "array" => value.is_array(),
                "object" => value.is_object(),
                "integer" => value.is_i64() || value.is_u64(),
                other => panic!("no type: {other}"),
            };
            rule.as_array().map_or_else(|| one(rule), |kinds| kinds.iter().any(one))
        }
        "const" => value == rule,
        "enum" => list(rule).contains(value),
        "anyOf" => list(rule).iter().any(|schema| fits(schema, value).is_none()),
        "if" => match fits(rule, value) {
            None => return all.get("then").and_then(|schema| fits(schema, value)),
            Some(_) => return all.get("else").and_then(|schema| fits(schema, value)),
        },
        "required" => {
            !value.is_object() || list(rule).iter().all(|name| value.get(name.as_str().expect("a name")).is_some())
        }
        "properties" => {
            let rules = rule.as_object().expect("rules by name");
            return rules
                .iter()
                .find_map(|(name, schema)| fits(schema, value.get(name)?).map(|why| format!("{name}: {why}")));
        }
        "items" => return value.as_array()?.iter().find_map(|item| fits(rule, item)),
        "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().expect("a number")),
        "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().expect("a number")),
        "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().expect("a number")),
        "pattern" => {
            let pattern = Regex::new(rule.as_str().expect("a pattern")).expect("a pattern");
            value.as_str().is_none_or(|text| pattern.is_match(text))
        }
        other => panic!("the schema has the keyword {other}, which this test does not know"),
    };
    (!holds).then(|| format!("{keyword} {rule} for {value}"))
}

fn schema() -> Value {
    serde_json::to_value(schema_for!(Manifest)).expect("a document")
}

fn complaint(value: &Value) -> Option<String> {
    let schema = schema();
    fault(&schema, value, &schema)
}

/// The JSON example of docs/wasm-plugin-manifest.md, which has nearly every field.
fn example() -> Value {
    let page = fs::read_to_string(root().join("docs/wasm-plugin-manifest.md")).expect("the page is there");
    let (_, rest) = page.split_once("```json\n").expect("an example");
    let (json, _) = rest.split_once("```").expect("its end");
    serde_json::from_str(json).expect("JSON")
}

fn manifests(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            manifests(&path, found);
        } else if name == manifest::FILE_NAME {
            found.push(path);
        }
    }
}

#[test]
fn every_manifest_of_the_repository_is_valid() {
    assert_eq!(complaint(&example()), None, "the example of the docs");
    let mut found = Vec::new();
    manifests(&root(), &mut found);
    assert!(found.len() >= 2, "{found:?}");
    for path in found {
        // Templates of new plugins have gaps to fill in.
        let text = fs::read_to_string(&path).expect("readable").replace("{{id}}", "org.example.a");
        let value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(complaint(&value), None, "{}", path.display());
        assert!(manifest::Manifest::parse(text.as_bytes()).is_ok(), "{}", path.display());
    }
}

/// Rules of core that are about the shape of the document, which the schema has to know.
const SHAPE: [&str; 7] =
    ["missing-field", "field-type", "schema-version", "unknown-world", "ability-kind", "threading", "limits"];

/// The document with one thing changed, for every place in it and many changes.
fn mutants(document: &Value) -> Vec<Value> {
    let mut places = Vec::new();
    collect(document, "", &mut places);
    let values = r#"[null, true, -1, 0, 1, 70000, 4294967296, 1.5, "", " ", "x", "output-sink", "output_sink", "decoder",
        "a/decoder-plugin@9", "decoder-plugin@a/b", "dedicated", "shared_pool", "../x", "/x", "a\\b", "A.b", "*", "..", [], {}, [1], [""],
        {"ext_scores": []}, {"ext_scores": [], "wildcard_score": 1}, {"wildcard_score": 0}]"#;
    let values: Vec<Value> = serde_json::from_str(values).expect("JSON");
    let mut mutants = Vec::new();
    for place in &places {
        for value in &values {
            let mut mutant = document.clone();
            *mutant.pointer_mut(place).expect("the place is there") = value.clone();
            mutants.push(mutant);
        }
        let (parent, name) = place.rsplit_once('/').expect("a place below the document");
        let mut mutant = document.clone();
        if let Some(fields) = mutant.pointer_mut(parent).and_then(Value::as_object_mut) {
            fields.remove(name);
            fields.insert("unknown".into(), 1.into());
            mutants.push(mutant);
        }
    }
    mutants
}

fn collect(value: &Value, place: &str, places: &mut Vec<String>) {
    let children: Vec<_> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        let place = format!("{place}/{name}");
        places.push(place.clone());
        collect(child, &place, places);
    }
}

#[test]
fn schema_and_core_take_the_same() {
    let (mut taken, mut refused) = (0, 0);
    let mut document = example();
    document["limits"] = serde_json::json!({"memory_mib": 8});
    document["permissions"] =
        serde_json::json!({"files": ["music"], "http": ["a.org"], "tcp": ["a.org:80"], "sidecars": ["bin/a"]});
    assert_eq!(complaint(&document), None);
    for mutant in mutants(&document) {
        let complaint = complaint(&mutant);
        match manifest::Manifest::parse(mutant.to_string().as_bytes()) {
            Ok(_) => {
                assert_eq!(complaint, None, "core takes {mutant}");
                taken += 1;
            }
            Err(error) if error.rule().is_some_and(|rule| SHAPE.contains(&rule)) => {
                assert!(complaint.is_some(), "core refuses with {error}: {mutant}");
                refused += 1;
            }
            Err(_) => {}
        }
    }
    assert!(taken > 100 && refused > 500, "{taken} taken, {refused} refused for their shape");
}

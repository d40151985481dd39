//! What `plugin.json` says of a configuration, derived from the type that [`JsonText::parse`](crate::JsonText::parse)
//! reads. For a test of the plugin, natively; with the Cargo feature `schema`, which only tests need:
//!
//! ```toml
//! [dependencies]
//! schemars = "1"
//! serde = { version = "1", features = ["derive"] }
//! stellatune-plugin-sdk = "0.1"
//!
//! [dev-dependencies]
//! stellatune-plugin-sdk = { version = "0.1", features = ["schema"] }
//! ```
//!
//! ```
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//! use stellatune_plugin_sdk::schema;
//!
//! /// How loud it is.
//! #[derive(Deserialize, Serialize, JsonSchema)]
//! #[serde(default)]
//! struct Config {
//!     /// Factor, 1 for no change.
//!     #[schemars(title = "Gain", range(min = 0.0, max = 4.0), extend("x-order" = 1))]
//!     gain: f32,
//! }
//!
//! impl Default for Config {
//!     fn default() -> Self {
//!         Self { gain: 1.0 }
//!     }
//! }
//!
//! assert!(schema::of::<Config>().contains(r#""maximum":4"#));
//! assert_eq!(schema::default_of::<Config>(), r#"{"gain":1.0}"#);
//!
//! // In a test: fails until the manifest says the same; with STELLATUNE_WRITE_MANIFEST=1 it writes it there.
//! # let folder = std::env::temp_dir().join(format!("stellatune-schema-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder).unwrap();
//! # let manifest = folder.join("plugin.json");
//! # let ability = r#"{"kind":"dsp","type_id":"gain","config_schema_json":"{}","default_config_json":"{}"}"#;
//! # std::fs::write(&manifest, format!(r#"{{"components":[{{"abilities":[{ability}]}}]}}"#)).unwrap();
//! # assert!(schema::check::<Config>(&manifest, "dsp", "gain").unwrap_err().contains("STELLATUNE_WRITE_MANIFEST"));
//! # schema::write::<Config>(&manifest, "dsp", "gain")?;
//! schema::check::<Config>(&manifest, "dsp", "gain")?;
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok::<(), String>(())
//! ```
//!
//! A player makes a form of properties that are texts, numbers, booleans or an enum of texts, in the order of `x-order`,
//! with `title`, `description` (the doc comment) and `default` (from `#[serde(default)]`); other properties are edited
//! as JSON. Deriving `JsonSchema` adds nothing to the plugin's wasm, which never calls it.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Says to write the manifest rather than to compare.
const WRITE: &str = "STELLATUNE_WRITE_MANIFEST";

/// The JSON Schema of a configuration, as text for `config_schema_json`.
///
/// # Panics
/// Never: a schema is JSON.
pub fn of<C: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<C>();
    RecursiveTransform(plain_enum).transform(&mut schema);
    serde_json::to_string(&schema).expect("a schema is JSON")
}

/// The configuration a user begins with, as text for `default_config_json`.
///
/// # Panics
/// If the type cannot be written as JSON.
pub fn default_of<C: Default + Serialize>() -> String {
    serde_json::to_string(&C::default()).expect("a configuration can be written as JSON")
}

/// Compares both with what a manifest says of the ability of this kind and type id. With the environment variable
/// `STELLATUNE_WRITE_MANIFEST` set it writes them there instead, as [`write`] does.
///
/// # Errors
/// What is missing or differs, and what to do.
pub fn check<C: JsonSchema + Default + Serialize>(
    manifest: impl AsRef<Path>,
    kind: &str,
    type_id: &str,
) -> Result<(), String> {
    if std::env::var_os(WRITE).is_some() {
        return write::<C>(manifest, kind, type_id);
    }
    let path = manifest.as_ref();
    let text = read(path)?;
    for (field, found, expected) in fields::<C>(&text, path, kind, type_id)? {
        if serde_json::from_str::<String>(found).ok().as_ref() != Some(&expected) {
            let expected = Value::String(expected);
            return Err(format!(
                "{}: the ability {kind} {type_id} should say \"{field}\": {expected}\nrun again with {WRITE}=1 to write it",
                path.display()
            ));
        }
    }
    Ok(())
}

/// Writes both into a manifest, in the fields that are there, and leaves everything else as it is.
///
/// # Errors
/// What is missing, or why the file cannot be written.
pub fn write<C: JsonSchema + Default + Serialize>(
    manifest: impl AsRef<Path>,
    kind: &str,
    type_id: &str,
) -> Result<(), String> {
    let path = manifest.as_ref();
    let mut text = read(path)?;
    for turn in 0..2 {
        let (at, length, expected) = {
            let (_, found, expected) = &fields::<C>(&text, path, kind, type_id)?[turn];
            (found.as_ptr() as usize - text.as_ptr() as usize, found.len(), Value::String(expected.clone()))
        };
        text.replace_range(at..at + length, &expected.to_string());
    }
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Both fields of an ability: the name, the part of `text` that is its value, and the text it should hold.
fn fields<'a, C: JsonSchema + Default + Serialize>(
    text: &'a str,
    path: &Path,
    kind: &str,
    type_id: &str,
) -> Result<[(&'static str, &'a str, String); 2], String> {
    let path = path.display();
    let manifest: Manifest<'a> = serde_json::from_str(text).map_err(|error| format!("{path}: {error}"))?;
    let mut abilities = manifest.components.into_iter().flat_map(|component| component.abilities);
    let ability = abilities.find(|ability| ability.kind == kind && ability.type_id == type_id);
    let ability = ability.ok_or_else(|| format!("{path}: there is no ability {kind} {type_id}"))?;
    let there = |field: &str, value: Option<&'a RawValue>| {
        let missing =
            || format!("{path}: the ability {kind} {type_id} has no {field}; give it \"{field}\": \"{{}}\" first");
        value.map(RawValue::get).ok_or_else(missing)
    };
    Ok([
        ("config_schema_json", there("config_schema_json", ability.config_schema_json)?, of::<C>()),
        ("default_config_json", there("default_config_json", ability.default_config_json)?, default_of::<C>()),
    ])
}

#[derive(Deserialize)]
struct Manifest<'a> {
    #[serde(borrow)]
    components: Vec<Component<'a>>,
}

#[derive(Deserialize)]
struct Component<'a> {
    #[serde(borrow)]
    abilities: Vec<Ability<'a>>,
}

#[derive(Deserialize)]
struct Ability<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    type_id: Cow<'a, str>,
    #[serde(borrow)]
    config_schema_json: Option<&'a RawValue>,
    #[serde(borrow)]
    default_config_json: Option<&'a RawValue>,
}

/// Variants that each have a doc comment become a choice of constants, which forms do not know; the choice itself they do.
fn plain_enum(schema: &mut Schema) {
    let Some(Value::Array(choices)) = schema.get("oneOf") else { return };
    let constants: Option<Vec<Value>> = choices.iter().map(|choice| choice.get("const").cloned()).collect();
    if let Some(constants) = constants {
        schema.remove("oneOf");
        schema.insert("type".to_owned(), "string".into());
        schema.insert("enum".to_owned(), constants.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Deserialize, Serialize, JsonSchema)]
    #[serde(default, rename_all = "snake_case")]
    struct Config {
        /// How to play.
        mode: Mode,
        address: String,
    }

    #[derive(Default, Deserialize, Serialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        /// As it comes.
        #[default]
        AsIs,
        /// Louder.
        Loud,
    }

    #[test]
    fn a_schema_is_what_forms_understand() {
        let schema: Value = serde_json::from_str(&of::<Config>()).unwrap();
        let mode = &schema["properties"]["mode"];
        assert_eq!((mode["type"].as_str(), &mode["enum"]), (Some("string"), &serde_json::json!(["as_is", "loud"])));
        assert_eq!((mode["default"].as_str(), mode["description"].as_str()), (Some("as_is"), Some("How to play.")));
        assert_eq!(schema["properties"]["address"]["type"], "string");
        assert_eq!(schema.get("$schema"), None);
    }

    #[test]
    fn a_manifest_is_written_in_place() {
        let folder = std::env::temp_dir().join(format!("stellatune-sdk-schema-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("plugin.json");
        let before = concat!(
            "{\n  \"id\": \"a\", \"components\": [{ \"abilities\": [\n",
            "    { \"kind\": \"source\", \"type_id\": \"x\", \"default_config_json\": \"{\\\"a\\\":1}\",\n",
            "      \"config_schema_json\": \"{}\" },\n",
            "    { \"kind\": \"dsp\", \"type_id\": \"x\" }\n  ] }]\n}\n"
        );
        fs::write(&path, before).unwrap();
        assert!(check::<Config>(&path, "source", "x").unwrap_err().contains("config_schema_json"));
        assert!(check::<Config>(&path, "dsp", "x").unwrap_err().contains("has no config_schema_json"));
        assert!(check::<Config>(&path, "lyrics", "x").unwrap_err().contains("no ability lyrics x"));
        write::<Config>(&path, "source", "x").unwrap();
        check::<Config>(&path, "source", "x").unwrap();
        let after = fs::read_to_string(&path).unwrap();
        assert!(after.starts_with(before.split("\"{\\\"a").next().unwrap()), "{after}");
        assert!(after.ends_with("    { \"kind\": \"dsp\", \"type_id\": \"x\" }\n  ] }]\n}\n"), "{after}");
        assert!(check::<Config>(folder.join("none.json"), "dsp", "x").unwrap_err().contains("none.json"));
        fs::remove_dir_all(&folder).unwrap();
    }
}

//! JSON as a manifest may be: bounded in size and depth, no duplicate keys; and a reader that knows where it is.
//!
//! serde's derive would ignore unknown fields as well, but could not say which field of which ability is wrong.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{MAX_BYTES, shown};
use crate::error::{Error, Result};

/// Levels of nesting; a manifest needs seven.
const DEPTH: usize = 64;

/// Reads one JSON document.
pub(super) fn read(bytes: &[u8]) -> Result<Value> {
    if bytes.len() > MAX_BYTES {
        return Err(Error::rejected(
            "manifest-size",
            format!("plugin.json has {} bytes, more than {MAX_BYTES}", bytes.len()),
        ));
    }
    let fail = |why: String| Error::rejected("manifest-json", format!("plugin.json is not valid JSON: {why}"));
    let text = std::str::from_utf8(bytes).map_err(|error| fail(error.to_string()))?;
    if text.starts_with('\u{feff}') {
        return Err(fail("it begins with a byte order mark".into()));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Level(DEPTH).deserialize(&mut reader).map_err(|error| fail(error.to_string()))?;
    reader.end().map_err(|error| fail(error.to_string()))?;
    Ok(value)
}

/// How many levels may still open below.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom(format_args!("more than {DEPTH} levels")))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(below)?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key {} is there twice", shown(&key))));
            }
            map.insert(key, value);
        }
        Ok(map.into())
    }
}

/// A value and the path by which it was reached.
pub(super) struct Node<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Node<'a> {
    /// The document itself.
    pub(super) fn document(value: &'a Value) -> Result<Self> {
        Self { path: "plugin.json".into(), value }.object()
    }

    /// This value, if it is an object.
    pub(super) fn object(self) -> Result<Self> {
        if self.value.is_object() { Ok(self) } else { Err(self.fail("field-type", "is not an object")) }
    }

    /// A field that may be absent or null.
    pub(super) fn optional(&self, name: &str) -> Option<Node<'a>> {
        self.value.get(name).filter(|value| !value.is_null()).map(|value| self.child(name, value))
    }

    /// A field that must be there.
    pub(super) fn field(&self, name: &str) -> Result<Node<'a>> {
        let missing = || Error::rejected("missing-field", format!("`{}` has no `{name}`", self.path));
        self.value.get(name).map(|value| self.child(name, value)).ok_or_else(missing)
    }

    fn child(&self, name: &str, value: &'a Value) -> Node<'a> {
        let path = if self.path == "plugin.json" { name.to_owned() } else { format!("{}.{name}", self.path) };
        Node { path, value }
    }

    /// The items of a list.
    pub(super) fn items(&self) -> Result<Vec<Node<'a>>> {
        let list = self.value.as_array().ok_or_else(|| self.fail("field-type", "is not a list"))?;
        let item = |(index, value)| Node { path: format!("{}[{index}]", self.path), value };
        Ok(list.iter().enumerate().map(item).collect())
    }

    /// The items of a list that must have some.
    pub(super) fn some_items(&self) -> Result<Vec<Node<'a>>> {
        let items = self.items()?;
        if items.is_empty() { Err(self.fail("empty", "must not be empty")) } else { Ok(items) }
    }

    /// A string, as it is.
    pub(super) fn string(&self) -> Result<&'a str> {
        self.value.as_str().ok_or_else(|| self.fail("field-type", "is not a string"))
    }

    /// A string for people: trimmed, not blank, one line.
    pub(super) fn text(&self) -> Result<String> {
        let text = self.string()?.trim();
        if text.is_empty() {
            return Err(self.fail("empty", "is blank"));
        }
        if text.chars().any(char::is_control) {
            return Err(self.fail("charset", "has control characters"));
        }
        Ok(text.to_owned())
    }

    /// A whole number.
    pub(super) fn number<T: TryFrom<u64>>(&self, what: &str) -> Result<T> {
        let number = self.value.as_u64().and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| self.fail("field-type", what))
    }

    /// The error for this value: which field, what it is, what is wrong with it.
    pub(super) fn fail(&self, rule: &'static str, why: &str) -> Error {
        let value = match self.value {
            Value::String(text) => shown(text),
            Value::Array(list) => format!("a list of {}", list.len()),
            Value::Object(_) => "an object".into(),
            other => other.to_string(),
        };
        Error::rejected(rule, format!("`{}` {why}; it is {value}", self.path))
    }
}

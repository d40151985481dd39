//! Checks a value against a JSON Schema, as far as plugins' settings need it (docs/decisions/0021).
//!
//! Both come from strangers, so the work is bounded and nothing is fetched or matched by pattern. Keywords that are not
//! looked at are notes for people, such as `title`, or left to the plugin, such as `pattern`.

use serde_json::{Map, Value};

/// Schemas applied to values in one check. A form with hundreds of settings takes some thousand.
const STEPS: u32 = 200_000;

/// Levels of schemas inside schemas. Forms have some five.
const DEPTH: u32 = 64;

/// Says where `value` breaks `schema`, and how.
pub(super) fn check(value: &Value, schema: &Value) -> Result<(), String> {
    Check { steps: STEPS }.apply(value, schema, "", DEPTH).map_err(|fault| match fault {
        Fault::Breaks(why) => why,
        Fault::Endless => "the plugin's schema is too large to check it".to_owned(),
    })
}

enum Fault {
    Breaks(String),
    /// The check itself is given up.
    Endless,
}

struct Check {
    steps: u32,
}

impl Check {
    fn apply(&mut self, value: &Value, schema: &Value, at: &str, depth: u32) -> Result<(), Fault> {
        self.steps = self.steps.checked_sub(1).ok_or(Fault::Endless)?;
        let depth = depth.checked_sub(1).ok_or(Fault::Endless)?;
        match schema {
            Value::Bool(false) => Err(breaks(at, "must not be there")),
            Value::Object(schema) => {
                of_any_type(value, schema, at)?;
                match value {
                    Value::Number(_) => number(value, schema, at)?,
                    Value::String(text) => {
                        length(text.chars().count(), schema, ["minLength", "maxLength"], "characters", at)?;
                    }
                    Value::Array(items) => {
                        length(items.len(), schema, ["minItems", "maxItems"], "items", at)?;
                        if let Some(each) = schema.get("items") {
                            for (index, item) in items.iter().enumerate() {
                                self.apply(item, each, &format!("{at}/{index}"), depth)?;
                            }
                        }
                    }
                    Value::Object(fields) => self.object(fields, schema, at, depth)?,
                    Value::Null | Value::Bool(_) => {}
                }
                self.combined(value, schema, at, depth)
            }
            // `true`, and what is no schema at all, allows everything.
            _ => Ok(()),
        }
    }

    fn object(
        &mut self,
        fields: &Map<String, Value>,
        schema: &Map<String, Value>,
        at: &str,
        depth: u32,
    ) -> Result<(), Fault> {
        for name in list(schema, "required").iter().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                return Err(breaks(at, &format!("needs `{name}`")));
            }
        }
        let known = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        for (name, value) in fields {
            let at = || format!("{at}/{name}");
            match known.and_then(|known| known.get(name)).or(others) {
                None => {}
                Some(Value::Bool(false)) => return Err(breaks(&at(), "is not known to the plugin")),
                Some(schema) => self.apply(value, schema, &at(), depth)?,
            }
        }
        Ok(())
    }

    fn combined(&mut self, value: &Value, schema: &Map<String, Value>, at: &str, depth: u32) -> Result<(), Fault> {
        for each in list(schema, "allOf") {
            self.apply(value, each, at, depth)?;
        }
        if let Some(not) = schema.get("not")
            && self.fits(value, not, at, depth)?
        {
            return Err(breaks(at, "is what the plugin excludes"));
        }
        for (keyword, exactly_one) in [("anyOf", false), ("oneOf", true)] {
            let choices = list(schema, keyword);
            let mut fitting = 0;
            for choice in choices {
                fitting += usize::from(self.fits(value, choice, at, depth)?);
            }
            if !choices.is_empty() && (fitting == 0 || (exactly_one && fitting > 1)) {
                return Err(breaks(at, &format!("fits {fitting} of the {} forms it may have", choices.len())));
            }
        }
        Ok(())
    }

    fn fits(&mut self, value: &Value, schema: &Value, at: &str, depth: u32) -> Result<bool, Fault> {
        match self.apply(value, schema, at, depth) {
            Ok(()) => Ok(true),
            Err(Fault::Breaks(_)) => Ok(false),
            Err(Fault::Endless) => Err(Fault::Endless),
        }
    }
}

fn of_any_type(value: &Value, schema: &Map<String, Value>, at: &str) -> Result<(), Fault> {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(some)) => some.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|wanted| is(value, wanted)) {
        return Err(breaks(at, &format!("must be {}", types.join(" or "))));
    }
    if let Some(Value::Array(choices)) = schema.get("enum")
        && !choices.iter().any(|choice| same(choice, value))
    {
        let choices: Vec<_> = choices.iter().take(20).map(ToString::to_string).collect();
        return Err(breaks(at, &format!("must be one of {}", choices.join(", "))));
    }
    match schema.get("const") {
        Some(only) if !same(only, value) => Err(breaks(at, &format!("must be {only}"))),
        _ => Ok(()),
    }
}

fn is(value: &Value, wanted: &str) -> bool {
    match wanted {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => false,
    }
}

/// 1 and 1.0 are one number (JSON Schema core, 4.2.2).
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a_number), Some(b_number)) => a == b || a_number == b_number,
        _ => a == b,
    }
}

fn number(value: &Value, schema: &Map<String, Value>, at: &str) -> Result<(), Fault> {
    let Some(number) = value.as_f64() else { return Ok(()) };
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    let broken = |keyword: &str, holds: fn(f64, f64) -> bool, words: &str| {
        bound(keyword).filter(|bound| !holds(number, *bound)).map(|bound| format!("must be {words} {bound}"))
    };
    let broken = broken("minimum", |number, bound| number >= bound, "at least")
        .or_else(|| broken("maximum", |number, bound| number <= bound, "at most"))
        .or_else(|| broken("exclusiveMinimum", |number, bound| number > bound, "more than"))
        .or_else(|| broken("exclusiveMaximum", |number, bound| number < bound, "less than"));
    if let Some(why) = broken {
        return Err(breaks(at, &why));
    }
    match schema.get("multipleOf").and_then(Value::as_f64) {
        Some(step) if step > 0.0 && (number / step).fract() != 0.0 => {
            Err(breaks(at, &format!("must be a multiple of {step}")))
        }
        _ => Ok(()),
    }
}

fn length(found: usize, schema: &Map<String, Value>, bounds: [&str; 2], what: &str, at: &str) -> Result<(), Fault> {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
    let found = found as u64;
    match (bound(bounds[0]), bound(bounds[1])) {
        (Some(least), _) if found < least => Err(breaks(at, &format!("must have at least {least} {what}"))),
        (_, Some(most)) if found > most => Err(breaks(at, &format!("must have at most {most} {what}"))),
        _ => Ok(()),
    }
}

fn list<'a>(schema: &'a Map<String, Value>, keyword: &str) -> &'a [Value] {
    schema.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn breaks(at: &str, why: &str) -> Fault {
    let at = if at.is_empty() { "the whole".to_owned() } else { at.chars().take(200).collect() };
    Fault::Breaks(format!("{at} {why}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is checked.
    const KEYWORDS: [&str; 20] = [
        "type",
        "enum",
        "const",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
    ];

    #[track_caller]
    fn fits(schema: &Value, good: &[Value], bad: &[(Value, &str)]) {
        for value in good {
            assert_eq!(check(value, schema), Ok(()), "{value}");
        }
        for (value, why) in bad {
            assert_eq!(check(value, schema), Err((*why).to_owned()), "{value}");
        }
    }

    #[test]
    fn a_form_is_checked_field_by_field() {
        let schema = json!({
            "type": "object",
            "title": "Settings",
            "properties": {
                "level": { "type": "string", "enum": ["low", "high"], "x-order": 1 },
                "timeout_ms": { "type": "integer", "minimum": 500, "maximum": 60000 },
                "args": { "type": "array", "items": { "type": "string", "maxLength": 3 }, "maxItems": 2 },
                "path": { "type": ["string", "null"] }
            },
            "required": ["level"],
            "additionalProperties": false
        });
        fits(
            &schema,
            &[
                json!({"level": "low"}),
                json!({"level": "high", "timeout_ms": 500, "args": ["a"], "path": null}),
                json!({"level": "high", "timeout_ms": 8000.0}),
            ],
            &[
                (json!([]), "the whole must be object"),
                (json!({}), "the whole needs `level`"),
                (json!({"level": "mid"}), "/level must be one of \"low\", \"high\""),
                (json!({"level": "low", "timeout_ms": 1}), "/timeout_ms must be at least 500"),
                (json!({"level": "low", "timeout_ms": 500.5}), "/timeout_ms must be integer"),
                (json!({"level": "low", "args": ["a", "b", "c"]}), "/args must have at most 2 items"),
                (json!({"level": "low", "args": ["a", "long"]}), "/args/1 must have at most 3 characters"),
                (json!({"level": "low", "path": 7}), "/path must be string or null"),
                (json!({"level": "low", "more": 1}), "/more is not known to the plugin"),
            ],
        );
    }

    #[test]
    fn forms_are_combined() {
        let schema = json!({
            "oneOf": [{ "type": "integer" }, { "minimum": 10 }],
            "not": { "const": 13 },
            "anyOf": [true, false],
            "allOf": [{ "maximum": 100 }, { "multipleOf": 0.5 }]
        });
        fits(
            &schema,
            &[json!(3), json!(10.5)],
            &[
                (json!(11), "the whole fits 2 of the 2 forms it may have"),
                (json!(13), "the whole is what the plugin excludes"),
                (json!(10.2), "the whole must be a multiple of 0.5"),
                (json!(101), "the whole must be at most 100"),
            ],
        );
        fits(&json!(false), &[], &[(json!(1), "the whole must not be there")]);
        fits(&json!("no schema"), &[json!(1), json!(null)], &[]);
    }

    // G24
    #[test]
    fn a_hostile_schema_costs_little() {
        let many = json!({ "items": { "allOf": vec![json!({ "minimum": 0 }); 30_000] } });
        let endless = Err("the plugin's schema is too large to check it".to_owned());
        assert_eq!(check(&json!(vec![1; 30_000]), &many), endless);
        let deep = (0..100).fold(json!(true), |inner, _| json!({ "not": inner }));
        assert_eq!(check(&json!(1), &deep), endless);
        // Neither followed nor matched.
        let notes = json!({ "$ref": "file:///etc/passwd", "pattern": "(a+)+$", "format": "uri" });
        assert_eq!(check(&json!("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"), &notes), Ok(()));
    }

    #[test]
    fn every_keyword_is_one() {
        let broken = [
            (json!({"type": "null"}), json!(1)),
            (json!({"enum": [2]}), json!(1)),
            (json!({"const": 2}), json!(1)),
            (json!({"properties": {"a": false}}), json!({"a": 1})),
            (json!({"required": ["a"]}), json!({})),
            (json!({"additionalProperties": false}), json!({"a": 1})),
            (json!({"items": false}), json!([1])),
            (json!({"minItems": 2}), json!([1])),
            (json!({"maxItems": 0}), json!([1])),
            (json!({"minLength": 2}), json!("a")),
            (json!({"maxLength": 0}), json!("a")),
            (json!({"minimum": 2}), json!(1)),
            (json!({"maximum": 0}), json!(1)),
            (json!({"exclusiveMinimum": 1}), json!(1)),
            (json!({"exclusiveMaximum": 1}), json!(1)),
            (json!({"multipleOf": 2}), json!(1)),
            (json!({"allOf": [false]}), json!(1)),
            (json!({"anyOf": [false]}), json!(1)),
            (json!({"oneOf": [true, true]}), json!(1)),
            (json!({"not": true}), json!(1)),
        ];
        for ((schema, value), keyword) in broken.iter().zip(KEYWORDS) {
            assert!(schema.get(keyword).is_some() && check(value, schema).is_err(), "{keyword}");
        }
    }
}

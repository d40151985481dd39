//! Makes components of WebAssembly text.
//!
//! A text `(component ...)` is taken as it is. A text `(module ...)` is the core of a decoder: it is completed with
//! the exports it does not have itself, each as tame as can be, and then lifted into a component of the world
//! `decoder-plugin`. So a fixture holds what is hostile about it, and nothing else.
//!
//! Front matter are lines `;; key: value` at the top: `for` (what it tests), `threat` (the threat's id), `revision` (an
//! older one of the contract).

use anyhow::{Context, Result, bail};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use super::contract;

/// Memory below this belongs to the answers of [`DEFAULTS`]; `cabi_realloc` hands out what is above.
const HEAP: &str = "65536";

/// What every completed module starts with, since text wants imports first.
const IMPORTS: &str = r#"
  (import "[export]stellatune:plugin/decoder@0.1.0" "[resource-new]session" (func $session-new (param i32) (result i32)))
"#;

/// The exports of a decoder, with bodies for those a fixture leaves out: a stream of 48 kHz mono that is at its end.
/// Answers lie in memory: all zeroes (an empty success) at 1024, a session at 2048, the shape of the samples at 3072,
/// the end of the samples at 4096.
const DEFAULTS: &[(&str, &str)] = &[
    ("memory", r#"(memory $memory (export "memory") 2)"#),
    (
        "cabi_realloc",
        r#"(func $realloc (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32)
            (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
                                    (i32.sub (i32.const 0) (local.get $align))))
            (global.set $heap (i32.add (local.get $at) (local.get $size)))
            (local.get $at))"#,
    ),
    ("lifecycle@0.1.0#on-enable", "(result i32) (i32.const 1024)"),
    ("lifecycle@0.1.0#on-disable", "(param i32) (result i32) (i32.const 1024)"),
    (
        "decoder@0.1.0#open",
        "(param i32 i32 i32 i32) (result i32)
            (i32.store (i32.const 2052) (call $session-new (i32.const 7)))
            (i32.const 2048)",
    ),
    ("decoder@0.1.0#[method]session.info", "(param i32) (result i32) (i32.const 3072)"),
    ("decoder@0.1.0#[method]session.metadata", "(param i32) (result i32) (i32.const 1024)"),
    ("decoder@0.1.0#[method]session.read-pcm-f32", "(param i32 i32) (result i32) (i32.const 4096)"),
    ("decoder@0.1.0#[method]session.seek-ms", "(param i32 i64) (result i32) (i32.const 1024)"),
    ("decoder@0.1.0#[method]session.plan-config-update-json", "(param i32 i32 i32) (result i32) (i32.const 1024)"),
    ("decoder@0.1.0#[method]session.apply-config-update-json", "(param i32 i32 i32) (result i32) (i32.const 1024)"),
    ("decoder@0.1.0#[method]session.export-state-json", "(param i32) (result i32) (i32.const 1024)"),
    ("decoder@0.1.0#[method]session.import-state-json", "(param i32 i32 i32) (result i32) (i32.const 1024)"),
    ("decoder@0.1.0#[method]session.close", "(param i32)"),
];

/// What every completed module ends with.
fn data() -> String {
    format!(
        r#"
  (global $heap (mut i32) (i32.const {HEAP}))
  (data (memory $memory) (i32.const 3080) "\80\bb\00\00\01\00")
  (data (memory $memory) (i32.const 4112) "\01")
"#
    )
}

/// The component of a text.
pub(crate) fn component(text: &str) -> Result<Vec<u8>> {
    let body = text.lines().find(|line| !line.trim_start().starts_with(";;") && !line.trim().is_empty());
    if body.is_some_and(|line| line.starts_with("(component")) {
        return Ok(wat::parse_str(text)?);
    }
    let module = wat::parse_str(complete(text)?)?;
    lift(module, front_matter(text, "revision"))
}

/// The value of `;; key: value` at the top of a text.
pub(crate) fn front_matter<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let lines = text.lines().map_while(|line| line.strip_prefix(";;"));
    lines.filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix(':')).map(str::trim).next()
}

/// A module with every export of a decoder.
fn complete(text: &str) -> Result<String> {
    let (head, rest) = text.split_once("(module").context("neither (module nor (component")?;
    let body = rest.trim_end().strip_suffix(')').context("the module does not end")?;
    let mut out = format!("{head}(module{IMPORTS}{body}");
    for (name, definition) in DEFAULTS {
        let name = if name.contains('#') { format!("stellatune:plugin/{name}") } else { (*name).to_owned() };
        if body.contains(&format!("(export \"{name}\")")) {
            continue;
        }
        if definition.starts_with("(param") || definition.starts_with("(result") {
            out += &format!("\n  (func (export \"{name}\") {definition})");
        } else {
            out += &format!("\n  {definition}");
        }
    }
    out += &data();
    out.push(')');
    Ok(out)
}

/// Lifts a core module into a component of the contract, or of an older revision of it.
fn lift(mut module: Vec<u8>, revision: Option<&str>) -> Result<Vec<u8>> {
    let (resolve, package) =
        contract::resolve(|path, text| if path.ends_with(CHANGED) { revised(text, revision) } else { Ok(text) })?;
    let world = resolve.select_world(&[package], Some("decoder-plugin"))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default().validate(true).module(&module)?.encode()
}

/// The file of the contract that earlier revisions differ in.
const CHANGED: &str = "host-imports.wit";

/// What an older revision has in place of what (plugin contract 0), as far as a decoder can tell.
fn revised(text: String, revision: Option<&str>) -> Result<String> {
    let (now, then) = match revision {
        None => return Ok(text),
        Some("W1") => ("open: func(request: open-request)", "open-uri: func(uri: string)"),
        Some("W2") => ("scope: launch-scope,", ""),
        Some(other) => bail!("no revision {other}"),
    };
    if text.matches(now).count() != 1 {
        bail!("{CHANGED} does not hold `{now}` once");
    }
    Ok(text.replace(now, then))
}

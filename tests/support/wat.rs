//! Makes components of WebAssembly text.
//!
//! A text `(component ...)` is taken as it is, but if it has a core instance `$hooks`, its `enable` and `disable` become
//! the component's hooks. A text `(module ...)` is the core of a plugin: it is completed with the
//! exports of its world that it does not have itself, each as tame as can be, and then lifted into a component. So a
//! fixture holds what is special about it, and nothing else.
//!
//! Front matter are lines `;; key: value` at the top: `for` (what it tests), `threat` (the threat's id), `world` (a
//! decoder's where it is not said), `revision` (an older one of the contract).

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
pub(crate) use wit_component::StringEncoding;
use wit_component::{ComponentEncoder, embed_component_metadata};
use wit_parser::{
    Resolve, SourceMap, TypeDefKind, WorldId, WorldItem,
    abi::{AbiVariant, WasmType},
};

/// Memory below this belongs to the answers of [`ANSWERS`]; `cabi_realloc` hands out what is above.
const HEAP: &str = "65536";

/// What every module has that has none of its own: memory, and an allocator that grows it.
const BASE: &[(&str, &str)] = &[
    ("memory", r#"(memory $memory (export "memory") 2)"#),
    (
        "cabi_realloc",
        r#"(func $realloc (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32)
            (result i32)
            (local $at i32) (local $more i32)
            (local.set $at (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
                                    (i32.sub (i32.const 0) (local.get $align))))
            (global.set $heap (i32.add (local.get $at) (local.get $size)))
            (local.set $more (i32.sub (i32.shr_u (i32.add (global.get $heap) (i32.const 65535)) (i32.const 16))
                                      (memory.size)))
            (if (i32.gt_s (local.get $more) (i32.const 0)) (then (drop (memory.grow (local.get $more)))))
            (memory.copy (local.get $at) (local.get $old)
                         (select (local.get $old-size) (local.get $size)
                                 (i32.lt_u (local.get $old-size) (local.get $size))))
            (local.get $at))"#,
    ),
];

/// Lifts the hooks of a core instance, which has the memory and the allocator too; their texts are in `encoding`. Exported
/// functions may use named types only, so a component inside names them.
pub(crate) fn hooks(instance: &str, encoding: &str) -> String {
    format!(
        r#"
  (type $error (variant
    (case "invalid-arg" string) (case "not-found" string) (case "io" string) (case "timeout" string)
    (case "unsupported" string) (case "denied" string) (case "internal" string)))
  (type $reason (enum "host-disable" "unload" "shutdown" "reload"))
  (func $on-enable (result (result (error $error)))
    (canon lift (core func ${instance} "enable") (memory ${instance} "memory") (realloc (func ${instance} "realloc"))
          string-encoding={encoding}))
  (func $on-disable (param "reason" $reason) (result (result (error $error)))
    (canon lift (core func ${instance} "disable") (memory ${instance} "memory") (realloc (func ${instance} "realloc"))
          string-encoding={encoding}))
  (component $lifecycle
    (type $error' (variant
      (case "invalid-arg" string) (case "not-found" string) (case "io" string) (case "timeout" string)
      (case "unsupported" string) (case "denied" string) (case "internal" string)))
    (import "plugin-error" (type $error (eq $error')))
    (type $reason' (enum "host-disable" "unload" "shutdown" "reload"))
    (import "disable-reason" (type $reason (eq $reason')))
    (import "on-enable" (func $on-enable (result (result (error $error)))))
    (import "on-disable" (func $on-disable (param "reason" $reason) (result (result (error $error)))))
    (export $shown-error "plugin-error" (type $error'))
    (export $shown-reason "disable-reason" (type $reason'))
    (export "on-enable" (func $on-enable) (func (result (result (error $shown-error)))))
    (export "on-disable" (func $on-disable)
      (func (param "reason" $shown-reason) (result (result (error $shown-error))))))
  (instance $exported (instantiate $lifecycle
    (with "plugin-error" (type $error)) (with "disable-reason" (type $reason))
    (with "on-enable" (func $on-enable)) (with "on-disable" (func $on-disable))))
  (export "stellatune:plugin/lifecycle@0.1.0" (instance $exported))"#
    )
}

/// Functions that make an object, and which.
const MAKERS: &[(&str, &str)] = &[
    ("decoder@0.1.0#open", "session"),
    ("source@0.1.0#create", "catalog"),
    ("lyrics@0.1.0#create", "provider"),
    ("output-sink@0.1.0#create", "session"),
    ("dsp@0.1.0#create", "processor"),
];

/// Functions that answer something else than zeroes, which are an empty success: a decoder is 48 kHz mono at its end.
const ANSWERS: &[(&str, &str)] = &[
    ("decoder@0.1.0#[method]session.info", "(i32.const 3072)"),
    ("decoder@0.1.0#[method]session.read-pcm-f32", "(i32.const 4096)"),
];

/// What every completed module ends with. Answers lie in memory: all zeroes at 1024, an object that was made at 2048, the
/// shape of the samples at 3072, the end of the samples at 4096.
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
    component_in(text, StringEncoding::UTF8)
}

/// The component of a text, whose strings are encoded so.
pub(crate) fn component_in(text: &str, encoding: StringEncoding) -> Result<Vec<u8>> {
    let body = text.lines().find(|line| !line.trim_start().starts_with(";;") && !line.trim().is_empty());
    if body.is_some_and(|line| line.starts_with("(component")) {
        return Ok(match text.trim_end().strip_suffix(')') {
            Some(items) if text.contains("(core instance $hooks ") => {
                wat::parse_str(format!("{items}{})", hooks("hooks", "utf8")))?
            }
            _ => wat::parse_str(text)?,
        });
    }
    let mut resolve = Resolve::default();
    let world = contract(&mut resolve, front_matter(text, "world"), front_matter(text, "revision"))?;
    let mut module = wat::parse_str(complete(text, &resolve, world)?)?;
    embed_component_metadata(&mut module, &resolve, world, encoding)?;
    ComponentEncoder::default().validate(true).module(&module)?.encode()
}

/// The value of `;; key: value` at the top of a text.
pub(crate) fn front_matter<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let lines = text.lines().map_while(|line| line.strip_prefix(";;"));
    lines.filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix(':')).map(str::trim).next()
}

/// A module with every export of a world.
fn complete(text: &str, resolve: &Resolve, world: WorldId) -> Result<String> {
    let (head, rest) = text.split_once("(module").context("neither (module nor (component")?;
    let body = rest.trim_end().strip_suffix(')').context("the module does not end")?;
    let (mut imports, mut exports) = (String::new(), String::new());
    let missing = |name: &str| !body.contains(&format!("(export \"{name}\")"));
    for (name, definition) in BASE {
        if missing(name) {
            write!(exports, "\n  {definition}")?;
        }
    }
    for (key, item) in &resolve.worlds[world].exports {
        let WorldItem::Interface { id, .. } = item else { bail!("a world exports interfaces only") };
        let interface = resolve.name_world_key(key);
        for (name, ty) in &resolve.interfaces[*id].types {
            if matches!(resolve.types[*ty].kind, TypeDefKind::Resource) {
                write!(
                    imports,
                    "\n  (import \"[export]{interface}\" \"[resource-new]{name}\" \
                     (func ${name}-new (param i32) (result i32)))"
                )?;
            }
        }
        for function in resolve.interfaces[*id].functions.values() {
            let name = function.legacy_core_export_name(Some(&interface));
            if missing(&name) {
                let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
                write!(exports, "\n  (func (export \"{name}\")")?;
                types(&mut exports, "param", &signature.params)?;
                types(&mut exports, "result", &signature.results)?;
                if !signature.results.is_empty() {
                    write!(exports, " {}", answer(&name))?;
                }
                exports.push(')');
            }
        }
    }
    Ok(format!("{head}(module{imports}{body}{exports}{})", data()))
}

/// What a function answers that the fixture does not have.
fn answer(name: &str) -> String {
    let of =
        |table: &[(&str, &'static str)]| table.iter().find(|(end, _)| name.ends_with(end)).map(|(_, found)| *found);
    match of(MAKERS) {
        Some(object) => {
            format!("(i32.store (i32.const 2052) (call ${object}-new (i32.const 7))) (i32.const 2048)")
        }
        None => of(ANSWERS).unwrap_or("(i32.const 1024)").to_owned(),
    }
}

fn types(out: &mut String, what: &str, types: &[WasmType]) -> Result<()> {
    for ty in types {
        let name = match ty {
            WasmType::I64 | WasmType::PointerOrI64 => "i64",
            WasmType::F32 => "f32",
            WasmType::F64 => "f64",
            WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
        };
        write!(out, " ({what} {name})")?;
    }
    Ok(())
}

/// Reads the contract, or an older revision of it.
fn contract(resolve: &mut Resolve, world: Option<&str>, revision: Option<&str>) -> Result<WorldId> {
    let mut sources = SourceMap::new();
    for entry in std::fs::read_dir(folder()?)? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)?;
        sources.push(&path, if path.ends_with(CHANGED) { revised(text, revision)? } else { text });
    }
    let group = sources.parse().map_err(|(_, error)| anyhow!("{error}"))?;
    let package = resolve.push_group(group)?;
    resolve.select_world(&[package], Some(world.unwrap_or("decoder-plugin")))
}

/// The contract's folder, from the manifest of the repository or of a package in it.
fn folder() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut folders = here.map(|folder| folder.join("wit").join("stellatune-plugin"));
    folders.find(|folder| folder.is_dir()).context("the repository holds wit/stellatune-plugin")
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

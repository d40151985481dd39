//! A component that hands back what it is given, for functions of any type.
//!
//! `echo` writes its flat parameters into memory itself, as a guest's own bindings do; `pass` hands them on to the host,
//! which hands them back. What goes through `pass` is lowered and lifted by the host twice each.

use std::fmt::Write;

use anyhow::{Result, anyhow, ensure};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{
    Resolve, SourceMap,
    abi::{AbiVariant, WasmType},
};

use super::types::{self, Type};

/// What the component imports and exports.
pub(super) const HOST: &str = "zoo:zoo/host";
pub(super) const GUEST: &str = "zoo:zoo/guest";
/// The functions: the guest's two, and the host's, which is called as the second.
pub(super) const FUNCTIONS: [&str; 2] = ["echo", "pass"];

/// Flat parameters beyond these go through memory (component model, canonical ABI: `MAX_FLAT_PARAMS`).
const MOST_FLAT: usize = 16;

/// The answer to parameters: the one there is, or all as a tuple.
pub(super) fn answer(parameters: &[Type]) -> Type {
    match parameters {
        [one] => one.clone(),
        many => Type::Tuple(many.to_vec()),
    }
}

/// The world of a component, as WIT.
pub(super) fn wit(parameters: &[Type]) -> String {
    let mut definitions = Vec::new();
    let mut signature = String::from("func(");
    for (n, parameter) in parameters.iter().enumerate() {
        let _ = write!(signature, "a{n}: {}, ", types::wit(parameter, &mut definitions));
    }
    let answer = types::wit(&answer(parameters), &mut Vec::new());
    let _ = write!(signature, ") -> {answer};");
    let names: Vec<_> = definitions.iter().filter_map(|it| it.split(' ').nth(1)).collect();
    let used = if names.is_empty() { String::new() } else { format!("use host.{{{}}};", names.join(", ")) };
    format!(
        "package zoo:zoo;
        interface host {{ {} pass: {signature} }}
        interface guest {{ {used} echo: {signature} pass: {signature} }}
        world zoo {{ import host; export guest; }}",
        definitions.join(" ")
    )
}

/// The component, whose strings are encoded so.
pub(super) fn component(parameters: &[Type], encoding: StringEncoding) -> Result<Vec<u8>> {
    let mut sources = SourceMap::new();
    sources.push_str("zoo.wit", wit(parameters));
    let group = sources.parse().map_err(|(_, error)| anyhow!("{error}"))?;
    let mut resolve = Resolve::default();
    let package = resolve.push_group(group)?;
    let world = resolve.select_world(&[package], None)?;
    let host = resolve.packages[package].interfaces["host"];
    let function = &resolve.interfaces[host].functions["pass"];
    let (import, export) = (AbiVariant::GuestImport, AbiVariant::GuestExport);
    let (import, export) = (resolve.wasm_signature(import, function), resolve.wasm_signature(export, function));

    let mut flat = Vec::new();
    parameters.iter().for_each(|ty| flatten(ty, &mut flat));
    ensure!(export.indirect_params == (flat.len() > MOST_FLAT), "how many parameters are flat is beyond doubt");
    let echo = if export.indirect_params {
        // They lie in memory already, as the answer has to.
        "(local.get 0)".to_owned()
    } else if !export.retptr {
        "(local.get 0)".to_owned()
    } else {
        let answer = answer(parameters);
        let (size, align) = layout(&answer);
        let mut code = format!(
            "(local.set $out (call $realloc (i32.const 0) (i32.const 0) (i32.const {align}) (i32.const {size})))\n"
        );
        let locals: Vec<_> = flat.iter().enumerate().map(|(n, core)| (format!("(local.get {n})"), *core)).collect();
        store(&answer, 0, &locals, &mut code);
        code + "(local.get $out)"
    };
    let given: String =
        (0..import.params.len() - usize::from(import.retptr)).map(|n| format!("(local.get {n})")).collect();
    let pass = if import.retptr {
        let (size, align) = layout(&answer(parameters));
        format!(
            "(local.set $out (call $realloc (i32.const 0) (i32.const 0) (i32.const {align}) (i32.const {size})))
            (call $pass {given} (local.get $out)) (local.get $out)"
        )
    } else {
        format!("(call $pass {given})")
    };
    let text = format!(
        r#"(module
        (import "{HOST}" "pass" (func $pass {0}))
        (memory (export "memory") 2)
        (global $heap (mut i32) (i32.const 1024))
        (func $realloc (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32)
            (result i32) (local $at i32) (local $more i32)
            (local.set $at (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
                                    (i32.sub (i32.const 0) (local.get $align))))
            (global.set $heap (i32.add (local.get $at) (local.get $size)))
            (local.set $more (i32.sub (i32.shr_u (i32.add (global.get $heap) (i32.const 65535)) (i32.const 16))
                                      (memory.size)))
            (if (i32.gt_s (local.get $more) (i32.const 0)) (then
                (if (i32.eq (memory.grow (local.get $more)) (i32.const -1)) (then (unreachable)))))
            (memory.copy (local.get $at) (local.get $old)
                (select (local.get $old-size) (local.get $size) (i32.lt_u (local.get $old-size) (local.get $size))))
            (local.get $at))
        (func (export "{GUEST}#echo") {1} {2} (local $out i32) {echo})
        (func (export "{GUEST}#pass") {1} {2} (local $out i32) {pass})
        (func $clean (global.set $heap (i32.const 1024)))
        (func (export "cabi_post_{GUEST}#echo") {3} (call $clean))
        (func (export "cabi_post_{GUEST}#pass") {3} (call $clean)))"#,
        declared("param", &import.params) + &declared("result", &import.results),
        declared("param", &export.params),
        declared("result", &export.results),
        declared("param", &export.results),
    );
    let mut module = wat::parse_str(&text).map_err(|error| anyhow!("{error}\n{text}"))?;
    embed_component_metadata(&mut module, &resolve, world, encoding)?;
    ComponentEncoder::default().validate(true).module(&module)?.encode()
}

fn declared(what: &str, types: &[WasmType]) -> String {
    let name = |ty: &WasmType| match ty {
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
    };
    types.iter().map(|ty| format!("({what} {}) ", name(ty))).collect()
}

/// A type of core WebAssembly.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Core {
    I32,
    I64,
    F32,
    F64,
}

/// How a type is written flat (component model, canonical ABI, "Flattening").
fn flatten(ty: &Type, out: &mut Vec<Core>) {
    match ty {
        Type::S64 | Type::U64 => out.push(Core::I64),
        Type::F32 => out.push(Core::F32),
        Type::F64 => out.push(Core::F64),
        Type::String | Type::List(_) => out.extend([Core::I32, Core::I32]),
        Type::Tuple(fields) | Type::Record(_, fields) => fields.iter().for_each(|field| flatten(field, out)),
        Type::Variant(..) | Type::Option(_) | Type::Result(..) => {
            out.push(Core::I32);
            let from = out.len();
            for case in payloads(ty).into_iter().flatten() {
                let mut flat = Vec::new();
                flatten(case, &mut flat);
                for (n, core) in flat.into_iter().enumerate() {
                    match out.get_mut(from + n) {
                        Some(joined) => *joined = join(*joined, core),
                        None => out.push(core),
                    }
                }
            }
        }
        _ => out.push(Core::I32),
    }
}

fn join(a: Core, b: Core) -> Core {
    match (a, b) {
        _ if a == b => a,
        (Core::I32, Core::F32) | (Core::F32, Core::I32) => Core::I32,
        _ => Core::I64,
    }
}

/// What the cases of a variant, an option or a result carry.
fn payloads(ty: &Type) -> Vec<Option<&Type>> {
    match ty {
        Type::Variant(_, cases) => cases.iter().map(Option::as_ref).collect(),
        Type::Option(of) => vec![None, Some(of)],
        Type::Result(ok, error) => vec![ok.as_deref(), error.as_deref()],
        _ => Vec::new(),
    }
}

fn discriminant(cases: usize) -> u32 {
    match cases {
        0..=256 => 1,
        257..=65536 => 2,
        _ => 4,
    }
}

/// Size and alignment in memory (component model, canonical ABI, "Element Size" and "Alignment").
fn layout(ty: &Type) -> (u32, u32) {
    match ty {
        Type::Bool | Type::S8 | Type::U8 => (1, 1),
        Type::S16 | Type::U16 => (2, 2),
        Type::S32 | Type::U32 | Type::F32 | Type::Char => (4, 4),
        Type::S64 | Type::U64 | Type::F64 => (8, 8),
        Type::String | Type::List(_) => (8, 4),
        Type::Enum(_, count) => (discriminant(*count), discriminant(*count)),
        Type::Flags(_, count) => match count {
            0..=8 => (1, 1),
            9..=16 => (2, 2),
            _ => (4, 4),
        },
        Type::Tuple(fields) | Type::Record(_, fields) => {
            let (mut size, mut align) = (0u32, 1);
            for field in fields {
                let (its, alignment) = layout(field);
                size = size.next_multiple_of(alignment) + its;
                align = align.max(alignment);
            }
            (size.next_multiple_of(align), align)
        }
        Type::Variant(..) | Type::Option(_) | Type::Result(..) => {
            let cases = payloads(ty);
            let case = discriminant(cases.len());
            let layouts: Vec<_> = cases.into_iter().flatten().map(layout).collect();
            let align = layouts.iter().map(|(_, align)| *align).max().unwrap_or(1);
            let size = layouts.iter().map(|(size, _)| *size).max().unwrap_or(0);
            let align_all = align.max(case);
            ((case.next_multiple_of(align) + size).next_multiple_of(align_all), align_all)
        }
    }
}

/// Code that writes flat values to memory, `offset` bytes from `$out`. Gives back how many it wrote.
fn store(ty: &Type, offset: u32, flat: &[(String, Core)], code: &mut String) -> usize {
    let mut put = |instruction: &str, offset: u32, value: &str| {
        let _ = writeln!(code, "({instruction} offset={offset} (local.get $out) {value})");
    };
    let sized = |size: u32| ["i32.store8", "i32.store16", "i32.store"][size.trailing_zeros() as usize];
    match ty {
        Type::S64 | Type::U64 => put("i64.store", offset, &flat[0].0),
        Type::F32 => put("f32.store", offset, &flat[0].0),
        Type::F64 => put("f64.store", offset, &flat[0].0),
        Type::String | Type::List(_) => {
            put("i32.store", offset, &flat[0].0);
            put("i32.store", offset + 4, &flat[1].0);
            return 2;
        }
        Type::Tuple(fields) | Type::Record(_, fields) => {
            let (mut at, mut used) = (offset, 0);
            for field in fields {
                let (size, align) = layout(field);
                at = at.next_multiple_of(align);
                used += store(field, at, &flat[used..], code);
                at += size;
            }
            return used;
        }
        Type::Variant(..) | Type::Option(_) | Type::Result(..) => {
            let cases = payloads(ty);
            let size = discriminant(cases.len());
            let align = cases.iter().flatten().map(|ty| layout(ty).1).max().unwrap_or(1);
            put(sized(size), offset, &flat[0].0);
            let mut whole = Vec::new();
            flatten(ty, &mut whole);
            for (n, case) in cases.into_iter().enumerate() {
                let Some(case) = case else { continue };
                let mut own = Vec::new();
                flatten(case, &mut own);
                let payload: Vec<_> = own
                    .iter()
                    .zip(&flat[1..])
                    .map(|(own, (value, joined))| (narrow(value, *joined, *own), *own))
                    .collect();
                let _ = writeln!(code, "(if (i32.eq {} (i32.const {n})) (then", flat[0].0);
                store(case, offset + size.next_multiple_of(align), &payload, code);
                code.push_str("))\n");
            }
            return whole.len();
        }
        _ => put(sized(layout(ty).0), offset, &flat[0].0),
    }
    1
}

/// A value of a case's own type out of what all cases share.
fn narrow(value: &str, joined: Core, own: Core) -> String {
    match (joined, own) {
        (Core::I64, Core::I32) => format!("(i32.wrap_i64 {value})"),
        (Core::I32, Core::F32) => format!("(f32.reinterpret_i32 {value})"),
        (Core::I64, Core::F32) => format!("(f32.reinterpret_i32 (i32.wrap_i64 {value}))"),
        (Core::I64, Core::F64) => format!("(f64.reinterpret_i64 {value})"),
        _ => value.to_owned(),
    }
}

//! What a rewritten module looks like. What it does is tested where an engine runs it.

use std::{fs, path::Path};

use wasmparser::{Operator, TypeRef};

use super::*;
use crate::world::CORE_FEATURES;

const FORMS: [Form; 2] = [Form::Asking, Form::Trapping];

fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's text is WebAssembly")
}

fn metered(wasm: &[u8], form: Form) -> Vec<u8> {
    let metered = meter(wasm, form).unwrap_or_else(|error| panic!("{form:?}: {error}"));
    let mut validator = wasmparser::Validator::new_with_features(CORE_FEATURES);
    validator.validate_all(&metered).unwrap_or_else(|error| panic!("{form:?}: what came out is invalid: {error}"));
    metered
}

/// Text of a module after rewriting, operators as the parser shows them.
fn shown(wasm: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        match payload.expect("it is valid") {
            wasmparser::Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.expect("it is valid");
                    let kind = match import.ty {
                        TypeRef::Func(ty) => format!("func {ty}"),
                        TypeRef::Global(ty) => format!("global {:?} {}", ty.content_type, ty.mutable),
                        _ => "other".to_owned(),
                    };
                    lines.push(format!("import {} {} {kind}", import.module, import.name));
                }
            }
            wasmparser::Payload::ExportSection(section) => {
                for export in section {
                    let export = export.expect("it is valid");
                    lines.push(format!("export {} {:?} {}", export.name, export.kind, export.index));
                }
            }
            wasmparser::Payload::StartSection { func, .. } => lines.push(format!("start {func}")),
            wasmparser::Payload::ElementSection(section) => {
                for element in section {
                    if let wasmparser::ElementItems::Functions(items) = element.expect("it is valid").items {
                        lines.push(format!("elements {:?}", items.into_iter().flatten().collect::<Vec<_>>()));
                    }
                }
            }
            wasmparser::Payload::GlobalSection(section) => {
                for global in section {
                    let mut operators = global.expect("it is valid").init_expr.get_operators_reader();
                    lines.push(format!("global {:?}", operators.read().expect("it is valid")));
                }
            }
            wasmparser::Payload::CodeSectionEntry(body) => {
                let operators = body.get_operators_reader().expect("it is valid");
                let operators: Vec<_> = operators.into_iter().flatten().map(|it| format!("{it:?}")).collect();
                lines.push(format!("body {}", operators.join(" ")));
            }
            wasmparser::Payload::CustomSection(section) => {
                if let wasmparser::KnownCustom::Name(names) = section.as_known() {
                    for name in names.flatten() {
                        if let wasmparser::Name::Function(names) = name {
                            let names: Vec<_> = names.into_iter().flatten().map(|it| (it.index, it.name)).collect();
                            lines.push(format!("names {names:?}"));
                        }
                    }
                } else {
                    lines.push(format!("custom {}", section.name()));
                }
            }
            _ => {}
        }
    }
    lines
}

const INDICES: &str = r#"(module
    (import "a" "f" (func $imported))
    (import "a" "g" (global $outer i32))
    (import "a" "m" (memory 1))
    (func $first (call $imported) (call $second))
    (func $second (drop (ref.func $first)) (drop (global.get $inner)) (drop (global.get $outer)))
    (global $inner i32 (global.get $outer))
    (global $pointer funcref (ref.func $second))
    (table 2 funcref)
    (elem (i32.const 0) func $imported $second)
    (export "first" (func $first))
    (export "inner" (global $inner))
    (start $second)
    (@custom "producers" "\00"))"#;

#[test]
fn what_asks_has_its_imports_last_and_renumbers() {
    let lines = shown(&metered(&binary(INDICES), Form::Asking));
    let expected = [
        "import a f func 0",
        "import a g global I32 false",
        "import a m other",
        "import stellatune:meter check func 1",
        "import stellatune:meter stellatune:meter/counter global I64 true",
        "global GlobalGet { global_index: 0 }",
        "global RefFunc { function_index: 3 }",
        "export first Func 2",
        "export inner Global 2",
        "start 3",
        "elements [0, 3]",
        // An import and a function of the module, each paid for (4), after the entry.
        "body GlobalGet { global_index: 1 } I64Const { value: 8 } I64Sub GlobalSet { global_index: 1 } \
         GlobalGet { global_index: 1 } I64Const { value: 0 } I64LtS If { blockty: Empty } Call { function_index: 1 } End \
         Call { function_index: 0 } Call { function_index: 3 } End",
    ];
    for line in expected {
        assert!(lines.contains(&line.to_owned()), "{line}\nis missing in\n{}", lines.join("\n"));
    }
    assert!(lines.iter().any(|line| line.starts_with("body") && line.contains("RefFunc { function_index: 2 }")));
    assert!(lines.contains(&r#"names [(0, "imported"), (2, "first"), (3, "second")]"#.to_owned()), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.starts_with("custom")), "{lines:#?}");
}

#[test]
fn what_traps_adds_an_export_and_moves_nothing() {
    let lines = shown(&metered(&binary(INDICES), Form::Trapping));
    let expected = [
        "export first Func 1",
        "export inner Global 1",
        "export stellatune:meter/counter Global 3",
        "start 2",
        "elements [0, 2]",
        "body GlobalGet { global_index: 3 } I64Const { value: 8 } I64Sub GlobalSet { global_index: 3 } \
         GlobalGet { global_index: 3 } I64Const { value: 0 } I64LtS If { blockty: Empty } Unreachable End \
         Call { function_index: 0 } Call { function_index: 2 } End",
    ];
    for line in expected {
        assert!(lines.contains(&line.to_owned()), "{line}\nis missing in\n{}", lines.join("\n"));
    }
    assert_eq!(lines.iter().filter(|line| line.starts_with("import")).count(), 3);
}

#[test]
fn sections_a_module_has_not_are_made_where_they_belong() {
    let modules = [
        "(module)",
        "(module (func))",
        "(module (memory 1) (data (i32.const 0) \"x\"))",
        "(module (memory 1) (data \"x\") (func (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 1))))",
        "(module (table 1 funcref) (func $f) (elem (i32.const 0) func $f) (start $f))",
        "(module (import \"a\" \"m\" (memory 1)))",
        "(module (type (func (param f64))))",
    ];
    for text in modules {
        for form in FORMS {
            let lines = shown(&metered(&binary(text), form));
            let (imports, exports) =
                (starting(&lines, "import stellatune:meter"), starting(&lines, "export stellatune:meter"));
            let expected = if form == Form::Asking { (2, 0) } else { (0, 1) };
            assert_eq!((imports, exports), expected, "{text} {lines:#?}");
        }
    }
}

fn starting(lines: &[String], start: &str) -> usize {
    lines.iter().filter(|line| line.starts_with(start)).count()
}

#[test]
fn a_block_has_an_entry_that_sets_the_counter_and_fetches_the_answer() {
    const PROCESS: &str = "(func (export \"process\") (param i32 i32 i32 i32) (result i32) (i32.const 0))";
    let entered = |text: String, process: &str| {
        let wasm = meter_block(&binary(&text), process).expect("it can be rewritten");
        let mut validator = wasmparser::Validator::new_with_features(CORE_FEATURES);
        validator.validate_all(&wasm).expect("what came out is valid");
        shown(&wasm)
    };
    let fill = "(func (memory.fill (i32.const 0) (i32.const 0) (i32.const 1)))";
    for (more, index) in [("", 1), (fill, 3)] {
        let lines = entered(format!("(module (memory 1) {PROCESS} {more})"), "process");
        assert_eq!(starting(&lines, &format!("export {ENTRY} Func {index}")), 1, "{lines:#?}");
        let body = lines.last().expect("it has code");
        let set = "LocalGet { local_index: 0 } GlobalSet { global_index: 0 }";
        assert!(
            body.contains(set) && body.contains("I64Load") && body.contains("Call { function_index: 0 }"),
            "{body}"
        );
    }
    let without = [
        (format!("(module (memory 1) {PROCESS})"), "another"),
        (format!("(module {PROCESS})"), "process"),
        ("(module (memory (export \"process\") 1))".to_owned(), "process"),
        ("(module (memory 1) (func (export \"process\")))".to_owned(), "process"),
    ];
    for (text, process) in without {
        assert_eq!(starting(&entered(text, process), &format!("export {ENTRY}")), 0);
    }
}

#[test]
fn each_loop_pays_for_what_is_directly_in_it() {
    let wasm = binary(
        "(module (func (param i32) (local f64)
            nop nop
            (drop (i32.const 1))
            (loop
                (if (local.get 0) (then (return)))
                (loop (br_if 0 (local.get 0)) (br 1)))
            (drop (i32.div_u (local.get 0) (local.get 0)))))",
    );
    let survey = survey::survey(&wasm, Form::Trapping, None).expect("it is valid");
    // const drop, then get get div drop; get if return; get br_if br.
    let body = &survey.bodies[0];
    assert_eq!((body.entry, body.loops.as_slice()), (2 + 2 + 8 + 1, [3, 3].as_slice()));
    // Parameter, local, then the counter.
    assert_eq!(body.local.map(|kept| kept.index), Some(2));
}

#[test]
fn what_cannot_be_rewritten_is_refused_with_its_reason() {
    let asking = binary(&format!("(module (import \"{MODULE}\" \"x\" (func)))"));
    let trapping = binary(&format!("(module (global (export \"{COUNTER}\") i32 (i32.const 0)))"));
    let entry = binary(&format!("(module (func (export \"{ENTRY}\")))"));
    let cases: [(Vec<u8>, Form, &str); 10] = [
        (asking.clone(), Form::Asking, "the core module imports from `stellatune:meter`, which is reserved"),
        (trapping.clone(), Form::Trapping, "the core module exports `stellatune:meter/counter`, which is reserved"),
        (entry, Form::Trapping, "the core module exports `stellatune:meter/entry`, which is reserved"),
        (binary("(component)"), Form::Asking, "not a binary core WebAssembly module"),
        (Vec::new(), Form::Trapping, "not a binary core WebAssembly module"),
        (binary("(module (memory 1 1 shared))"), Form::Asking, "feature that is off: threads"),
        (binary("(module (memory i64 1))"), Form::Trapping, "feature that is off"),
        (binary("(module (func (return_call 0)))"), Form::Trapping, "feature that is off: tail calls"),
        (binary("(module (memory 1) (memory 1))"), Form::Asking, "the core module is invalid: multiple memories"),
        (binary("(module (func (result i32)))"), Form::Asking, "the core module is invalid: type mismatch"),
    ];
    for (wasm, form, text) in cases {
        let error = meter(&wasm, form).expect_err(text);
        assert!(error.to_string().contains(text), "{error}\ninstead of\n{text}");
    }
    // Each name is reserved only where it is used.
    metered(&asking, Form::Trapping);
    metered(&trapping, Form::Asking);
}

#[test]
fn real_modules_stay_valid() {
    let mut modules = 0;
    for wasm in corpus().iter().filter(|wasm| wasmparser::validate(wasm).is_ok()) {
        for form in FORMS {
            let lines = shown(&metered(wasm, form));
            assert_eq!(starting(&lines, "import stellatune:meter"), if form == Form::Asking { 2 } else { 0 });
        }
        modules += 1;
    }
    assert!(modules >= 40, "the corpus has only {modules} modules");
}

#[test]
fn mutated_modules_never_panic_and_stay_valid_or_are_refused() {
    let (mut taken, mut refused) = (0, 0);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for wasm in corpus().into_iter().filter(|wasm| wasm.len() < 30_000) {
        for _ in 0..60 {
            let mut mutant = wasm.clone();
            for _ in 0..1 + next() % 3 {
                let place = next() as usize % mutant.len();
                match next() % 4 {
                    0 => mutant[place] = next() as u8,
                    1 => mutant[place] ^= 1 << (next() % 8),
                    2 => mutant.truncate(place.max(8)),
                    _ => _ = mutant.remove(place),
                }
            }
            for form in FORMS {
                match meter(&mutant, form) {
                    Ok(_) => _ = (metered(&mutant, form), taken += 1),
                    Err(error) => {
                        assert_ne!(error.kind(), ErrorKind::Internal, "{error}");
                        refused += 1;
                    }
                }
            }
        }
    }
    assert!(taken > 100 && refused > 100, "{taken} taken, {refused} refused: not a test");
}

/// The core modules of the guests in this repository.
fn corpus() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut modules = Vec::new();
    for folder in ["fixtures/wat", "fixtures/prebuilt", "plugins/prebuilt/symphonia/wasm"] {
        let mut paths: Vec<_> = fs::read_dir(root.join(folder))
            .expect("the repository's guests are there")
            .map(|entry| entry.expect("the folder can be read").path())
            .filter(|path| path.extension().is_some_and(|ext| ext == "wat" || ext == "wasm"))
            .collect();
        paths.sort();
        for path in paths {
            // Some texts are whole only with what the conformance suite puts around them.
            let wasm = wat::parse_file(&path);
            assert!(wasm.is_ok() || folder == "fixtures/wat", "{}", path.display());
            modules.extend(wasm.iter().flat_map(|wasm| core_modules(wasm)));
        }
    }
    modules
}

fn core_modules(wasm: &[u8]) -> Vec<Vec<u8>> {
    let mut modules = Vec::new();
    if wasmparser::Parser::is_core_wasm(wasm) {
        modules.push(wasm.to_vec());
    }
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        if let Ok(wasmparser::Payload::ModuleSection { unchecked_range, .. }) = payload {
            modules.push(wasm[unchecked_range].to_vec());
        }
    }
    modules
}

#[test]
fn operators_of_length_have_a_weight_and_a_price() {
    let fill = Operator::MemoryFill { mem: 0 };
    assert_eq!((cost::of(&fill), cost::weight(&fill)), (32, Some(1)));
    let add = Operator::I32Add;
    assert_eq!((cost::of(&add), cost::weight(&add)), (1, None));
}

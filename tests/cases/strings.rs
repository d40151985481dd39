//! Text in each encoding that a component may choose, there and back.

use std::sync::Arc;

use stellatune_plugin_core::{
    control::CallControl,
    error::{CallError, CallResult, PluginError, TrapKind},
    host::{Http, Services},
};

use crate::support::{
    Case, Subject,
    bare::{Setup, trap_of},
    minimal::{ALLOC, DISABLE, enable_function, encoded},
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("strings/half-a-surrogate", [], |subject| {
            for units in [&[0xd83c_u16][..], &[0xdfb5], &[0x41, 0xdfb5, 0xd83c]] {
                let text = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
                assert_breach(subject, "utf16", &Encoded { bytes: text, len: units.len() as u32 });
            }
        }),
        Case::new("strings/misaligned", [], |subject| {
            let odd = |bytes: &[u8], len| Encoded { bytes: bytes.to_vec(), len };
            for (encoding, text) in [("utf16", odd(&[0x41, 0], 1)), ("latin1+utf16", odd(b"a", 1))] {
                let answer = fetch(subject, encoding, &text, TEXT + 1);
                assert_eq!(trap_of(answer).kind, TrapKind::Abi, "{encoding}");
            }
        }),
        Case::new("strings/outside", [], |subject| {
            for (encoding, len) in [("utf16", 0x7fff_ffff), ("utf16", 40_000), ("latin1+utf16", 0x8000_9c40)] {
                assert_breach(subject, encoding, &Encoded { bytes: Vec::new(), len });
            }
        }),
    ];
    for encoding in ["utf8", "utf16", "latin1+utf16"] {
        let run = move |subject: &Subject| {
            for text in ["", "plain", "grüße ÿ", "half 🎵 and more", "\u{ffff}\u{10ffff}\0"] {
                round_trip(subject, encoding, text, &encode(encoding, text));
            }
        };
        cases.push(Case::new(format!("strings/{encoding}"), [], run));
    }
    cases.push(Case::new("strings/latin1-as-utf16", [], |subject| {
        // Text that would fit a byte each may come wide all the same.
        let Encoded { bytes, len } = encode("utf16", "grüße");
        round_trip(subject, "latin1+utf16", "grüße", &Encoded { bytes, len: len | WIDE });
    }));
    cases
}

/// Where the text is that the guest hands over.
const TEXT: u32 = 512;

/// In a length of `latin1+utf16`: the text is UTF-16.
const WIDE: u32 = 1 << 31;

/// Text as it lies in memory, and its length in code units.
struct Encoded {
    bytes: Vec<u8>,
    len: u32,
}

fn encode(encoding: &str, text: &str) -> Encoded {
    let latin1: Option<Vec<u8>> = text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    match (encoding, latin1) {
        ("utf8", _) => Encoded { bytes: text.into(), len: text.len() as u32 },
        ("latin1+utf16", Some(bytes)) => Encoded { len: bytes.len() as u32, bytes },
        (_, _) => {
            let units: Vec<u16> = text.encode_utf16().collect();
            let tag = if encoding == "utf16" { 0 } else { WIDE };
            let len = units.len() as u32 | tag;
            Encoded { bytes: units.iter().flat_map(|unit| unit.to_le_bytes()).collect(), len }
        }
    }
}

/// Answers with the address it was asked for.
struct Echo;

impl Http for Echo {
    fn fetch_json(&self, url: &str, _: &Arc<CallControl>) -> CallResult<String> {
        Ok(url.into())
    }
}

/// The guest hands over text, gets it back, and refuses with what it got.
fn fetch(subject: &Subject, encoding: &str, text: &Encoded, at: u32) -> CallResult<()> {
    let data: String = text.bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let body = format!(
        "(call $fetch (i32.const {at}) (i32.const {len}) (i32.const 32))
         (if (i32.load8_u (i32.const 32)) (then unreachable))
         (i32.store8 (i32.const 64) (i32.const 1)) (i32.store8 (i32.const 68) (i32.const 5))
         (i32.store (i32.const 72) (i32.load (i32.const 36))) (i32.store (i32.const 76) (i32.load (i32.const 40)))
         (i32.const 64)",
        len = text.len as i32
    );
    let wasm = encoded(
        encoding,
        r#"(type $refusal (variant
            (case "invalid-arg" string) (case "not-found" string) (case "io" string) (case "timeout" string)
            (case "unsupported" string) (case "denied" string) (case "internal" string)))
        (import "stellatune:plugin/common@0.1.0" (instance $common (export "plugin-error" (type (eq $refusal)))))
        (alias export $common "plugin-error" (type $shared))
        (import "stellatune:plugin/http-client@0.1.0" (instance $http
            (alias outer 1 $shared (type $shared'))
            (export "plugin-error" (type $named (eq $shared')))
            (export "fetch-json" (func (param "url" string) (result (result string (error $named)))))))"#,
        &format!(
            "(core module $memory (memory (export \"memory\") 1) {ALLOC})
             (core instance $memory (instantiate $memory))
             (core func $fetch (canon lower (func $http \"fetch-json\") (memory $memory \"memory\")
                (realloc (func $memory \"realloc\")) string-encoding={encoding}))
             (core module $m (import \"host\" \"fetch\" (func $fetch (param i32 i32 i32)))
                (import \"host\" \"memory\" (memory 1)) (export \"memory\" (memory 0))
                (data (i32.const {TEXT}) \"{data}\") {ALLOC} {DISABLE} {})
             (core instance $host (export \"fetch\" (func $fetch)) (export \"memory\" (memory $memory \"memory\")))
             (core instance $i (instantiate $m (with \"host\" (instance $host))))",
            enable_function(&body)
        ),
    );
    let setup = Setup { services: Services { http: Arc::new(Echo), ..Services::default() }, ..Setup::default() };
    setup.start(subject, &wasm).expect("it starts").call(|it| it.enable())
}

fn round_trip(subject: &Subject, encoding: &str, text: &str, encoded: &Encoded) {
    let answer = fetch(subject, encoding, encoded, TEXT);
    assert_eq!(answer, Err(CallError::Plugin(PluginError::Denied(text.into()))), "{encoding}");
}

fn assert_breach(subject: &Subject, encoding: &str, text: &Encoded) {
    assert_eq!(trap_of(fetch(subject, encoding, text, TEXT)).kind, TrapKind::Abi, "{encoding}");
}

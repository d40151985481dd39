//! Small components as text: only the lifecycle, around core code that a test writes.

use super::wat::hooks;

/// A component whose core module is `module`, which exports `memory`, `realloc`, `enable` and `disable`.
pub(crate) fn component(module: &str) -> Vec<u8> {
    wrap("", &format!("(core module $m {module})\n(core instance $i (instantiate $m))"))
}

/// A component whose `on-enable` is `body`, which leaves the address of a `result<_, plugin-error>`.
pub(crate) fn enable(body: &str) -> Vec<u8> {
    component(&format!("(memory (export \"memory\") 1) {ALLOC} {} {DISABLE}", enable_function(body)))
}

pub(crate) fn enable_function(body: &str) -> String {
    format!("(func $enable (export \"enable\") (result i32) {body})")
}

/// The core function `realloc`, which gives out one fixed place.
pub(crate) const ALLOC: &str = "(func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 1024))";

/// The core function `disable`, which succeeds if the memory's first bytes are zero.
pub(crate) const DISABLE: &str = "(func (export \"disable\") (param i32) (result i32) (i32.const 0))";

/// A component with `imports`, and with definitions that end in the core instance `$i`.
pub(crate) fn wrap(imports: &str, definitions: &str) -> Vec<u8> {
    encoded("utf8", imports, definitions)
}

/// The same, with text in `encoding`.
pub(crate) fn encoded(encoding: &str, imports: &str, definitions: &str) -> Vec<u8> {
    let text = format!("(component {imports} {definitions} {})", hooks("i", encoding));
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

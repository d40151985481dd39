//! Small components as text: only the lifecycle, around core code that a test writes.

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
    let text = format!(
        r#"(component
            {imports}
            {definitions}
            (type $error (variant
                (case "invalid-arg" string) (case "not-found" string) (case "io" string) (case "timeout" string)
                (case "unsupported" string) (case "denied" string) (case "internal" string)))
            (type $reason (enum "host-disable" "unload" "shutdown" "reload"))
            (func $on-enable (result (result (error $error)))
                (canon lift (core func $i "enable") (memory $i "memory") (realloc (func $i "realloc")) string-encoding={encoding}))
            (func $on-disable (param "reason" $reason) (result (result (error $error)))
                (canon lift (core func $i "disable") (memory $i "memory") (realloc (func $i "realloc")) string-encoding={encoding}))
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
            (export "stellatune:plugin/lifecycle@0.1.0" (instance $exported)))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

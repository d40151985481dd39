//! Cargo.lock must not fall below the releases that carry security fixes, nor hold a second engine version.

/// Package, lowest version. Earlier 48.0.x of Wasmtime are unpatched; a Wasmer of another version than 7.3.0 would bring one
/// back (docs/engines.md).
const FLOORS: &[(&str, [u64; 3])] = &[
    ("wasmtime", [48, 0, 8]),
    ("wasmtime-environ", [48, 0, 8]),
    ("wasmer", [7, 3, 0]),
    ("wasmer-compiler-cranelift", [7, 3, 0]),
    ("wasmer-vm", [7, 3, 0]),
];

#[test]
fn the_lock_file_keeps_the_floors() {
    let lock = include_str!("../Cargo.lock");
    for (package, floor) in FLOORS {
        let versions = versions(lock, package);
        assert!(!versions.is_empty(), "{package} is not in Cargo.lock: is the floor still needed?");
        assert_eq!(versions.len(), 1, "several versions of {package}: {versions:?}");
        assert!(versions[0] >= *floor, "{package} {:?} is below its floor {floor:?}", versions[0]);
    }
}

#[test]
fn a_lower_version_is_seen() {
    let lock = "[[package]]\nname = \"wasmtime\"\nversion = \"48.0.0\"\n";
    assert_eq!(versions(lock, "wasmtime"), [[48, 0, 0]]);
}

fn versions(lock: &str, package: &str) -> Vec<[u64; 3]> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line == name {
            let version = lines.next().and_then(|line| line.strip_prefix("version = \"")).unwrap_or_default();
            let mut parts = version.trim_end_matches('"').split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
            found.push(std::array::from_fn(|_| parts.next().unwrap_or(0)));
        }
    }
    found
}

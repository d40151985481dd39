//! Is this binary a component of the plugin contract, and of the world its manifest says?
//!
//! [`verify`] reads a component's own types and compares them with the table in [`contract`], at install and at load,
//! before anything is compiled. Function bodies are not validated (an engine does that when it compiles), and nothing
//! is run. Names alone prove nothing: the contract was changed twice without a new version, so shapes are compared.

mod compare;
pub mod contract;
mod revision;
mod scan;

use wasmparser::component_types::{ComponentEntityType, ComponentInstanceType};

pub(crate) use self::scan::CORE_FEATURES;
use self::{
    compare::{Side, Surface},
    contract::{Interface, PACKAGE, VERSION},
    scan::Scanned,
};
use crate::{
    error::{Error, ErrorKind, Result},
    manifest::World,
};

/// A host function that reaches out of the sandbox and needs a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostFunction {
    /// `host-stream.open`: files and the network.
    StreamOpen,
    /// `sidecar.launch`: processes.
    SidecarLaunch,
    /// `http-client.fetch-json`: the network.
    FetchJson,
}

impl HostFunction {
    /// All three.
    pub const ALL: [Self; 3] = [Self::StreamOpen, Self::SidecarLaunch, Self::FetchJson];

    /// The name, with its interface.
    pub fn name(self) -> &'static str {
        match self {
            Self::StreamOpen => "host-stream.open",
            Self::SidecarLaunch => "sidecar.launch",
            Self::FetchJson => "http-client.fetch-json",
        }
    }
}

/// What is known of a component that fits its world.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The world it was compared with.
    pub world: World,
    /// The interfaces it imports, with package and version, in its own order.
    pub imports: Vec<String>,
    /// The contract's interfaces it exports, by name; more than the world asks for is fine.
    pub exports: Vec<&'static str>,
    /// The functions it imports that need a grant.
    pub dangerous: Vec<HostFunction>,
}

/// Compares a binary component with the contract and with `world`.
///
/// # Errors
/// - `rejected_package` with rule `not-wasm`, `core-module`, `precompiled`, `component-version` or `invalid-wasm`: it is
///   no component; with `component-size` or `component-limit`: none that could be compiled in reasonable time.
/// - `incompatible`: it needs WebAssembly features or imports that no host offers, lacks an export of its world, was
///   made for an older revision of the contract, or differs from it; the text names interface, item and both types.
pub fn verify(wasm: &[u8], world: World) -> Result<Verified> {
    let scanned = scan::scan(wasm)?;
    let component = Component::sort(&scanned)?;
    let (exports, dangerous) = component.check(world).map_err(|problem| match revision::older(&component) {
        Some(older) => older,
        None => Error::new(ErrorKind::Incompatible, problem.text).help(problem.help),
    })?;
    Ok(Verified { world, imports: scanned.imports.iter().map(|name| (*name).to_owned()).collect(), exports, dangerous })
}

/// The parts of a component that the contract speaks of.
struct Component<'a> {
    scanned: &'a Scanned<'a>,
    imports: Vec<(&'static Interface, &'a ComponentInstanceType)>,
    exports: Vec<(&'static Interface, &'a ComponentInstanceType)>,
}

/// Why a component does not fit, and what the reader can do.
struct Problem {
    text: String,
    help: &'static str,
}

const REBUILD: &str =
    "ask the plugin's author for a package made for this contract; authors rebuild against wit/stellatune-plugin";

impl Problem {
    fn new(text: String) -> Self {
        Self { text, help: REBUILD }
    }
}

impl<'a> Component<'a> {
    /// Sorts imports and exports.
    fn sort(scanned: &'a Scanned<'a>) -> Result<Self> {
        let types = scanned.types.as_ref();
        let mut component = Self { scanned, imports: Vec::new(), exports: Vec::new() };
        for name in &scanned.imports {
            if is_wasi(name) {
                continue;
            }
            let offered = contract_interface(name, &contract::IMPORTABLE);
            let item = types.component_item_for_import(name).map(|item| item.ty);
            match (offered, item) {
                (Some(interface), Some(ComponentEntityType::Instance(id))) => {
                    component.imports.push((interface, &scanned.types[id]));
                }
                _ => return Err(unknown_import(name)),
            }
        }
        for name in &scanned.exports {
            let item = types.component_item_for_export(name).map(|item| item.ty);
            if let (Some(interface), Some(ComponentEntityType::Instance(id))) =
                (contract_interface(name, &contract::EXPORTABLE), item)
            {
                component.exports.push((interface, &scanned.types[id]));
            }
        }
        Ok(component)
    }

    fn check(&self, world: World) -> Result<(Vec<&'static str>, Vec<HostFunction>), Problem> {
        let mut surface = Surface::new(self.scanned.types.as_ref());
        for (interface, instance) in &self.imports {
            surface.check(interface, instance, Side::Import).map_err(Problem::new)?;
        }
        for (interface, instance) in &self.exports {
            surface.check(interface, instance, Side::Export).map_err(Problem::new)?;
        }
        let exports: Vec<_> = self.exports.iter().map(|(interface, _)| interface.name).collect();
        for needed in contract::world(world).exports {
            if !exports.contains(&needed.name) {
                return Err(self.missing_export(world, needed));
            }
        }
        let dangerous = HostFunction::ALL.into_iter().filter(|function| self.imports_function(function.name()));
        Ok((exports, dangerous.collect()))
    }

    fn missing_export(&self, world: World, needed: &Interface) -> Problem {
        let versioned = format!("{PACKAGE}/{}@", needed.name);
        match self.scanned.exports.iter().find(|name| name.starts_with(&versioned)) {
            Some(other) => Problem::new(format!(
                "the component exports `{}`; this host knows version {VERSION} only",
                scan::short(other)
            )),
            None => Problem {
                text: format!(
                    "the component does not export `{versioned}{VERSION}`, which the world `{}` asks for",
                    world.name()
                ),
                help: "check that the manifest names the world the component was built for",
            },
        }
    }

    /// Whether `interface.function` is imported.
    fn imports_function(&self, name: &str) -> bool {
        name.split_once('.').is_some_and(|(interface, function)| {
            self.imports
                .iter()
                .any(|(known, instance)| known.name == interface && instance.exports.contains_key(function))
        })
    }
}

/// The interface of `known` that an import or export names, with exactly the contract's package and version.
fn contract_interface(name: &str, known: &[&'static Interface]) -> Option<&'static Interface> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.strip_prefix('/')?.split_once('@')?;
    known.iter().copied().find(|known| version == VERSION && known.name == interface)
}

/// Whether `name` is an interface of the locked-down WASI subset, of any 0.2 version
/// (docs/decisions/0002-wasi-subset.md).
fn is_wasi(name: &str) -> bool {
    const SUBSET: [(&str, &[&str]); 5] = [
        (
            "cli",
            &[
                "environment",
                "exit",
                "stdin",
                "stdout",
                "stderr",
                "terminal-input",
                "terminal-output",
                "terminal-stdin",
                "terminal-stdout",
                "terminal-stderr",
            ],
        ),
        ("clocks", &["monotonic-clock", "wall-clock"]),
        ("filesystem", &["types", "preopens"]),
        ("io", &["error", "poll", "streams"]),
        ("random", &["random", "insecure", "insecure-seed"]),
    ];
    let Some((package, rest)) = name.strip_prefix("wasi:").and_then(|rest| rest.split_once('/')) else { return false };
    let Some((interface, version)) = rest.split_once('@') else { return false };
    let patch = version.strip_prefix("0.2.").unwrap_or_default();
    !patch.is_empty()
        && patch.bytes().all(|byte| byte.is_ascii_digit())
        && SUBSET.iter().any(|(known, interfaces)| *known == package && interfaces.contains(&interface))
}

fn unknown_import(name: &str) -> Error {
    let help = if name.starts_with(PACKAGE) {
        REBUILD
    } else if name.starts_with("wasi:sockets") || name.starts_with("wasi:http") {
        "plugins reach the network through the contract's host-stream and http-client"
    } else {
        "a plugin may import the interfaces of wit/stellatune-plugin and the WASI 0.2 interfaces of docs/decisions/0002-wasi-subset.md"
    };
    let text = format!("the component imports `{}`, which no host offers", scan::short(name));
    Error::new(ErrorKind::Incompatible, text).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_wasi_subset_is_offered() {
        for name in ["wasi:io/poll@0.2.0", "wasi:cli/environment@0.2.6", "wasi:filesystem/types@0.2.11"] {
            assert!(is_wasi(name), "{name}");
        }
        for name in [
            "wasi:sockets/tcp@0.2.6",
            "wasi:http/types@0.2.6",
            "wasi:cli/run@0.2.6",
            "wasi:io/poll",
            "wasi:io/poll@0.2",
            "wasi:io/poll@0.2.",
            "wasi:io/poll@0.3.0",
            "wasi:io/poll@0.2.0-rc-2023-11-10",
            "wasi:io/poll@10.2.0",
            "wasi:clocks/poll@0.2.0",
            "x-wasi:io/poll@0.2.0",
        ] {
            assert!(!is_wasi(name), "{name}");
        }
    }

    #[test]
    fn unknown_imports_are_named() {
        for import in [
            "(import \"wasi:sockets/tcp@0.2.6\" (instance))",
            "(import \"evil\" (func))",
            "(import \"stellatune:plugin/common@0.1.1\" (instance))",
            "(import \"stellatune:plugin/decoder@0.1.0\" (instance))",
            "(import \"stellatune:plugin/common@0.1.0\" (func))",
        ] {
            let wasm = wat::parse_str(format!("(component {import})")).expect("the test's text is WebAssembly");
            let error = verify(&wasm, World::Decoder).expect_err("no host offers it");
            let name = import.split('"').nth(1).expect("a name");
            assert!(error.message().contains(name) && error.help_text().is_some(), "{error}");
            assert_eq!(error.kind(), ErrorKind::Incompatible);
        }
    }

    #[test]
    fn a_resource_stands_for_itself_only() {
        let wasm = wat::parse_str(
            r#"(component
                (import "stellatune:plugin/host-stream@0.1.0" (instance $host
                    (export "host-stream-handle" (type (sub resource)))))
                (alias export $host "host-stream-handle" (type $handle))
                (instance $decoder (export "session" (type $handle)))
                (export "stellatune:plugin/decoder@0.1.0" (instance $decoder)))"#,
        )
        .expect("the test's text is WebAssembly");
        let error = verify(&wasm, World::Decoder).expect_err("the session is the host's stream");
        assert!(error.message().contains("`decoder.session` has to be a resource of its own"), "{error}");
    }
}

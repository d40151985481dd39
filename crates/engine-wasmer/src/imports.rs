//! Calls out: every import of the contract and of WASI, one statement each into core's `Host`.
//!
//! Nothing is decided here. A refusal of the host reaches the guest as its `plugin-error`; a trap of the host ends
//! the guest, and so does a panic, which Wasmer carries over the guest's frames to the call that entered it.

mod contract;
mod wasi;

use std::{collections::HashMap, sync::Arc};

use stellatune_plugin_core::{
    error::Trap,
    host::Host,
    wasi::filesystem::{self, no_descriptor},
};

use crate::{
    canon::{self, Answer, Kind, Lift, Parameters, Shape},
    component::{
        link::Found,
        plan::{Import, Plan, Signature},
    },
};

/// Drops what a handle of the guest owned in the host.
pub(crate) type Destroy = fn(&mut Host, u32) -> Result<(), Trap>;

/// Everything a guest may import, by interface and name.
pub(crate) struct Imports {
    functions: ByName<Function>,
    resources: ByName<Destroy>,
}

type ByName<T> = HashMap<&'static str, HashMap<&'static str, T>>;

enum Function {
    Typed(Box<dyn canon::Import>),
    /// It takes a handle of a resource that is never made, so that its other types do not matter.
    Unreachable(&'static str),
}

const FILES: &str = "wasi:filesystem/types@0.2";

impl Imports {
    pub(crate) fn new() -> Self {
        let mut imports = Self { functions: HashMap::new(), resources: HashMap::new() };
        contract::add(&mut imports);
        wasi::add(&mut imports);
        let files = imports.functions.entry(FILES).or_default();
        // The last is of an error that comes from a file, and no error does.
        for function in filesystem::FUNCTIONS.iter().chain(&["filesystem-error-code"]) {
            files.insert(function, Function::Unreachable(function));
        }
        let files = imports.resources.entry(FILES).or_default();
        for resource in filesystem::RESOURCES {
            files.insert(resource, |_, _| Err(no_descriptor("drop")));
        }
        imports
    }

    /// Offers a function of an interface.
    pub(crate) fn function_of<P, R>(
        &mut self,
        interface: &'static str,
        name: &'static str,
        function: impl Fn(&mut Host, P) -> R + Copy + Send + Sync + 'static,
    ) where
        P: Lift + Shape<Flat: Parameters>,
        R: Answer + 'static,
    {
        self.functions.entry(interface).or_default().insert(name, Function::Typed(canon::import(function)));
    }

    /// Offers a resource of the host.
    fn resource_of(&mut self, kind: Kind, destroy: Destroy) {
        if let Some((interface, name)) = kind.import() {
            self.resources.entry(interface).or_default().insert(name, destroy);
        }
    }

    /// Whether a function is offered at all.
    ///
    /// # Errors
    /// It is not; by name.
    pub(crate) fn offers(&self, import: &Import) -> Result<(), String> {
        self.find(import).map(drop)
    }

    fn find(&self, Import { interface, name }: &Import) -> Result<&Function, String> {
        let found = self.functions.get(unversioned(interface)).and_then(|it| it.get(name.as_str()));
        found.ok_or_else(|| format!("the component imports `{name}` of `{interface}`, which no host offers"))
    }

    /// The function that a component lowers.
    ///
    /// # Errors
    /// A function that no host offers, or of another type; by name.
    pub(crate) fn function(
        &'static self,
        plan: &Plan,
        import: u32,
        function: u32,
        options: u32,
        signature: &Signature,
    ) -> Result<Found, String> {
        let import = &plan.imports[import as usize];
        let Import { interface, name } = import;
        let offered = match self.find(import)? {
            Function::Typed(offered) => offered,
            Function::Unreachable(name) => return Ok(Found::Unreachable(name)),
        };
        let differs =
            |text: String| format!("the import `{name}` of `{interface}` is not what the host offers: {text}");
        let canon = offered.check(plan, function, options).map_err(differs)?;
        if offered.signature() != *signature {
            return Err(differs("it is lowered to another core function".into()));
        }
        Ok(Found::Function(&**offered, Arc::new(canon)))
    }

    /// What drops a resource that a component imports.
    ///
    /// # Errors
    /// A resource that no host offers, by name.
    pub(crate) fn resource(&self, import: &Import) -> Result<Destroy, String> {
        let Import { interface, name } = import;
        let found = self.resources.get(unversioned(interface)).and_then(|it| it.get(name.as_str()));
        found.copied().ok_or_else(|| format!("the component imports `{name}` of `{interface}`, which no host offers"))
    }
}

/// The name of an interface as this host offers it: WASI of any 0.2 version, others exactly.
pub(crate) fn unversioned(interface: &str) -> &str {
    match interface.rsplit_once('.') {
        Some((rest, patch))
            if interface.starts_with("wasi:")
                && rest.ends_with("@0.2")
                && !patch.is_empty()
                && patch.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            rest
        }
        _ => interface,
    }
}

/// What a call of a function ends in that cannot be reached.
pub(crate) fn unreachable(function: &str) -> Trap {
    no_descriptor(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wasi_is_offered_in_any_version_0_2() {
        for name in ["wasi:io/poll@0.2.0", "wasi:io/poll@0.2.6", "wasi:io/poll@0.2.11"] {
            assert_eq!(unversioned(name), "wasi:io/poll@0.2");
        }
        for name in ["wasi:io/poll@0.2", "wasi:io/poll@0.3.0", "wasi:io/poll@0.2.0-rc", "a:b/c@0.2.1", "x"] {
            assert_eq!(unversioned(name), name);
        }
    }
}

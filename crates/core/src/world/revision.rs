//! Recognises components made for the two older revisions of the contract, which have its version but not its shapes
//! (plugin contract 0): W1 opened streams by address and answered with a `source-stream`; W1 and W2 launched helper
//! processes without a `scope`.

use wasmparser::{
    component_types::{ComponentDefinedType, ComponentEntityType, ComponentFuncType, ComponentInstanceType},
    names::KebabString,
};

use super::{
    Component, REBUILD,
    compare::defined,
    contract::{self, Ty},
};
use crate::error::{Error, ErrorKind};

/// The error for a component that differs from the contract as an older revision does.
pub(super) fn older(component: &Component<'_>) -> Option<Error> {
    let (revision, sign) = if component.imports_function("host-stream.open-uri") {
        ("the first revision (W1)", "it imports `host-stream.open-uri`, which became `host-stream.open`")
    } else if component.opens_source_streams() {
        ("the first revision (W1)", "its catalog answers with a `source-stream`, which became an `opened-stream`")
    } else if component.launches_without_scope() {
        ("the first or second revision (W1, W2)", "its `sidecar.launch-spec` has no `scope`")
    } else {
        return None;
    };
    let package = format!("{}@{}", contract::PACKAGE, contract::VERSION);
    let text = format!("the component was made for {revision} of {package}, an early one: {sign}");
    Some(Error::new(ErrorKind::Incompatible, text).help(REBUILD))
}

impl Component<'_> {
    /// Whether `catalog.open-stream-json` or `open-uri` answers with a handle instead of a record.
    fn opens_source_streams(&self) -> bool {
        let types = self.scanned.types.as_ref();
        ["[method]catalog.open-stream-json", "[method]catalog.open-uri"].iter().any(|name| {
            let answer = function(self, &self.exports, "source", name).and_then(|function| function.result);
            let Some(ComponentDefinedType::Result { ok: Some(ok), .. }) = answer.and_then(|ty| defined(types, ty))
            else {
                return false;
            };
            matches!(defined(types, *ok), Some(ComponentDefinedType::Own(_)))
        })
    }

    /// Whether `launch` takes all fields of the contract's but the first.
    fn launches_without_scope(&self) -> bool {
        let Ty::Record([("scope", _), fields @ ..]) = &contract::LAUNCH_SPEC.ty else { return false };
        let types = self.scanned.types.as_ref();
        let spec = function(self, &self.imports, "sidecar", "launch").and_then(|launch| launch.params.first());
        match spec.and_then(|(_, ty)| defined(types, *ty)) {
            Some(ComponentDefinedType::Record(found)) => {
                fields.iter().map(|(name, _)| *name).eq(found.fields.keys().map(KebabString::as_str))
            }
            _ => false,
        }
    }
}

fn function<'a>(
    component: &Component<'a>,
    instances: &[(&'static contract::Interface, &'a ComponentInstanceType)],
    interface: &str,
    name: &str,
) -> Option<&'a ComponentFuncType> {
    let (_, instance) = instances.iter().find(|(known, _)| known.name == interface)?;
    match instance.exports.get(name)?.ty {
        ComponentEntityType::Func(id) => Some(&component.scanned.types[id]),
        _ => None,
    }
}

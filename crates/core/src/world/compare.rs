//! Compares the instances a component imports and exports with the contract's interfaces.

use wasmparser::{
    PrimitiveValType,
    component_types::{
        ComponentAnyTypeId, ComponentDefinedType, ComponentEntityType, ComponentFuncTypeId, ComponentInstanceType,
        ComponentValType, ResourceId,
    },
    names::KebabString,
    types::TypesRef,
};

use super::{
    contract::{self, Answer, Function, Interface, Resource, Ty, Type, commas},
    scan::short,
};

/// Which way an instance crosses the boundary.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The component uses it: a part of the interface is enough.
    Import,
    /// The component offers it: nothing may be missing.
    Export,
}

/// A component's types, and which of its resources is which of the contract's.
pub(super) struct Surface<'a> {
    types: TypesRef<'a>,
    resources: Vec<(ResourceId, &'static Resource)>,
}

/// Where two types differ, innermost place first.
struct Difference {
    path: Vec<String>,
    expected: String,
    found: String,
}

type Compared = Result<(), Difference>;

impl<'a> Surface<'a> {
    pub(super) fn new(types: TypesRef<'a>) -> Self {
        Self { types, resources: Vec::new() }
    }

    /// Compares one instance with its interface; the error is a text that names what differs. Imports have to be
    /// checked before exports, which refer to their resources.
    pub(super) fn check(
        &mut self,
        interface: &'static Interface,
        instance: &ComponentInstanceType,
        side: Side,
    ) -> Result<(), String> {
        for (name, item) in &instance.exports {
            match item.ty {
                ComponentEntityType::Type { created, .. } => self.check_type(interface, name, created, side)?,
                ComponentEntityType::Func(_) => {}
                _ => return Err(unknown_item(interface, name)),
            }
        }
        for (name, item) in &instance.exports {
            if let ComponentEntityType::Func(id) = item.ty {
                self.check_function(interface, name, id)?;
            }
        }
        if side == Side::Export { complete(interface, instance) } else { Ok(()) }
    }

    fn check_type(
        &mut self,
        interface: &'static Interface,
        name: &str,
        created: ComponentAnyTypeId,
        side: Side,
    ) -> Result<(), String> {
        match created {
            ComponentAnyTypeId::Resource(id) => {
                let known = self.resource(id.resource()).is_some();
                match interface.resource(name) {
                    Some(own) if !known => {
                        self.resources.push((id.resource(), own));
                        Ok(())
                    }
                    Some(_) => Err(format!(
                        "`{}.{}` has to be a resource of its own, but is another one by a second name",
                        interface.name,
                        short(name)
                    )),
                    // What an exported interface uses from an imported one is exported with it, under its name.
                    None if known && side == Side::Export => Ok(()),
                    None => Err(unknown_item(interface, name)),
                }
            }
            // A name for a type has no effect of its own: what counts is how functions use it. But a type that has
            // the name of one of the contract's should be that type; this gives the better error text.
            ComponentAnyTypeId::Defined(id) => match named_type(name) {
                Some(named) => self
                    .ty(&named.ty, ComponentValType::Type(id))
                    .map_err(|difference| difference.text(&format!("type `{}.{name}`", named.interface))),
                None => Ok(()),
            },
            _ => Err(unknown_item(interface, name)),
        }
    }

    fn check_function(&self, interface: &'static Interface, name: &str, id: ComponentFuncTypeId) -> Result<(), String> {
        let (function, resource) = match name.strip_prefix("[method]").and_then(|rest| rest.split_once('.')) {
            Some((resource, method)) => {
                let resource = interface.resource(resource);
                let method = resource.and_then(|resource| resource.methods.iter().find(|known| known.name == method));
                (method, resource)
            }
            None => (interface.function(name), None),
        };
        let function = function.ok_or_else(|| unknown_item(interface, name))?;
        self.function(function, resource, id).map_err(|difference| {
            difference.text(&match resource {
                Some(resource) => format!("`{}.{}.{}`", interface.name, resource.name, function.name),
                None => format!("`{}.{}`", interface.name, function.name),
            })
        })
    }

    fn function(&self, expected: &Function, of: Option<&'static Resource>, id: ComponentFuncTypeId) -> Compared {
        let found = &self.types[id];
        let count = expected.params.len() + usize::from(of.is_some());
        if found.async_ || found.params.len() != count {
            let kind = if found.async_ { "an async function" } else { "a function" };
            return Err(Difference::new(
                format_args!("a function of {count} parameters"),
                format!("{kind} of {} parameters", found.params.len()),
            ));
        }
        let mut params = found.params.iter().map(|(_, ty)| *ty);
        if let Some(resource) = of
            && let Some(this) = params.next()
            && !self.is_borrow(resource, this)
        {
            let expected = format_args!("borrow<{}.{}>", resource.interface, resource.name);
            return Err(Difference::new(expected, self.render(this)).within("self".to_owned()));
        }
        for (index, (expected, found)) in expected.params.iter().zip(params).enumerate() {
            self.ty(expected, found).map_err(|inner| inner.within(format!("parameter {}", index + 1)))?;
        }
        self.answer(&expected.answer, found.result).map_err(|inner| inner.within("result".to_owned()))
    }

    fn answer(&self, expected: &Answer, found: Option<ComponentValType>) -> Compared {
        let differ = || Err(Difference::new(expected, self.render_option(found, "nothing")));
        match (expected, found) {
            (Answer::Nothing, None) => Ok(()),
            (Answer::Value(expected), Some(found)) => self.ty(expected, found),
            (Answer::Fallible(expected), Some(found)) => {
                let Some(ComponentDefinedType::Result { ok, err: Some(err), .. }) = self.defined(found) else {
                    return differ();
                };
                match (expected, ok) {
                    (None, None) => {}
                    (Some(expected), Some(ok)) => {
                        self.ty(expected, *ok).map_err(|inner| inner.within("ok".to_owned()))?;
                    }
                    _ => return differ(),
                }
                self.ty(&contract::PLUGIN_ERROR.ty, *err).map_err(|inner| inner.within("error".to_owned()))
            }
            _ => differ(),
        }
    }

    /// Whether two types are the same. The depth is that of the contract's types.
    fn ty(&self, expected: &Ty, found: ComponentValType) -> Compared {
        use ComponentDefinedType as Found;
        let differ = || Err(Difference::new(expected, self.render(found)));
        if let Ty::Named(named) = expected {
            return self.ty(&named.ty, found).map_err(|inner| inner.within(format!("`{}`", named.name)));
        }
        let Some(defined) = self.defined(found) else {
            return if self.primitive(found).is_some_and(|found| same_primitive(expected, found)) {
                Ok(())
            } else {
                differ()
            };
        };
        match (expected, defined) {
            (Ty::List(expected), Found::List { element, .. }) => {
                self.ty(expected, *element).map_err(|inner| inner.within("element".to_owned()))
            }
            (Ty::Option(expected), Found::Option { ty, .. }) => {
                self.ty(expected, *ty).map_err(|inner| inner.within("some".to_owned()))
            }
            (Ty::Tuple(expected), Found::Tuple(found)) if expected.len() == found.types.len() => {
                expected.iter().zip(&found.types).try_for_each(|(expected, found)| self.ty(expected, *found))
            }
            (Ty::Record(expected), Found::Record(found))
                if expected.iter().map(|(name, _)| *name).eq(found.fields.keys().map(KebabString::as_str)) =>
            {
                expected.iter().zip(found.fields.values()).try_for_each(|((name, expected), found)| {
                    self.ty(expected, *found).map_err(|inner| inner.within(format!("field `{name}`")))
                })
            }
            (Ty::Variant(expected), Found::Variant(found))
                if expected.iter().map(|(name, _)| *name).eq(found.cases.keys().map(KebabString::as_str)) =>
            {
                expected.iter().zip(found.cases.values()).try_for_each(|((name, expected), found)| {
                    match (expected, found.ty) {
                        (None, None) => Ok(()),
                        (Some(expected), Some(found)) => self.ty(expected, found),
                        (None, found) => Err(Difference::new("nothing", self.render_option(found, "nothing"))),
                        (Some(expected), None) => Err(Difference::new(expected, "nothing".to_owned())),
                    }
                    .map_err(|inner| inner.within(format!("case `{name}`")))
                })
            }
            (Ty::Enum(expected), Found::Enum(found))
                if expected.iter().copied().eq(found.iter().map(KebabString::as_str)) =>
            {
                Ok(())
            }
            (Ty::Own(expected), Found::Own(id))
                if self.resource(id.resource()).is_some_and(|found| std::ptr::eq(found, *expected)) =>
            {
                Ok(())
            }
            _ => differ(),
        }
    }

    /// The resource of the contract that a component's resource is.
    pub(super) fn resource(&self, id: ResourceId) -> Option<&'static Resource> {
        self.resources.iter().find(|(known, _)| *known == id).map(|(_, resource)| *resource)
    }

    fn is_borrow(&self, resource: &'static Resource, found: ComponentValType) -> bool {
        match self.defined(found) {
            Some(ComponentDefinedType::Borrow(id)) => {
                self.resource(id.resource()).is_some_and(|found| std::ptr::eq(found, resource))
            }
            _ => false,
        }
    }

    /// The type, if it is no primitive.
    fn defined(&self, ty: ComponentValType) -> Option<&'a ComponentDefinedType> {
        defined(self.types, ty)
    }

    fn primitive(&self, ty: ComponentValType) -> Option<PrimitiveValType> {
        match ty {
            ComponentValType::Primitive(primitive) => Some(primitive),
            ComponentValType::Type(id) => match self.types.get(id)? {
                ComponentDefinedType::Primitive(primitive) => Some(*primitive),
                _ => None,
            },
        }
    }

    fn render(&self, ty: ComponentValType) -> String {
        /// How deep a found type is spelled out.
        const DEPTH: usize = 3;
        self.render_to(ty, DEPTH)
    }

    fn render_option(&self, ty: Option<ComponentValType>, none: &str) -> String {
        ty.map_or_else(|| none.to_owned(), |ty| self.render(ty))
    }

    /// A found type in the spelling of WIT, cut where it gets too deep or too wide.
    fn render_to(&self, ty: ComponentValType, depth: usize) -> String {
        use ComponentDefinedType as Found;
        if let Some(primitive) = self.primitive(ty) {
            return primitive.to_string();
        }
        let Some(defined) = self.defined(ty).filter(|_| depth > 0) else { return "…".to_owned() };
        let inner = |ty: &ComponentValType| self.render_to(*ty, depth - 1);
        let payload = |ty: &Option<ComponentValType>| ty.as_ref().map_or_else(|| "_".to_owned(), inner);
        match defined {
            Found::List { element, .. } => format!("list<{}>", inner(element)),
            Found::Option { ty, .. } => format!("option<{}>", inner(ty)),
            Found::Result { ok, err, .. } => format!("result<{}, {}>", payload(ok), payload(err)),
            Found::Tuple(tuple) => format!("tuple<{}>", cut(tuple.types.iter().map(inner))),
            Found::Record(record) => {
                let fields = record.fields.iter().map(|(name, ty)| format!("{}: {}", short(name), inner(ty)));
                format!("record {{{}}}", cut(fields))
            }
            Found::Variant(variant) => {
                let cases = variant.cases.iter().map(|(name, case)| match &case.ty {
                    Some(ty) => format!("{}({})", short(name), inner(ty)),
                    None => short(name),
                });
                format!("variant {{{}}}", cut(cases))
            }
            Found::Enum(cases) => format!("enum {{{}}}", cut(cases.iter().map(|name| short(name)))),
            Found::Flags(names) => format!("flags {{{}}}", cut(names.iter().map(|name| short(name)))),
            Found::Own(id) => format!("own<{}>", self.resource_name(id.resource())),
            Found::Borrow(id) => format!("borrow<{}>", self.resource_name(id.resource())),
            _ => "a type the contract does not use".to_owned(),
        }
    }

    fn resource_name(&self, id: ResourceId) -> String {
        self.resource(id).map_or_else(
            || "a resource the contract does not know".to_owned(),
            |resource| format!("{}.{}", resource.interface, resource.name),
        )
    }
}

/// The type, if it is no primitive.
pub(super) fn defined(types: TypesRef<'_>, ty: ComponentValType) -> Option<&ComponentDefinedType> {
    match ty {
        ComponentValType::Primitive(_) => None,
        ComponentValType::Type(id) => {
            types.get(id).filter(|defined| !matches!(defined, ComponentDefinedType::Primitive(_)))
        }
    }
}

/// Whether an exported instance has everything its interface has.
fn complete(interface: &Interface, instance: &ComponentInstanceType) -> Result<(), String> {
    let methods = interface.resources.iter().flat_map(|resource| {
        let methods = resource.methods.iter().map(|method| format!("[method]{}.{}", resource.name, method.name));
        methods.chain([resource.name.to_owned()])
    });
    let mut names = interface.functions.iter().map(|function| function.name.to_owned()).chain(methods);
    match names.find(|name| !instance.exports.contains_key(name)) {
        Some(name) => Err(format!("the component's `{}` lacks `{name}`", interface.name)),
        None => Ok(()),
    }
}

/// The contract's type of this name. No two of its types share one.
fn named_type(name: &str) -> Option<&'static Type> {
    contract::interfaces().flat_map(|interface| interface.types).copied().find(|named| named.name == name)
}

fn same_primitive(expected: &Ty, found: PrimitiveValType) -> bool {
    matches!(
        (expected, found),
        (Ty::Bool, PrimitiveValType::Bool)
            | (Ty::U8, PrimitiveValType::U8)
            | (Ty::U16, PrimitiveValType::U16)
            | (Ty::U32, PrimitiveValType::U32)
            | (Ty::U64, PrimitiveValType::U64)
            | (Ty::S32, PrimitiveValType::S32)
            | (Ty::S64, PrimitiveValType::S64)
            | (Ty::F64, PrimitiveValType::F64)
            | (Ty::String, PrimitiveValType::String)
    )
}

fn unknown_item(interface: &Interface, name: &str) -> String {
    format!("the contract's `{}` has no `{}`, which the component's has", interface.name, short(name))
}

/// The first dozen items.
fn cut(mut items: impl Iterator<Item = String>) -> String {
    let text = commas(items.by_ref().take(12));
    if items.next().is_some() { text + ", …" } else { text }
}

impl Difference {
    fn new(expected: impl std::fmt::Display, found: String) -> Self {
        Self { path: Vec::new(), expected: expected.to_string(), found }
    }

    fn within(mut self, place: String) -> Self {
        self.path.push(place);
        self
    }

    fn text(&self, item: &str) -> String {
        let path: Vec<_> = self.path.iter().rev().map(String::as_str).collect();
        let place = if path.is_empty() { String::new() } else { format!(", {}", path.join(", ")) };
        format!("{item}{place}: the contract has {}, the component {}", self.expected, self.found)
    }
}

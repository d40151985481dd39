//! Holds `wit/stellatune-plugin` and the table in `world::contract` together: each is rendered to lines, one for each
//! type, resource, function and world, and the two sets of lines have to be equal. A slip in the interface of either
//! fails, and so does anything missing or extra.

mod wit;

use std::collections::BTreeSet;

use stellatune_plugin_core::{
    manifest::World,
    world::contract::{self, Function},
};
use wit_parser::{
    FunctionKind, Handle, InterfaceId, Resolve, Type, TypeDefKind, TypeId, TypeOwner, WorldItem, WorldKey,
};

#[test]
fn the_wit_is_the_contract() {
    let (wit, table) = (wit_lines(&wit::text()), table_lines());
    assert!(table.len() > 100, "the table has {} lines", table.len());
    let extra: Vec<_> = wit.difference(&table).collect();
    let missing: Vec<_> = table.difference(&wit).collect();
    assert!(extra.is_empty() && missing.is_empty(), "in the WIT only: {extra:#?}\nin the table only: {missing:#?}");
}

#[test]
fn type_names_are_unique() {
    let mut names = BTreeSet::new();
    for ty in contract::interfaces().flat_map(|interface| interface.types) {
        assert!(names.insert(ty.name), "{} is defined twice", ty.name);
    }
}

#[test]
fn a_slip_in_the_wit_is_seen() {
    let slips = [
        ("field renamed", "frames: u32,", "frame-count: u32,"),
        ("case renamed", "not-found(string),", "missing(string),"),
        ("payload changed", "bytes(list<u8>),", "bytes(list<u16>),"),
        ("payload dropped", "io(string),", "io,"),
        ("type widened", "channels: u16,\n    }\n}", "channels: u32,\n    }\n}"),
        ("parameter changed", "read-pcm-f32: func(max-frames: u32)", "read-pcm-f32: func(max-frames: u64)"),
        ("parameter added", "seek-ms: func(position-ms: u64)", "seek-ms: func(position-ms: u64, exact: bool)"),
        ("result changed", "supported-layouts: func() -> u32;", "supported-layouts: func() -> u64;"),
        ("error dropped", "tell: func() -> result<u64, plugin-error>;", "tell: func() -> u64;"),
        ("handle borrowed", "open: func(input: host-stream-handle,", "open: func(input: borrow<host-stream-handle>,"),
        ("method renamed", "unlock: func();", "release: func();"),
        ("function extra", "unlock: func();", "unlock: func();\n        again: func();"),
        ("field optional", "executable: string,", "executable: option<string>,"),
        ("enum case gone", "hot-apply,", ""),
        ("world import extra", "world dsp-plugin {", "world dsp-plugin {\n    import http-client;"),
        ("world export gone", "    export lifecycle;\n    export dsp;", "    export dsp;"),
        ("interface extra", "world dsp-plugin {", "interface more {}\nworld dsp-plugin {"),
        ("version moved", "stellatune:plugin@0.1.0", "stellatune:plugin@0.1.1"),
    ];
    let text = wit::text();
    for (slip, from, to) in slips {
        assert!(text.contains(from), "{slip}: nothing to change");
        assert_ne!(wit_lines(&text.replacen(from, to, 1)), table_lines(), "{slip}");
    }
}

#[test]
fn order_of_fields_and_cases_matters() {
    let mut swaps = 0;
    for (swap, text) in wit::swaps(&wit::text()) {
        assert_ne!(wit_lines(&text), table_lines(), "{swap}");
        swaps += 1;
    }
    assert!(swaps > 80, "only {swaps} neighbours were swapped");
}

#[test]
fn names_of_parameters_do_not_matter() {
    let text = wit::text();
    let renamed = text.replacen("read-pcm-f32: func(max-frames: u32)", "read-pcm-f32: func(at-most: u32)", 1);
    assert_ne!(renamed, text);
    assert_eq!(wit_lines(&renamed), table_lines());
}

fn table_lines() -> BTreeSet<String> {
    let mut lines = BTreeSet::from([format!("package {}@{}", contract::PACKAGE, contract::VERSION)]);
    for interface in contract::interfaces() {
        lines.insert(format!("interface {}", interface.name));
        for ty in interface.types {
            assert_eq!(ty.interface, interface.name, "{} stands in another interface", ty.name);
            lines.insert(format!("type {}.{} = {}", ty.interface, ty.name, ty.ty));
        }
        for resource in interface.resources {
            assert_eq!(resource.interface, interface.name, "{} stands in another interface", resource.name);
            lines.insert(format!("resource {}.{}", resource.interface, resource.name));
            insert_all(&mut lines, &format!("method {}.{}", resource.interface, resource.name), resource.methods);
        }
        insert_all(&mut lines, &format!("function {}", interface.name), interface.functions);
    }
    for world in World::ALL {
        let shape = contract::world(world);
        lines.extend(shape.imports.iter().map(|import| format!("world {} imports {}", world.name(), import.name)));
        lines.extend(shape.exports.iter().map(|export| format!("world {} exports {}", world.name(), export.name)));
    }
    lines
}

fn insert_all(lines: &mut BTreeSet<String>, prefix: &str, functions: &[Function]) {
    for function in functions {
        assert!(lines.insert(format!("{prefix}.{function}")), "{prefix}.{function} stands twice");
    }
}

fn wit_lines(text: &str) -> BTreeSet<String> {
    let mut resolve = Resolve::default();
    let package = resolve.push_source("stellatune.wit", text).expect("the WIT parses");
    let wit = Wit(&resolve);
    let package = &resolve.packages[package];
    let mut lines = BTreeSet::from([format!("package {}", package.name)]);
    for (name, id) in &package.interfaces {
        let interface = &resolve.interfaces[*id];
        lines.insert(format!("interface {name}"));
        lines.extend(interface.types.iter().filter_map(|(type_name, ty)| wit.definition(name, type_name, *ty)));
        lines.extend(interface.functions.values().map(|function| wit.function(name, function)));
    }
    for (name, id) in &package.worlds {
        let world = &resolve.worlds[*id];
        lines.extend(world.imports.iter().map(|(key, item)| format!("world {name} imports {}", wit.item(key, item))));
        lines.extend(world.exports.iter().map(|(key, item)| format!("world {name} exports {}", wit.item(key, item))));
    }
    lines
}

/// Renders parsed WIT in the spelling of the table.
struct Wit<'a>(&'a Resolve);

impl Wit<'_> {
    /// The line of a type; none for a type used from another interface under its own name.
    fn definition(&self, interface: &str, name: &str, id: TypeId) -> Option<String> {
        let kind = &self.0.types[id].kind;
        match kind {
            TypeDefKind::Resource => Some(format!("resource {interface}.{name}")),
            TypeDefKind::Type(Type::Id(used)) if self.0.types[*used].name.as_deref() == Some(name) => None,
            _ => Some(format!("type {interface}.{name} = {}", self.structure(kind))),
        }
    }

    fn function(&self, interface: &str, function: &wit_parser::Function) -> String {
        let mut params: Vec<String> = function.params.iter().map(|param| self.ty(&param.ty)).collect();
        let prefix = match &function.kind {
            FunctionKind::Freestanding => format!("function {interface}.{}", function.name),
            FunctionKind::Method(resource) => {
                let resource = self.0.types[*resource].name.as_deref().expect("a resource has a name");
                assert_eq!(params.remove(0), format!("borrow<{interface}.{resource}>"));
                format!("method {interface}.{resource}.{}", function.item_name())
            }
            other => format!("{other:?} {interface}.{}", function.name),
        };
        let answer = function.result.as_ref().map_or_else(|| "nothing".to_owned(), |ty| self.ty(ty));
        format!("{prefix}({}) -> {answer}", params.join(", "))
    }

    fn ty(&self, ty: &Type) -> String {
        match ty {
            Type::Id(id) => self.named(*id),
            primitive => format!("{primitive:?}").to_lowercase(),
        }
    }

    /// A type by its name where it has one, else by its structure.
    fn named(&self, id: TypeId) -> String {
        let ty = &self.0.types[id];
        match (&ty.kind, &ty.name, ty.owner) {
            (TypeDefKind::Type(Type::Id(used)), ..) => self.named(*used),
            (_, Some(name), TypeOwner::Interface(owner)) => format!("{}.{name}", self.interface(owner)),
            (kind, ..) => self.structure(kind),
        }
    }

    fn structure(&self, kind: &TypeDefKind) -> String {
        let option = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), |ty| self.ty(ty));
        match kind {
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter().map(|field| format!("{}: {}", field.name, self.ty(&field.ty)));
                format!("record {{{}}}", join(fields))
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter().map(|case| match &case.ty {
                    Some(ty) => format!("{}({})", case.name, self.ty(ty)),
                    None => case.name.clone(),
                });
                format!("variant {{{}}}", join(cases))
            }
            TypeDefKind::Enum(cases) => format!("enum {{{}}}", join(cases.cases.iter().map(|case| case.name.clone()))),
            TypeDefKind::Tuple(tuple) => format!("tuple<{}>", join(tuple.types.iter().map(|ty| self.ty(ty)))),
            TypeDefKind::List(ty) => format!("list<{}>", self.ty(ty)),
            TypeDefKind::Option(ty) => format!("option<{}>", self.ty(ty)),
            TypeDefKind::Result(result) => format!("result<{}, {}>", option(&result.ok), option(&result.err)),
            TypeDefKind::Handle(Handle::Own(id)) => format!("own<{}>", self.named(*id)),
            TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", self.named(*id)),
            TypeDefKind::Type(ty) => format!("alias of {}", self.ty(ty)),
            other => format!("{other:?}"),
        }
    }

    fn interface(&self, id: InterfaceId) -> &str {
        self.0.interfaces[id].name.as_deref().expect("an interface has a name")
    }

    fn item(&self, key: &WorldKey, item: &WorldItem) -> String {
        match (key, item) {
            (WorldKey::Interface(id), WorldItem::Interface { .. }) => self.interface(*id).to_owned(),
            (WorldKey::Name(name), item) => format!("{name}: {item:?}"),
            other => format!("{other:?}"),
        }
    }
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

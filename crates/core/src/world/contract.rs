//! The plugin contract as data: every interface of `stellatune:plugin@0.1.0` with its types, resources and functions,
//! and what the five worlds import and export (plugin contract 0.1).
//!
//! Written by hand, independent of `wit/`; a test holds the two together, so that a slip in either fails. Names, types
//! and the order of fields, cases and parameters are the binary interface; parameter names are not, nor is the order
//! of declarations. Nothing here looks at a component: [`super::verify`] does.

mod exports;
mod imports;
mod shared;

use std::fmt;

pub use exports::{DECODER, DSP, LIFECYCLE, LYRICS, OUTPUT_SINK, SOURCE};
pub(crate) use imports::LAUNCH_SPEC;
pub use imports::{HOST_STREAM, HTTP_CLIENT, SIDECAR};
pub use shared::{COMMON, HOT_PATH};

use crate::manifest::World;

/// The package all interfaces belong to.
pub const PACKAGE: &str = "stellatune:plugin";

/// The version of the package.
pub const VERSION: &str = "0.1.0";

/// A value type.
#[derive(Debug)]
#[allow(missing_docs, reason = "the cases are the component model's own")]
pub enum Ty {
    Bool,
    U8,
    U16,
    U32,
    U64,
    S32,
    S64,
    F64,
    String,
    List(&'static Ty),
    Option(&'static Ty),
    Tuple(&'static [Ty]),
    Record(&'static [(&'static str, Ty)]),
    Variant(&'static [(&'static str, Option<Ty>)]),
    Enum(&'static [&'static str]),
    Own(&'static Resource),
    /// A type with a name.
    Named(&'static Type),
}

/// A type that an interface names.
#[derive(Debug)]
pub struct Type {
    /// The interface that defines it.
    pub interface: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// What it is.
    pub ty: Ty,
}

/// A resource type. None has a constructor or a static function.
#[derive(Debug)]
pub struct Resource {
    /// The interface that defines it.
    pub interface: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// Its methods.
    pub methods: &'static [Function],
}

/// A function, or a method without its `self`, which is borrowed.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// The types of its parameters.
    pub params: &'static [Ty],
    /// What it answers.
    pub answer: Answer,
}

/// What a function answers.
#[derive(Debug)]
pub enum Answer {
    /// Nothing at all.
    Nothing,
    /// A value.
    Value(Ty),
    /// `result<T, plugin-error>`, or `result<_, plugin-error>` without a type.
    Fallible(Option<Ty>),
}

/// An interface of the package.
#[derive(Debug)]
pub struct Interface {
    /// Its name, without package and version.
    pub name: &'static str,
    /// The types it defines.
    pub types: &'static [&'static Type],
    /// The resources it defines.
    pub resources: &'static [&'static Resource],
    /// Its functions.
    pub functions: &'static [Function],
}

/// What a world imports and exports, without WASI.
#[derive(Debug)]
pub struct WorldShape {
    /// The interfaces a component of this world may import. It imports only those it uses.
    pub imports: &'static [&'static Interface],
    /// The interfaces it exports.
    pub exports: &'static [&'static Interface],
}

/// The interfaces that the host offers. Any component may import any of them.
pub static IMPORTABLE: [&Interface; 5] = [&COMMON, &HOT_PATH, &HOST_STREAM, &SIDECAR, &HTTP_CLIENT];

/// The interfaces that components export.
pub static EXPORTABLE: [&Interface; 6] = [&LIFECYCLE, &DECODER, &SOURCE, &LYRICS, &OUTPUT_SINK, &DSP];

/// The error every fallible function answers with.
pub static PLUGIN_ERROR: &Type = &shared::PLUGIN_ERROR;

/// All interfaces.
pub fn interfaces() -> impl Iterator<Item = &'static Interface> {
    IMPORTABLE.iter().chain(&EXPORTABLE).copied()
}

/// What `world` imports and exports.
pub fn world(world: World) -> &'static WorldShape {
    static DECODER_PLUGIN: WorldShape =
        WorldShape { imports: &[&COMMON, &HOST_STREAM, &SIDECAR], exports: &[&LIFECYCLE, &DECODER] };
    static SOURCE_PLUGIN: WorldShape =
        WorldShape { imports: &[&COMMON, &HOST_STREAM, &SIDECAR], exports: &[&LIFECYCLE, &SOURCE] };
    static LYRICS_PLUGIN: WorldShape =
        WorldShape { imports: &[&COMMON, &SIDECAR, &HTTP_CLIENT], exports: &[&LIFECYCLE, &LYRICS] };
    static OUTPUT_SINK_PLUGIN: WorldShape =
        WorldShape { imports: &[&COMMON, &HOT_PATH, &SIDECAR], exports: &[&LIFECYCLE, &OUTPUT_SINK] };
    static DSP_PLUGIN: WorldShape =
        WorldShape { imports: &[&COMMON, &HOT_PATH, &SIDECAR], exports: &[&LIFECYCLE, &DSP] };
    match world {
        World::Decoder => &DECODER_PLUGIN,
        World::Source => &SOURCE_PLUGIN,
        World::Lyrics => &LYRICS_PLUGIN,
        World::OutputSink => &OUTPUT_SINK_PLUGIN,
        World::Dsp => &DSP_PLUGIN,
    }
}

impl Interface {
    /// Finds a function by name.
    pub(crate) fn function(&self, name: &str) -> Option<&'static Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// Finds a resource by name.
    pub(crate) fn resource(&self, name: &str) -> Option<&'static Resource> {
        self.resources.iter().copied().find(|resource| resource.name == name)
    }
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::U8 => f.write_str("u8"),
            Self::U16 => f.write_str("u16"),
            Self::U32 => f.write_str("u32"),
            Self::U64 => f.write_str("u64"),
            Self::S32 => f.write_str("s32"),
            Self::S64 => f.write_str("s64"),
            Self::F64 => f.write_str("f64"),
            Self::String => f.write_str("string"),
            Self::List(element) => write!(f, "list<{element}>"),
            Self::Option(some) => write!(f, "option<{some}>"),
            Self::Tuple(types) => write!(f, "tuple<{}>", commas(types.iter())),
            Self::Record(fields) => {
                write!(f, "record {{{}}}", commas(fields.iter().map(|(name, ty)| format!("{name}: {ty}"))))
            }
            Self::Variant(cases) => write!(
                f,
                "variant {{{}}}",
                commas(cases.iter().map(|(name, ty)| match ty {
                    Some(ty) => format!("{name}({ty})"),
                    None => (*name).to_owned(),
                }))
            ),
            Self::Enum(cases) => write!(f, "enum {{{}}}", commas(cases.iter())),
            Self::Own(resource) => write!(f, "own<{}.{}>", resource.interface, resource.name),
            Self::Named(named) => write!(f, "{}.{}", named.interface, named.name),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = Ty::Named(PLUGIN_ERROR);
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Value(ty) => ty.fmt(f),
            Self::Fallible(Some(ty)) => write!(f, "result<{ty}, {error}>"),
            Self::Fallible(None) => write!(f, "result<_, {error}>"),
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}) -> {}", self.name, commas(self.params.iter()), self.answer)
    }
}

/// Joins what is displayed with commas.
pub(crate) fn commas(items: impl Iterator<Item = impl fmt::Display>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

//! How a component is put together: what to instantiate in which order, and the types of what it imports and exports.
//!
//! A [`Plan`] is plain data of this crate, stored beside the compiled modules, so that loading compiled code
//! translates nothing. Indices point into the plan's own lists; [`super::translate`] makes only those that do.

use serde::{Deserialize, Serialize};

/// Everything about a component but its machine code.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The functions of the instances it imports, whether or not it calls them.
    pub(crate) mentioned: Vec<Import>,
    /// Functions and resources of imported instances that it uses.
    pub(crate) imports: Vec<Import>,
    /// What to do to instantiate it, in order.
    pub(crate) steps: Vec<Step>,
    /// Functions the host provides to its core modules.
    pub(crate) trampolines: Vec<Trampoline>,
    /// The functions it exports from instances.
    pub(crate) exports: Vec<Export>,
    /// The types of lifted and lowered functions.
    pub(crate) functions: Vec<FunctionType>,
    pub(crate) types: Vec<Type>,
    /// How lifted and lowered functions cross the boundary.
    pub(crate) options: Vec<Options>,
    /// What handles of a type in a component instance stand for.
    pub(crate) handles: Vec<HandleType>,
    /// Every resource, the imported ones first.
    pub(crate) resources: Vec<Resource>,
    /// Component instances, each with a handle table of its own.
    pub(crate) instances: u32,
    pub(crate) memories: u32,
    pub(crate) reallocs: u32,
    pub(crate) post_returns: u32,
    /// The tables that each core module defines.
    pub(crate) tables: Vec<Vec<TableLimits>>,
}

/// An item of an imported instance.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Import {
    pub(crate) interface: String,
    pub(crate) name: String,
}

/// A function of an exported instance.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Export {
    pub(crate) interface: String,
    pub(crate) name: String,
    pub(crate) function: u32,
    pub(crate) options: u32,
    pub(crate) core: Definition,
}

/// One step of an instantiation.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Makes the next core instance.
    Instantiate {
        module: u32,
        arguments: Vec<Definition>,
    },
    Memory {
        index: u32,
        from: Definition,
    },
    Realloc {
        index: u32,
        from: Definition,
    },
    PostReturn {
        index: u32,
        from: Definition,
    },
    Destructor {
        resource: u32,
        from: Definition,
    },
}

/// Where a core item comes from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Definition {
    /// An export of a core instance.
    Export {
        instance: u32,
        name: String,
    },
    Trampoline(u32),
}

/// A core function that the host provides.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Trampoline {
    /// `canon lower` of an imported function.
    Lower { import: u32, function: u32, options: u32, signature: Signature },
    /// `canon resource.new`
    ResourceNew { handle: u32 },
    /// `canon resource.rep`
    ResourceRep { handle: u32 },
    /// `canon resource.drop`
    ResourceDrop { handle: u32 },
}

/// The type of a core function.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signature {
    pub(crate) parameters: Vec<CoreType>,
    pub(crate) results: Vec<CoreType>,
}

/// What core functions of the canonical ABI take and return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CoreType {
    I32,
    I64,
    F32,
    F64,
}

/// The options of a `canon lift` or `canon lower`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Options {
    /// The component instance it belongs to.
    pub(crate) instance: u32,
    pub(crate) encoding: Encoding,
    pub(crate) memory: Option<u32>,
    pub(crate) realloc: Option<u32>,
    pub(crate) post_return: Option<u32>,
}

/// How strings lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Encoding {
    Utf8,
    Utf16,
    /// `latin1+utf16`
    Compact,
}

/// The type of a component function. `parameters` is a tuple.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FunctionType {
    pub(crate) parameters: u32,
    pub(crate) result: Option<u32>,
}

/// A component value type; others than these are not of WASI 0.2.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the cases are the component model's own")]
pub(crate) enum Type {
    Bool,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    F32,
    F64,
    Char,
    String,
    List(u32),
    Record(Vec<(String, u32)>),
    Tuple(Vec<u32>),
    Variant(Vec<(String, Option<u32>)>),
    Enum(Vec<String>),
    Flags(Vec<String>),
    Option(u32),
    Result(Option<u32>, Option<u32>),
    /// An index into [`Plan::handles`].
    Own(u32),
    /// An index into [`Plan::handles`].
    Borrow(u32),
}

/// Which resource a handle stands for, and in whose table it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HandleType {
    pub(crate) resource: u32,
    pub(crate) instance: u32,
}

/// Where a resource comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Resource {
    /// From the host: an index into [`Plan::imports`].
    Imported(u32),
    /// From a component instance of this component.
    Defined { instance: u32 },
}

/// The declared size of a table.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct TableLimits {
    pub(crate) minimum: u64,
    pub(crate) maximum: Option<u64>,
}

impl TableLimits {
    pub(crate) fn grows(self) -> bool {
        self.maximum != Some(self.minimum)
    }
}

/// The tables of a whole component, or of a hot-path module, as they are declared.
#[derive(Clone, Copy)]
pub(crate) struct DeclaredTables {
    /// Elements they have at the start.
    pub(crate) elements: u64,
    /// How many of them may grow.
    pub(crate) growing: u32,
}

impl Plan {
    /// Of a component without anything.
    pub(crate) fn empty() -> Self {
        Self {
            mentioned: Vec::new(),
            imports: Vec::new(),
            steps: Vec::new(),
            trampolines: Vec::new(),
            exports: Vec::new(),
            functions: Vec::new(),
            types: Vec::new(),
            options: Vec::new(),
            handles: Vec::new(),
            resources: Vec::new(),
            instances: 0,
            memories: 0,
            reallocs: 0,
            post_returns: 0,
            tables: Vec::new(),
        }
    }

    pub(crate) fn declared_tables(&self) -> DeclaredTables {
        let mut declared = DeclaredTables { elements: 0, growing: 0 };
        for step in &self.steps {
            let Step::Instantiate { module, .. } = step else { continue };
            for table in &self.tables[*module as usize] {
                declared.elements = declared.elements.saturating_add(table.minimum);
                declared.growing += u32::from(table.grows());
            }
        }
        declared
    }
}

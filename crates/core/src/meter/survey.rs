//! Reads a module once, validating it: what the rewriting must know before it begins.

use wasmparser::{
    CompositeInnerType, ExternalKind, FunctionBody, Imports, Operator, Parser, Payload, TypeRef, ValType, ValidPayload,
    Validator,
};

use super::{COUNTER, ENTRY, Form, MODULE, cost, invalid, reserved};
use crate::{
    error::{Error, ErrorKind, Result},
    world::CORE_FEATURES,
};

/// Locals a function may have, the limit of every engine.
const LOCALS: u32 = 50_000;

/// What a module is made of, as far as it matters here.
#[derive(Default)]
pub(super) struct Survey {
    /// Parameters of each function type, and its result where there is at most one.
    types: Vec<Signature>,
    pub(super) imported_functions: u32,
    pub(super) imported_globals: u32,
    defined_globals: u32,
    /// The type of each defined function.
    functions: Vec<u32>,
    memories: u32,
    /// The defined function that is called for a block, where one is asked for and exported.
    pub(super) process: Option<u32>,
    /// What each of their bodies pays.
    pub(super) bodies: Vec<Body>,
    /// Whether any body has an operator charged by length.
    pub(super) bulk: bool,
}

#[derive(Clone, Copy)]
struct Signature {
    parameters: u32,
    /// `None` for several results.
    result: Option<Option<ValType>>,
    /// Whether it is `(i32, i32, i32, i32) -> i32`.
    block: bool,
}

/// What one function pays, and how.
pub(super) struct Body {
    /// On entry.
    pub(super) entry: u32,
    /// At the head of each loop, in the order in which the loops begin.
    pub(super) loops: Vec<u32>,
    /// Set where the counter is kept in a local while the function runs.
    pub(super) local: Option<Kept>,
}

/// The counter in a local.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    /// The index of the local.
    pub(super) index: u32,
    /// What the function returns.
    pub(super) result: Option<ValType>,
}

impl Survey {
    pub(super) fn types(&self) -> u32 {
        self.types.len() as u32
    }

    pub(super) fn functions(&self) -> u32 {
        self.imported_functions + self.functions.len() as u32
    }

    pub(super) fn globals(&self) -> u32 {
        self.imported_globals + self.defined_globals
    }

    /// The function that [`ENTRY`] calls, if there can be one.
    fn block(&self, function: u32) -> Option<u32> {
        let defined = function.checked_sub(self.imported_functions)?;
        let ty = self.types.get(*self.functions.get(defined as usize)? as usize)?;
        (ty.block && self.memories > 0).then_some(function)
    }

    fn payload(&mut self, payload: &Payload<'_>, form: Form, process: Option<&str>) -> Result<()> {
        let bad = |error| invalid(&error);
        match payload {
            Payload::TypeSection(section) => {
                for group in section.clone() {
                    for ty in group.map_err(bad)?.types() {
                        self.types.push(signature(&ty.composite_type.inner)?);
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.clone() {
                    let Imports::Single(_, import) = import.map_err(bad)? else { return Err(unexpected()) };
                    if form == Form::Asking && import.module == MODULE {
                        return Err(reserved("imports from", MODULE));
                    }
                    match import.ty {
                        TypeRef::Func(_) => self.imported_functions += 1,
                        TypeRef::Global(_) => self.imported_globals += 1,
                        _ => {}
                    }
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section.clone() {
                    self.functions.push(ty.map_err(bad)?);
                }
            }
            Payload::MemorySection(section) => self.memories = section.count(),
            Payload::GlobalSection(section) => self.defined_globals = section.count(),
            Payload::ExportSection(section) if form == Form::Trapping => {
                for export in section.clone() {
                    let export = export.map_err(bad)?;
                    if let Some(mine) = [COUNTER, ENTRY].into_iter().find(|name| *name == export.name) {
                        return Err(reserved("exports", mine));
                    }
                    if process == Some(export.name) && export.kind == ExternalKind::Func {
                        self.process = self.block(export.index);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// *Requires*: `body` is valid.
    fn body(&mut self, body: &FunctionBody<'_>) -> Result<()> {
        let bad = |error| invalid(&error);
        // Innermost last; the function itself is `None`, a loop its place in `loops`, and blocks belong to what is around.
        let mut scopes = vec![None];
        let (mut entry, mut loops) = (0_u32, Vec::<u32>::new());
        let mut reader = body.get_operators_reader().map_err(bad)?;
        while !reader.eof() {
            let operator = reader.read().map_err(bad)?;
            self.bulk |= cost::weight(&operator).is_some();
            let scope = scopes.last().copied().ok_or_else(unexpected)?;
            let charged = match scope {
                None => &mut entry,
                Some(place) => loops.get_mut(place).ok_or_else(unexpected)?,
            };
            *charged += cost::of(&operator);
            match operator {
                Operator::Loop { .. } => {
                    scopes.push(Some(loops.len()));
                    loops.push(0);
                }
                Operator::Block { .. } | Operator::If { .. } => scopes.push(scope),
                Operator::End => _ = scopes.pop(),
                _ => {}
            }
        }
        let mut locals = 0_u32;
        for group in body.get_locals_reader().map_err(bad)? {
            locals = locals.saturating_add(group.map_err(bad)?.0);
        }
        let signature = self.functions.get(self.bodies.len()).and_then(|ty| self.types.get(*ty as usize));
        let signature = signature.ok_or_else(unexpected)?;
        let index = signature.parameters.saturating_add(locals);
        // A counter in a register is what makes tight loops cheap. Without a loop it would only cost, and with several
        // results the block around the body would need a type of its own.
        let local =
            signature.result.filter(|_| !loops.is_empty() && index < LOCALS).map(|result| Kept { index, result });
        self.bodies.push(Body { entry, loops, local });
        Ok(())
    }
}

/// Validates and surveys `wasm`, and looks for its export `process`.
pub(super) fn survey(wasm: &[u8], form: Form, process: Option<&str>) -> Result<Survey> {
    let bad = |error| invalid(&error);
    if !Parser::is_core_wasm(wasm) {
        return Err(Error::rejected("not-wasm", "the file is not a binary core WebAssembly module"));
    }
    let mut validator = Validator::new_with_features(CORE_FEATURES);
    let mut survey = Survey::default();
    let mut allocations = wasmparser::FuncValidatorAllocations::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(bad)?;
        if let ValidPayload::Func(function, body) = validator.payload(&payload).map_err(bad)? {
            let mut function = function.into_validator(allocations);
            function.validate(&body).map_err(bad)?;
            allocations = function.into_allocations();
            survey.body(&body)?;
        }
        survey.payload(&payload, form, process)?;
    }
    Ok(survey)
}

fn signature(ty: &CompositeInnerType) -> Result<Signature> {
    let CompositeInnerType::Func(ty) = ty else { return Err(unexpected()) };
    let result = match ty.results() {
        [] => Some(None),
        [one] => Some(Some(*one)),
        _ => None,
    };
    let block = ty.params() == [ValType::I32; 4] && ty.results() == [ValType::I32];
    Ok(Signature { parameters: ty.params().len() as u32, result, block })
}

/// What validation has ruled out.
fn unexpected() -> Error {
    Error::new(ErrorKind::Internal, "a core module passed validation and is not what it says")
}

//! Rewrites a module's sections; `body` rewrites its functions.

use std::convert::Infallible;

use wasm_encoder::{
    CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, FunctionSection, GlobalSection, GlobalType,
    ImportSection, Module, SectionId, TypeSection, ValType,
    reencode::{self, Reencode, utils},
};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, ExportSectionReader, FunctionBody, FunctionSectionReader,
    GlobalSectionReader, ImportSectionReader, KnownCustom, Parser, TypeSectionReader,
};

use super::{
    CHECK, COUNTER, ENTRY, Form, INITIAL, MODULE,
    body::{self, Meter},
    invalid,
    survey::Survey,
};
use crate::error::{Error, ErrorKind, Result};

/// Rewrites `wasm`, which `survey` was made of.
pub(super) fn rewrite(wasm: &[u8], form: Form, survey: &Survey) -> Result<Vec<u8>> {
    let mut module = Module::new();
    Rewriter { form, survey, bodies: 0, missing: MINE.to_vec() }
        .parse_core_module(&mut module, Parser::new(0), wasm)
        .map_err(|error| match error {
        reencode::Error::ParseError(error) => invalid(&error),
        error => Error::new(ErrorKind::Internal, format!("a core module cannot be rewritten: {error}")),
    })?;
    Ok(module.finish())
}

/// Sections that something may be added to, in the order they have in a module. A module that uses operators has functions and
/// code, so that these two are never made anew.
const MINE: [SectionId; 4] = [SectionId::Type, SectionId::Import, SectionId::Global, SectionId::Export];

struct Rewriter<'a> {
    form: Form,
    survey: &'a Survey,
    /// Function bodies rewritten so far.
    bodies: usize,
    /// The sections of `MINE` the module has not shown yet.
    missing: Vec<SectionId>,
}

type Answer<T> = Result<T, reencode::Error<Infallible>>;

impl Rewriter<'_> {
    fn asking(&self) -> bool {
        self.form == Form::Asking
    }

    fn meter(&self) -> Meter {
        let counter = if self.asking() { self.survey.imported_globals } else { self.survey.globals() };
        let check = self.asking().then_some(self.survey.imported_functions);
        Meter { counter, check, bulk: self.survey.functions() + u32::from(self.asking()) }
    }

    /// The index of the entry, where there is one: behind the function that charges for lengths.
    fn entry(&self) -> Option<u32> {
        self.survey.process.map(|_| self.meter().bulk + u32::from(self.survey.bulk))
    }

    /// The type of `check`, then that of the function that charges for lengths, then that of the entry.
    fn add_types(&self, types: &mut TypeSection) {
        if self.asking() {
            types.ty().function([], []);
        }
        if self.survey.bulk {
            types.ty().function([ValType::I32, ValType::I64], [ValType::I32]);
        }
        if self.survey.process.is_some() {
            use ValType::{I32, I64};
            types.ty().function([I64, I32, I32, I32], [I32, I64]);
        }
    }

    fn add_imports(&self, imports: &mut ImportSection) {
        if self.asking() {
            imports.import(MODULE, CHECK, EntityType::Function(self.survey.types()));
            imports.import(MODULE, COUNTER, EntityType::Global(COUNTER_TYPE));
        }
    }

    fn add_globals(&self, globals: &mut GlobalSection) {
        if !self.asking() {
            globals.global(COUNTER_TYPE, &ConstExpr::i64_const(INITIAL));
        }
    }

    fn add_exports(&self, exports: &mut ExportSection) {
        if !self.asking() {
            exports.export(COUNTER, ExportKind::Global, self.meter().counter);
        }
        if let Some(entry) = self.entry() {
            exports.export(ENTRY, ExportKind::Func, entry);
        }
    }

    /// Adds a section the module has not.
    fn add_section(&self, id: SectionId, module: &mut Module) {
        match id {
            SectionId::Type => {
                let mut types = TypeSection::new();
                self.add_types(&mut types);
                module.section(&types);
            }
            SectionId::Import => {
                let mut imports = ImportSection::new();
                self.add_imports(&mut imports);
                module.section(&imports);
            }
            SectionId::Global => {
                let mut globals = GlobalSection::new();
                self.add_globals(&mut globals);
                module.section(&globals);
            }
            _ => {
                let mut exports = ExportSection::new();
                self.add_exports(&mut exports);
                module.section(&exports);
            }
        }
    }
}

const COUNTER_TYPE: GlobalType = GlobalType { val_type: ValType::I64, mutable: true, shared: false };

/// Where a section stands in a module. (The data count comes before the code.)
fn place(id: SectionId) -> u8 {
    match id {
        SectionId::DataCount => SectionId::Element as u8,
        id => id as u8,
    }
}

impl Reencode for Rewriter<'_> {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Answer<u32> {
        let defined = function >= self.survey.imported_functions;
        Ok(function.saturating_add(u32::from(self.asking() && defined)))
    }

    fn global_index(&mut self, global: u32) -> Answer<u32> {
        let defined = global >= self.survey.imported_globals;
        Ok(global.saturating_add(u32::from(self.asking() && defined)))
    }

    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Answer<()> {
        let reached = |id: &SectionId| before.is_none_or(|before| place(*id) <= place(before));
        for id in std::mem::take(&mut self.missing) {
            if before == Some(id) {
                continue;
            } else if reached(&id) {
                self.add_section(id, module);
            } else {
                self.missing.push(id);
            }
        }
        Ok(())
    }

    fn parse_type_section(&mut self, types: &mut TypeSection, section: TypeSectionReader<'_>) -> Answer<()> {
        utils::parse_type_section(self, types, section)?;
        self.add_types(types);
        Ok(())
    }

    fn parse_import_section(&mut self, imports: &mut ImportSection, section: ImportSectionReader<'_>) -> Answer<()> {
        utils::parse_import_section(self, imports, section)?;
        self.add_imports(imports);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Answer<()> {
        utils::parse_function_section(self, functions, section)?;
        if self.survey.bulk {
            functions.function(self.survey.types() + u32::from(self.asking()));
        }
        if self.survey.process.is_some() {
            functions.function(self.survey.types() + u32::from(self.asking()) + u32::from(self.survey.bulk));
        }
        Ok(())
    }

    fn parse_global_section(&mut self, globals: &mut GlobalSection, section: GlobalSectionReader<'_>) -> Answer<()> {
        utils::parse_global_section(self, globals, section)?;
        self.add_globals(globals);
        Ok(())
    }

    fn parse_export_section(&mut self, exports: &mut ExportSection, section: ExportSectionReader<'_>) -> Answer<()> {
        utils::parse_export_section(self, exports, section)?;
        self.add_exports(exports);
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Answer<()> {
        utils::parse_code_section(self, code, section)?;
        if self.survey.bulk {
            code.function(&body::bulk(self.meter()));
        }
        if let Some(process) = self.survey.process {
            code.function(&body::entry(self.meter(), process));
        }
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, function: FunctionBody<'_>) -> Answer<()> {
        let survey = self.survey;
        let Some(paid) = survey.bodies.get(self.bodies) else { return Err(reencode::Error::InvalidCodeSectionSize) };
        self.bodies += 1;
        let meter = self.meter();
        code.function(&body::rewrite(self, meter, paid, &function)?);
        Ok(())
    }

    fn parse_custom_section(&mut self, module: &mut Module, section: CustomSectionReader<'_>) -> Answer<()> {
        // A name section that is malformed counts as absent, as for any engine.
        if let KnownCustom::Name(names) = section.as_known()
            && let Ok(names) = self.custom_name_section(names)
        {
            module.section(&names);
        }
        Ok(())
    }
}

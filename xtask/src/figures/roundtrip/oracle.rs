//! Values through a component on Wasmtime, whose own component model is the oracle, by its dynamic values.

use anyhow::{Result, anyhow, bail, ensure};
use wasmtime::{
    Config, Engine, Store,
    component::{Component, Func, Linker, Val},
};

use super::{
    echo::{FUNCTIONS, GUEST, HOST, answer},
    types::{Type, Value},
};

/// The engine that all components run on.
pub(super) struct Oracle(Engine);

/// A component that runs.
pub(super) struct Running {
    store: Store<()>,
    functions: Vec<Func>,
    parameters: Vec<Type>,
    answer: Type,
}

impl Oracle {
    pub(super) fn new() -> Result<Self> {
        let mut config = Config::new();
        config.wasm_component_model(true).concurrency_support(false).gc_support(false);
        Ok(Self(Engine::new(&config).map_err(|error| anyhow!("{error:#}"))?))
    }

    pub(super) fn start(&self, component: &[u8], parameters: &[Type]) -> Result<Running> {
        self.begin(component, parameters).map_err(|error| anyhow!("{error:#}"))
    }

    fn begin(&self, component: &[u8], parameters: &[Type]) -> wasmtime::Result<Running> {
        let component = Component::from_binary(&self.0, component)?;
        let mut linker = Linker::new(&self.0);
        linker.instance(HOST)?.func_new("pass", |_, _, given, answer| {
            answer[0] = match given {
                [one] => one.clone(),
                many => Val::Tuple(many.to_vec()),
            };
            Ok(())
        })?;
        let mut store = Store::new(&self.0, ());
        let instance = linker.instantiate(&mut store, &component)?;
        let missing = || wasmtime::Error::msg("the component exports what it was made with");
        let guest = instance.get_export_index(&mut store, None, GUEST).ok_or_else(missing)?;
        let mut functions = Vec::new();
        for name in FUNCTIONS {
            let index = instance.get_export_index(&mut store, Some(&guest), name).ok_or_else(missing)?;
            functions.push(instance.get_func(&mut store, index).ok_or_else(missing)?);
        }
        Ok(Running { store, functions, parameters: parameters.to_vec(), answer: answer(parameters) })
    }
}

impl Running {
    /// Calls one of the functions.
    pub(super) fn call(&mut self, function: usize, values: &[Value]) -> Result<Value> {
        let given =
            self.parameters.iter().zip(values).map(|(ty, value)| dynamic(ty, value)).collect::<Result<Vec<_>>>()?;
        let mut answers = [Val::Bool(false)];
        let called = self.functions[function].call(&mut self.store, &given, &mut answers);
        called.map_err(|error| anyhow!("{error:#}"))?;
        typed(&self.answer, &answers[0])
    }
}

/// The name of a field, a case or a flag.
fn name(letter: char, number: usize) -> String {
    format!("{letter}{number}")
}

fn dynamic(ty: &Type, value: &Value) -> Result<Val> {
    let payload = |ty: Option<&Type>, value: &Option<Box<Value>>| -> Result<Option<Box<Val>>> {
        match (ty, value) {
            (Some(ty), Some(value)) => Ok(Some(Box::new(dynamic(ty, value)?))),
            (None, None) => Ok(None),
            _ => bail!("{value:?} is no payload of {ty:?}"),
        }
    };
    Ok(match (ty, value) {
        (Type::Bool, Value::Bool(it)) => Val::Bool(*it),
        (Type::S8, Value::S8(it)) => Val::S8(*it),
        (Type::U8, Value::U8(it)) => Val::U8(*it),
        (Type::S16, Value::S16(it)) => Val::S16(*it),
        (Type::U16, Value::U16(it)) => Val::U16(*it),
        (Type::S32, Value::S32(it)) => Val::S32(*it),
        (Type::U32, Value::U32(it)) => Val::U32(*it),
        (Type::S64, Value::S64(it)) => Val::S64(*it),
        (Type::U64, Value::U64(it)) => Val::U64(*it),
        (Type::F32, Value::F32(it)) => Val::Float32(*it),
        (Type::F64, Value::F64(it)) => Val::Float64(*it),
        (Type::Char, Value::Char(it)) => Val::Char(*it),
        (Type::String, Value::String(it)) => Val::String(it.clone()),
        (Type::List(of), Value::List(items)) => {
            Val::List(items.iter().map(|item| dynamic(of, item)).collect::<Result<_>>()?)
        }
        (Type::Tuple(types), Value::Fields(fields)) => {
            Val::Tuple(types.iter().zip(fields).map(|(ty, field)| dynamic(ty, field)).collect::<Result<_>>()?)
        }
        (Type::Record(_, types), Value::Fields(fields)) => {
            let fields = types.iter().zip(fields).enumerate();
            Val::Record(fields.map(|(n, (ty, field))| Ok((name('f', n), dynamic(ty, field)?))).collect::<Result<_>>()?)
        }
        (Type::Variant(_, cases), Value::Case(case, value)) => {
            Val::Variant(name('c', *case), payload(cases[*case].as_ref(), value)?)
        }
        (Type::Enum(..), Value::Case(case, None)) => Val::Enum(name('c', *case)),
        (Type::Option(of), Value::Case(case, value)) => Val::Option(payload((*case == 1).then_some(&**of), value)?),
        (Type::Result(ok, _), Value::Case(0, value)) => Val::Result(Ok(payload(ok.as_deref(), value)?)),
        (Type::Result(_, error), Value::Case(1, value)) => Val::Result(Err(payload(error.as_deref(), value)?)),
        (Type::Flags(..), Value::Flags(flags)) => {
            Val::Flags(flags.iter().enumerate().filter(|(_, on)| **on).map(|(n, _)| name('f', n)).collect())
        }
        (ty, value) => bail!("{value:?} is no value of {ty:?}"),
    })
}

fn typed(ty: &Type, value: &Val) -> Result<Value> {
    let payload = |ty: Option<&Type>, value: &Option<Box<Val>>| -> Result<Option<Box<Value>>> {
        match (ty, value) {
            (Some(ty), Some(value)) => Ok(Some(Box::new(typed(ty, value)?))),
            (None, None) => Ok(None),
            _ => bail!("{value:?} is no payload of {ty:?}"),
        }
    };
    let number = |name: &str| -> Result<usize> { Ok(name[1..].parse()?) };
    Ok(match (ty, value) {
        (Type::Bool, Val::Bool(it)) => Value::Bool(*it),
        (Type::S8, Val::S8(it)) => Value::S8(*it),
        (Type::U8, Val::U8(it)) => Value::U8(*it),
        (Type::S16, Val::S16(it)) => Value::S16(*it),
        (Type::U16, Val::U16(it)) => Value::U16(*it),
        (Type::S32, Val::S32(it)) => Value::S32(*it),
        (Type::U32, Val::U32(it)) => Value::U32(*it),
        (Type::S64, Val::S64(it)) => Value::S64(*it),
        (Type::U64, Val::U64(it)) => Value::U64(*it),
        (Type::F32, Val::Float32(it)) => Value::F32(*it),
        (Type::F64, Val::Float64(it)) => Value::F64(*it),
        (Type::Char, Val::Char(it)) => Value::Char(*it),
        (Type::String, Val::String(it)) => Value::String(it.clone()),
        (Type::List(of), Val::List(items)) => {
            Value::List(items.iter().map(|item| typed(of, item)).collect::<Result<_>>()?)
        }
        (Type::Tuple(types), Val::Tuple(fields)) => {
            ensure!(types.len() == fields.len(), "a tuple of another size");
            Value::Fields(types.iter().zip(fields).map(|(ty, field)| typed(ty, field)).collect::<Result<_>>()?)
        }
        (Type::Record(_, types), Val::Record(fields)) => {
            ensure!(types.len() == fields.len(), "a record of another size");
            Value::Fields(types.iter().zip(fields).map(|(ty, (_, field))| typed(ty, field)).collect::<Result<_>>()?)
        }
        (Type::Variant(_, cases), Val::Variant(case, value)) => {
            let case = number(case)?;
            Value::Case(case, payload(cases[case].as_ref(), value)?)
        }
        (Type::Enum(..), Val::Enum(case)) => Value::Case(number(case)?, None),
        (Type::Option(of), Val::Option(value)) => {
            Value::Case(usize::from(value.is_some()), payload(value.is_some().then_some(&**of), value)?)
        }
        (Type::Result(ok, _), Val::Result(Ok(value))) => Value::Case(0, payload(ok.as_deref(), value)?),
        (Type::Result(_, error), Val::Result(Err(value))) => Value::Case(1, payload(error.as_deref(), value)?),
        (Type::Flags(_, count), Val::Flags(names)) => {
            let mut flags = vec![false; *count];
            for name in names {
                flags[number(name)?] = true;
            }
            Value::Flags(flags)
        }
        (ty, value) => bail!("{value:?} is no value of {ty:?}"),
    })
}

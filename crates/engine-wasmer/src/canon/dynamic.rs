//! Values of any type, walked by what a component's own plan says of it, for tests that compare the passages of random
//! types with another engine's. What is typed elsewhere is looked up here; the primitives are the same.

use std::sync::Arc;

use stellatune_plugin_core::error::Trap;
use wasmer::{Function, FunctionEnv, FunctionEnvMut, FunctionType, RuntimeError, Store, Value as CoreValue};

use super::{
    Canon, Import, KINDS, Lift, Lower, Transfer, abi,
    call::unleaving,
    flat::{MOST, Values},
    layout::{align_to, discriminant, payload},
};
use crate::{
    component::plan::{CoreType, Plan, Signature, Type},
    guard::{self, failed},
    program::State,
};

/// A value. Cases, enums, options (none, some) and results (ok, error) by the place of the case.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the cases are the component model's own")]
pub enum Value {
    Bool(bool),
    S8(i8),
    U8(u8),
    S16(i16),
    U16(u16),
    S32(i32),
    U32(u32),
    S64(i64),
    U64(u64),
    F32(f32),
    F64(f64),
    Char(char),
    String(String),
    List(Vec<Value>),
    /// Of a tuple or a record.
    Fields(Vec<Value>),
    Case(usize, Option<Box<Value>>),
    Flags(Vec<bool>),
}

impl PartialEq for Value {
    /// All NaNs are one: the canonical ABI may change their bits.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::F32(a), Self::F32(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            (Self::F64(a), Self::F64(b)) => a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()),
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::S8(a), Self::S8(b)) => a == b,
            (Self::U8(a), Self::U8(b)) => a == b,
            (Self::S16(a), Self::S16(b)) => a == b,
            (Self::U16(a), Self::U16(b)) => a == b,
            (Self::S32(a), Self::S32(b)) => a == b,
            (Self::U32(a), Self::U32(b)) => a == b,
            (Self::S64(a), Self::S64(b)) => a == b,
            (Self::U64(a), Self::U64(b)) => a == b,
            (Self::Char(a), Self::Char(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::List(a), Self::List(b)) | (Self::Fields(a), Self::Fields(b)) => a == b,
            (Self::Case(a, x), Self::Case(b, y)) => a == b && x == y,
            (Self::Flags(a), Self::Flags(b)) => a == b,
            _ => false,
        }
    }
}

/// A function of a component, to be called with values or to answer with what it is given.
#[derive(Clone, Copy)]
pub(crate) struct Dynamic {
    plan: &'static Plan,
    function: u32,
}

impl Dynamic {
    pub(crate) fn new(plan: &'static Plan, function: u32) -> Self {
        Self { plan, function }
    }

    /// How it crosses the boundary. Handles are not passed.
    pub(crate) fn canon(&self, options: u32) -> Canon {
        Canon { options: self.plan.options[options as usize], handles: [None; KINDS] }
    }

    fn parameters(&self) -> u32 {
        self.plan.functions[self.function as usize].parameters
    }

    fn result(&self) -> Result<u32, Trap> {
        self.plan.functions[self.function as usize].result.ok_or_else(|| abi("a function without a result"))
    }

    /// Calls the function of an instance.
    pub(crate) fn call(
        &self,
        canon: &Canon,
        (function, post_return): (&Function, Option<&Function>),
        store: &mut Store,
        env: &FunctionEnv<State>,
        parameters: &[Value],
    ) -> Result<Value, Trap> {
        let instance = canon.options.instance;
        let transfer = &mut Transfer::new(env.clone().into_mut(store), canon);
        transfer.state().handles.enter(instance)?;
        let given = Value::Fields(parameters.to_vec());
        let (ty, flat) = (self.parameters(), self.flat(self.parameters()));
        let mut values = Values::new();
        let in_memory = flat.len() > MOST;
        unleaving(transfer, |transfer| {
            if in_memory {
                let (size, align) = self.layout(ty);
                let at = transfer.allocate(size, align)?;
                self.store(ty, &given, transfer, at)?;
                values.put(at as u64);
                return Ok(());
            }
            self.lower(ty, &given, transfer, &mut values)
        })?;
        values.go_to(0);
        let flat = if in_memory { vec![CoreType::I32] } else { flat };
        let arguments: Vec<_> = flat.iter().map(|ty| core(*ty, values.take())).collect();
        let raw = function.call(transfer.env(), &arguments).map_err(|error| guard::trap(&error))?;
        transfer.look();
        let result = self.result()?;
        let bits = raw.first().map_or(0, bits);
        let answer = if self.flat(result).len() > 1 {
            self.load_at(result, bits, transfer)?
        } else {
            let mut values = Values::new();
            values.put(bits);
            values.go_to(0);
            self.lift(result, transfer, &mut values)?
        };
        if let Some(post_return) = post_return {
            unleaving(transfer, |transfer| {
                post_return.call(transfer.env(), &raw).map_err(|error| guard::trap(&error)).map(drop)
            })?;
        }
        transfer.state().handles.exit(instance)?;
        Ok(answer)
    }

    /// Answers a call of the guest with its arguments: the one there is, or all as a tuple.
    fn answer(
        &self,
        env: FunctionEnvMut<'_, State>,
        canon: &Canon,
        given: &[CoreValue],
    ) -> Result<Vec<CoreValue>, Trap> {
        let transfer = &mut Transfer::new(env, canon);
        let handles = &mut transfer.state().handles;
        handles.check_leave(canon.options.instance)?;
        handles.open_scope();
        let (ty, result) = (self.parameters(), self.result()?);
        let mut values = Values::new();
        let place = (self.flat(result).len() > 1).then(|| given.last().map_or(0, bits));
        let given = &given[..given.len() - usize::from(place.is_some())];
        given.iter().for_each(|value| values.put(bits(value)));
        values.go_to(0);
        let parameters = if self.flat(ty).len() > MOST {
            self.load_at(ty, values.take(), transfer)?
        } else {
            self.lift(ty, transfer, &mut values)?
        };
        let value = match parameters {
            Value::Fields(mut fields) if fields.len() == 1 => fields.remove(0),
            all => all,
        };
        let (size, align) = self.layout(result);
        let place = place.map(|at| transfer.place(at as u32, size, align)).transpose()?;
        let mut values = Values::new();
        unleaving(transfer, |transfer| match place {
            Some(at) => self.store(result, &value, transfer, at),
            None => self.lower(result, &value, transfer, &mut values),
        })?;
        transfer.state().handles.close_scope()?;
        values.go_to(0);
        Ok(match place {
            Some(_) => Vec::new(),
            None => self.flat(result).iter().map(|ty| core(*ty, values.take())).collect(),
        })
    }

    fn ty(&self, index: u32) -> &'static Type {
        &self.plan.types[index as usize]
    }

    fn fields(ty: &Type) -> Vec<u32> {
        match ty {
            Type::Tuple(fields) => fields.clone(),
            Type::Record(fields) => fields.iter().map(|(_, ty)| *ty).collect(),
            _ => Vec::new(),
        }
    }

    fn cases(ty: &Type) -> Vec<Option<u32>> {
        match ty {
            Type::Variant(cases) => cases.iter().map(|(_, ty)| *ty).collect(),
            Type::Enum(names) => names.iter().map(|_| None).collect(),
            Type::Option(some) => vec![None, Some(*some)],
            Type::Result(ok, error) => vec![*ok, *error],
            _ => Vec::new(),
        }
    }

    fn layout(&self, index: u32) -> (usize, usize) {
        let ty = self.ty(index);
        match ty {
            Type::Bool | Type::S8 | Type::U8 => (1, 1),
            Type::S16 | Type::U16 => (2, 2),
            Type::S32 | Type::U32 | Type::F32 | Type::Char | Type::Own(_) | Type::Borrow(_) => (4, 4),
            Type::S64 | Type::U64 | Type::F64 => (8, 8),
            Type::String | Type::List(_) => (8, 4),
            Type::Flags(names) => {
                [(1, 1), (2, 2), (4, 4)][usize::from(names.len() > 8) + usize::from(names.len() > 16)]
            }
            Type::Tuple(_) | Type::Record(_) => {
                let (mut at, mut most) = (0, 1);
                for (size, align) in Self::fields(ty).into_iter().map(|field| self.layout(field)) {
                    at = align_to(at, align) + size;
                    most = most.max(align);
                }
                (align_to(at, most), most)
            }
            _ => {
                let cases = Self::cases(ty);
                let (size, align) = self.largest(&cases);
                let whole = align.max(discriminant(cases.len()));
                (align_to(payload(cases.len(), align) + size, whole), whole)
            }
        }
    }

    /// Size and alignment of the largest payload.
    fn largest(&self, cases: &[Option<u32>]) -> (usize, usize) {
        let layouts = cases.iter().flatten().map(|case| self.layout(*case));
        layouts.fold((0, 1), |(size, align), (its, alignment)| (size.max(its), align.max(alignment)))
    }

    fn flat(&self, index: u32) -> Vec<CoreType> {
        let ty = self.ty(index);
        match ty {
            Type::S64 | Type::U64 => vec![CoreType::I64],
            Type::F32 => vec![CoreType::F32],
            Type::F64 => vec![CoreType::F64],
            Type::String | Type::List(_) => vec![CoreType::I32, CoreType::I32],
            Type::Tuple(_) | Type::Record(_) => {
                Self::fields(ty).into_iter().flat_map(|field| self.flat(field)).collect()
            }
            Type::Variant(_) | Type::Enum(_) | Type::Option(_) | Type::Result(..) => {
                let mut flat = vec![CoreType::I32];
                for case in Self::cases(ty).into_iter().flatten() {
                    for (at, core) in self.flat(case).into_iter().enumerate() {
                        match flat.get_mut(1 + at) {
                            Some(joined) => *joined = join(*joined, core),
                            None => flat.push(core),
                        }
                    }
                }
                flat
            }
            _ => vec![CoreType::I32],
        }
    }

    fn lift(&self, index: u32, transfer: &mut Transfer<'_>, values: &mut Values) -> Result<Value, Trap> {
        let ty = self.ty(index);
        Ok(match ty {
            Type::Bool => Value::Bool(bool::lift(transfer, values)?),
            Type::S8 => Value::S8(i8::lift(transfer, values)?),
            Type::U8 => Value::U8(u8::lift(transfer, values)?),
            Type::S16 => Value::S16(i16::lift(transfer, values)?),
            Type::U16 => Value::U16(u16::lift(transfer, values)?),
            Type::S32 => Value::S32(i32::lift(transfer, values)?),
            Type::U32 => Value::U32(u32::lift(transfer, values)?),
            Type::S64 => Value::S64(i64::lift(transfer, values)?),
            Type::U64 => Value::U64(u64::lift(transfer, values)?),
            Type::F32 => Value::F32(f32::lift(transfer, values)?),
            Type::F64 => Value::F64(f64::lift(transfer, values)?),
            Type::Char => Value::Char(char::lift(transfer, values)?),
            Type::String => Value::String(String::lift(transfer, values)?),
            Type::List(of) => {
                let (at, count) = (u32::lift(transfer, values)?, u32::lift(transfer, values)?);
                self.list(*of, transfer, at, count)?
            }
            Type::Tuple(_) | Type::Record(_) => {
                let fields = Self::fields(ty).into_iter().map(|field| self.lift(field, transfer, values));
                Value::Fields(fields.collect::<Result<_, _>>()?)
            }
            Type::Flags(names) => flags(u32::lift(transfer, values)?, names.len()),
            Type::Own(_) | Type::Borrow(_) => return Err(abi("handles are not passed here")),
            _ => {
                let cases = Self::cases(ty);
                let begin = values.at();
                let case = u32::lift(transfer, values)? as usize;
                let payload = *cases.get(case).ok_or_else(|| abi(format!("case {case} of {}", cases.len())))?;
                let payload = payload.map(|ty| self.lift(ty, transfer, values)).transpose()?;
                values.go_to(begin + self.flat(index).len());
                Value::Case(case, payload.map(Box::new))
            }
        })
    }

    /// Takes over what lies where the guest says.
    fn load_at(&self, index: u32, bits: u64, transfer: &mut Transfer<'_>) -> Result<Value, Trap> {
        let (size, align) = self.layout(index);
        let at = transfer.place(bits as u32, size, align)?;
        self.load(index, transfer, at)
    }

    fn load(&self, index: u32, transfer: &mut Transfer<'_>, at: usize) -> Result<Value, Trap> {
        let ty = self.ty(index);
        Ok(match ty {
            Type::Bool => Value::Bool(bool::load(transfer, at)?),
            Type::S8 => Value::S8(i8::load(transfer, at)?),
            Type::U8 => Value::U8(u8::load(transfer, at)?),
            Type::S16 => Value::S16(i16::load(transfer, at)?),
            Type::U16 => Value::U16(u16::load(transfer, at)?),
            Type::S32 => Value::S32(i32::load(transfer, at)?),
            Type::U32 => Value::U32(u32::load(transfer, at)?),
            Type::S64 => Value::S64(i64::load(transfer, at)?),
            Type::U64 => Value::U64(u64::load(transfer, at)?),
            Type::F32 => Value::F32(f32::load(transfer, at)?),
            Type::F64 => Value::F64(f64::load(transfer, at)?),
            Type::Char => Value::Char(char::load(transfer, at)?),
            Type::String => Value::String(String::load(transfer, at)?),
            Type::List(of) => {
                let (list, count) = (u32::load(transfer, at)?, u32::load(transfer, at + 4)?);
                self.list(*of, transfer, list, count)?
            }
            Type::Tuple(_) | Type::Record(_) => {
                let (mut place, mut fields) = (at, Vec::new());
                for field in Self::fields(ty) {
                    let (size, align) = self.layout(field);
                    place = align_to(place, align);
                    fields.push(self.load(field, transfer, place)?);
                    place += size;
                }
                Value::Fields(fields)
            }
            Type::Flags(names) => flags(number(self.layout(index).0, transfer, at)?, names.len()),
            Type::Own(_) | Type::Borrow(_) => return Err(abi("handles are not passed here")),
            _ => {
                let cases = Self::cases(ty);
                let case = number(discriminant(cases.len()), transfer, at)? as usize;
                let found = *cases.get(case).ok_or_else(|| abi(format!("case {case} of {}", cases.len())))?;
                let behind = at + payload(cases.len(), self.largest(&cases).1);
                let value = found.map(|ty| self.load(ty, transfer, behind)).transpose()?;
                Value::Case(case, value.map(Box::new))
            }
        })
    }

    fn list(&self, of: u32, transfer: &mut Transfer<'_>, at: u32, count: u32) -> Result<Value, Trap> {
        let (size, align) = self.layout(of);
        let at = transfer.places(at, count as usize, size, align, size)?;
        let items = (0..count as usize).map(|item| self.load(of, transfer, at + item * size));
        Ok(Value::List(items.collect::<Result<_, _>>()?))
    }

    fn lower(&self, index: u32, value: &Value, transfer: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
        let ty = self.ty(index);
        match (ty, value) {
            (_, Value::Bool(it)) => it.lower(transfer, values),
            (_, Value::S8(it)) => it.lower(transfer, values),
            (_, Value::U8(it)) => it.lower(transfer, values),
            (_, Value::S16(it)) => it.lower(transfer, values),
            (_, Value::U16(it)) => it.lower(transfer, values),
            (_, Value::S32(it)) => it.lower(transfer, values),
            (_, Value::U32(it)) => it.lower(transfer, values),
            (_, Value::S64(it)) => it.lower(transfer, values),
            (_, Value::U64(it)) => it.lower(transfer, values),
            (_, Value::F32(it)) => it.lower(transfer, values),
            (_, Value::F64(it)) => it.lower(transfer, values),
            (_, Value::Char(it)) => it.lower(transfer, values),
            (_, Value::String(it)) => it.lower(transfer, values),
            (Type::List(of), Value::List(items)) => {
                let at = self.allocate(*of, items, transfer)?;
                values.put(at as u64);
                values.put(items.len() as u64);
                Ok(())
            }
            (_, Value::Fields(fields)) => Self::fields(ty)
                .into_iter()
                .zip(fields)
                .try_for_each(|(ty, field)| self.lower(ty, field, transfer, values)),
            (_, Value::Flags(flags)) => {
                values.put(u64::from(set(flags)));
                Ok(())
            }
            (_, Value::Case(case, value)) => {
                let begin = values.at();
                values.put(*case as u64);
                if let (Some(ty), Some(value)) = (Self::cases(ty)[*case], value) {
                    self.lower(ty, value, transfer, values)?;
                }
                values.go_to(begin + self.flat(index).len());
                Ok(())
            }
            _ => Err(abi(format!("{value:?} is no value of {ty:?}"))),
        }
    }

    fn store(&self, index: u32, value: &Value, transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap> {
        let ty = self.ty(index);
        match (ty, value) {
            (_, Value::Bool(it)) => it.store(transfer, at),
            (_, Value::S8(it)) => it.store(transfer, at),
            (_, Value::U8(it)) => it.store(transfer, at),
            (_, Value::S16(it)) => it.store(transfer, at),
            (_, Value::U16(it)) => it.store(transfer, at),
            (_, Value::S32(it)) => it.store(transfer, at),
            (_, Value::U32(it)) => it.store(transfer, at),
            (_, Value::S64(it)) => it.store(transfer, at),
            (_, Value::U64(it)) => it.store(transfer, at),
            (_, Value::F32(it)) => it.store(transfer, at),
            (_, Value::F64(it)) => it.store(transfer, at),
            (_, Value::Char(it)) => it.store(transfer, at),
            (_, Value::String(it)) => it.store(transfer, at),
            (Type::List(of), Value::List(items)) => {
                let list = self.allocate(*of, items, transfer)?;
                transfer.write(at, &(list as u32).to_le_bytes());
                transfer.write(at + 4, &(items.len() as u32).to_le_bytes());
                Ok(())
            }
            (_, Value::Fields(fields)) => {
                let mut place = at;
                for (field, value) in Self::fields(ty).into_iter().zip(fields) {
                    let (size, align) = self.layout(field);
                    place = align_to(place, align);
                    self.store(field, value, transfer, place)?;
                    place += size;
                }
                Ok(())
            }
            (_, Value::Flags(flags)) => {
                transfer.write(at, &set(flags).to_le_bytes()[..self.layout(index).0]);
                Ok(())
            }
            (_, Value::Case(case, value)) => {
                let cases = Self::cases(ty);
                transfer.write(at, &(*case as u32).to_le_bytes()[..discriminant(cases.len())]);
                match (cases[*case], value) {
                    (Some(ty), Some(value)) => {
                        self.store(ty, value, transfer, at + payload(cases.len(), self.largest(&cases).1))
                    }
                    _ => Ok(()),
                }
            }
            _ => Err(abi(format!("{value:?} is no value of {ty:?}"))),
        }
    }

    /// Puts a list into the guest's memory.
    fn allocate(&self, of: u32, items: &[Value], transfer: &mut Transfer<'_>) -> Result<usize, Trap> {
        let (size, align) = self.layout(of);
        let list = transfer.allocate_all(items.len(), size, align)?;
        items.iter().enumerate().try_for_each(|(n, item)| self.store(of, item, transfer, list + n * size))?;
        Ok(list)
    }
}

impl Import for Dynamic {
    fn check(&self, _: &Plan, _: u32, options: u32) -> Result<Canon, String> {
        Ok(self.canon(options))
    }

    fn make(&self, store: &mut Store, env: &FunctionEnv<State>, canon: Arc<Canon>) -> Function {
        let (this, Signature { parameters, results }) = (*self, self.signature());
        let wasm = |types: Vec<CoreType>| types.iter().map(|ty| core(*ty, 0).ty()).collect::<Vec<_>>();
        let ty = FunctionType::new(wasm(parameters), wasm(results));
        let answer =
            move |env: FunctionEnvMut<'_, State>, given: &[CoreValue]| -> Result<Vec<CoreValue>, RuntimeError> {
                this.answer(env, &canon, given).map_err(failed)
            };
        Function::new_with_env(store, env, ty, answer)
    }

    fn signature(&self) -> Signature {
        let mut parameters = self.flat(self.parameters());
        if parameters.len() > MOST {
            parameters = vec![CoreType::I32];
        }
        let mut results = self.result().map_or(Vec::new(), |result| self.flat(result));
        if results.len() > 1 {
            results.clear();
            parameters.push(CoreType::I32);
        }
        Signature { parameters, results }
    }
}

fn join(one: CoreType, other: CoreType) -> CoreType {
    match (one, other) {
        _ if one == other => one,
        (CoreType::I32, CoreType::F32) | (CoreType::F32, CoreType::I32) => CoreType::I32,
        _ => CoreType::I64,
    }
}

fn core(ty: CoreType, bits: u64) -> CoreValue {
    match ty {
        CoreType::I32 => CoreValue::I32(bits as i32),
        CoreType::I64 => CoreValue::I64(bits as i64),
        CoreType::F32 => CoreValue::F32(f32::from_bits(bits as u32)),
        CoreType::F64 => CoreValue::F64(f64::from_bits(bits)),
    }
}

fn bits(value: &CoreValue) -> u64 {
    match value {
        CoreValue::I32(it) => u64::from(*it as u32),
        CoreValue::I64(it) => *it as u64,
        CoreValue::F32(it) => u64::from(it.to_bits()),
        CoreValue::F64(it) => it.to_bits(),
        _ => 0,
    }
}

/// A number of one, two or four bytes.
fn number(size: usize, transfer: &mut Transfer<'_>, at: usize) -> Result<u32, Trap> {
    Ok(match size {
        1 => u8::load(transfer, at)?.into(),
        2 => u16::load(transfer, at)?.into(),
        _ => u32::load(transfer, at)?,
    })
}

fn flags(bits: u32, count: usize) -> Value {
    Value::Flags((0..count).map(|flag| bits >> flag & 1 == 1).collect())
}

fn set(flags: &[bool]) -> u32 {
    flags.iter().enumerate().fold(0, |bits, (flag, on)| bits | u32::from(*on) << flag)
}

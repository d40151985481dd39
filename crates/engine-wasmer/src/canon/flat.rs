//! Flattening, in types: which core values a component value becomes (component-model, Canonical ABI, "Flattening").
//!
//! A list of core types is a nested tuple `(i32, (f64, ()))`. [`Flat`] joins and concatenates such lists, so that the
//! core signature of every function follows from its component types and is called through Wasmer's typed functions.
//! Values travel as bits in [`Values`], which is what joining them (`join`, and the conversions around it) comes to.

use wasmer::{
    AsStoreMut, AsStoreRef, FromToNativeWasmType, Function, FunctionEnv, FunctionEnvMut, NativeWasmTypeInto,
    RuntimeError, TypedFunction, WasmTypeList,
};

use crate::{component::plan::CoreType, program::State};

/// Parameters that are passed one by one (`MAX_FLAT_PARAMS`); more lie in memory.
pub(crate) const MOST: usize = 16;

/// Core values as bits: a value of 32 bits has zeroes above.
pub(crate) struct Values {
    bits: [u64; MOST],
    /// How many there are when written, which is next when read.
    at: usize,
}

impl Values {
    pub(crate) fn new() -> Self {
        Self { bits: [0; MOST], at: 0 }
    }

    fn of<const N: usize>(values: [u64; N]) -> Self {
        let mut bits = [0; MOST];
        bits[..N].copy_from_slice(&values);
        Self { bits, at: 0 }
    }

    pub(crate) fn put(&mut self, bits: u64) {
        self.bits[self.at] = bits;
        self.at += 1;
    }

    pub(crate) fn take(&mut self) -> u64 {
        let bits = self.bits[self.at];
        self.at += 1;
        bits
    }

    /// Where the next value is written or read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Goes to `at`: past a payload smaller than the largest of its variant. What is skipped is zero.
    pub(crate) fn go_to(&mut self, at: usize) {
        self.at = at;
    }
}

/// A core type.
pub(crate) trait Core:
    FromToNativeWasmType<Native: NativeWasmTypeInto> + WasmTypeList + Copy + Send + Sync + 'static
{
    const TYPE: CoreType;
    /// `join`
    type Join<B: Core>: Core;
    type JoinI32: Core;
    type JoinI64: Core;
    type JoinF32: Core;
    type JoinF64: Core;

    fn bits(self) -> u64;
    fn from_bits(bits: u64) -> Self;
}

macro_rules! core {
    ($ty:ty, $case:ident, $join:ident, [$i32:ty, $i64:ty, $f32:ty, $f64:ty], |$value:ident| $to:expr, |$bits:ident| $from:expr) => {
        impl Core for $ty {
            const TYPE: CoreType = CoreType::$case;
            type Join<B: Core> = B::$join;
            type JoinI32 = $i32;
            type JoinI64 = $i64;
            type JoinF32 = $f32;
            type JoinF64 = $f64;

            fn bits(self) -> u64 {
                let $value = self;
                $to
            }

            #[allow(clippy::cast_possible_truncation, reason = "a joined value is wrapped to 32 bits")]
            fn from_bits($bits: u64) -> Self {
                $from
            }
        }
    };
}

core!(i32, I32, JoinI32, [i32, i64, i32, i64], |value| u64::from(value as u32), |bits| bits as u32 as Self);
core!(i64, I64, JoinI64, [i64, i64, i64, i64], |value| value as u64, |bits| bits as Self);
core!(f32, F32, JoinF32, [i32, i64, f32, i64], |value| u64::from(value.to_bits()), |bits| Self::from_bits(bits as u32));
core!(f64, F64, JoinF64, [i64, i64, i64, f64], |value| value.to_bits(), |bits| Self::from_bits(bits));

/// A list of core types.
pub(crate) trait Flat: 'static {
    const COUNT: usize;
    /// This list, then another.
    type Then<B: Flat>: Flat;
    /// This list and another, one over the other.
    type Over<B: Flat>: Flat;
    type OverList<H: Core, T: Flat>: Flat;

    fn push_types(types: &mut Vec<CoreType>);
}

impl Flat for () {
    const COUNT: usize = 0;
    type Then<B: Flat> = B;
    type Over<B: Flat> = B;
    type OverList<H: Core, T: Flat> = (H, T);

    fn push_types(_: &mut Vec<CoreType>) {}
}

impl<H: Core, T: Flat> Flat for (H, T) {
    const COUNT: usize = 1 + T::COUNT;
    type Then<B: Flat> = (H, T::Then<B>);
    type Over<B: Flat> = B::OverList<H, T>;
    type OverList<H2: Core, T2: Flat> = (H2::Join<H>, T2::Over<T>);

    fn push_types(types: &mut Vec<CoreType>) {
        types.push(H::TYPE);
        T::push_types(types);
    }
}

/// What a host function of the canonical ABI does: takes its parameters and says its result's bits.
pub(crate) trait Callback:
    Fn(FunctionEnvMut<'_, State>, Values) -> Result<u64, RuntimeError> + Send + Sync + 'static
{
}

impl<F> Callback for F where
    F: Fn(FunctionEnvMut<'_, State>, Values) -> Result<u64, RuntimeError> + Send + Sync + 'static
{
}

/// Parameters of a function: a list of up to 16, or more, of which one pointer is passed.
pub(crate) trait Parameters: Flat {
    const IN_MEMORY: bool = false;
    /// A guest's function that takes them.
    type Typed<R: WasmTypeList>;

    fn typed<R: WasmTypeList>(function: &Function, store: &impl AsStoreRef) -> Result<Self::Typed<R>, RuntimeError>;

    fn call<R: WasmTypeList>(
        function: &Self::Typed<R>,
        store: &mut impl AsStoreMut,
        values: Values,
    ) -> Result<R, RuntimeError>;

    /// A function of the host that takes them.
    fn host<R: Results>(store: &mut impl AsStoreMut, env: &FunctionEnv<State>, then: impl Callback) -> Function;

    /// A function of the host that takes them and, behind them, where to put its result.
    fn host_with_place(
        store: &mut impl AsStoreMut,
        env: &FunctionEnv<State>,
        then: impl Fn(FunctionEnvMut<'_, State>, Values, u32) -> Result<(), RuntimeError> + Send + Sync + 'static,
    ) -> Function;
}

macro_rules! list {
    ([$($rest:tt)*]) => { list!(@ [$($rest)*] ()) };
    (@ [] $tail:ty) => { $tail };
    (@ [$first:ident $($more:ident)*] $tail:ty) => { ($first, list!(@ [$($more)*] $tail)) };
}

macro_rules! parameters {
    ($($ty:ident $value:ident),*) => {
        impl<$($ty: Core),*> Parameters for list!([$($ty)*]) {
            #[allow(unused_parens, reason = "a single type is no tuple to Wasmer")]
            type Typed<R: WasmTypeList> = TypedFunction<($($ty),*), R>;

            fn typed<R: WasmTypeList>(
                function: &Function,
                store: &impl AsStoreRef,
            ) -> Result<Self::Typed<R>, RuntimeError> {
                function.typed(store)
            }

            #[allow(unused_mut, unused_variables, reason = "there may be no parameters")]
            fn call<R: WasmTypeList>(
                function: &Self::Typed<R>,
                store: &mut impl AsStoreMut,
                mut values: Values,
            ) -> Result<R, RuntimeError> {
                values.go_to(0);
                $(let $value = <$ty as Core>::from_bits(values.take());)*
                function.call(store, $($value),*)
            }

            fn host<R: Results>(
                store: &mut impl AsStoreMut,
                env: &FunctionEnv<State>,
                then: impl Callback,
            ) -> Function {
                let then = move |env: FunctionEnvMut<'_, State>, $($value: $ty),*| -> Result<R::Raw, RuntimeError> {
                    then(env, Values::of([$($value.bits()),*])).map(R::raw)
                };
                Function::new_typed_with_env(store, env, then)
            }

            fn host_with_place(
                store: &mut impl AsStoreMut,
                env: &FunctionEnv<State>,
                then: impl Fn(FunctionEnvMut<'_, State>, Values, u32) -> Result<(), RuntimeError> + Send + Sync + 'static,
            ) -> Function {
                let then = move |env: FunctionEnvMut<'_, State>, $($value: $ty,)* place: i32| -> Result<(), RuntimeError> {
                    then(env, Values::of([$($value.bits()),*]), place as u32)
                };
                Function::new_typed_with_env(store, env, then)
            }
        }
    };
}

parameters!();
parameters!(A a);
parameters!(A a, B b);
parameters!(A a, B b, C c);
parameters!(A a, B b, C c, D d);
parameters!(A a, B b, C c, D d, E e);
parameters!(A a, B b, C c, D d, E e, G g);
parameters!(A a, B b, C c, D d, E e, G g, H h);
parameters!(A a, B b, C c, D d, E e, G g, H h, I i);
parameters!(A a, B b, C c, D d, E e, G g, H h, I i, J j);
parameters!(A a, B b, C c, D d, E e, G g, H h, I i, J j, K k);
parameters!(A a, B b, C c, D d, E e, G g, H h, I i, J j, K k, L l);
parameters!(A a, B b, C c, D d, E e, G g, H h, I i, J j, K k, L l, M m);
parameters!(A a, B b, C c, D d, E e, G g, H h, I i, J j, K k, L l, M m, N n);
parameters!(A a, B b, C c, D d, E e, G g, H h, I i, J j, K k, L l, M m, N n, O o);
parameters!(A a, B b, C c, D d, E e, G g, H h, I i, J j, K k, L l, M m, N n, O o, P p);
parameters!(A a, B b, C c, D d, E e, G g, H h, I i, J j, K k, L l, M m, N n, O o, P p, Q q);

macro_rules! many {
    ($($ty:ident)*) => {
        /// Seventeen and more.
        impl<$($ty: Core,)* Rest: Flat> Parameters for list!(@ [$($ty)*] Rest) {
            const IN_MEMORY: bool = true;
            type Typed<R: WasmTypeList> = TypedFunction<i32, R>;

            fn typed<R: WasmTypeList>(
                function: &Function,
                store: &impl AsStoreRef,
            ) -> Result<Self::Typed<R>, RuntimeError> {
                function.typed(store)
            }

            fn call<R: WasmTypeList>(
                function: &Self::Typed<R>,
                store: &mut impl AsStoreMut,
                values: Values,
            ) -> Result<R, RuntimeError> {
                <(i32, ()) as Parameters>::call(function, store, values)
            }

            fn host<R: Results>(
                store: &mut impl AsStoreMut,
                env: &FunctionEnv<State>,
                then: impl Callback,
            ) -> Function {
                <(i32, ()) as Parameters>::host::<R>(store, env, then)
            }

            fn host_with_place(
                store: &mut impl AsStoreMut,
                env: &FunctionEnv<State>,
                then: impl Fn(FunctionEnvMut<'_, State>, Values, u32) -> Result<(), RuntimeError> + Send + Sync + 'static,
            ) -> Function {
                <(i32, ()) as Parameters>::host_with_place(store, env, then)
            }
        }
    };
}

many!(A B C D E F G H I J K L M N O P Q);

/// Results of a function: nothing, one value, or more, of which one pointer is returned (`MAX_FLAT_RESULTS`).
pub(crate) trait Results: Flat {
    const IN_MEMORY: bool;
    /// What the core function returns.
    type Raw: WasmTypeList + Copy + Send + Sync + 'static;
    /// A guest's `post-return` function.
    type PostReturn;

    fn raw(bits: u64) -> Self::Raw;
    fn bits(raw: Self::Raw) -> u64;
    fn post_return(function: &Function, store: &impl AsStoreRef) -> Result<Self::PostReturn, RuntimeError>;
    fn call_post_return(
        function: &Self::PostReturn,
        store: &mut impl AsStoreMut,
        raw: Self::Raw,
    ) -> Result<(), RuntimeError>;
}

impl Results for () {
    const IN_MEMORY: bool = false;
    type Raw = ();
    type PostReturn = TypedFunction<(), ()>;

    fn raw(_: u64) {}

    fn bits((): ()) -> u64 {
        0
    }

    fn post_return(function: &Function, store: &impl AsStoreRef) -> Result<Self::PostReturn, RuntimeError> {
        function.typed(store)
    }

    fn call_post_return(function: &Self::PostReturn, store: &mut impl AsStoreMut, (): ()) -> Result<(), RuntimeError> {
        function.call(store)
    }
}

macro_rules! results {
    ([$($generics:tt)*] $list:ty, $raw:ty, $in_memory:literal) => {
        impl<$($generics)*> Results for $list {
            const IN_MEMORY: bool = $in_memory;
            type Raw = $raw;
            type PostReturn = TypedFunction<$raw, ()>;

            fn raw(bits: u64) -> $raw {
                <$raw as Core>::from_bits(bits)
            }

            fn bits(raw: $raw) -> u64 {
                raw.bits()
            }

            fn post_return(function: &Function, store: &impl AsStoreRef) -> Result<Self::PostReturn, RuntimeError> {
                function.typed(store)
            }

            fn call_post_return(
                function: &Self::PostReturn,
                store: &mut impl AsStoreMut,
                raw: $raw,
            ) -> Result<(), RuntimeError> {
                function.call(store, raw)
            }
        }
    };
}

results!([H: Core] (H, ()), H, false);
results!([H: Core, I: Core, T: Flat] (H, (I, T)), i32, true);

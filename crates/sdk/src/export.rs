//! The macro that makes a component of an author's types.

/// Makes the crate a component: names, for each ability, the type that implements it.
///
/// Used once in a crate of type `cdylib`. The one ability so far is `decoder`, for a type that implements
/// [`Decoder`](crate::Decoder). Hooks come first if there are any, from a type that implements
/// [`Lifecycle`](crate::Lifecycle).
///
/// ```
/// # use stellatune_plugin_sdk::{Decoder, DecoderInfo, HostStream, Lifecycle, PcmChunk, Result};
/// # struct Silence;
/// # impl Decoder for Silence {
/// #     fn open(_: HostStream, _: Option<&str>) -> Result<Self> { Ok(Self) }
/// #     fn info(&mut self) -> Result<DecoderInfo> { Ok(DecoderInfo::new(48_000, 2)) }
/// #     fn read_pcm(&mut self, _: u32) -> Result<PcmChunk> { Ok(PcmChunk::end()) }
/// # }
/// struct Hooks;
///
/// impl Lifecycle for Hooks {
///     fn on_enable() -> Result<()> {
///         println!("ready");
///         Ok(())
///     }
/// }
///
/// stellatune_plugin_sdk::export!(lifecycle: Hooks, decoder: Silence);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    (lifecycle: $hooks:ty, $($ability:ident: $implementation:ty),+ $(,)?) => {
        $crate::__export_one!(lifecycle: $hooks);
        $($crate::__export_one!($ability: $implementation);)+
    };
    ($($ability:ident: $implementation:ty),+ $(,)?) => {
        $crate::export!(lifecycle: $crate::NoHooks, $($ability: $implementation),+);
    };
}

// Only WebAssembly's linker knows what to do with the exports; elsewhere, where authors run their tests, the types are
// checked all the same.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_one {
    (lifecycle: $implementation:ty) => {
        const _: () = {
            type Export = $crate::glue::LifecycleExport<$implementation>;
            #[cfg(target_arch = "wasm32")]
            $crate::bindings::lifecycle::export_lifecycle!(
                Export with_types_in $crate::bindings::lifecycle
            );
            #[cfg(not(target_arch = "wasm32"))]
            $crate::glue::check_lifecycle::<Export>();
        };
    };
    (decoder: $implementation:ty) => {
        const _: () = {
            type Export = $crate::glue::DecoderExport<$implementation>;
            #[cfg(target_arch = "wasm32")]
    $crate::bindings::decoder::export_decoder!(Export with_types_in $crate::bindings::decoder);
            #[cfg(not(target_arch = "wasm32"))]
            $crate::glue::check_decoder::<Export>();
        };
    };
}

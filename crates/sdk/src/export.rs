//! The macro that makes a component of an author's types.

/// Makes the crate a component: names, for each ability, the type that implements it.
///
/// Used once in a crate of type `cdylib`, with at least one ability, each at most once:
///
/// | ability | for a type that implements |
/// |---|---|
/// | `decoder` | [`Decoder`](crate::Decoder) |
/// | `source` | [`Source`](crate::Source) |
/// | `lyrics` | [`Lyrics`](crate::Lyrics) |
/// | `output_sink` | [`OutputSink`](crate::OutputSink) |
/// | `dsp` | [`Dsp`](crate::Dsp) |
///
/// Hooks come first if there are any, as `lifecycle`, from a type that implements [`Lifecycle`](crate::Lifecycle).
/// What the component exports is what is named here, and what it imports is what these types call.
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
            $crate::glue::check_lifecycle::<$implementation>();
            #[cfg(target_family = "wasm")]
            type Export = $crate::glue::Export<$implementation>;
            #[cfg(target_family = "wasm")]
    $crate::bindings::lifecycle::export_lifecycle!(Export with_types_in $crate::bindings::lifecycle);
        };
    };
    (decoder: $implementation:ty) => {
        const _: () = {
            $crate::glue::check_decoder::<$implementation>();
            #[cfg(target_family = "wasm")]
            type Export = $crate::glue::Export<$implementation>;
            #[cfg(target_family = "wasm")]
    $crate::bindings::decoder::export_decoder!(Export with_types_in $crate::bindings::decoder);
        };
    };
    (source: $implementation:ty) => {
        const _: () = {
            $crate::glue::check_source::<$implementation>();
            #[cfg(target_family = "wasm")]
            type Export = $crate::glue::Export<$implementation>;
            #[cfg(target_family = "wasm")]
    $crate::bindings::source::export_source!(Export with_types_in $crate::bindings::source);
        };
    };
    (lyrics: $implementation:ty) => {
        const _: () = {
            $crate::glue::check_lyrics::<$implementation>();
            #[cfg(target_family = "wasm")]
            type Export = $crate::glue::Export<$implementation>;
            #[cfg(target_family = "wasm")]
    $crate::bindings::lyrics::export_lyrics!(Export with_types_in $crate::bindings::lyrics);
        };
    };
    (output_sink: $implementation:ty) => {
        const _: () = {
            $crate::glue::check_output_sink::<$implementation>();
            #[cfg(target_family = "wasm")]
            type Export = $crate::glue::Export<$implementation>;
            #[cfg(target_family = "wasm")]
    $crate::bindings::output_sink::export_output_sink!(Export with_types_in $crate::bindings::output_sink);
        };
    };
    (dsp: $implementation:ty) => {
        const _: () = {
            $crate::glue::check_dsp::<$implementation>();
            #[cfg(target_family = "wasm")]
            type Export = $crate::glue::Export<$implementation>;
            #[cfg(target_family = "wasm")]
    $crate::bindings::dsp::export_dsp!(Export with_types_in $crate::bindings::dsp);
        };
    };
}

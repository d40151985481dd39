//! The macro that makes a module of an author's type.

/// Makes the crate a hot-path module: `dsp:` and a type that implements [`HotDsp`](crate::HotDsp), or `sink:` and one
/// that implements [`HotSink`](crate::HotSink).
///
/// The module is made where the crate is built for `wasm32-unknown-unknown`, which must be without `std` there
/// (`#![cfg_attr(target_os = "unknown", no_std)]`): a panic is a trap. Elsewhere the type is only checked. What is wrong
/// with its constants does not compile:
///
/// ```compile_fail
/// # use stellatune_plugin_hot::{Flags, HotDsp, Refusal, Reset, Stream};
/// struct Endless;
///
/// impl HotDsp for Endless {
///     const MAX_FRAMES: u32 = 100_000;
/// #     fn create(_: Stream) -> Result<Self, Refusal> { Ok(Self) }
/// #     fn process(&mut self, _: &mut [f32]) -> Result<Flags, Refusal> { Ok(Flags::NONE) }
/// #     fn reset(&mut self, _: Reset) {}
///     // ...
/// }
///
/// stellatune_plugin_hot::export!(dsp: Endless);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    (dsp: $implementation:ty) => {
        $crate::__export_module!($crate::module::Effect<$implementation>);
    };
    (sink: $implementation:ty) => {
        $crate::__export_module!($crate::module::Sink<$implementation>);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_module {
    ($role:ty) => {
        const _: () = $crate::module::check::<$role>();

        #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
        const _: () = {
            static MODULE: $crate::raw::Module<$role> = $crate::raw::Module::new();
            static ROOM: $crate::raw::Room<{ $crate::module::room::<$role>() }> = $crate::raw::Room::new();

            // SAFETY (all four): the names are the ABI's, and nothing else in a module has them.
            #[unsafe(no_mangle)]
            extern "C" fn st_hot_init(args: u32, out_ctx: u32) -> i32 {
                MODULE.init(&ROOM, args, out_ctx)
            }

            #[unsafe(no_mangle)]
            extern "C" fn st_hot_process(_ctx: u32, frames: u32, out_frames: u32, out_flags: u32) -> i32 {
                MODULE.process(&ROOM, frames, out_frames, out_flags)
            }

            #[unsafe(no_mangle)]
            extern "C" fn st_hot_reset(_ctx: u32, flags: u32) -> i32 {
                MODULE.reset(flags)
            }

            #[unsafe(no_mangle)]
            extern "C" fn st_hot_drop(_ctx: u32) {
                MODULE.end();
            }

            #[panic_handler]
            fn panic(_: &::core::panic::PanicInfo<'_>) -> ! {
                ::core::arch::wasm32::unreachable()
            }
        };
    };
}

//! The plugins that are part of the app, so that it decodes with nothing installed.

use stellatune_plugins::BundledPackage;

/// FLAC and WAV, from `plugins/symphonia`.
pub(crate) const SYMPHONIA: BundledPackage = BundledPackage {
    files: &[
        ("plugin.json", include_bytes!("../../../plugins/prebuilt/symphonia/plugin.json")),
        ("wasm/symphonia.wasm", include_bytes!("../../../plugins/prebuilt/symphonia/wasm/symphonia.wasm")),
    ],
};

//! The plugins that are part of the app, so that it decodes and filters with nothing installed.

use stellatune_plugins::BundledPackage;

/// All of them.
pub(crate) const PACKAGES: [BundledPackage; 2] = [SYMPHONIA, EQUALIZER];

/// Decodes FLAC, WAV, MP3 and more, from `plugins/symphonia`.
const SYMPHONIA: BundledPackage = BundledPackage {
    files: &[
        ("plugin.json", include_bytes!("../../../plugins/prebuilt/symphonia/plugin.json")),
        ("wasm/symphonia.wasm", include_bytes!("../../../plugins/prebuilt/symphonia/wasm/symphonia.wasm")),
    ],
};

/// Changes the sound by up to ten filters, from `plugins/equalizer`.
const EQUALIZER: BundledPackage = BundledPackage {
    files: &[
        ("plugin.json", include_bytes!("../../../plugins/prebuilt/equalizer/plugin.json")),
        ("wasm/equalizer.wasm", include_bytes!("../../../plugins/prebuilt/equalizer/wasm/equalizer.wasm")),
        ("wasm/equalizer_hot.wasm", include_bytes!("../../../plugins/prebuilt/equalizer/wasm/equalizer_hot.wasm")),
    ],
};

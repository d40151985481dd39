//! What wit-bindgen makes of the WIT package. Not for plugin authors, who meet the wrappers of the other modules.
//!
//! Each exported interface is a world of its own, so that a component carries just the exports it asked for and
//! several of them may meet in one component. They share the types and imports of `host`, of which a component imports
//! no more than it calls.

#![allow(missing_docs, reason = "generated; what authors use is documented where it is re-exported")]
#![allow(unreachable_pub, unused_qualifications, reason = "generated")]
#![allow(clippy::all, clippy::undocumented_unsafe_blocks, clippy::needless_pass_by_value, reason = "generated")]
#![allow(clippy::semicolon_if_nothing_returned, clippy::cast_lossless, reason = "generated")]
#![allow(clippy::allow_attributes_without_reason, reason = "generated")]

/// Types and imports.
pub mod host {
    wit_bindgen::generate!({
        path: "../../wit/stellatune-plugin",
        inline: "
            package stellatune:sdk;
            world host {
                import stellatune:plugin/common@0.1.0;
                import stellatune:plugin/hot-path@0.1.0;
                import stellatune:plugin/host-stream@0.1.0;
                import stellatune:plugin/http-client@0.1.0;
                import stellatune:plugin/sidecar@0.1.0;
            }
        ",
        world: "stellatune:sdk/host",
        additional_derives: [PartialEq],
        generate_all,
    });
}

/// The hooks every component exports.
pub mod lifecycle {
    wit_bindgen::generate!({
        path: "../../wit/stellatune-plugin",
        inline: "
            package stellatune:sdk;
            world lifecycle-only {
                export stellatune:plugin/lifecycle@0.1.0;
            }
        ",
        world: "stellatune:sdk/lifecycle-only",
        with: {
            "stellatune:plugin/common@0.1.0": crate::bindings::host::stellatune::plugin::common,
        },
        pub_export_macro: true,
        export_macro_name: "export_lifecycle",
        default_bindings_module: "stellatune_plugin_sdk::bindings::lifecycle",
    });
}

/// The decoder ability.
pub mod decoder {
    wit_bindgen::generate!({
        path: "../../wit/stellatune-plugin",
        inline: "
            package stellatune:sdk;
            world decoder-only {
                export stellatune:plugin/decoder@0.1.0;
            }
        ",
        world: "stellatune:sdk/decoder-only",
        with: {
            "stellatune:plugin/common@0.1.0": crate::bindings::host::stellatune::plugin::common,
            "stellatune:plugin/host-stream@0.1.0": crate::bindings::host::stellatune::plugin::host_stream,
        },
        pub_export_macro: true,
        export_macro_name: "export_decoder",
        default_bindings_module: "stellatune_plugin_sdk::bindings::decoder",
    });
}

/// The source ability.
pub mod source {
    wit_bindgen::generate!({
        path: "../../wit/stellatune-plugin",
        inline: "
            package stellatune:sdk;
            world source-only {
                export stellatune:plugin/source@0.1.0;
            }
        ",
        world: "stellatune:sdk/source-only",
        with: {
            "stellatune:plugin/common@0.1.0": crate::bindings::host::stellatune::plugin::common,
            "stellatune:plugin/host-stream@0.1.0": crate::bindings::host::stellatune::plugin::host_stream,
        },
        pub_export_macro: true,
        export_macro_name: "export_source",
        default_bindings_module: "stellatune_plugin_sdk::bindings::source",
    });
}

/// The lyrics ability.
pub mod lyrics {
    wit_bindgen::generate!({
        path: "../../wit/stellatune-plugin",
        inline: "
            package stellatune:sdk;
            world lyrics-only {
                export stellatune:plugin/lyrics@0.1.0;
            }
        ",
        world: "stellatune:sdk/lyrics-only",
        with: {
            "stellatune:plugin/common@0.1.0": crate::bindings::host::stellatune::plugin::common,
        },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_lyrics",
        default_bindings_module: "stellatune_plugin_sdk::bindings::lyrics",
    });
}

/// The output sink ability.
pub mod output_sink {
    wit_bindgen::generate!({
        path: "../../wit/stellatune-plugin",
        inline: "
            package stellatune:sdk;
            world output-sink-only {
                export stellatune:plugin/output-sink@0.1.0;
            }
        ",
        world: "stellatune:sdk/output-sink-only",
        with: {
            "stellatune:plugin/common@0.1.0": crate::bindings::host::stellatune::plugin::common,
            "stellatune:plugin/hot-path@0.1.0": crate::bindings::host::stellatune::plugin::hot_path,
        },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_output_sink",
        default_bindings_module: "stellatune_plugin_sdk::bindings::output_sink",
    });
}

/// The DSP ability.
pub mod dsp {
    wit_bindgen::generate!({
        path: "../../wit/stellatune-plugin",
        inline: "
            package stellatune:sdk;
            world dsp-only {
                export stellatune:plugin/dsp@0.1.0;
            }
        ",
        world: "stellatune:sdk/dsp-only",
        with: {
            "stellatune:plugin/common@0.1.0": crate::bindings::host::stellatune::plugin::common,
            "stellatune:plugin/hot-path@0.1.0": crate::bindings::host::stellatune::plugin::hot_path,
        },
        pub_export_macro: true,
        export_macro_name: "export_dsp",
        default_bindings_module: "stellatune_plugin_sdk::bindings::dsp",
    });
}

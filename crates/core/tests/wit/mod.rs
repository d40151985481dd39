//! The WIT package as text, and components made of it that have the right shape and do nothing.
#![allow(dead_code, reason = "not every test target uses all of it")]

use std::{fs, path::Path};

use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

/// A world with every interface on its side, so that every item matters.
pub(crate) const EVERYTHING: &str = "
world everything {
    import host-stream;
    import sidecar;
    import http-client;
    export lifecycle;
    export decoder;
    export source;
    export lyrics;
    export output-sink;
    export dsp;
}
";

/// All files of the package as one, the one with the `package` statement first.
pub(crate) fn text() -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/stellatune-plugin");
    let mut texts: Vec<String> = fs::read_dir(&dir)
        .expect("the WIT package is there")
        .map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("a WIT file"))
        .collect();
    texts.sort_by_key(|text| !text.contains("\npackage "));
    texts.concat()
}

/// All ways to swap a field or case with its neighbour, each as the whole text.
pub(crate) fn swaps(text: &str) -> impl Iterator<Item = (String, String)> {
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//"))
        .map(str::to_owned)
        .collect();
    (1..lines.len())
        .filter(|at| [&lines[at - 1], &lines[*at]].iter().all(|line| line.trim().ends_with(',')))
        .map(|at| (at, format!("{} and {} swapped", lines[at - 1].trim(), lines[at].trim())))
        .collect::<Vec<_>>()
        .into_iter()
        .map(move |(at, what)| {
            let mut swapped = lines.clone();
            swapped.swap(at - 1, at);
            (what, swapped.join("\n"))
        })
}

/// A component of `world` that imports and exports all the world does.
pub(crate) fn component(text: &str, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_source("stellatune.wit", text).expect("the WIT parses");
    let world = resolve.select_world(&[package], Some(world)).expect("the world is there");
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("metadata fits");
    let mut encoder = ComponentEncoder::default().module(&module).expect("the module is one");
    encoder.encode().expect("the component is encoded")
}

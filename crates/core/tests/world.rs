//! Components of the right shape are accepted, all others refused: real components, made from the WIT package and
//! from slips in it.

mod wit;

use std::{
    fs,
    path::{Path, PathBuf},
};

use stellatune_plugin_core::{
    error::{Error, ErrorKind},
    manifest::{Manifest, World},
    world::{HostFunction, contract, verify},
};

#[test]
fn each_world_is_accepted() {
    let text = wit::text();
    for world in World::ALL {
        let verified = verify(&wit::component(&text, world.name()), world).unwrap_or_else(|error| panic!("{error}"));
        let exports: Vec<_> = contract::world(world).exports.iter().map(|interface| interface.name).collect();
        assert_eq!((verified.world, verified.exports), (world, exports));
        let expected = match world {
            World::Decoder | World::Source => vec![HostFunction::StreamOpen, HostFunction::SidecarLaunch],
            World::Lyrics => vec![HostFunction::SidecarLaunch, HostFunction::FetchJson],
            World::OutputSink | World::Dsp => vec![HostFunction::SidecarLaunch],
        };
        assert_eq!(verified.dangerous, expected, "{}", world.name());
        assert!(verified.imports.iter().any(|name| name == "stellatune:plugin/sidecar@0.1.0"));
    }
}

#[test]
fn what_is_not_used_need_not_be_imported() {
    let text = wit::text().replace("    import sidecar;\n", "").replace("    import host-stream;\n", "");
    let verified = verify(&wit::component(&text, "decoder-plugin"), World::Decoder).expect("a subset is legal");
    // `decoder.open` takes a handle of `host-stream`.
    assert!(verified.imports.iter().any(|name| name.starts_with("stellatune:plugin/host-stream")));
    assert!(!verified.imports.iter().any(|name| name.starts_with("stellatune:plugin/sidecar")));
}

#[test]
fn one_component_may_serve_several_worlds() {
    let component = wit::component(&(wit::text() + wit::EVERYTHING), "everything");
    for world in World::ALL {
        let verified = verify(&component, world).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(verified.exports.len(), contract::EXPORTABLE.len());
        assert_eq!(verified.dangerous, HostFunction::ALL);
    }
}

#[test]
fn every_swap_of_neighbours_is_refused() {
    let mut swaps = 0;
    for (swap, text) in wit::swaps(&wit::text()) {
        let error = refused(&(text + wit::EVERYTHING), "everything", World::Decoder);
        assert_eq!(error.kind(), ErrorKind::Incompatible, "{swap}: {error}");
        assert!(error.message().contains("the contract has"), "{swap}: {error}");
        swaps += 1;
    }
    assert!(swaps > 80, "only {swaps} neighbours were swapped");
}

#[test]
fn every_slip_is_refused_and_named() {
    let slips = [
        ("frames: u32,", "frame-count: u32,", "frame-count: u32"),
        ("not-found(string),", "missing(string),", "missing(string)"),
        ("bytes(list<u8>),", "bytes(list<u16>),", "case `bytes`, element: the contract has u8, the component u16"),
        ("io(string),", "io,", "case `io`: the contract has string, the component nothing"),
        (
            "read-pcm-f32: func(max-frames: u32)",
            "read-pcm-f32: func(max-frames: u64)",
            "`decoder.session.read-pcm-f32`, parameter 1: the contract has u32, the component u64",
        ),
        (
            "seek-ms: func(position-ms: u64)",
            "seek-ms: func(position-ms: u64, exact: bool)",
            "`decoder.session.seek-ms`: the contract has a function of 2 parameters, the component a function of 3",
        ),
        (
            "supported-layouts: func() -> u32;",
            "supported-layouts: func() -> u64;",
            "`dsp.processor.supported-layouts`, result: the contract has u32, the component u64",
        ),
        (
            "flush: func() -> result<_, plugin-error>;",
            "flush: func() -> result<u32, plugin-error>;",
            "`output-sink.session.flush`, result: the contract has result<_, common.plugin-error>",
        ),
        (
            "tell: func() -> result<u64, plugin-error>;",
            "tell: func() -> u64;",
            "`host-stream.host-stream-handle.tell`, result",
        ),
        ("tell: func() ->", "tells: func() ->", "has no `[method]host-stream-handle.tells`"),
        ("on-enable: func() ->", "on-start: func() ->", "has no `on-start`"),
        ("    on-enable: func() -> result<_, plugin-error>;\n", "", "the component's `lifecycle` lacks `on-enable`"),
        ("executable: string,", "executable: option<string>,", "field `executable`"),
        ("transport: func() -> transport-kind;", "transport: func() -> u8;", "`sidecar.channel.transport`, result"),
        (
            "open: func(input: host-stream-handle,",
            "open: func(input: borrow<host-stream-handle>,",
            "the contract has own<host-stream.host-stream-handle>, the component borrow<host-stream.host-stream-handle>",
        ),
        (
            "open: func(input: host-stream-handle,",
            "use sidecar.{channel};\nopen: func(input: channel,",
            "the contract has own<host-stream.host-stream-handle>, the component own<sidecar.channel>",
        ),
        (
            "ext-hint: option<string>) -> result<session, plugin-error>;",
            "ext-hint: option<string>) -> result<host-stream-handle, plugin-error>;",
            "the contract has own<decoder.session>, the component own<host-stream.host-stream-handle>",
        ),
        ("processed(source-stream),", "processed(catalog),", "the component own<source.catalog>"),
    ];
    let text = wit::text();
    for (from, to, names) in slips {
        assert!(text.contains(from), "nothing to change: {from}");
        let error = refused(&(text.replacen(from, to, 1) + wit::EVERYTHING), "everything", World::Decoder);
        assert_eq!(error.kind(), ErrorKind::Incompatible, "{to}: {error}");
        assert!(error.message().contains(names), "{to}: {error}");
        assert!(error.help_text().is_some_and(|help| help.contains("rebuild")), "{to}");
    }
}

#[test]
fn a_resource_by_another_name_is_refused() {
    let renames = [("resource provider {", "resource supplier {"), ("result<provider,", "result<supplier,")];
    let error = refused(&changed(&wit::text(), &renames), "lyrics-plugin", World::Lyrics);
    assert!(error.message().contains("`lyrics` has no `supplier`"), "{error}");
}

#[test]
fn an_ability_that_is_missing_is_named() {
    let error = refused(&wit::text(), "dsp-plugin", World::Decoder);
    assert!(error.message().contains("does not export `stellatune:plugin/decoder@0.1.0`"), "{error}");
    assert!(error.help_text().is_some_and(|help| help.contains("manifest")));

    let error = refused(&wit::text().replace("    export lifecycle;\n", ""), "dsp-plugin", World::Dsp);
    assert!(error.message().contains("does not export `stellatune:plugin/lifecycle@0.1.0`"), "{error}");
}

#[test]
fn another_version_is_named() {
    let text = wit::text().replace("stellatune:plugin@0.1.0", "stellatune:plugin@0.2.0");
    let error = refused(&text, "decoder-plugin", World::Decoder);
    assert!(error.message().contains("imports `stellatune:plugin/common@0.2.0`"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Incompatible);
}

const W2: [(&str, &str); 3] = [
    ("        scope: launch-scope,\n", ""),
    ("    resource lock-guard {\n", "    resource gone-guard {\n"),
    ("    lock: func(name: string, timeout-ms: option<u32>) -> result<lock-guard, plugin-error>;\n", ""),
];

#[test]
fn older_revisions_are_recognised() {
    let second = changed(&wit::text(), &W2);
    let opened_by_address = changed(
        &second,
        &[(
            "    open: func(request: open-request) -> result<host-stream-handle, plugin-error>;",
            "    open-uri: func(uri: string) -> result<host-stream-handle, plugin-error>;",
        )],
    );
    let source_streams = changed(
        &wit::text(),
        &[
            (
                "open-stream-json: func(track-json: string) -> result<opened-stream,",
                "open-stream-json: func(track-json: string) -> result<source-stream,",
            ),
            (
                "open-uri: func(uri: string) -> result<opened-stream,",
                "open-uri: func(uri: string) -> result<source-stream,",
            ),
        ],
    );
    let cases = [
        (&second, "output-sink-plugin", World::OutputSink, "(W1, W2)", "no `scope`"),
        (&opened_by_address, "decoder-plugin", World::Decoder, "(W1)", "`host-stream.open-uri`"),
        (&source_streams, "source-plugin", World::Source, "(W1)", "`source-stream`"),
    ];
    for (text, name, world, revision, sign) in cases {
        let error = refused(text, name, world);
        assert_eq!(error.kind(), ErrorKind::Incompatible);
        assert!(error.message().contains(revision) && error.message().contains(sign), "{error}");
        assert!(error.help_text().is_some_and(|help| help.contains("newer") || help.contains("rebuild")));
    }
}

#[test]
fn an_older_component_that_uses_nothing_that_changed_is_accepted() {
    let text = changed(&wit::text(), &W2).replace("    import sidecar;\n", "");
    verify(&wit::component(&text, "decoder-plugin"), World::Decoder).expect("nothing that changed is used");
}

// L12
#[test]
fn no_damage_makes_it_panic() {
    let text = wit::text().replace("    import sidecar;\n", "").replace("    import host-stream;\n", "");
    let component = wit::component(&text, "dsp-plugin");
    let judged = |wasm: &[u8]| match verify(wasm, World::Dsp) {
        Ok(_) => false,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::RejectedPackage | ErrorKind::Incompatible), "{error}");
            assert!(error.message().len() < 2_000, "{error}");
            true
        }
    };
    // Cut in the last section, which is custom, it may still be whole.
    let refused = (0..component.len()).filter(|length| judged(&component[..*length])).count();
    assert!(refused * 10 > component.len() * 9, "{refused} of {} cuts were refused", component.len());
    let mut damaged = component.clone();
    for at in 0..component.len() {
        damaged[at] ^= [0x01, 0x7f, 0x80, 0xff][at % 4];
        judged(&damaged);
        damaged[at] = component[at];
    }
}

/// What this repository ships has to pass what it asks of others.
#[test]
fn prebuilt_packages_are_accepted() {
    let mut components = 0;
    for package in entries("plugins/prebuilt").into_iter().filter(|path| path.is_dir()) {
        let manifest = fs::read(package.join("plugin.json")).expect("a package has a manifest");
        for component in Manifest::parse(&manifest).expect("the manifest is valid").components {
            let path = package.join(component.path.as_str());
            let wasm = fs::read(&path).expect("the component is there");
            verify(&wasm, component.world).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            components += 1;
        }
    }
    assert!(components > 0);
}

#[test]
fn prebuilt_fixtures_fit_a_world_for_each_ability() {
    let is_wasm = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
    let fixtures: Vec<_> = entries("fixtures/prebuilt").into_iter().filter(is_wasm).collect();
    for path in &fixtures {
        let wasm = fs::read(path).expect("the fixture is there");
        let worlds = World::ALL.into_iter().filter(|world| verify(&wasm, *world).is_ok()).count();
        let abilities = match path.file_name().and_then(|name| name.to_str()) {
            Some("many-abilities.wasm") => World::ALL.len(),
            // A core module, for the hot path, is of no world.
            Some("hot-sink-module.wasm") => 0,
            _ => 1,
        };
        assert_eq!(worlds, abilities, "{}: {:?}", path.display(), verify(&wasm, World::Decoder));
    }
    assert!(!fixtures.is_empty());
}

fn entries(dir: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(dir);
    let dir = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    dir.map(|entry| entry.expect("an entry").path()).collect()
}

fn changed(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "nothing to change: {from}");
        text.replacen(from, to, 1)
    })
}

fn refused(text: &str, name: &str, world: World) -> Error {
    match verify(&wit::component(text, name), world) {
        Ok(verified) => panic!("accepted: {verified:?}"),
        Err(error) => error,
    }
}

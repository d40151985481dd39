//! Every rule of packages, each with an example that breaks it: the rule is named, and all around is as before.
//! Ids such as P05 name a threat and never change.

mod common;

use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path};

use common::{
    Files, Place, manifest, package, picture, wasm, write,
    zip::{Item, Zip},
};
use serde_json::{Value, json};
use stellatune_plugin_core::{
    error::ErrorKind,
    manifest::{AbilityKind, Manifest, Pool, ThreadingModel, World},
    package::{Artifact, ArtifactKind},
};

fn good() -> Files {
    package(&manifest("dev.example.a", "1.0"))
}

#[test]
fn a_directory_and_a_zip_of_it_install_alike() {
    let mut files = good();
    files.push(("bin/helper".into(), b"#!".to_vec()));
    files.push((".install.json".into(), b"{}".to_vec()));
    let (first, second) = (Place::new(), Place::new());
    let from_dir = first.install(&files).expect("a directory");
    let stored = Zip { items: files.iter().map(|(name, data)| Item::stored(name, data)).collect(), ..Zip::default() };
    for zip in [Zip::of(&files), stored, Zip::of(&files).and(Item { mode: 0o040_755, ..Item::stored("wasm/", b"") })] {
        let from_zip = second.store().install(&second.zip(&zip)).expect("a zip");
        assert_eq!(from_dir.path.file_name(), from_zip.path.file_name());
        assert_eq!(picture(&from_dir.path), picture(&from_zip.path));
    }
    let paths: Vec<_> = picture(&from_dir.path).into_iter().map(|(path, line)| (path, line[..6].to_owned())).collect();
    let expected = [
        ("bin", "40755 "),
        ("bin/helper", "100755"),
        ("plugin.json", "100644"),
        ("wasm", "40755 "),
        ("wasm/a.wasm", "100644"),
    ];
    assert_eq!(paths, expected.map(|(path, mode)| (path.into(), mode.to_owned())));
    first.unchanged();
    second.unchanged();
}

#[test]
fn the_manifests_directory_is_the_package() {
    let place = Place::new();
    let mut files: Files = good().into_iter().map(|(name, data)| (format!("a/b/{name}"), data)).collect();
    files.push(("readme.txt".into(), b"outside".to_vec()));
    files.push(("a/other/plugin.json".into(), b"not a manifest".to_vec()));
    let installed = place.install(&files).expect("one valid manifest");
    assert_eq!(
        picture(&installed.path).keys().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        ["plugin.json", "wasm", "wasm/a.wasm"]
    );
}

#[test]
fn an_artifact_is_a_directory_or_a_zip() {
    let place = Place::new();
    assert_eq!(place.refused(&place.artifact("missing.zip")).kind(), ErrorKind::NotFound);
    write(&place.artifact("plugin.tar"), b"x");
    assert_eq!(place.refused(&place.artifact("plugin.tar")).rule(), Some("artifact-type"));
    let fifo = place.artifact("fifo.zip");
    mkfifo(&fifo);
    // P26: must not wait for a writer.
    assert_eq!(place.refused(&fifo).rule(), Some("artifact-type"));
    let sparse = fs::File::create(place.artifact("big.ZIP")).expect("a file");
    sparse.set_len(256 * 1024 * 1024 + 1).expect("a sparse file");
    assert_eq!(place.refused(&place.artifact("big.ZIP")).rule(), Some("artifact-size"));
    write(&place.artifact("a.ZiP"), &Zip::of(&good()).to_bytes());
    let opened = Artifact::open(&place.artifact("a.ZiP")).map(|artifact| artifact.kind());
    assert_eq!(opened.ok(), Some(ArtifactKind::Zip));
}

/// P01 to P12, P18, P19, P22, P23, P28, P29, in a zip.
#[test]
fn hostile_entries_are_refused() {
    let entry = |name: &str| Zip::of(&good()).and(Item::stored(name, b"x"));
    let mode = |mode| Zip::of(&good()).and(Item { mode, ..Item::stored("odd", b"/etc/passwd") });
    let twice = |a: &str, b: &str| entry(a).and(Item::stored(b, b"x"));
    let segments = |count: usize| ["d"; 20][..count].join("/");
    let cases = [
        ("traversal", entry("../x")),
        ("traversal", entry("a/../../neighbour.txt")),
        ("absolute", entry("/x")),
        ("absolute", entry("C:\\x")),
        ("absolute", entry("C:x")),
        ("absolute", entry("\\\\server\\share")),
        ("absolute", entry("\\\\?\\C:\\x")),
        ("charset", entry("a\\b")),
        ("charset", entry("stream:data")),
        ("charset", entry("a\0b")),
        ("charset", entry("a\u{1b}[2J")),
        ("charset", Zip::of(&good()).and(Item { name: vec![b'a', 0xff], ..Item::stored("", b"x") })),
        ("reserved-name", entry("aux.wasm")),
        ("reserved-name", entry("a/COM1")),
        ("reserved-name", entry("trailing.")),
        ("empty", entry("./.")),
        ("path-length", entry(&"a".repeat(161))),
        ("path-length", entry(&[&"a".repeat(150), "/", &"b".repeat(150)].concat())),
        ("path-depth", entry(&segments(17))),
        ("file-type", mode(0o120_777)),
        ("file-type", mode(0o010_644)),
        ("file-type", mode(0o020_644)),
        ("file-type", mode(0o060_644)),
        ("file-type", mode(0o140_644)),
        ("file-type", mode(0o040_755)),
        ("duplicate-name", entry("plugin.json")),
        ("duplicate-name", twice("a/b", "a//./b")),
        ("case-collision", entry("Plugin.json")),
        ("case-collision", entry("WASM/b")),
        ("file-and-directory", twice("a", "a/b")),
        ("file-and-directory", twice("a/b", "a")),
        ("entry-count", (0..4_100).fold(Zip::of(&good()), |zip, n| zip.and(Item::stored(&format!("f{n}"), b"")))),
    ];
    let place = Place::new();
    for (rule, zip) in cases {
        let error = place.refused(&place.zip(&zip));
        assert_eq!(error.rule(), Some(rule), "{error}");
    }
}

/// P13 to P18 and P20.
#[test]
fn a_zip_that_two_readers_could_read_differently_is_refused() {
    let zip = || Zip::of(&good());
    let item = || Item::deflated("more.txt", &[b'x'; 100]);
    let longer = |mut item: Item| {
        item.data.extend(b"junk");
        item
    };
    let cut = |mut item: Item| {
        item.data.truncate(item.data.len() - 1);
        item
    };
    let bomb = vec![0; 4 * 1024 * 1024];
    let cases = [
        ("zip-structure", Zip { after: b"junk".to_vec(), ..zip() }),
        ("zip-structure", Zip { before: b"junk".to_vec(), ..zip() }),
        ("zip-structure", Zip { comment: b"hello".to_vec(), ..zip() }),
        ("zip-structure", zip().and(Item { local_name: Some(b"less.txt".to_vec()), ..item() })),
        ("zip-structure", zip().and(Item { local_crc: Some(1), ..item() })),
        ("zip-structure", zip().and(item()).and(Item { name: b"again.txt".to_vec(), shares: true, ..item() })),
        ("zip-structure", zip().and(Item { size: 5, ..Item::stored("a", b"abc") })),
        ("zip-method", zip().and(Item { method: 12, ..item() })),
        ("zip-method", zip().and(Item { flags: 1, ..item() })),
        ("zip-data", zip().and(Item { crc: 1, ..item() })),
        ("zip-data", zip().and(Item { size: 99, ..item() })),
        ("zip-data", zip().and(Item { size: 101, ..item() })),
        ("zip-data", zip().and(longer(item()))),
        ("zip-data", zip().and(cut(item()))),
        ("zip-ratio", zip().and(Item::deflated("bomb", &bomb))),
        ("total-size", zip().and(Item { size: 512 * 1024 * 1024, ..item() })),
        ("entry-count", Zip { claims: Some(4_097), ..zip() }),
    ];
    let place = Place::new();
    for (rule, zip) in cases {
        let error = place.refused(&place.zip(&zip));
        assert_eq!(error.rule(), Some(rule), "{error}");
    }
    write(&place.artifact("x.zip"), b"not a zip");
    assert_eq!(place.refused(&place.artifact("x.zip")).rule(), Some("zip-structure"));
    write(&place.artifact("x.zip"), b"");
    assert_eq!(place.refused(&place.artifact("x.zip")).rule(), Some("zip-structure"));
}

/// B2 in small: a zip cut or flipped anywhere is refused or installs exactly what the sound one does.
#[test]
fn a_damaged_zip_never_installs_something_else() {
    let place = Place::new();
    let mut files = good();
    files[1].1.truncate(2_000);
    let staged = |bytes: &[u8]| {
        write(&place.artifact("d.zip"), bytes);
        let staging = tempfile::tempdir().expect("a directory");
        let package = Artifact::open(&place.artifact("d.zip")).and_then(|artifact| artifact.stage(staging.path()));
        package.map(|package| package.files)
    };
    let bytes = Zip::of(&files).to_bytes();
    let sound = staged(&bytes).expect("the sound zip");
    let mut refused = 0;
    for at in (0..bytes.len()).step_by(3) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        match staged(&flipped) {
            Ok(files) => assert_eq!(files, sound, "byte {at}"),
            Err(_) => refused += 1,
        }
        assert!(staged(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(refused > bytes.len() / 6, "only {refused} flips were noticed");
}

/// P16, P25.
#[test]
fn hostile_directories_are_refused() {
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil); 8] = [
        ("file-type", |dir| symlink("/etc/passwd", dir.join("link")).expect("a link")),
        ("file-type", |dir| symlink("/", dir.join("wasm/dir")).expect("a link")),
        ("file-type", |dir| mkfifo(&dir.join("fifo"))),
        ("file-type", |dir| drop(std::os::unix::net::UnixListener::bind(dir.join("socket")).expect("a socket"))),
        ("reserved-name", |dir| write(&dir.join("nul"), b"")),
        ("charset", |dir| write(&dir.join("a\\b"), b"")),
        ("case-collision", |dir| write(&dir.join("PLUGIN.json"), b"")),
        ("file-size", |dir| {
            let file = fs::File::create(dir.join("big")).expect("a file");
            file.set_len(128 * 1024 * 1024 + 1).expect("a sparse file");
        }),
    ];
    let place = Place::new();
    for (rule, spoil) in cases {
        let dir = place.directory(&good());
        spoil(&dir);
        let error = place.refused(&dir);
        assert_eq!(error.rule(), Some(rule), "{error}");
    }
}

#[test]
fn which_manifest_counts() {
    let inside = |dir: &str, id: &str| -> Files {
        let files = package(&manifest(id, "1")).into_iter();
        files.map(|(name, data)| (format!("{dir}{name}"), data)).collect()
    };
    let only = |name: &str| vec![(name.to_owned(), b"x".to_vec())];
    let broken = || ("plugin.json".to_owned(), b"{}".to_vec());
    let cases: [(&str, Files); 8] = [
        ("no-manifest", only("readme.txt")),
        ("no-manifest", inside("1/2/3/4/5/6/7/8/", "a.b")),
        ("no-manifest", vec![broken(), ("x/plugin.json".into(), b"[]".to_vec())]),
        ("several-manifests", [inside("x/", "a.b"), inside("y/", "a.c")].concat()),
        ("dynamic-library", only("plugin.toml")),
        ("dynamic-library", only("lib/libold.so")),
        ("dynamic-library", [vec![broken()], only("old.DLL")].concat()),
        ("missing-field", vec![broken()]),
    ];
    let place = Place::new();
    for (rule, files) in cases {
        let error = place.refused(&place.directory(&files));
        assert_eq!(error.rule(), Some(rule), "{error}");
    }
    let error = place.refused(&place.directory(&only("plugin.toml")));
    assert!(error.message().contains("plugin.toml") && error.help_text().is_some_and(|h| h.contains("docs/migration")));
    // A library beside a valid manifest is an ordinary file.
    let installed = place.install(&[good(), only("bin/x.so")].concat()).expect("a valid package");
    assert!(installed.path.join("bin/x.so").is_file());
    let deep = place.install(&inside("1/2/3/4/5/6/7/", "a.deep")).expect("the eighth level");
    assert_eq!(deep.id.as_str(), "a.deep");
}

/// One change to a valid manifest, the rule it breaks, and what the message must name.
#[test]
fn each_rule_of_the_manifest() {
    let set = |pointer: &'static str, value: Value| (pointer, Some(value));
    let without = |pointer: &'static str| (pointer, None);
    let long = "a".repeat(129);
    let decoder = |scores: Value| json!([{"kind": "decoder", "type_id": "t", "decoder": scores}]);
    let cases = [
        ("schema-version", set("/schema_version", json!(2)), "schema_version"),
        ("field-type", set("/schema_version", json!("1")), "schema_version"),
        ("field-type", set("/api_version", json!(-1)), "api_version"),
        ("missing-field", without("/api_version"), "api_version"),
        ("missing-field", without("/id"), "id"),
        ("missing-field", without("/components"), "components"),
        ("missing-field", without("/components/0/abilities"), "components[0]"),
        ("missing-field", without("/components/0/abilities/0/kind"), "components[0].abilities[0]"),
        ("field-type", set("/name", Value::Null), "name"),
        ("empty", set("/name", json!("  ")), "name"),
        ("charset", set("/name", json!("a\u{7}b")), "name"),
        ("empty", set("/version", json!("")), "version"),
        ("version", set("/version", json!("../1")), "version"),
        ("empty", set("/components", json!([])), "components"),
        ("field-type", set("/components", json!({})), "components"),
        ("field-type", set("/components/0", json!("x")), "components[0]"),
        ("plugin-id", set("/id", json!("")), "id"),
        ("plugin-id", set("/id", json!("../../x")), "id"),
        ("plugin-id", set("/id", json!("..")), "id"),
        ("plugin-id", set("/id", json!(".stellatune")), "id"),
        ("plugin-id", set("/id", json!("/etc")), "id"),
        ("plugin-id", set("/id", json!("CON")), "id"),
        ("plugin-id", set("/id", json!("a b")), "id"),
        ("plugin-id", set("/id", json!("a\u{0}")), "id"),
        ("plugin-id", set("/id", json!(long)), "id"),
        ("component-id", set("/components/0/id", json!(" ")), "components[0].id"),
        ("component-id", set("/components/0/id", json!("../c")), "components[0].id"),
        ("component-id", set("/components/0/id", json!("a\nb")), "components[0].id"),
        ("component-id", set("/components/0/id", json!("a\u{0}b")), "components[0].id"),
        ("type-id", set("/components/0/abilities/0/type_id", json!("")), "components[0].abilities[0].type_id"),
        ("type-id", set("/components/0/abilities/0/type_id", json!(long)), "type_id"),
        ("traversal", set("/components/0/path", json!("../wasm/a.wasm")), "components[0].path"),
        ("absolute", set("/components/0/path", json!("/wasm/a.wasm")), "components[0].path"),
        ("absolute", set("/components/0/path", json!("C:/a.wasm")), "components[0].path"),
        ("charset", set("/components/0/path", json!("wasm\\a.wasm")), "components[0].path"),
        ("empty", set("/components/0/path", json!("")), "components[0].path"),
        ("missing-file", set("/components/0/path", json!("wasm/b.wasm")), "wasm/b.wasm"),
        ("missing-file", set("/components/0/path", json!("WASM/a.wasm")), "WASM/a.wasm"),
        ("component-directory", set("/components/0/path", json!("wasm")), "wasm"),
        ("unknown-world", set("/components/0/world", json!("host")), "components[0].world"),
        ("ability-kind", set("/components/0/abilities/0/kind", json!("DSP")), "kind"),
        ("ability-world", set("/components/0/abilities/0/kind", json!("lyrics")), "kind"),
        ("decoder-scores", set("/components/0/abilities/0/decoder", json!({"wildcard_score": 1})), "decoder"),
        ("config-json", set("/components/0/abilities/0/config_schema_json", json!("{")), "config_schema_json"),
        ("field-type", set("/components/0/abilities/0/default_config_json", json!({})), "default_config_json"),
        ("empty", set("/components/0/abilities/0/display_name", json!(" ")), "display_name"),
        ("threading", set("/components/0/threading", json!({"model": "green"})), "components[0].threading.model"),
        ("field-type", set("/components/0/threading", json!(4)), "threading"),
        ("limits", set("/limits", json!({"memory_mib": 0})), "limits.memory_mib"),
        ("field-type", set("/components/0/limits", json!({"memory_mib": 1.5})), "limits.memory_mib"),
        ("field-type", set("/permissions", json!({"http": "a"})), "permissions.http"),
        ("traversal", set("/permissions", json!({"sidecars": ["../sh"]})), "permissions.sidecars[0]"),
        ("duplicate-id", set("/components/1", manifest("x", "1")["components"][0].clone()), "components[1].id"),
    ];
    let place = Place::new();
    for (rule, (pointer, value), named) in cases {
        let mut manifest = manifest("dev.example.a", "1.0");
        change(&mut manifest, pointer, value);
        let error = place.refused(&place.directory(&package(&manifest)));
        assert_eq!(error.rule(), Some(rule), "{pointer}: {error}");
        assert!(error.message().contains(named), "{pointer}: {error}");
        assert!(error.message().len() < 400, "{pointer}: {error}");
    }
    let scores = [
        json!(null),
        json!({}),
        json!({"ext_scores": [], "wildcard_score": 0}),
        json!({"ext_scores": [{"ext": ".", "score": 1}]}),
        json!({"ext_scores": [{"ext": "*", "score": 1}]}),
        json!({"ext_scores": [{"ext": "Flac", "score": 1}, {"ext": " .flac", "score": 2}]}),
    ];
    for scores in scores {
        let mut manifest = manifest("dev.example.a", "1.0");
        manifest["components"][0]["world"] = json!("decoder-plugin");
        manifest["components"][0]["abilities"] = decoder(scores.clone());
        let error = place.refused(&place.directory(&package(&manifest)));
        assert_eq!(error.rule(), Some("decoder-scores"), "{scores}: {error}");
    }
}

/// P21.
#[test]
fn a_manifest_is_bounded_and_unambiguous() {
    let text = serde_json::to_string(&manifest("a.b", "1")).expect("JSON");
    let with = |more: &str| format!("{},{more}}}", text.strip_suffix('}').expect("an object"));
    let cases = [
        ("manifest-json", format!("\u{feff}{text}")),
        ("manifest-json", with("\"id\": \"c.d\"")),
        ("manifest-json", with("\"unknown\": {\"a\": 1, \"a\": 2}")),
        ("manifest-json", with(&format!("\"deep\": {}{}", "[".repeat(100), "]".repeat(100)))),
        ("manifest-json", with(&format!("\"deep\": {}", "[".repeat(10_000)))),
        ("manifest-json", format!("{text} x")),
        ("manifest-json", String::new()),
        ("manifest-size", with(&format!("\"long\": {:?}", "x".repeat(256 * 1024)))),
        ("field-type", "[]".into()),
    ];
    let place = Place::new();
    for (rule, text) in cases {
        let mut files = good();
        files[0].1 = text.into_bytes();
        let error = place.refused(&place.directory(&files));
        assert_eq!(error.rule(), Some(rule), "{error}");
    }
    let error = Manifest::parse(b"{\"id\": \"\xff\"}").expect_err("not UTF-8");
    assert_eq!(error.rule(), Some("manifest-json"));
}

/// P28, P29: what lies in place of a component.
#[test]
fn only_components_are_installed() {
    let module = wat::parse_str("(module)").expect("a module");
    let other_world = wasm("echo-lyrics.wasm");
    let mut version = wasm("echo-dsp.wasm");
    version[4] = 0x0e;
    let cases: [(&str, &[u8]); 8] = [
        ("core-module", &module),
        ("precompiled", b"\x7fELF\x02\x01\x01\0\0\0\0\0"),
        ("precompiled", b"MZ\x90\0"),
        ("not-wasm", b"(component)"),
        ("not-wasm", b""),
        ("not-wasm", b"#!/bin/sh"),
        ("component-version", &version),
        ("invalid-wasm", &wasm("echo-dsp.wasm")[..5_000]),
    ];
    let place = Place::new();
    for (rule, bytes) in cases {
        let mut files = good();
        files[1].1 = bytes.to_vec();
        let error = place.refused(&place.directory(&files));
        assert_eq!((error.rule(), error.plugin_id()), (Some(rule), Some("dev.example.a")), "{error}");
        assert!(error.message().contains("component \"c\""), "{error}");
    }
    let mut files = good();
    files[1].1 = other_world;
    assert_eq!(place.refused(&place.directory(&files)).kind(), ErrorKind::Incompatible);

    let dir = place.directory(&good());
    fs::File::options().write(true).open(dir.join("wasm/a.wasm")).expect("a file").set_len(65 << 20).expect("sparse");
    assert_eq!(place.refused(&dir).rule(), Some("component-size"));
}

#[test]
fn a_manifest_is_read_as_the_contract_says() {
    let text = json!({
        "schema_version": 1, "id": "dev.example.all", "name": " All ", "version": "1", "api_version": 7, "else": [1],
        "components": [{
            "id": "d", "path": "./wasm/d.wasm", "world": " x/decoder-plugin@9 ", "else": null,
            "threading": {"model": "shared_pool", "pool": "anything", "max_instances": 2},
            "limits": {"memory_mib": 32, "fuel": 1},
            "abilities": [
                {"kind": "decoder", "type_id": "t", "display_name": null, "config_schema_json": "[]", "decoder":
                    {"ext_scores": [{"ext": " ..FLAC ", "score": 0}, {"ext": "ogg", "score": 65535}], "wildcard_score": null}},
                {"kind": "decoder", "type_id": "u", "decoder": {"wildcard_score": 1}},
            ],
        }, {
            "id": "s", "path": "s.wasm", "world": "stellatune:plugin/output-sink-plugin@0.1.0",
            "abilities": [{"kind": "output-sink", "type_id": "t"}],
        }],
        "permissions": {"http": ["example.org", "localhost:80"], "sidecars": ["bin/x"], "future": 1},
    });
    let manifest = Manifest::parse(text.to_string().as_bytes()).expect("a valid manifest");
    let decoder = &manifest.components[0];
    assert_eq!((manifest.name.as_str(), decoder.path.as_str(), decoder.world), ("All", "wasm/d.wasm", World::Decoder));
    let threading = decoder.threading();
    assert_eq!(
        (threading.model, threading.pool, threading.max_instances.get()),
        (ThreadingModel::SharedPool, Pool::Io, 2)
    );
    let exts = decoder.abilities[0].decoder.as_ref().expect("scores").ext_scores.iter();
    assert_eq!(exts.map(|e| (e.ext.as_str(), e.score)).collect::<Vec<_>>(), [("flac", 0), ("ogg", 65535)]);
    assert_eq!((decoder.abilities[0].display_name(), decoder.abilities[0].default_config()), ("t", "{}"));
    let sink = &manifest.components[1];
    assert_eq!((sink.abilities[0].kind, sink.threading().model), (AbilityKind::OutputSink, ThreadingModel::Dedicated));
    let asks = manifest.permissions.as_ref().expect("permissions").asks();
    assert_eq!(asks, ["http:example.org", "http:localhost:80", "sidecar:bin/x"]);

    // What is written is read back, and in the contract's spelling.
    let written = serde_json::to_value(&manifest).expect("JSON");
    assert_eq!(
        written["components"][1]["abilities"][0],
        json!({
            "kind": "output_sink", "type_id": "t", "display_name": null, "config_schema_json": null,
            "default_config_json": null, "decoder": null,
        })
    );
    assert_eq!(Manifest::parse(written.to_string().as_bytes()).expect("the canonical form"), manifest);
}

#[test]
fn the_documents_example_is_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/wasm-plugin-manifest.md");
    let document = fs::read_to_string(path).expect("the document");
    let example = document.split("```json\n").nth(1).and_then(|after| after.split("```").next()).expect("an example");
    let manifest = Manifest::parse(example.as_bytes()).expect("a valid manifest");
    assert_eq!((manifest.id.is_canonical(), manifest.components.len()), (true, 2));
}

/// Every rule that is named where packages are read is one that the document lists.
#[test]
fn every_rule_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("../../docs/errors.md")).expect("docs/errors.md");
    let mut rules = BTreeSet::new();
    for dir in ["manifest", "package", "install", "world"] {
        for file in fs::read_dir(root.join("src").join(dir)).expect("a module") {
            let Ok(text) = fs::read_to_string(file.expect("a file").path()) else { continue };
            for call in ["rejected(", "refuse(", "fail(", "fault("] {
                let arguments = text.split(call).skip(1).map(str::trim_start);
                let names = arguments.filter_map(|after| after.strip_prefix('"')?.split('"').next());
                rules.extend(names.filter(|name| !name.contains(' ')).map(str::to_owned));
            }
        }
    }
    assert!(rules.len() > 40, "only {} rules were found", rules.len());
    let missing: Vec<_> = rules.iter().filter(|rule| !document.contains(&format!("| `{rule}` |"))).collect();
    assert!(missing.is_empty(), "not in docs/errors.md: {missing:?}");
}

fn change(manifest: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let parent = manifest.pointer_mut(parent).expect("the parent");
    match (parent, value) {
        (Value::Object(map), Some(value)) => drop(map.insert(key.to_owned(), value)),
        (Value::Object(map), None) => drop(map.remove(key)),
        (Value::Array(list), Some(value)) => match list.get_mut(key.parse::<usize>().expect("an index")) {
            Some(place) => *place = value,
            None => list.push(value),
        },
        _ => panic!("{pointer} is not there"),
    }
}

fn mkfifo(path: &Path) {
    let status = std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(status.success());
}

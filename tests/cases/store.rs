//! Packages come, stay, change and go, and nothing around them does.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use stellatune_plugin_core::engine::{Artifact, EngineError, Program};
use stellatune_plugins::{
    DecoderChoice, Engine, EngineId, ErrorKind, Event, Guarantee, Input, Runtime,
    registry::{self, Status},
};

use crate::support::{
    Case, Subject,
    fixture::{self, SYMPHONIA},
    package::{Home, Package, installed, open, read_all, wait},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("store/from-install-to-uninstall", ["edge-decoder"], from_install_to_uninstall),
        Case::new("store/a-zip", ["edge-decoder"], a_zip),
        Case::new("store/a-restart-remembers", ["edge-decoder"], a_restart_remembers),
        Case::new("store/an-upgrade", ["edge-decoder", "hook-error-disable"], an_upgrade),
        Case::new("store/the-best-decoder-first", ["edge-decoder", SYMPHONIA], the_best_decoder_first),
        Case::new("store/the-cache-is-used", ["edge-decoder"], the_cache_is_used),
        Case::new("store/a-corrupted-cache-recompiles", ["edge-decoder"], a_corrupted_cache_recompiles),
        Case::new("store/a-changed-component-is-not-run", ["edge-decoder"], a_changed_component),
        Case::new(
            "store/hostile-packages",
            ["edge-decoder", "echo-lyrics", "revision-w1", "revision-w2"],
            hostile_packages,
        ),
    ]
}

const ID: &str = "test.plugin";

fn status(runtime: &Runtime) -> Option<Status> {
    runtime.plugins().plugin(ID).map(registry::Plugin::status)
}

#[track_caller]
fn decodes(runtime: &Runtime) {
    let mut decoder = open(runtime, [0; 64], "echo").expect("opens");
    assert_eq!(read_all(&mut decoder).expect("decodes").len(), 16);
}

#[track_caller]
fn does_not_decode(runtime: &Runtime) {
    let error = open(runtime, [0; 64], "echo").map(drop).expect_err("nothing to decode with");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

fn from_install_to_uninstall(subject: &Subject) {
    let home = Home::new();
    let runtime = home.runtime(subject);
    let mut events = runtime.events();
    does_not_decode(&runtime);
    let package = Package::decoder(ID, "edge-decoder");
    let installed = wait(runtime.install(package.path())).expect("installs");
    assert_eq!((installed.id.as_str(), &*installed.version, installed.replaced), (ID, "1.0.0", None));
    assert!(installed.path.starts_with(home.plugins().join(ID)), "{:?}", installed.path);
    assert_eq!(status(&runtime), Some(Status::Enabled));
    drop(package);
    decodes(&runtime);

    wait(runtime.disable(ID)).expect("disables");
    assert_eq!(status(&runtime), Some(Status::Disabled));
    does_not_decode(&runtime);
    let named = DecoderChoice::Named("test.plugin:test".parse().expect("a selector"));
    let forced = wait(runtime.open_decoder(&Input::bytes([0; 64]), &named)).map(drop);
    assert!(forced.is_err(), "a disabled plugin is not forced either");

    wait(runtime.enable(ID)).expect("enables");
    decodes(&runtime);
    drop(wait(runtime.open_decoder(&Input::bytes([0; 64]), &named)).expect("a named decoder opens"));

    wait(runtime.uninstall(ID)).expect("uninstalls");
    assert_eq!(status(&runtime), None);
    does_not_decode(&runtime);
    assert!(!home.plugins().join(ID).exists());
    for answer in [wait(runtime.uninstall(ID)), wait(runtime.enable(ID)), wait(runtime.disable(ID))] {
        assert_eq!(answer.expect_err("is gone").kind(), ErrorKind::NotFound);
    }
    let told: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    let has = |wanted: fn(&Event) -> bool| told.iter().any(wanted);
    assert!(
        has(|event| matches!(event, Event::Installed { .. }))
            && has(|event| matches!(event, Event::Uninstalled { .. }))
    );
    assert!(
        has(|event| matches!(event, Event::Enabled { enabled: false, .. }))
            && has(|event| matches!(event, Event::Started { .. }))
    );
}

fn a_zip(subject: &Subject) {
    let home = Home::new();
    let runtime = home.runtime(subject);
    wait(runtime.install(Package::decoder(ID, "edge-decoder").zip(&[("notes.txt", b"hello")]))).expect("installs");
    decodes(&runtime);
}

/// A new runtime in the same directory knows what was decided.
fn a_restart_remembers(subject: &Subject) {
    let (home, runtime) = installed(subject, "edge-decoder");
    wait(runtime.disable(ID)).expect("disables");
    drop(runtime);
    let runtime = home.runtime(subject);
    assert_eq!(status(&runtime), Some(Status::Disabled));
    wait(runtime.enable(ID)).expect("enables");
    drop(runtime);
    decodes(&home.runtime(subject));
}

/// An open session plays on with what it was opened with; new ones get the new version.
fn an_upgrade(subject: &Subject) {
    let (_home, runtime) = installed(subject, "edge-decoder");
    let mut old = open(&runtime, [0; 64], "echo").expect("opens");
    let newer = Package::decoder(ID, "hook-error-disable").with(|manifest| manifest["version"] = "2.0.0".into());
    let installed = wait(runtime.install(newer.path())).expect("installs");
    assert_eq!((&*installed.version, installed.replaced.as_deref()), ("2.0.0", Some("1.0.0")));
    assert_eq!(runtime.plugins().plugin(ID).expect("is there").version(), "2.0.0");
    let mut new = open(&runtime, [0; 64], "echo").expect("opens");
    assert_eq!(read_all(&mut new).expect("decodes").len(), 48_000, "the new one");
    assert_eq!(read_all(&mut old).expect("decodes").len(), 16, "the old one");
}

/// By extension the higher score, then the next when it refuses; a name beats both.
fn the_best_decoder_first(subject: &Subject) {
    let home = Home::new();
    let runtime = home.runtime(subject);
    let score = |score: u16| {
        move |manifest: &mut serde_json::Value| {
            let scores = serde_json::json!({ "ext_scores": [{ "ext": ".FLAC", "score": score }], "wildcard_score": 1 });
            manifest["components"][0]["abilities"][0]["decoder"] = scores;
        }
    };
    wait(runtime.install(Package::decoder("test.best", SYMPHONIA).with(score(90)).path())).expect("installs");
    wait(runtime.install(Package::decoder("test.other", "edge-decoder").with(score(10)).path())).expect("installs");
    let route = |bytes: &[u8]| open(&runtime, bytes.to_vec(), "flac").expect("opens").route().plugin_id.to_string();
    assert_eq!(route(&fixture::audio("flac-1-frame.flac")), "test.best");
    assert_eq!(route(b"no flac at all"), "test.other");
}

/// An engine that counts what is asked of it.
struct Counting {
    engine: Arc<dyn Engine>,
    compiled: AtomicUsize,
}

impl Counting {
    fn new(subject: &Subject) -> Arc<Self> {
        Arc::new(Self { engine: subject.engine(), compiled: AtomicUsize::new(0) })
    }

    fn compiled(&self) -> usize {
        self.compiled.load(Ordering::SeqCst)
    }
}

impl Engine for Counting {
    fn id(&self) -> &EngineId {
        self.engine.id()
    }

    fn compile(&self, wasm: &[u8]) -> Result<Artifact, EngineError> {
        self.compiled.fetch_add(1, Ordering::SeqCst);
        self.engine.compile(wasm)
    }

    fn load(&self, artifact: &Artifact) -> Result<Arc<dyn Program>, EngineError> {
        self.engine.load(artifact)
    }

    fn guarantees(&self) -> &'static [Guarantee] {
        self.engine.guarantees()
    }
}

/// Decodes in a new runtime of a home and gives how often that compiled.
fn compilations(subject: &Subject, home: &Home) -> usize {
    let engine = Counting::new(subject);
    let runtime = home.builder(engine.clone()).build().expect("a runtime");
    if status(&runtime).is_none() {
        wait(runtime.install(Package::decoder(ID, "edge-decoder").path())).expect("installs");
        assert_eq!(engine.compiled(), 0, "nothing is compiled before it is used");
    }
    decodes(&runtime);
    decodes(&runtime);
    engine.compiled()
}

/// The files of the cache that are big enough to be code.
fn cached(home: &Home) -> Vec<PathBuf> {
    let files = tree(&home.cache()).into_iter();
    files.filter(|(_, content)| content.len() > 4096).map(|(path, _)| path).collect()
}

fn the_cache_is_used(subject: &Subject) {
    let home = Home::new();
    assert_eq!(compilations(subject, &home), 1);
    assert_eq!(cached(&home).len(), 1);
    assert_eq!(compilations(subject, &home), 0, "the second start compiles nothing");
    assert_eq!(compilations(subject, &Home::new()), 1, "another home has a cache of its own");
}

/// Whatever happened to the file, it is not loaded: the component is compiled anew, and kept again.
fn a_corrupted_cache_recompiles(subject: &Subject) {
    let home = Home::new();
    assert_eq!(compilations(subject, &home), 1);
    let path = cached(&home).pop().expect("a file");
    let code = fs::read(&path).expect("readable");
    let flipped = |at: usize| {
        let mut code = code.clone();
        code[at] ^= 1;
        code
    };
    let stranger = Home::new();
    compilations(subject, &stranger);
    let of_another_key = fs::read(cached(&stranger).pop().expect("a file")).expect("readable");
    for (what, bad) in [
        ("the last byte", flipped(code.len() - 1)),
        ("the middle", flipped(code.len() / 2)),
        ("the MAC", flipped(12)),
        ("cut off", code[..code.len() - 1].to_vec()),
        ("empty", Vec::new()),
        ("another key", of_another_key),
    ] {
        fs::write(&path, bad).expect("writable");
        assert_eq!(compilations(subject, &home), 1, "{what}: compiled again");
        assert_eq!(compilations(subject, &home), 0, "{what}: kept again");
    }
}

/// A file of the store that is not what was installed is not run.
fn a_changed_component(subject: &Subject) {
    let (home, runtime) = installed(subject, "edge-decoder");
    let files = tree(&home.plugins());
    let path = files.keys().find(|path| path.ends_with("wasm/decoder.wasm")).expect("is in the store");
    let mut wasm = fs::read(path).expect("readable");
    let last = wasm.len() - 1;
    wasm[last] ^= 1;
    let _ = fs::remove_file(path);
    fs::write(path, wasm).expect("writable");
    let error = open(&runtime, [0; 64], "echo").map(drop).expect_err("is not run");
    assert_eq!(error.kind(), ErrorKind::RejectedPackage, "{error}");
    assert!(error.rule().is_some(), "{error}");
}

/// Each is refused by a rule that is named, and everything around the plugins directory is as before.
fn hostile_packages(subject: &Subject) {
    let home = Home::new();
    fs::write(home.path().join("precious"), "do not touch").expect("writable");
    let runtime = home.runtime(subject);
    wait(runtime.install(Package::decoder(ID, "edge-decoder").path())).expect("installs");
    let before = tree(home.path());

    let package = || Package::decoder("test.evil", "edge-decoder");
    let with = |key: &'static str, value: serde_json::Value| package().with(move |manifest| manifest[key] = value);
    let component = |key: &'static str, value: serde_json::Value| {
        package().with(move |manifest| manifest["components"][0][key] = value)
    };
    let linked = package();
    std::os::unix::fs::symlink("/etc/passwd", linked.path().join("link")).expect("a link");
    let text = package();
    text.file("wasm/decoder.wasm", b"(component)");
    let core = package();
    core.file("wasm/decoder.wasm", b"\0asm\x01\0\0\0");
    let two = package();
    for file in ["plugin.json", "wasm/decoder.wasm"] {
        two.file(&format!("other/{file}"), &fs::read(two.path().join(file)).expect("readable"));
    }
    let zipped = package();
    let twice = package();
    // A package's directory goes with the package, so these are kept until the end.
    let packages = [
        ("id that leaves the root", with("id", "../../precious".into())),
        ("absolute id", with("id", "/tmp/evil".into())),
        ("id with a separator", with("id", "a/b".into())),
        ("id with a control character", with("id", "a\u{0}b".into())),
        ("schema", with("schema_version", 2.into())),
        ("component id that leaves", component("id", "../x".into())),
        ("path that leaves", component("path", "../decoder.wasm".into())),
        ("absolute path", component("path", "/etc/passwd".into())),
        ("missing component", component("path", "wasm/none.wasm".into())),
        ("unknown world", component("world", "kernel-plugin".into())),
        ("world it is not", component("world", "dsp-plugin".into())),
        ("no abilities", component("abilities", serde_json::json!([]))),
        ("a link", linked),
        ("text in place of a component", text),
        ("a core module in place of a component", core),
        ("two manifests", two),
        ("another world's component", Package::decoder("test.evil", "echo-lyrics")),
        ("the first revision", Package::decoder("test.evil", "revision-w1")),
        ("the second revision", Package::decoder("test.evil", "revision-w2")),
    ];
    let mut paths: Vec<(&str, PathBuf)> =
        packages.iter().map(|(what, package)| (*what, package.path().to_owned())).collect();
    paths.push(("an entry that leaves", zipped.zip(&[("../../evil", b"x")])));
    paths.push(("an entry twice", twice.zip(&[("plugin.json", b"{}")])));
    for (what, path) in paths {
        let error = wait(runtime.install(&path)).expect_err(what);
        let kind = error.kind();
        assert!(matches!(kind, ErrorKind::RejectedPackage | ErrorKind::Incompatible), "{what}: {kind:?}: {error}");
        assert!(kind == ErrorKind::Incompatible || error.rule().is_some(), "{what} names its rule: {error}");
        assert_eq!(tree(home.path()), before, "{what}: nothing changed");
    }
    decodes(&runtime);
}

/// Every file below a directory with its content, links not followed.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
            if kind.is_dir() {
                dirs.push(path);
            } else if kind.is_symlink() {
                files.insert(path, b"a link".to_vec());
            } else {
                files.insert(path.clone(), fs::read(&path).expect("readable"));
            }
        }
    }
    files
}

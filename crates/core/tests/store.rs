//! What the store remembers, what a snapshot shows of it, and where requests go.

mod common;

use std::{collections::BTreeMap, fs, path::Path, thread};

use common::{Files, Place, manifest, package, picture, wasm, write};
use serde_json::{Value, json};
use stellatune_plugin_core::{
    error::ErrorKind,
    install::Store,
    manifest::{AbilityKind, ComponentId},
    package::ContentHash,
    registry::{BundledPackage, Origin, Plugin, Snapshot, Status},
    route::{self, Input, Selector},
};

const ID: &str = "dev.example.a";

fn version(version: &str) -> Files {
    package(&manifest(ID, version))
}

fn shown(place: &Place) -> Vec<(String, String, &'static str, &'static str)> {
    let row = |p: &Plugin| (p.id().to_owned(), p.version().to_owned(), p.status().name(), p.origin().name());
    place.snapshot().plugins().map(row).collect()
}

fn component() -> ComponentId {
    "c".parse().expect("an id")
}

#[test]
fn an_update_replaces_all_of_the_old_version() {
    let place = Place::new();
    assert!(shown(&place).is_empty() && !place.root().exists(), "looking creates nothing");

    let first = place.install(&version("1.0")).expect("version 1.0");
    assert_eq!((first.version.as_str(), first.replaced.as_deref()), ("1.0", None));
    assert_eq!((first.components.as_slice(), first.asked.len()), (&[component()][..], 0));
    let second = place.install(&version("0.9")).expect("an older one is fine");
    assert_eq!((second.version.as_str(), second.replaced.as_deref()), ("0.9", Some("1.0")));
    assert_ne!(first.path, second.path);

    let current = fs::read_to_string(place.root().join(ID).join("current")).expect("current");
    let short = second.path.file_name().and_then(|name| name.to_str()).expect("a name");
    assert_eq!(current.trim_end(), short);
    let files: Vec<_> = picture(&place.root()).into_keys().map(|path| path.display().to_string()).collect();
    let expected = [
        ".stellatune",
        ".stellatune/lock",
        ".stellatune/staging",
        ".stellatune/state",
        ".stellatune/trash",
        ID,
        &format!("{ID}/current"),
        &format!("{ID}/versions"),
        &format!("{ID}/versions/{short}"),
        &format!("{ID}/versions/{short}/plugin.json"),
        &format!("{ID}/versions/{short}/wasm"),
        &format!("{ID}/versions/{short}/wasm/a.wasm"),
        &format!("{ID}/versions/{short}.json"),
    ];
    assert_eq!(files, expected);
    assert_eq!(shown(&place), [(ID.into(), "0.9".into(), "enabled", "installed")]);
    place.unchanged();
}

#[test]
fn what_is_asked_is_declared_or_derived() {
    let place = Place::new();
    let mut declared = manifest("dev.example.declared", "1");
    declared["permissions"] = json!({"files": ["music"], "http": ["example.org"], "sidecars": ["bin/x"]});
    let installed = place.install(&package(&declared)).expect("a package");
    assert_eq!(installed.asked, ["file:music", "http:example.org", "sidecar:bin/x"]);
    assert!(installed.granted.is_empty());

    let mut source = manifest("dev.example.derived", "1");
    source["components"][0]["world"] = json!("source-plugin");
    source["components"][0]["abilities"][0]["kind"] = json!("source");
    let mut files = package(&source);
    files[1].1 = wasm("echo-source.wasm");
    let derived = place.install(&files).expect("a package").asked;
    source["permissions"] = json!({});
    files[0].1 = source.to_string().into_bytes();
    assert!(place.install(&files).expect("a package").asked.is_empty(), "asking for nothing is an answer");
    assert!(derived.iter().all(|ask| ask.ends_with(":*")), "{derived:?}");
}

/// I11: an error in the middle leaves the old version, and nothing of the new one.
#[test]
fn a_failed_update_leaves_the_old_version() {
    let (place, other) = (Place::new(), Place::new());
    place.install(&version("1.0")).expect("version 1.0");
    let new = other.install(&version("2.0")).expect("version 2.0");
    let before = picture(&place.root());
    // A directory in the place of the receipt cannot be replaced by a file.
    let name = format!("{}.json", new.path.file_name().and_then(|name| name.to_str()).expect("a name"));
    write(&place.root().join(ID).join("versions").join(name).join("x"), b"");
    let error = place.install(&version("2.0")).expect_err("no receipt can be written");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(picture(&place.root()), before);
    assert_eq!(place.install(&version("2.0")).expect("now it can").replaced.as_deref(), Some("1.0"));
}

#[test]
fn a_failed_first_installation_leaves_nothing() {
    let place = Place::new();
    write(&place.root().join(ID), b"a file in the way");
    assert_eq!(place.install(&version("1.0")).expect_err("no directory can be made").kind(), ErrorKind::Io);
    fs::remove_file(place.root().join(ID)).expect("the file is still there");
    let outside = place.artifact("outside");
    fs::create_dir(&outside).expect("a directory");
    std::os::unix::fs::symlink(&outside, place.root().join(ID)).expect("a link");
    assert_eq!(place.install(&version("1.0")).expect_err("it leads out of the store").kind(), ErrorKind::Io);
    assert!(picture(&outside).is_empty());
    fs::remove_file(place.root().join(ID)).expect("the link is still there");
    assert!(place.install(&version("1.0")).is_ok());
}

#[test]
fn leftovers_of_an_interrupted_installation_are_cleared() {
    let place = Place::new();
    place.install(&version("1.0")).expect("version 1.0");
    let before = picture(&place.root());
    for name in ["staging", "trash"] {
        write(&place.root().join(".stellatune").join(name).join("0123/wasm/x"), b"left");
    }
    // Killed before `current` was replaced.
    write(&place.root().join(ID).join("versions/0123456789abcdef/plugin.json"), b"left");
    assert_eq!(shown(&place), [(ID.into(), "1.0".into(), "enabled", "installed")]);
    place.install(&version("1.0")).expect("the same again");
    let names = |picture: BTreeMap<_, _>| picture.into_keys().collect::<Vec<_>>();
    assert_eq!(names(picture(&place.root())), names(before));
}

/// I09: several at once; each finds the store whole.
#[test]
fn installations_at_once_leave_one_whole_version() {
    let place = Place::new();
    let artifacts: Vec<_> = (0..4)
        .map(|n| {
            let path = place.artifact(&format!("{n}.zip"));
            write(&path, &common::zip::Zip::of(&version(&format!("{n}.0"))).to_bytes());
            path
        })
        .collect();
    thread::scope(|scope| {
        for artifact in artifacts.iter().cycle().take(16) {
            scope.spawn(|| place.store().install(artifact).expect("an installation"));
        }
    });
    let snapshot = place.snapshot();
    assert_eq!(snapshot.plugin(ID).map(Plugin::status), Some(Status::Enabled));
    assert!(snapshot.component_bytes(ID, &component()).is_ok());
    assert_eq!(fs::read_dir(place.root().join(ID).join("versions")).expect("versions").count(), 2);
}

#[test]
fn ids_that_differ_by_case_only_cannot_live_together() {
    let place = Place::new();
    place.install(&version("1.0")).expect("version 1.0");
    let artifact = place.directory(&package(&manifest("dev.Example.a", "1")));
    assert_eq!(place.refused(&artifact).rule(), Some("case-collision"));
}

#[test]
fn a_store_that_others_could_change_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    fs::create_dir(place.root()).expect("a directory");
    fs::set_permissions(place.root(), fs::Permissions::from_mode(0o777)).expect("a mode");
    assert_eq!(Store::open(place.root()).expect_err("a refusal").kind(), ErrorKind::Denied);
    let file = place.dir.path().join("neighbour.txt");
    assert_eq!(Store::open(file).expect_err("a refusal").kind(), ErrorKind::InvalidArgument);
}

#[test]
fn an_uninstalled_plugin_is_forgotten() {
    let place = Place::new();
    assert_eq!(place.store().uninstall(ID).expect_err("nothing there").kind(), ErrorKind::NotFound);
    assert!(!place.root().exists());
    place.install(&version("1.0")).expect("version 1.0");
    place.store().set_enabled(ID, false).expect("disabled");
    for id in ["..", ".stellatune", "", "versions", "../plugins.txt"] {
        assert_eq!(place.store().uninstall(id).expect_err(id).kind(), ErrorKind::NotFound, "{id}");
    }
    place.store().uninstall(&format!(" {ID} ")).expect("uninstalled");
    assert!(shown(&place).is_empty() && !place.root().join(ID).exists());
    place.install(&version("1.0")).expect("version 1.0");
    assert_eq!(shown(&place)[0].2, "enabled");
    place.unchanged();
}

#[test]
fn decisions_and_failures_outlast_restarts_and_updates() {
    let place = Place::new();
    let status = || place.snapshot().plugin(ID).map(Plugin::status);
    place.install(&version("1.0")).expect("version 1.0");
    place.store().set_enabled(ID, false).expect("disabled");
    assert_eq!(status(), Some(Status::Disabled));
    place.install(&version("2.0")).expect("version 2.0");
    assert_eq!(status(), Some(Status::Disabled));
    place.store().set_enabled(ID, true).expect("enabled");

    place.store().set_failure(ID, "c", &"it crashed ".repeat(1_000)).expect("noted");
    let failed = place.snapshot();
    let plugin = failed.plugin(ID).expect("the plugin");
    assert_eq!((plugin.status(), plugin.component_status(&component())), (Status::Failed, Status::Failed));
    assert!(plugin.last_failure().is_some_and(|text| text.starts_with("it crashed") && text.len() <= 4096));
    assert!(route::all(&failed, AbilityKind::Dsp).is_empty());
    place.install(&version("2.0")).expect("the same content");
    assert_eq!(status(), Some(Status::Failed));
    place.install(&version("3.0")).expect("another content has not failed");
    assert_eq!(status(), Some(Status::Enabled));
    place.store().set_failure(ID, "c", "again").expect("noted");
    place.store().set_enabled(ID, true).expect("enabled");
    assert_eq!(place.snapshot().plugin(ID).and_then(Plugin::last_failure), None);

    for id in ["../x", "", "a/b"] {
        assert_eq!(place.store().set_enabled(id, true).expect_err(id).kind(), ErrorKind::InvalidArgument);
    }
    // A record that cannot be read may have said "disabled".
    write(&place.root().join(".stellatune/state").join(format!("{ID}.json")), b"{");
    assert_eq!(status(), Some(Status::Disabled));
    assert!(place.snapshot().plugin(ID).and_then(Plugin::last_failure).is_some_and(|text| text.contains("state")));
    place.store().set_enabled(ID, true).expect("enabled");
    assert_eq!(status(), Some(Status::Enabled));
}

/// I12, I18: what is damaged is shown, never loaded, and installing again repairs it.
#[test]
fn a_damaged_installation_is_shown_as_broken_and_can_be_repaired() {
    type Damage = fn(&Path, &Path);
    let receipt = |path: &Path| path.with_extension("json");
    let cases: [(&str, Damage); 5] = [
        ("receipt", |_, path| fs::write(path.with_extension("json"), b"{}").expect("a file")),
        ("receipt", |_, path| fs::remove_file(path.with_extension("json")).expect("a file")),
        ("current", |home, _| fs::write(home.join("current"), b"../../x\n").expect("a file")),
        ("receipt", |home, _| fs::write(home.join("current"), b"0123456789abcdef\n").expect("a file")),
        ("missing", |_, path| fs::remove_dir_all(path).expect("a directory")),
    ];
    for (named, damage) in cases {
        let place = Place::new();
        place.install(&package(&manifest("dev.example.sound", "1"))).expect("another plugin");
        let path = place.install(&version("1.0")).expect("version 1.0").path;
        assert!(receipt(&path).is_file());
        damage(&place.root().join(ID), &path);
        let snapshot = place.snapshot();
        let plugin = snapshot.plugin(ID).expect("shown");
        assert_eq!((plugin.status(), plugin.version(), plugin.manifest()), (Status::Broken, "unknown", None));
        assert!(plugin.last_failure().is_some_and(|why| why.contains(named)), "{:?}", plugin.last_failure());
        assert_eq!(plugin.component_bytes(&component()).expect_err("never loaded").rule(), Some("broken"));
        assert_eq!(route::all(&snapshot, AbilityKind::Dsp).len(), 1, "the sound one works");
        assert_eq!(place.install(&version("1.0")).expect("a repair").replaced.as_deref(), Some("unknown"));
        assert!(place.snapshot().component_bytes(ID, &component()).is_ok());

        damage(&place.root().join(ID), &path);
        place.store().uninstall(ID).expect("broken ones can go too");
        assert_eq!(place.snapshot().plugins().count(), 1);
    }
}

#[test]
fn a_changed_component_is_not_loaded() {
    let place = Place::new();
    let path = place.install(&version("1.0")).expect("version 1.0").path.join("wasm/a.wasm");
    let source = place.snapshot().component_bytes(ID, &component()).expect("the component");
    assert_eq!((source.bytes.as_ref(), source.hash), (&wasm("echo-dsp.wasm")[..], ContentHash::of(&source.bytes)));
    let error = |snapshot: Snapshot| snapshot.component_bytes(ID, &component()).expect_err("changed");

    let mut bytes = source.bytes.to_vec();
    bytes[100] ^= 1;
    fs::write(&path, &bytes).expect("a file");
    assert_eq!(error(place.snapshot()).rule(), Some("changed-file"));
    fs::remove_file(&path).expect("a file");
    assert_eq!(error(place.snapshot()).kind(), ErrorKind::NotFound);
    std::os::unix::fs::symlink("/etc/passwd", &path).expect("a link");
    assert_eq!(error(place.snapshot()).kind(), ErrorKind::Io);
    place.install(&version("1.0")).expect("a repair");
    assert_eq!(place.snapshot().component_bytes(ID, &component()).expect("repaired"), source);
    let unknown = place.snapshot().component_bytes(ID, &"x".parse().expect("an id"));
    assert_eq!(unknown.expect_err("no such component").kind(), ErrorKind::NotFound);
}

/// What a host before this one leaves in its directory.
fn legacy(place: &Place, dir: &str, id: &str, version: &str) -> std::path::PathBuf {
    let home = place.root().join(dir);
    let manifest = manifest(id, version);
    for (name, bytes) in package(&manifest) {
        write(&home.join(name), &bytes);
    }
    let receipt = json!({"manifest": manifest, "manifest_rel_path": "plugin.json"});
    write(&home.join(".install.json"), receipt.to_string().as_bytes());
    home
}

#[test]
fn packages_of_an_older_host_are_used_where_they_lie() {
    let place = Place::new();
    let home = legacy(&place, ID, ID, "0.1");
    legacy(&place, "some/where/deep", "dev.example.deep", "0.2");
    legacy(&place, "much/too/deep/down", "dev.example.hidden", "0.3");
    let broken = legacy(&place, "broken", "dev.example.broken", "0.4");
    fs::write(broken.join("plugin.json"), b"{}").expect("a file");
    let pending = legacy(&place, "pending", "dev.example.pending", "0.5");
    write(&pending.join(".uninstall-pending"), br#"{"plugin_id":"dev.example.pending","queued_at_ms":1}"#);
    let row = |id: &str, version: &str, status| (id.to_owned(), version.to_owned(), status, "legacy");
    assert_eq!(
        shown(&place),
        [
            row("broken", "unknown", "broken"),
            row(ID, "0.1", "enabled"),
            row("dev.example.deep", "0.2", "enabled"),
            row("dev.example.pending", "0.5", "pending_uninstall"),
        ]
    );
    assert_eq!(place.snapshot().plugin(ID).and_then(Plugin::path), Some(home.as_path()));
    assert!(place.snapshot().component_bytes(ID, &component()).is_ok());

    place.store().uninstall("dev.example.pending").expect("uninstalled");
    place.store().uninstall("broken").expect("uninstalled");
    for (id, old) in [(ID, "0.1"), ("dev.example.deep", "0.2")] {
        let installed = place.install(&package(&manifest(id, "1.0"))).expect("an update");
        assert_eq!(installed.replaced.as_deref(), Some(old));
    }
    let row = |id: &str| (id.to_owned(), "1.0".to_owned(), "enabled", "installed");
    assert_eq!(shown(&place), [row(ID), row("dev.example.deep")]);
    let left: Vec<_> =
        fs::read_dir(home).expect("the directory").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(!place.root().join("some/where/deep").exists() && place.root().join("much/too/deep/down").exists());
    place.unchanged();
}

#[test]
fn the_first_of_two_old_packages_of_one_id_counts() {
    let place = Place::new();
    legacy(&place, "x", ID, "1");
    legacy(&place, "y", ID, "2");
    assert_eq!(shown(&place), [(ID.into(), "1".into(), "enabled", "legacy")]);
    place.store().uninstall(ID).expect("both go");
    assert!(shown(&place).is_empty());
}

#[test]
fn old_native_plugins_are_seen_and_left_alone() {
    let place = Place::new();
    write(&place.root().join("old/libold.so"), b"x");
    write(&place.root().join("older/plugin.toml"), b"x");
    write(&place.root().join("pictures/a.png"), b"x");
    let mut files = version("1.0");
    files.push(("libhelper.so".into(), b"x".to_vec()));
    place.install(&files).expect("a package with a library");
    let snapshot = place.snapshot();
    let found: Vec<_> = snapshot.dynamic_libraries().iter().map(|old| (old.path.clone(), old.found.as_str())).collect();
    assert_eq!(found, [(place.root().join("old"), "libold.so"), (place.root().join("older"), "plugin.toml")]);
    assert_eq!(snapshot.plugins().count(), 1);
}

/// A package that is part of an application; leaked, as one that is embedded lives for ever.
fn bundled(manifest: &Value) -> BundledPackage {
    let leak = |(name, bytes): (String, Vec<u8>)| -> (&'static str, &'static [u8]) { (name.leak(), bytes.leak()) };
    let files: Vec<_> = package(manifest).into_iter().map(leak).collect();
    BundledPackage { files: files.leak() }
}

#[test]
fn an_installed_package_hides_the_bundled_one() {
    let place = Place::new();
    let bundle = [bundled(&manifest(ID, "0.1"))];
    let scan = || Snapshot::scan(&place.store(), &bundle).expect("a snapshot");
    let plugin = scan();
    let plugin = plugin.plugin(ID).expect("bundled");
    assert_eq!((plugin.version(), plugin.origin(), plugin.path()), ("0.1", Origin::Bundled, None));
    assert_eq!(plugin.component_bytes(&component()).expect("its bytes").bytes, wasm("echo-dsp.wasm"));
    assert!(!place.root().exists());

    place.store().set_enabled(ID, false).expect("disabled");
    assert_eq!(scan().plugin(ID).map(Plugin::status), Some(Status::Disabled));
    place.store().set_enabled(ID, true).expect("enabled");
    place.install(&version("1.0")).expect("version 1.0");
    assert_eq!(
        scan().plugin(ID).map(|p| (p.version().to_owned(), p.origin())),
        Some(("1.0".into(), Origin::Installed))
    );
    place.store().uninstall(ID).expect("uninstalled");
    assert_eq!(scan().plugin(ID).map(Plugin::origin), Some(Origin::Bundled));
    let missing = Snapshot::scan(&place.store(), &[BundledPackage { files: &[] }]).expect("a snapshot");
    assert_eq!(missing.plugins().map(Plugin::status).collect::<Vec<_>>(), [Status::Broken]);
}

fn decoder(id: &str, types: &[(&str, Value)]) -> BundledPackage {
    let mut manifest = manifest(id, "1");
    manifest["components"] = types
        .iter()
        .map(|(type_id, scores)| {
            json!({"id": type_id, "path": "wasm/a.wasm", "world": "decoder-plugin", "abilities":
                [{"kind": "decoder", "type_id": type_id, "decoder": scores}]})
        })
        .collect();
    bundled(&manifest)
}

fn scores(list: &[(&str, u16)], wildcard: u16) -> Value {
    let entries: Vec<_> = list.iter().map(|(ext, score)| json!({"ext": ext, "score": score})).collect();
    json!({"ext_scores": entries, "wildcard_score": wildcard})
}

/// Plugin contract 1.4.
#[test]
fn decoders_are_ranked_by_score_then_name() {
    let place = Place::new();
    let bundle = [
        decoder("b.b", &[("z", scores(&[("flac", 50), ("ape", 90)], 0)), ("a", scores(&[("flac", 50)], 0))]),
        decoder("a.a", &[("any", scores(&[("mp3", 0)], 10)), ("flac", scores(&[(".FLAC", 50)], 0))]),
        decoder("c.c", &[("off", scores(&[("flac", 99)], 99))]),
        decoder("d.d", &[("failed", scores(&[("flac", 99)], 0)), ("works", scores(&[("flac", 1)], 0))]),
    ];
    place.store().set_enabled("c.c", false).expect("disabled");
    place.store().set_failure("d.d", "failed", "it crashed").expect("noted");
    let snapshot = Snapshot::scan(&place.store(), &bundle).expect("a snapshot");
    let ranked = |ext: Option<&str>, input| {
        let candidates = route::decoders(&snapshot, ext, input);
        candidates.iter().map(|c| format!("{}={}", c.route, c.score)).collect::<Vec<_>>().join(" ")
    };
    let flac = "a.a:flac=50 b.b:a=50 b.b:z=50 a.a:any=10 d.d:works=1";
    for ext in ["flac", " ..FLAC "] {
        assert_eq!(ranked(Some(ext), Input::LocalFile), flac);
        assert_eq!(ranked(Some(ext), Input::SourceStream), flac);
    }
    assert_eq!(ranked(Some("xyz"), Input::LocalFile), "a.a:any=10", "a wildcard knows everything");
    assert_eq!(ranked(Some("mp3"), Input::SourceStream), "", "an explicit 0 beats the wildcard");
    let all = "a.a:any=1 a.a:flac=1 b.b:a=1 b.b:z=1 d.d:works=1";
    assert_eq!(ranked(Some("mp3"), Input::LocalFile), all, "nobody knows it, so all are tried");
    assert_eq!(ranked(None, Input::SourceStream), "a.a:any=10");
    assert_eq!(
        ranked(Some(" . "), Input::LocalFile),
        all.replace("any=1", "any=10"),
        "no extension: all, wildcards first"
    );
    assert_eq!(route::supported_extensions(&snapshot), ["*", "ape", "flac", "mp3"]);
}

#[test]
fn a_named_ability_is_the_only_candidate() {
    let place = Place::new();
    let bundle = [decoder("a.a", &[("x:y", scores(&[], 1))]), decoder("b.b", &[("t", scores(&[], 1))])];
    place.store().set_enabled("b.b", false).expect("disabled");
    let snapshot = Snapshot::scan(&place.store(), &bundle).expect("a snapshot");
    let forced = |text: &str| {
        text.parse().and_then(|selector: Selector| route::forced(&snapshot, AbilityKind::Decoder, &selector))
    };
    let route = forced("a.a:x:y").expect("the ability");
    assert_eq!((route.plugin_id.as_str(), route.component_id.as_str(), route.type_id.as_str()), ("a.a", "x:y", "x:y"));
    for (text, kind, says) in [
        ("a.a", ErrorKind::InvalidArgument, "PLUGIN:TYPE"),
        ("../x:t", ErrorKind::InvalidArgument, "plugin id"),
        ("a.a:", ErrorKind::InvalidArgument, "type id"),
        ("c.c:t", ErrorKind::NotFound, "no such plugin"),
        ("a.a:t", ErrorKind::NotFound, "no such decoder"),
        ("b.b:t", ErrorKind::NotFound, "disabled"),
    ] {
        let error = forced(text).expect_err(text);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(says), "{error}");
    }
    assert_eq!(Selector::of(None, None).expect("neither"), None);
    assert!(Selector::of(Some("a.a"), Some("t")).expect("both").is_some());
    for (plugin, kind) in [(Some("a.a"), None), (None, Some("t"))] {
        assert_eq!(Selector::of(plugin, kind).expect_err("one").kind(), ErrorKind::InvalidArgument);
    }
}

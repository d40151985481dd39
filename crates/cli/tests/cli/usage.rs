//! What the command line teaches and refuses.

use crate::app::{App, keys};

#[test]
fn help_teaches_every_command_with_an_example() {
    let app = App::new();
    let commands: [&[&str]; 14] = [
        &[],
        &["decode"],
        &["probe"],
        &["engines"],
        &["plugin", "install"],
        &["plugin", "list"],
        &["plugin", "show"],
        &["plugin", "uninstall"],
        &["plugin", "enable"],
        &["plugin", "disable"],
        &["plugin", "new"],
        &["plugin", "pack"],
        &["plugin", "check"],
        &["plugin"],
    ];
    for command in commands {
        let run = app.run(&[command, &["--help"]].concat());
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{command:?}");
        assert!(run.stdout.contains("Usage: stellatune"), "{command:?}: {}", run.stdout);
        let (_, examples) = run.stdout.split_once("\nExample").unwrap_or_else(|| panic!("{command:?} has no example"));
        let example = format!("\n  stellatune {}", command.join(" "));
        assert!(examples.contains(example.trim_end()), "{command:?}: {examples}");
        for later in ["--allow", "--yes", "  play "] {
            assert!(!run.stdout.contains(later), "{command:?} promises {later}");
        }
        for global in ["--json", "--plugins-dir", "--engine", "--verbose"] {
            assert!(run.stdout.contains(global), "{command:?} does not tell of {global}");
        }
    }
    assert!(app.names().is_empty());
}

#[test]
fn wrong_usage_exits_with_2_and_says_why() {
    let app = App::new();
    let wrong: [&[&str]; 12] = [
        &[],
        &["frobnicate"],
        &["plugin"],
        &["plugin", "show"],
        &["decode", "in.flac"],
        &["decode", "in.flac", "-o", "-"],
        &["decode", "in.flac", "-o", "out.wav", "--decoder", "no-colon"],
        &["--engine", "abacus", "engines"],
        &["probe"],
        &["plugin", "new", "decoder"],
        &["plugin", "new", "codec", "my-plugin"],
        &["plugin", "pack", ".", "-o", "out.tar"],
    ];
    for args in wrong {
        let run = app.run(args);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{args:?}");
        assert!(run.stderr.contains("Usage") || run.stderr.contains("error:"), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn engines_are_listed_with_what_they_guarantee() {
    let app = App::new();
    let engines = app.json(&["engines"]);
    let engine = &engines[0];
    assert_eq!(keys(engine), ["default", "guarantees", "name", "version"]);
    assert_eq!((engines[1]["name"].as_str(), engines[1]["default"].as_bool()), (Some("wasmer"), Some(false)));
    assert_eq!((engine["name"].as_str(), engine["default"].as_bool()), (Some("wasmtime"), Some(true)));
    assert!(!engine["version"].as_str().expect("a version").is_empty());
    let guarantees = engine["guarantees"].as_array().expect("a list");
    assert!(!guarantees.is_empty());
    assert!(guarantees.iter().all(|guarantee| keys(guarantee) == ["held", "how", "name"]));

    let text = app.run(&["engines"]);
    assert_eq!((text.code, text.stderr.as_str()), (0, ""));
    assert!(text.stdout.starts_with("wasmtime ") && text.stdout.lines().count() > guarantees.len());
}

//! docs/errors.md lists the rules that the source has, and no others.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::app::repository;

/// The calls whose first argument is a rule.
const CALLS: [&str; 4] = ["rejected(", "refuse(", "fail(", "fault("];

#[test]
fn every_rule_is_listed() {
    let documented = documented();
    let used = used();
    assert!(used.len() > 30, "the source is searched in the right places: {used:?}");
    assert_eq!(documented, used);
}

/// The first cells, in code quotes, of the tables below the heading.
fn documented() -> BTreeSet<String> {
    let text = fs::read_to_string(repository().join("docs/errors.md")).expect("docs/errors.md is there");
    let (_, rules) = text.split_once("\n## Rules of packages\n").expect("the heading is there");
    rules.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(rule, _)| rule.into()).collect()
}

fn used() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&repository().join("crates/core/src"), &mut files);
    let mut rules = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("sources are readable");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(&text);
        for call in CALLS {
            let names =
                code.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split_once('"'));
            rules.extend(
                names.filter(|(name, rest)| is_rule(name) && rest.starts_with(',')).map(|(name, _)| name.into()),
            );
        }
    }
    rules
}

fn is_rule(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

fn sources(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("sources are readable") {
        let path = entry.expect("sources are readable").path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs")
            && path.file_stem().is_some_and(|stem| stem != "tests")
        {
            files.push(path);
        }
    }
}

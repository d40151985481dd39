//! `cargo xtask <chore>`: what this repository does to itself. Nothing here is part of what players or plugins use.

mod figures;
mod fixtures;
mod layers;
mod scaffold;
mod schema;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};

/// Row B15 counts what its blocks allocate.
#[global_allocator]
static ALLOCATOR: figures::quiet::Counting = figures::quiet::Counting;

const USAGE: &str = "usage: cargo xtask <chore>
  fixtures [--all] [NAME]...   build the committed guests whose sources have moved on, or all of them
  fixtures --check             fail if a committed guest does not belong to its sources
  schema [--check]             write docs/plugin.schema.json, or fail if it is not current
  scaffold [--all] [KIND]...   take what `stellatune plugin new` makes from its tests to an installed plugin
  layers                       check who imports whom
  figures [ID]... [--untimed] [--full] [--json]
                               measure what docs/performance.md promises; fails unless all asked for is met";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or_else(|| anyhow!("xtask stands alone"))?;
    let (chore, rest) = arguments.split_first().ok_or_else(|| anyhow!("{USAGE}"))?;
    match chore.as_str() {
        "fixtures" => fixtures::run(root, rest),
        "figures" => figures::run(rest),
        figures::quiet::CHILD => figures::quiet::child(rest),
        "scaffold" => scaffold::run(root, rest),
        "schema" => schema::run(root, rest),
        "layers" => layers::check(root).map_err(anyhow::Error::msg),
        other => bail!("unknown chore `{other}`\n{USAGE}"),
    }
}

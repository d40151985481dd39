//! `stellatune`: installs plugins and decodes audio through them. A thin face on the library `stellatune-plugins`.
//!
//! Each command is a function from its arguments to a document, which is printed as text or as JSON. Not here: anything
//! about plugins that another player would need too; that is the library's.

mod args;
mod author;
mod bundled;
mod decode;
mod document;
mod dsp;
mod engines;
mod interrupt;
mod output;
mod plugin;
mod probe;
mod progress;
mod wav;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Parser;
use stellatune_plugins::{Error, ErrorKind, Result, Runtime, RuntimeBuilder, engine};

use crate::{
    args::{AuthorCommand, Cli, Command, Globals, PluginCommand, StoreCommand},
    document::{print, print_failure},
};

/// What shells expect of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log(&cli.globals);
    match pollster::block_on(run(&cli)) {
        Ok(code) => code,
        Err(error) => {
            print_failure(&error, cli.globals.json);
            exit_code(&error)
        }
    }
}

async fn run(cli: &Cli) -> Result<ExitCode> {
    let globals = &cli.globals;
    let json = globals.json;
    match &cli.command {
        Command::Engines => print(&engines::list()?, json)?,
        Command::Plugin(PluginCommand::Author(command)) => return author(command, globals).await,
        Command::Plugin(PluginCommand::Store(command)) => {
            with_runtime(globals, async |runtime| store(runtime, command, json).await).await?;
        }
        Command::Decode(args) => {
            let progress = !json && io::stderr().is_terminal();
            let decode = async |runtime: &Runtime| print(&decode::run(runtime, args, progress).await?, json);
            with_runtime(globals, decode).await?;
        }
        Command::Probe(args) => {
            let probe = async |runtime: &Runtime| print(&probe::run(runtime, args).await?, json);
            with_runtime(globals, probe).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What plugin authors do needs no plugins of the user's.
async fn author(command: &AuthorCommand, globals: &Globals) -> Result<ExitCode> {
    let json = globals.json;
    match command {
        AuthorCommand::New(args) => print(&author::new(args)?, json)?,
        AuthorCommand::Pack { dir, output } => print(&author::pack(dir, output.as_deref())?, json)?,
        AuthorCommand::Check { artifact, strict } => {
            let engines = engines::chosen(globals.engine.as_deref())?;
            let checked = author::check(artifact, *strict, engines).await?;
            print(&checked, json)?;
            return Ok(if checked.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn store(runtime: &Runtime, command: &StoreCommand, json: bool) -> Result<()> {
    match command {
        StoreCommand::Install { artifact } => print(&plugin::install(runtime, artifact).await?, json),
        StoreCommand::List => print(&plugin::list(runtime), json),
        StoreCommand::Show { plugin } => print(&plugin::show(runtime, plugin)?, json),
        StoreCommand::Stats => print(&plugin::stats(runtime)?, json),
        StoreCommand::Uninstall(id) => print(&plugin::uninstall(runtime, &id.id).await?, json),
        StoreCommand::Enable(id) => print(&plugin::enable(runtime, &id.id).await?, json),
        StoreCommand::Disable(id) => print(&plugin::disable(runtime, &id.id).await?, json),
    }
}

/// Uses the plugins that are here, and lets them go whatever came of it.
async fn with_runtime(globals: &Globals, act: impl AsyncFnOnce(&Runtime) -> Result<()>) -> Result<()> {
    let builder = Runtime::builder(engine(globals.engine.as_deref())?);
    let mut builder = bundled::PACKAGES.into_iter().fold(builder, RuntimeBuilder::bundled);
    if let Some(directory) = &globals.plugins_dir {
        builder = builder.plugins_dir(directory);
    }
    let runtime = builder.build()?;
    let answer = act(&runtime).await;
    if let Err(error) = runtime.save_stats().await {
        tracing::debug!("what plugins did is not kept: {error}");
    }
    runtime.shutdown().await;
    answer
}

fn log(globals: &Globals) {
    tracing_subscriber::fmt()
        .with_max_level(globals.level())
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
}

fn exit_code(error: &Error) -> ExitCode {
    match error.kind() {
        // Nothing but Ctrl-C cancels anything here.
        ErrorKind::Cancelled => ExitCode::from(INTERRUPTED),
        _ => ExitCode::FAILURE,
    }
}

//! `stellatune`: installs plugins and decodes audio through them. A thin face on the library `stellatune-plugins`.
//!
//! Each command is a function from its arguments to a document, which is printed as text or as JSON. Not here: anything
//! about plugins that another player would need too; that is the library's.

mod args;
mod bundled;
mod decode;
mod document;
mod engines;
mod interrupt;
mod output;
mod plugin;
mod progress;
mod wav;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::Parser;
use stellatune_plugins::{Error, ErrorKind, Result, Runtime, engine};

use crate::{
    args::{Cli, Command, Globals, PluginCommand},
    document::{print, print_failure},
};

/// What shells expect of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log(&cli.globals);
    match pollster::block_on(run(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_failure(&error, cli.globals.json);
            exit_code(&error)
        }
    }
}

async fn run(cli: &Cli) -> Result<()> {
    let globals = &cli.globals;
    if matches!(cli.command, Command::Engines) {
        return print(&engines::list()?, globals.json);
    }
    let runtime = runtime(globals)?;
    let answer = dispatch(&runtime, cli).await;
    if let Err(error) = runtime.save_stats().await {
        tracing::debug!("what plugins did is not kept: {error}");
    }
    runtime.shutdown().await;
    answer
}

async fn dispatch(runtime: &Runtime, cli: &Cli) -> Result<()> {
    let json = cli.globals.json;
    match &cli.command {
        Command::Engines => print(&engines::list()?, json),
        Command::Decode(args) => {
            let progress = !json && io::stderr().is_terminal();
            print(&decode::run(runtime, args, progress).await?, json)
        }
        Command::Plugin(command) => match command {
            PluginCommand::Install { artifact } => print(&plugin::install(runtime, artifact).await?, json),
            PluginCommand::List => print(&plugin::list(runtime), json),
            PluginCommand::Show(id) => print(&plugin::show(runtime, &id.id)?, json),
            PluginCommand::Stats => print(&plugin::stats(runtime)?, json),
            PluginCommand::Uninstall(id) => print(&plugin::uninstall(runtime, &id.id).await?, json),
            PluginCommand::Enable(id) => print(&plugin::enable(runtime, &id.id).await?, json),
            PluginCommand::Disable(id) => print(&plugin::disable(runtime, &id.id).await?, json),
        },
    }
}

fn runtime(globals: &Globals) -> Result<Runtime> {
    let mut builder = Runtime::builder(engine(globals.engine.as_deref())?).bundled(bundled::SYMPHONIA);
    if let Some(directory) = &globals.plugins_dir {
        builder = builder.plugins_dir(directory);
    }
    builder.build()
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

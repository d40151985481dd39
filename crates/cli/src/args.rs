//! The command line: what can be said, and what `--help` teaches.

use std::{path::PathBuf, str::FromStr};

use clap::{
    ArgAction, Args, Parser, Subcommand,
    builder::{PathBufValueParser, PossibleValuesParser, TypedValueParser},
};
use stellatune_plugins::Selector;
use tracing::Level;

/// Plugins for music players: install, look at and use them.
#[derive(Debug, Parser)]
#[command(
    name = "stellatune",
    version,
    max_term_width = 100,
    after_help = "Examples:\n  \
        stellatune decode song.flac -o song.wav\n  \
        stellatune plugin install ./my-plugin.zip\n  \
        stellatune --json plugin list\n\n\
        Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Globals {
    /// Runs plugins on this engine
    #[arg(long, global = true, value_name = "NAME", value_parser = engine_names())]
    pub(crate) engine: Option<String>,

    /// Keeps plugins in this directory instead of the user's
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) plugins_dir: Option<PathBuf>,

    /// Prints one JSON document on standard output and nothing else there
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Logs more to standard error: -v what happens, -vv every step
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Globals {
    /// The level up to which is logged.
    pub(crate) fn level(&self) -> Level {
        match self.verbose {
            0 => Level::WARN,
            1 => Level::INFO,
            _ => Level::DEBUG,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Installs, lists and removes plugins
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:\n  stellatune plugin list\n  stellatune plugin install ./my-plugin.zip"
    )]
    Plugin(PluginCommand),
    /// Decodes an audio file to a WAV file
    Decode(DecodeArgs),
    /// Lists the engines this app can run plugins on, and what each guarantees
    #[command(after_help = "Example:\n  stellatune engines")]
    Engines,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Installs a package, or replaces the one of the same id
    ///
    /// The package is checked first: whatever is wrong with it is said, and then nothing is installed.
    #[command(after_help = "Examples:\n  \
        stellatune plugin install ./my-plugin.zip\n  \
        stellatune plugin install ./my-plugin/")]
    Install {
        /// A directory or a zip file with a plugin.json in it
        artifact: PathBuf,
    },
    /// Lists the plugins that are here, also broken ones
    #[command(after_help = "Example:\n  stellatune plugin list")]
    List,
    /// Tells all about one plugin
    #[command(after_help = "Example:\n  stellatune plugin show org.example.my-plugin")]
    Show(Id),
    /// Removes an installed plugin
    #[command(after_help = "Example:\n  stellatune plugin uninstall org.example.my-plugin")]
    Uninstall(Id),
    /// Enables a plugin, also one that failed
    #[command(after_help = "Example:\n  stellatune plugin enable org.example.my-plugin")]
    Enable(Id),
    /// Tells what plugins did in the last run that used any: calls, crashes, times
    #[command(after_help = "Example:\n  stellatune plugin stats")]
    Stats,
    /// Disables a plugin without removing it
    #[command(after_help = "Example:\n  stellatune plugin disable org.example.my-plugin")]
    Disable(Id),
}

#[derive(Debug, Args)]
pub(crate) struct Id {
    /// The plugin's id, as `stellatune plugin list` shows it
    pub(crate) id: String,
}

/// Decodes an audio file to a WAV file of 32-bit float samples
///
/// The output appears when it is whole: a failure or Ctrl-C leaves no half file, and a file that was there stays as it was.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    stellatune decode song.flac -o song.wav\n  \
    stellatune decode song.flac -o song.wav --decoder org.example.my-plugin:flac --stats")]
pub(crate) struct DecodeArgs {
    /// The audio file to read
    pub(crate) input: PathBuf,

    /// The WAV file to write; one that is there is replaced
    #[arg(short, long, value_name = "OUT.wav", value_parser = PathBufValueParser::new().try_map(output))]
    pub(crate) output: PathBuf,

    /// Decodes with this ability of this plugin, instead of the one that fits the file best
    #[arg(long, value_name = "ID:TYPE", value_parser = Selector::from_str)]
    pub(crate) decoder: Option<Selector>,

    /// Adds where the time went
    #[arg(long)]
    pub(crate) stats: bool,
}

fn output(path: PathBuf) -> Result<PathBuf, &'static str> {
    if path.as_os_str() == "-" {
        return Err("the output must be a file: its header is written last (`./-` is a file of that name)");
    }
    Ok(path)
}

fn engine_names() -> PossibleValuesParser {
    PossibleValuesParser::new(stellatune_plugins::engines())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_standard_output_is_no_place_for_a_wav_file() {
        assert!(output("-".into()).is_err());
        assert_eq!(output("./-".into()), Ok("./-".into()));
    }
}

//! The command line: what can be said, and what `--help` teaches.

use std::{path::PathBuf, str::FromStr};

use clap::{
    ArgAction, Args, Parser, Subcommand, ValueEnum,
    builder::{PathBufValueParser, PossibleValuesParser, TypedValueParser},
};
use stellatune_plugins::{Error, Selector};
use tracing::Level;

use crate::author::PluginName;

/// Plugins for music players: install, look at and use them.
#[derive(Debug, Parser)]
#[command(
    name = "stellatune",
    version,
    max_term_width = 100,
    after_help = "Examples:\n  \
        stellatune decode song.flac -o song.wav\n  \
        stellatune probe song.flac\n  \
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
    /// Installs, lists and removes plugins; makes, packs and checks them
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Examples:\n  \
            stellatune plugin list\n  \
            stellatune plugin install ./my-plugin.zip\n  \
            stellatune plugin new decoder my-plugin"
    )]
    Plugin(PluginCommand),
    /// Decodes an audio file to a WAV file
    Decode(DecodeArgs),
    /// Tells what a decoder plugin says of an audio file: stream, tags, cover
    Probe(ProbeArgs),
    /// Lists the engines this app can run plugins on, and what each guarantees
    #[command(after_help = "Example:\n  stellatune engines")]
    Engines,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    #[command(flatten)]
    Store(StoreCommand),
    #[command(flatten)]
    Author(AuthorCommand),
}

/// What is done with plugins that are here.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
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
    /// Tells all about a plugin that is here, or about a package before it is installed
    ///
    /// What it contains: components, abilities, files with sizes and hashes, what is imported. What it asks for. Nothing of it
    /// is run.
    #[command(after_help = "Examples:\n  \
        stellatune plugin show org.example.my-plugin\n  \
        stellatune plugin show ./my-plugin.zip")]
    Show {
        /// The id of a plugin, or the path of a directory or zip file
        #[arg(value_name = "ID|ARTIFACT")]
        plugin: String,
    },
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

/// What is done with plugins that are to be.
#[derive(Debug, Subcommand)]
pub(crate) enum AuthorCommand {
    /// Makes a plugin to begin with: a crate that builds, tests and packs as it is
    ///
    /// It carries a copy of the SDK, which is in no registry, and needs nothing of this app's sources.
    #[command(after_help = "Examples:\n  \
        stellatune plugin new decoder my-plugin\n  \
        stellatune plugin new dsp my-gain --path plugins/my-gain\n  \
        stellatune plugin new dsp my-gain --hot")]
    New(NewArgs),
    /// Packs a directory as a zip that installs
    ///
    /// In the zip are plugin.json, the files it names, all of wasm, bin and assets but hidden files, and licences and readmes;
    /// the rest is left out, and said. A component that is not there is taken from where cargo built it. The same files give
    /// the same bytes. The zip is checked as an installation would before it appears.
    #[command(after_help = "Examples:\n  \
        stellatune plugin pack my-plugin\n  \
        stellatune plugin pack . -o my-plugin.zip")]
    Pack {
        /// The directory with a plugin.json in it
        dir: PathBuf,

        /// The zip to write, ID-VERSION.zip unless said; one that is there is replaced
        #[arg(short, long, value_name = "OUT.zip", value_parser = PathBufValueParser::new().try_map(zip))]
        output: Option<PathBuf>,
    },
    /// Checks a package: its files, its types, and every ability tried on every engine
    ///
    /// A plugin may say no to what it is asked here, since it runs without files, network and sidecars. It may not crash, hang or
    /// answer what the contract forbids. Exit status 1 if a check fails.
    #[command(after_help = "Examples:\n  \
        stellatune plugin check ./my-plugin.zip\n  \
        stellatune plugin check my-plugin --strict")]
    Check {
        /// A directory or a zip file with a plugin.json in it, or the sources of a plugin once they are built
        artifact: PathBuf,

        /// Adds rules that old packages need not keep but new ones should
        #[arg(long)]
        strict: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// What the plugin will be
    pub(crate) kind: Kind,

    /// The name of the crate: lower-case letters, digits and hyphens
    #[arg(value_parser = PluginName::from_str)]
    pub(crate) name: PluginName,

    /// Where it goes; a directory of its name in the current one unless said
    #[arg(long, value_name = "DIR")]
    pub(crate) path: Option<PathBuf>,

    /// Gives a DSP a hot-path module too: the part that a player calls on its audio thread
    #[arg(long)]
    pub(crate) hot: bool,

    /// Uses the SDK at this path instead of a copy of its own
    #[arg(long, value_name = "DIR")]
    pub(crate) sdk: Option<PathBuf>,
}

/// The kinds of plugins there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Turns encoded audio into samples
    Decoder,
    /// Offers tracks from somewhere else
    Source,
    /// Finds lyrics
    Lyrics,
    /// Plays samples somewhere
    Sink,
    /// Changes samples on their way
    Dsp,
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
    stellatune decode song.flac -o song.wav --decoder org.example.my-plugin:flac --stats\n  \
    stellatune decode song.flac -o song.wav --dsp dev.stellatune.dsp.equalizer:equalizer='{\"preamp_db\":-6}'")]
pub(crate) struct DecodeArgs {
    /// The audio file to read
    pub(crate) input: PathBuf,

    /// The WAV file to write; one that is there is replaced
    #[arg(short, long, value_name = "OUT.wav", value_parser = PathBufValueParser::new().try_map(output))]
    pub(crate) output: PathBuf,

    /// Decodes with this ability of this plugin, instead of the one that fits the file best
    #[arg(long, value_name = "ID:TYPE", value_parser = Selector::from_str)]
    pub(crate) decoder: Option<Selector>,

    /// Sends the audio through this DSP, with this configuration; again for one behind it
    #[arg(long, value_name = "ID:TYPE[=JSON]", value_parser = DspStage::from_str)]
    pub(crate) dsp: Vec<DspStage>,

    /// Runs DSPs through component calls even where they have a hot-path module
    #[arg(long, requires = "dsp")]
    pub(crate) no_hot: bool,

    /// Adds where the time went
    #[arg(long)]
    pub(crate) stats: bool,
}

/// A DSP of a chain, as a user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DspStage {
    pub(crate) dsp: Selector,
    /// Its configuration, which the library looks at.
    pub(crate) config: Option<String>,
}

impl FromStr for DspStage {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // Neither id has an equals sign.
        let (dsp, config) = match text.split_once('=') {
            Some((dsp, config)) => (dsp, Some(config.to_owned())),
            None => (text, None),
        };
        Ok(Self { dsp: dsp.parse()?, config })
    }
}

/// Tells what a decoder plugin says of an audio file
///
/// Nothing is decoded. With `--json` the values are those of the plugin; a cover is told by its size.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    stellatune probe song.flac\n  \
    stellatune probe song.flac --cover cover.png\n  \
    stellatune --json probe song.flac")]
pub(crate) struct ProbeArgs {
    /// The audio file to read
    pub(crate) input: PathBuf,

    /// Asks this ability of this plugin, instead of the one that fits the file best
    #[arg(long, value_name = "ID:TYPE", value_parser = Selector::from_str)]
    pub(crate) decoder: Option<Selector>,

    /// Writes the cover in the file here, as it is; one that is there is replaced
    #[arg(long, value_name = "FILE")]
    pub(crate) cover: Option<PathBuf>,
}

/// What has another ending could not be installed.
fn zip(path: PathBuf) -> Result<PathBuf, &'static str> {
    match path.extension() {
        Some(ext) if ext.eq_ignore_ascii_case("zip") => Ok(path),
        _ => Err("the name of a package must end in .zip"),
    }
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
    fn a_stage_has_a_configuration_behind_the_first_equals_sign() {
        let stage = |text: &str| text.parse::<DspStage>();
        for (text, config) in [("a.b:c", None), ("a.b:c={\"=\":1}", Some("{\"=\":1}")), ("a.b:c=", Some(""))] {
            let stage = stage(text).expect("it has a plugin and a type");
            assert_eq!((stage.dsp.to_string().as_str(), stage.config.as_deref()), ("a.b:c", config));
        }
        stage("a.b").expect_err("there is no type");
        stage("={}").expect_err("there is nothing");
    }

    #[test]
    fn the_standard_output_is_no_place_for_a_wav_file() {
        assert!(output("-".into()).is_err());
        assert_eq!(output("./-".into()), Ok("./-".into()));
    }
}

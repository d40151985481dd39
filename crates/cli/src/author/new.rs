//! `stellatune plugin new`: a crate that builds, tests and packs as it is.
//!
//! What it is made of lies in `templates`; what does not depend on the name is there as it will be in the crate. The SDK is
//! in no registry, so the crate gets a copy of it (`sdk`).

mod sdk;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::Serialize;
use stellatune_plugins::{Error, ErrorKind, Result};
use tempfile::TempDir;

use crate::args::{Kind, NewArgs};

/// Makes the crate, whole or not at all.
///
/// # Errors
/// `invalid_argument`: there is something at its place, no SDK where one was named, or no hot path of that kind; `io`.
pub(crate) fn new(args: &NewArgs) -> Result<NewDocument> {
    make(args).map_err(|error| error.during("new"))
}

fn make(args: &NewArgs) -> Result<NewDocument> {
    let place = args.path.clone().unwrap_or_else(|| PathBuf::from(&args.name.0));
    let sdk = args.sdk.as_deref().map(foreign_sdk).transpose()?;
    refuse_taken(&place)?;
    let template = template(args.kind, args.hot)?;
    let files = files(&template, &args.name, sdk.as_deref());

    let parent = match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(|error| Error::io("make", parent, error))?;
    let draft =
        TempDir::with_prefix_in(".stellatune-", parent).map_err(|error| Error::io("write to", parent, error))?;
    // The temporary directory is closed to others, which the crate need not be.
    let crate_dir = draft.path().join("crate");
    for (name, content) in &files {
        let path = crate_dir.join(name);
        let write = |path: &Path| -> io::Result<()> {
            fs::create_dir_all(path.parent().unwrap_or(path))?;
            fs::write(path, content)
        };
        write(&path).map_err(|error| Error::io("write", &place.join(name), error))?;
    }
    fs::rename(&crate_dir, &place).map_err(|error| Error::io("write", &place, error))?;
    Ok(NewDocument {
        id: args.name.plugin_id(),
        name: args.name.0.clone(),
        kind: name_of(args.kind),
        path: place.display().to_string(),
        files: files.into_iter().map(|(name, _)| name).collect(),
    })
}

/// An empty directory is no loss; anything else stays as it is.
fn refuse_taken(place: &Path) -> Result<()> {
    match fs::read_dir(place).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(false) | Err(_) => {
            let message = format!("there is something at {} already", place.display());
            Err(Error::new(ErrorKind::InvalidArgument, message)
                .help("choose another name, or another place with `--path`"))
        }
    }
}

/// The SDK that the author has already.
fn foreign_sdk(path: &Path) -> Result<String> {
    let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
    let is_sdk = manifest.lines().any(|line| line.replace(' ', "") == format!("name=\"{}\"", sdk::NAME));
    let text = fs::canonicalize(path).ok().and_then(|path| path.into_os_string().into_string().ok());
    text.filter(|_| is_sdk).ok_or_else(|| {
        let message = format!("{} is not the crate {}", path.display(), sdk::NAME);
        Error::new(ErrorKind::InvalidArgument, message)
            .help("name the directory with its Cargo.toml, or leave out `--sdk`")
    })
}

/// Every file of the crate, by its path there.
fn files(template: &Template, name: &PluginName, foreign_sdk: Option<&str>) -> Vec<(String, String)> {
    let render = |text: &str| {
        let sdk = foreign_sdk.unwrap_or("sdk");
        let about_sdk = match foreign_sdk {
            None => {
                "`sdk/` is a copy of the SDK, which is in no registry; it has a licence of its own, and nothing in it needs to change."
            }
            Some(_) => "The SDK is at the path that `Cargo.toml` names.",
        };
        text.replace("{{description}}", template.description)
            .replace("{{about}}", template.about)
            .replace("{{targets}}", if template.hot { HOT_TARGETS } else { TARGETS })
            .replace("{{build module}}", if template.hot { BUILD_MODULE } else { "" })
            .replace("{{try}}", template.attempt)
            .replace("{{sdk}}", about_sdk)
            .replace("{{dependencies}}", &dependencies(template, sdk))
            .replace("{{name}}", &name.0)
            .replace("{{id}}", &name.plugin_id())
            .replace("{{file}}", &name.wasm())
    };
    let flags = |text: &str| {
        if template.hot {
            format!("{text}{}", include_str!("../../templates/dsp-hot/config.toml"))
        } else {
            text.to_owned()
        }
    };
    let ignored = |text: &str| if template.hot { format!("{text}/wasm\n") } else { text.to_owned() };
    let mut files = vec![
        (".cargo/config.toml", flags(include_str!("../../templates/config.toml"))),
        (".gitignore", ignored(include_str!("../../templates/gitignore"))),
        ("Cargo.lock", lock(name, template)),
        ("Cargo.toml", render(include_str!("../../templates/Cargo.toml"))),
        ("README.md", render(include_str!("../../templates/README.md"))),
        ("plugin.json", render(template.manifest)),
    ]
    .into_iter()
    .map(|(name, content)| (name.to_owned(), content))
    .collect::<Vec<_>>();
    files.extend(template.sources.iter().map(|(name, content)| (format!("src/{name}"), (*content).to_owned())));
    if foreign_sdk.is_none() {
        files.extend(sdk::files().into_iter().map(|(name, content)| (format!("sdk/{name}"), content)));
    }
    files
}

/// Lines of the manifest from `[dependencies]` on.
fn dependencies(template: &Template, sdk: &str) -> String {
    // JSON's strings are TOML's too.
    let path = |name: &str, path: &str| format!("{name} = {{ path = {} }}", serde_json::Value::from(path));
    let mut lines: Vec<_> = template.dependencies.iter().map(|line| (*line).to_owned()).collect();
    lines.push(path(sdk::NAME, sdk));
    let lines = lines.join("\n");
    if !template.hot {
        return lines;
    }
    let hot = path(sdk::HOT_NAME, &format!("{sdk}/hot"));
    format!(
        "{hot}\n\n# The hot-path module is the same crate, built for wasm32-unknown-unknown, and has none of this.\n\
         [target.'cfg(not(target_os = \"unknown\"))'.dependencies]\n{lines}"
    )
}

/// The lock file, with the new crate where cargo would put it.
fn lock(name: &PluginName, template: &Template) -> String {
    let (head, packages) = sdk::LOCK.split_once("\n[[package]]\n").unwrap_or((sdk::LOCK, ""));
    let mut dependencies: Vec<_> = template.dependencies.iter().filter_map(|line| line.split(' ').next()).collect();
    dependencies.extend(template.hot.then_some(sdk::HOT_NAME));
    dependencies.push(sdk::NAME);
    let dependencies = dependencies.iter().map(|name| format!(" \"{name}\",\n"));
    let own = format!(
        "name = \"{}\"\nversion = \"0.1.0\"\ndependencies = [\n{}]\n",
        name.0,
        dependencies.collect::<String>()
    );
    let mut packages: Vec<_> = packages.split("\n[[package]]\n").map(str::to_owned).collect();
    packages.push(own);
    packages.sort_by_key(|package| package.lines().next().unwrap_or_default().to_owned());
    let packages: String = packages.iter().map(|package| format!("\n[[package]]\n{}\n", package.trim_end())).collect();
    format!("{}\n{packages}", head.trim_end())
}

/// Lines of the README: what the compiler needs, and how the module gets into the package.
const TARGETS: &str = "rustup target add wasm32-wasip2                         # once";
const HOT_TARGETS: &str = "rustup target add wasm32-wasip2 wasm32-unknown-unknown  # once";
const BUILD_MODULE: &str = "\
cargo build --release --target wasm32-unknown-unknown   # the hot-path module
mkdir -p wasm
cp target/wasm32-unknown-unknown/release/{{file}} wasm/gain_hot.wasm
";

const SERDE: &str = "serde = { version = \"1\", features = [\"derive\"] }";

/// What one kind of plugin is made of.
struct Template {
    description: &'static str,
    manifest: &'static str,
    /// By their names in `src`.
    sources: &'static [(&'static str, &'static str)],
    /// What its sources are, for the README.
    about: &'static str,
    /// Lines of `[dependencies]` besides the SDK, in order.
    dependencies: &'static [&'static str],
    /// Whether it is built a second time, as a hot-path module.
    hot: bool,
    /// How to try it, for the README.
    attempt: &'static str,
}

const ABOUT: &str = "`src/lib.rs` is the plugin";

fn template(kind: Kind, hot: bool) -> Result<Template> {
    Ok(match kind {
        Kind::Dsp if hot => Template {
            sources: &[
                ("gain.rs", include_str!("../../templates/dsp-hot/gain.rs")),
                ("lib.rs", include_str!("../../templates/dsp-hot/lib.rs")),
                ("plugin.rs", include_str!("../../templates/dsp-hot/plugin.rs")),
            ],
            about: "`src/gain.rs` is the effect and its hot-path module, which a player calls on its audio thread, \
                    `src/plugin.rs` is the component around it",
            hot: true,
            attempt: "Then `stellatune decode song.flac -o song.wav --dsp {{id}}:gain='{\"gain_db\":-6}' --stats` runs it, and says which form of it \
                      ran; with `--no-hot` it is the component, whose output should be the same.",
            ..template(kind, false)?
        },
        _ if hot => {
            let message = format!("there is no {} plugin with a hot-path module to begin with", name_of(kind));
            return Err(Error::new(ErrorKind::InvalidArgument, message).help("`--hot` goes with `dsp`"));
        }
        Kind::Decoder => Template {
            description: "Decodes AU sound files",
            manifest: include_str!("../../templates/decoder/plugin.json"),
            sources: &[("lib.rs", include_str!("../../templates/decoder/lib.rs"))],
            about: ABOUT,
            hot: false,
            dependencies: &[],
            attempt: "Then `stellatune decode sound.au -o sound.wav` decodes with it, and `stellatune probe sound.au` tells what it says of a file.",
        },
        Kind::Source => Template {
            description: "Offers tones to tune an instrument by",
            manifest: include_str!("../../templates/source/plugin.json"),
            sources: &[("lib.rs", include_str!("../../templates/source/lib.rs"))],
            about: ABOUT,
            hot: false,
            dependencies: &[SERDE],
            attempt: "A player that has it lists its tones; they are WAV streams, which the decoder in the app plays.",
        },
        Kind::Lyrics => Template {
            description: "Finds the words of old songs",
            manifest: include_str!("../../templates/lyrics/plugin.json"),
            sources: &[("lib.rs", include_str!("../../templates/lyrics/lib.rs"))],
            about: ABOUT,
            hot: false,
            dependencies: &[],
            attempt: "A player that has it finds the words of a song that contains `star`.",
        },
        Kind::Sink => Template {
            description: "Plays nowhere, and logs how loud it would have been",
            manifest: include_str!("../../templates/sink/plugin.json"),
            sources: &[("lib.rs", include_str!("../../templates/sink/lib.rs"))],
            about: ABOUT,
            hot: false,
            dependencies: &[SERDE],
            attempt: "A player that has it offers `Level meter` as an output.",
        },
        Kind::Dsp => Template {
            description: "Makes audio louder or softer",
            manifest: include_str!("../../templates/dsp/plugin.json"),
            sources: &[("lib.rs", include_str!("../../templates/dsp/lib.rs"))],
            about: ABOUT,
            hot: false,
            dependencies: &[SERDE],
            attempt: "A player that has it offers `Gain` as an effect.",
        },
    })
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Decoder => "decoder",
        Kind::Source => "source",
        Kind::Lyrics => "lyrics",
        Kind::Sink => "sink",
        Kind::Dsp => "dsp",
    }
}

/// The name of a crate that can be a label of a plugin's id as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PluginName(String);

/// Letters a label of an id may have. // P22
const MAX_BYTES: usize = 63;

/// Names that are no names of crates: keywords, crates that come with the compiler, and what Windows keeps for devices.
const RESERVED: [&str; 60] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "aux",
    "await",
    "become",
    "box",
    "break",
    "con",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "nul",
    "override",
    "priv",
    "prn",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

impl PluginName {
    fn plugin_id(&self) -> String {
        format!("dev.example.{}", self.0)
    }

    /// What cargo calls the component.
    fn wasm(&self) -> String {
        format!("{}.wasm", self.0.replace('-', "_"))
    }
}

impl FromStr for PluginName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let device = ["com", "lpt"].iter().any(|port| {
            text.strip_prefix(port)
                .is_some_and(|number| number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit()))
        });
        let locked = sdk::LOCK.lines().any(|line| line.strip_prefix("name = ") == Some(&format!("\"{text}\"")));
        let fault = if !text.starts_with(|first: char| first.is_ascii_lowercase()) || !text.bytes().all(usual) {
            "a name is lower-case letters, digits and hyphens, beginning with a letter"
        } else if text.ends_with('-') || text.contains("--") {
            "a hyphen stands between two other characters"
        } else if text.len() > MAX_BYTES {
            "a name has 63 characters at most"
        } else if RESERVED.contains(&text) || device {
            "the name means something else in Rust or on Windows"
        } else if locked {
            "the name is that of a crate it would depend on"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(fault.to_owned())
    }
}

/// What `plugin new` answers.
#[derive(Debug, Serialize)]
pub(crate) struct NewDocument {
    id: String,
    name: String,
    kind: &'static str,
    path: String,
    files: Vec<String>,
}

impl fmt::Display for NewDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "made    a {} plugin, {}", self.kind, self.id)?;
        writeln!(f, "path    {}", self.path)?;
        writeln!(f, "next    cd {} && cargo test; README.md says the rest", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_crates_and_of_labels() {
        for good in ["au", "my-plugin", "a1-b2", &"a".repeat(63)] {
            assert!(PluginName::from_str(good).is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "A", "my_plugin", "1a", "-a", "a-", "a--b", "é", "a/b", "fn", "con", "com1", "serde", &long] {
            assert!(PluginName::from_str(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        let name = PluginName("my-plugin".into());
        let kinds = [Kind::Decoder, Kind::Source, Kind::Lyrics, Kind::Sink, Kind::Dsp].map(|kind| (kind, false));
        for (kind, hot) in kinds.into_iter().chain([(Kind::Dsp, true)]) {
            let template = template(kind, hot).expect("there is one");
            for (path, content) in files(&template, &name, None) {
                assert!(!content.contains("{{") || path.starts_with("sdk/"), "{path}");
            }
            let manifest =
                stellatune_plugins::manifest::Manifest::parse(template.manifest.replace("{{id}}", "a.b").as_bytes());
            assert!(manifest.is_ok(), "{manifest:?}");
        }
        assert!(template(Kind::Decoder, true).is_err());
    }

    #[test]
    fn the_lock_file_is_in_cargos_order() {
        let lock = lock(&PluginName("serde-like".into()), &template(Kind::Decoder, false).expect("there is one"));
        let names: Vec<_> = lock.lines().filter(|line| line.starts_with("name = ")).collect();
        assert!(names.is_sorted() && names.len() > 10 && names.contains(&"name = \"serde-like\""), "{names:?}");
        assert!(lock.starts_with("# This file is automatically @generated by Cargo.\n"), "{lock}");
        assert!(lock.ends_with("\"\n") && !lock.contains("\n\n\n"), "{lock}");
    }
}

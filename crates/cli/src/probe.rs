//! `stellatune probe`: what a decoder plugin says of a stream, and the cover in it.

use std::{fmt, io::Write, path::Path, time::Duration};

use serde::Serialize;
use serde_json::{Value, json};
use stellatune_plugins::{
    Decoder, DecoderChoice, Error, ErrorKind, Input, Result, Runtime,
    types::{AudioTags, DecoderInfo, EncodedAudioFormat, MediaMetadata, MetadataEntry, MetadataValue},
};

use crate::{
    args::ProbeArgs,
    decode::{Ability, explain},
    document::Table,
    interrupt::Interrupt,
    output::{Output, unwritable},
    progress::clock,
};

/// Opens a stream and tells what its decoder says of it. Decodes nothing.
///
/// # Errors
/// `not_found`: no such file or decoder, or no cover where one is wanted; `io`; `cancelled`: Ctrl-C; else what the
/// decoder answered.
pub(crate) async fn run(runtime: &Runtime, args: &ProbeArgs) -> Result<Probed> {
    let interrupt = Interrupt::listen()?;
    let input = Input::file(&args.input);
    let choice = args.decoder.clone().map_or(DecoderChoice::Auto, DecoderChoice::Named);
    let opened = interrupt.guard(runtime.open_decoder(&input, &choice)).await;
    let mut decoder = opened.map_err(|error| explain(error, "probe", &args.input, None))?;
    let metadata = metadata(&mut decoder, &interrupt).await;
    let metadata = metadata.map_err(|error| explain(error, "probe", &args.input, None))?;
    let cover = match &args.cover {
        None => None,
        Some(path) => Some(write_cover(metadata.as_ref(), path, &args.input).map_err(|error| error.during("probe"))?),
    };
    Ok(Probed {
        decoder: Ability::from(decoder.route()),
        info: Info::from(decoder.info()),
        metadata: metadata.map(Metadata::from),
        cover,
    })
}

/// A decoder that has no metadata says no, and its stream is as good as any.
async fn metadata(decoder: &mut Decoder, interrupt: &Interrupt) -> Result<Option<MediaMetadata>> {
    match interrupt.guard(decoder.metadata()).await {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::PluginError => {
            tracing::warn!("the decoder gives no metadata: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Writes the cover (plugin contract 1.4), whole or not at all.
fn write_cover(metadata: Option<&MediaMetadata>, path: &Path, input: &Path) -> Result<Cover> {
    let extras = metadata.map_or(&[][..], |metadata| &metadata.extras);
    let Some((key, bytes)) = extras.iter().find_map(cover) else {
        let message = format!("{} has no cover that its decoder knows of", input.display());
        return Err(Error::new(ErrorKind::NotFound, message).help("nothing was written; probe without `--cover`"));
    };
    let output = Output::create(path, input)?;
    output.file().write_all(bytes).map_err(|error| unwritable(path, error))?;
    output.commit(bytes.len() as u64)?;
    Ok(Cover { key: key.to_owned(), path: path.display().to_string(), bytes: bytes.len() })
}

fn cover(entry: &MetadataEntry) -> Option<(&str, &[u8])> {
    let MetadataValue::Bytes(bytes) = &entry.value else { return None };
    let key = entry.key.to_ascii_lowercase();
    ["cover", "art", "image"].iter().any(|word| key.contains(word)).then_some((&entry.key, bytes))
}

/// What `probe` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Probed {
    decoder: Ability,
    info: Info,
    /// `None` where the decoder refuses to tell.
    metadata: Option<Metadata>,
    #[serde(skip)]
    cover: Option<Cover>,
}

/// A cover that was written to a file.
#[derive(Debug)]
struct Cover {
    key: String,
    path: String,
    bytes: usize,
}

#[derive(Debug, Serialize)]
struct Info {
    sample_rate: u32,
    channels: u16,
    duration_ms: Option<u64>,
    seekable: bool,
    encoder_delay_frames: u32,
    encoder_padding_frames: u32,
}

/// As plugins' metadata is written in JSON everywhere (plugin contract 6), but for the extras.
#[derive(Debug, Serialize)]
struct Metadata {
    tags: Tags,
    duration_ms: Option<u64>,
    format: Format,
    extras: Vec<Extra>,
}

#[derive(Debug, Serialize)]
struct Tags {
    title: Option<String>,
    album: Option<String>,
    artists: Vec<String>,
    album_artists: Vec<String>,
    genres: Vec<String>,
    track_number: Option<u32>,
    track_total: Option<u32>,
    disc_number: Option<u32>,
    disc_total: Option<u32>,
    year: Option<u32>,
    comment: Option<String>,
}

#[derive(Debug, Serialize)]
struct Format {
    codec: String,
    sample_rate: Option<u32>,
    channels: Option<u16>,
    bitrate_kbps: Option<u32>,
    container: Option<String>,
}

/// An entry without its bytes, which may be a cover of megabytes.
#[derive(Debug, Serialize)]
struct Extra {
    key: String,
    kind: &'static str,
    /// How many there are; `None` for every other kind.
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
}

impl From<&DecoderInfo> for Info {
    fn from(info: &DecoderInfo) -> Self {
        let DecoderInfo { sample_rate, channels, duration_ms, seekable, encoder_delay_frames, encoder_padding_frames } =
            *info;
        Self { sample_rate, channels, duration_ms, seekable, encoder_delay_frames, encoder_padding_frames }
    }
}

impl From<MediaMetadata> for Metadata {
    fn from(metadata: MediaMetadata) -> Self {
        let MediaMetadata { tags, duration_ms, format, extras } = metadata;
        Self {
            tags: tags.into(),
            duration_ms,
            format: format.into(),
            extras: extras.into_iter().map(Extra::from).collect(),
        }
    }
}

impl From<AudioTags> for Tags {
    fn from(tags: AudioTags) -> Self {
        Self {
            title: tags.title,
            album: tags.album,
            artists: tags.artists,
            album_artists: tags.album_artists,
            genres: tags.genres,
            track_number: tags.track_number,
            track_total: tags.track_total,
            disc_number: tags.disc_number,
            disc_total: tags.disc_total,
            year: tags.year,
            comment: tags.comment,
        }
    }
}

impl From<EncodedAudioFormat> for Format {
    fn from(format: EncodedAudioFormat) -> Self {
        let EncodedAudioFormat { codec, sample_rate, channels, bitrate_kbps, container } = format;
        Self { codec, sample_rate, channels, bitrate_kbps, container }
    }
}

impl From<MetadataEntry> for Extra {
    fn from(MetadataEntry { key, value }: MetadataEntry) -> Self {
        let (kind, value) = match value {
            MetadataValue::Bytes(bytes) => return Self { key, kind: "bytes", bytes: Some(bytes.len()), value: None },
            MetadataValue::Text(text) => ("text", json!(text)),
            MetadataValue::Boolean(value) => ("boolean", json!(value)),
            MetadataValue::Uint32(number) => ("uint32", json!(number)),
            MetadataValue::Uint64(number) => ("uint64", json!(number)),
            MetadataValue::Int64(number) => ("int64", json!(number)),
            // What is not finite has no number in JSON and becomes null.
            MetadataValue::Float64(number) => ("float64", json!(number)),
        };
        Self { key, kind, bytes: None, value: Some(value) }
    }
}

impl fmt::Display for Probed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Info { sample_rate, channels, duration_ms, seekable, encoder_delay_frames, encoder_padding_frames } =
            &self.info;
        let mut lines = Lines(Vec::new());
        lines.add("decoder", format!("{}:{}", self.decoder.plugin_id, self.decoder.type_id));
        lines.add("sample rate", format!("{sample_rate} Hz"));
        lines.add("channels", channels.to_string());
        let duration = duration_ms.map(|ms| clock(Duration::from_millis(ms)));
        lines.add("duration", duration.unwrap_or_else(|| "unknown".into()));
        lines.add("seekable", if *seekable { "yes".into() } else { "no".into() });
        if *encoder_delay_frames != 0 || *encoder_padding_frames != 0 {
            lines.add("to trim", format!("{encoder_delay_frames} frames before, {encoder_padding_frames} behind"));
        }
        match &self.metadata {
            None => lines.add("metadata", "none: the decoder refuses to tell".into()),
            Some(metadata) => metadata.add_to(&mut lines),
        }
        if let Some(cover) = &self.cover {
            lines.add("cover", format!("{} bytes of `{}`, written to {}", cover.bytes, cover.key, cover.path));
        }
        lines.fmt(f)
    }
}

impl Metadata {
    fn add_to(&self, lines: &mut Lines) {
        let Format { codec, bitrate_kbps, container, .. } = &self.format;
        lines.add("codec", codec.clone());
        lines.option("container", container.clone());
        lines.option("bit rate", bitrate_kbps.map(|kbps| format!("{kbps} kbit/s")));
        let tags = &self.tags;
        lines.option("title", tags.title.clone());
        lines.add("artists", tags.artists.join(", "));
        lines.option("album", tags.album.clone());
        lines.add("album artists", tags.album_artists.join(", "));
        lines.add("genres", tags.genres.join(", "));
        lines.option("track", of(tags.track_number, tags.track_total));
        lines.option("disc", of(tags.disc_number, tags.disc_total));
        lines.option("year", tags.year.map(|year| year.to_string()));
        lines.option("comment", tags.comment.clone());
        for extra in &self.extras {
            let value = match (&extra.bytes, &extra.value) {
                (Some(bytes), _) => format!("{bytes} bytes"),
                (None, Some(Value::String(text))) => text.clone(),
                (None, value) => value.as_ref().map(ToString::to_string).unwrap_or_default(),
            };
            lines.add(&extra.key, value);
        }
    }
}

/// `3 of 12`
fn of(number: Option<u32>, total: Option<u32>) -> Option<String> {
    match (number, total) {
        (None, None) => None,
        (Some(number), None) => Some(number.to_string()),
        (number, Some(total)) => Some(format!("{} of {total}", number.map_or("?".into(), |number| number.to_string()))),
    }
}

/// A name and a value a line; what is empty is left out.
struct Lines(Vec<(String, String)>);

impl Lines {
    fn add(&mut self, name: &str, value: String) {
        if !value.is_empty() {
            self.0.push((name.to_owned(), value));
        }
    }

    fn option(&mut self, name: &str, value: Option<String>) {
        self.add(name, value.unwrap_or_default());
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::plain();
        for (name, value) in &self.0 {
            table.row([name.clone(), value.clone()]);
        }
        table.fmt(f)
    }
}

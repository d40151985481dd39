//! What Symphonia read of the tags, in the records of the contract. What has no field there becomes an extra.

use std::collections::HashSet;

use stellatune_plugin_sdk::{AudioTags, DecoderInfo, EncodedAudioFormat, MediaMetadata, MetadataEntry};
use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::meta::{MetadataRevision, RawValue, StandardTag, StandardVisualKey, Tag};

/// Tags, the cover under the key `cover`, and everything else as text. The revisions come with the one to be believed
/// first; the others fill what it leaves empty.
pub(crate) fn metadata(revisions: &[MetadataRevision], riff_tags: Vec<(String, String)>) -> MediaMetadata {
    let mut metadata = MediaMetadata::default();
    for revision in revisions {
        fill(&mut metadata, of_revision(revision));
    }
    let mut of_riff = MediaMetadata::default();
    for (key, text) in riff_tags {
        riff_tag(&mut of_riff, key, text);
    }
    fill(&mut metadata, of_riff);
    metadata
}

/// Delay and valid frames, as iTunes and those who follow it write them into a tag of their own: hexadecimal numbers, of
/// which the second is the delay, the third the padding, and the fourth the count of frames between them.
pub(crate) fn itunes_gaps(revisions: &[MetadataRevision]) -> Option<(u64, u64)> {
    let mut tags = revisions.iter().flat_map(|revision| &revision.media.tags);
    let tag = tags.find(|tag| tag.raw.key.ends_with("iTunSMPB"))?;
    let text = text(&tag.raw.value)?;
    let mut numbers = text.split_ascii_whitespace().skip(1).map(|digits| u64::from_str_radix(digits, 16).ok());
    let (delay, _, valid) = (numbers.next()??, numbers.next()??, numbers.next()??);
    (valid > 0).then_some((delay, valid))
}

fn of_revision(revision: &MetadataRevision) -> MediaMetadata {
    let mut metadata = MediaMetadata::default();
    for tag in &revision.media.tags {
        let known = !is_private_comment(tag) && standard_tag(&mut metadata.tags, tag);
        if let (false, Some(text)) = (known, text(&tag.raw.value)) {
            metadata.extras.push(MetadataEntry::text(tag.raw.key.to_lowercase(), text));
        }
    }
    let visuals = &revision.media.visuals;
    let front = visuals.iter().find(|visual| visual.usage == Some(StandardVisualKey::FrontCover));
    if let Some(cover) = front.or(visuals.first()) {
        metadata.extras.push(MetadataEntry::bytes("cover", cover.data.to_vec()));
        if let Some(media_type) = &cover.media_type {
            metadata.extras.push(MetadataEntry::text("cover_mime", media_type));
        }
    }
    metadata
}

/// Takes what `metadata` has not got.
fn fill(metadata: &mut MediaMetadata, other: MediaMetadata) {
    let (tags, new) = (&mut metadata.tags, other.tags);
    for (field, new) in [(&mut tags.title, new.title), (&mut tags.album, new.album), (&mut tags.comment, new.comment)] {
        *field = field.take().or(new);
    }
    for (field, new) in
        [(&mut tags.artists, new.artists), (&mut tags.album_artists, new.album_artists), (&mut tags.genres, new.genres)]
    {
        if field.is_empty() {
            *field = new;
        }
    }
    for (field, new) in [
        (&mut tags.track_number, new.track_number),
        (&mut tags.track_total, new.track_total),
        (&mut tags.disc_number, new.disc_number),
        (&mut tags.disc_total, new.disc_total),
        (&mut tags.year, new.year),
    ] {
        *field = field.or(new);
    }
    let known: HashSet<_> = metadata.extras.iter().map(|entry| entry.key.clone()).collect();
    metadata.extras.extend(other.extras.into_iter().filter(|entry| !known.contains(&entry.key)));
}

/// How the audio is stored.
pub(crate) fn encoding(
    container: &str,
    codec: &dyn AudioDecoder,
    info: &DecoderInfo,
    byte_len: Option<u64>,
) -> EncodedAudioFormat {
    let name = codec.codec_info().short_name;
    let codec = match (name.starts_with("pcm"), codec.codec_params().bits_per_sample) {
        (true, Some(bits)) => format!("pcm-{bits}"),
        (true, None) => "pcm-float".to_owned(),
        (false, _) => name.to_owned(),
    };
    // Bits in a millisecond are kilobits in a second.
    let bitrate = byte_len.zip(info.duration_ms.filter(|&ms| ms > 0)).map(|(bytes, ms)| bytes.saturating_mul(8) / ms);
    EncodedAudioFormat {
        codec,
        sample_rate: Some(info.sample_rate),
        channels: Some(info.channels),
        bitrate_kbps: bitrate.and_then(|kbps| u32::try_from(kbps).ok()),
        container: Some(container.to_owned()),
    }
}

/// Whether a program keeps its own notes in a comment, as iTunes does in ID3.
fn is_private_comment(tag: &Tag) -> bool {
    let fields = tag.raw.sub_fields.iter().flatten();
    fields.map(|field| field.value.to_string()).any(|value| value.starts_with("iTun"))
}

/// Fills the field the tag belongs to; false if there is none.
fn standard_tag(tags: &mut AudioTags, tag: &Tag) -> bool {
    match &tag.std {
        Some(StandardTag::TrackTitle(text)) => first(&mut tags.title, text),
        Some(StandardTag::Album(text)) => first(&mut tags.album, text),
        Some(StandardTag::Artist(text)) => tags.artists.push(text.to_string()),
        Some(StandardTag::AlbumArtist(text)) => tags.album_artists.push(text.to_string()),
        Some(StandardTag::Genre(text)) => tags.genres.push(text.to_string()),
        Some(StandardTag::Comment(text)) => first(&mut tags.comment, text),
        Some(StandardTag::TrackNumber(number)) => tags.track_number = small(*number),
        Some(StandardTag::TrackTotal(number)) => tags.track_total = small(*number),
        Some(StandardTag::DiscNumber(number)) => tags.disc_number = small(*number),
        Some(StandardTag::DiscTotal(number)) => tags.disc_total = small(*number),
        Some(StandardTag::ReleaseDate(date) | StandardTag::RecordingDate(date)) => {
            tags.year = tags.year.or_else(|| year(date));
            return false;
        }
        Some(StandardTag::ReleaseYear(year) | StandardTag::RecordingYear(year)) => {
            tags.year = tags.year.or(Some(u32::from(*year)));
        }
        // The author's chunk of AIFF, which Symphonia takes for the name of a program.
        Some(StandardTag::Encoder(author)) if tag.raw.key == "AUTH" => tags.artists.push(author.to_string()),
        _ => return false,
    }
    true
}

fn riff_tag(metadata: &mut MediaMetadata, key: String, text: String) {
    let tags = &mut metadata.tags;
    match key.as_str() {
        "INAM" => first(&mut tags.title, &text),
        "IPRD" => first(&mut tags.album, &text),
        "IART" => tags.artists.push(text),
        "IGNR" => tags.genres.push(text),
        "ICMT" => first(&mut tags.comment, &text),
        "ICRD" => tags.year = tags.year.or_else(|| year(&text)),
        "ITRK" | "IPRT" => tags.track_number = tags.track_number.or_else(|| text.parse().ok()),
        _ => metadata.extras.push(MetadataEntry::text(key.to_lowercase(), text)),
    }
}

fn first(field: &mut Option<String>, text: &str) {
    field.get_or_insert_with(|| text.to_owned());
}

fn small(number: u64) -> Option<u32> {
    u32::try_from(number).ok()
}

/// The year a date begins with.
fn year(date: &str) -> Option<u32> {
    date.get(..4).and_then(|digits| digits.parse().ok())
}

fn text(value: &RawValue) -> Option<String> {
    match value {
        RawValue::Binary(_) => None,
        other => Some(other.to_string()),
    }
}

//! What Symphonia read of the tags, in the records of the contract. What has no field there becomes an extra.

use stellatune_plugin_sdk::{AudioTags, DecoderInfo, EncodedAudioFormat, MediaMetadata, MetadataEntry};
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::meta::{MetadataRevision, RawValue, StandardTag, StandardVisualKey, Tag};

/// Tags, the cover under the key `cover`, and everything else as text.
pub(crate) fn metadata(revision: Option<&MetadataRevision>, riff_tags: Vec<(String, String)>) -> MediaMetadata {
    let mut metadata = MediaMetadata::default();
    for (key, text) in riff_tags {
        riff_tag(&mut metadata, key, text);
    }
    let Some(revision) = revision else { return metadata };
    for tag in &revision.media.tags {
        if !standard_tag(&mut metadata.tags, tag) {
            if let Some(text) = text(&tag.raw.value) {
                metadata.extras.push(MetadataEntry::text(tag.raw.key.to_lowercase(), text));
            }
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

/// How the audio is stored.
pub(crate) fn encoding(
    container: &str,
    parameters: &AudioCodecParameters,
    info: &DecoderInfo,
    byte_len: Option<u64>,
) -> EncodedAudioFormat {
    let codec = match (container, parameters.bits_per_sample) {
        ("wav", Some(bits)) => format!("pcm-{bits}"),
        ("wav", None) => "pcm-float".to_owned(),
        _ => container.to_owned(),
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

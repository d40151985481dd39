//! Asks a service for the words of songs.

use serde::Deserialize;
use stellatune_plugin_sdk::{LyricCandidate, Lyrics, Result, export, http};

const SERVICE: &str = "https://lyrics.example.org";

#[derive(Deserialize)]
struct Song {
    id: u64,
    title: String,
    artist: String,
}

#[derive(Deserialize)]
struct Words {
    words: String,
}

struct Service;

impl Lyrics for Service {
    fn create() -> Result<Self> {
        Ok(Self)
    }

    fn search(&mut self, keyword: &str) -> Result<Vec<LyricCandidate>> {
        let encoded: String = keyword.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let songs: Vec<Song> = http::fetch_json(&format!("{SERVICE}/search?q={encoded}"))?;
        let candidate = |song: Song| LyricCandidate::new(song.id.to_string(), song.title, song.artist);
        Ok(songs.into_iter().map(candidate).collect())
    }

    fn fetch(&mut self, id: &str) -> Result<String> {
        let found: Words = http::fetch_json(&format!("{SERVICE}/songs/{id}"))?;
        Ok(found.words)
    }
}

export!(lyrics: Service);

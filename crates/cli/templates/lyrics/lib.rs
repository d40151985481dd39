//! Finds the words of old songs in a book of its own. Most providers ask a service instead:
//! `http::fetch_json` of the SDK does, once `plugin.json` asks for its host in `permissions.http`.

use stellatune_plugin_sdk::{Error, LyricCandidate, Lyrics, Result};

/// A song of the book.
struct Song {
    id: &'static str,
    title: &'static str,
    artist: &'static str,
    words: &'static str,
}

const BOOK: [Song; 3] = [
    Song {
        id: "star",
        title: "Twinkle, Twinkle, Little Star",
        artist: "Jane Taylor",
        words: "Twinkle, twinkle, little star,\n\
            How I wonder what you are!\n\
            Up above the world so high,\n\
            Like a diamond in the sky.\n",
    },
    Song {
        id: "boat",
        title: "Row, Row, Row Your Boat",
        artist: "Traditional",
        words: "Row, row, row your boat,\n\
            Gently down the stream.\n\
            Merrily, merrily, merrily, merrily,\n\
            Life is but a dream.\n",
    },
    Song {
        id: "lamb",
        title: "Mary Had a Little Lamb",
        artist: "Sarah Josepha Hale",
        words: "Mary had a little lamb,\n\
            Its fleece was white as snow;\n\
            And everywhere that Mary went\n\
            The lamb was sure to go.\n",
    },
];

impl Song {
    /// How many of the words of a search it has.
    fn hits(&self, keyword: &str) -> usize {
        let text = format!("{} {} {}", self.title, self.artist, self.words).to_lowercase();
        keyword
            .to_lowercase()
            .split_whitespace()
            .filter(|word| text.contains(word))
            .count()
    }
}

/// The provider.
pub struct Songbook;

impl Lyrics for Songbook {
    fn create() -> Result<Self> {
        Ok(Self)
    }

    fn search(&mut self, keyword: &str) -> Result<Vec<LyricCandidate>> {
        let mut found: Vec<_> = BOOK.iter().filter(|song| song.hits(keyword) > 0).collect();
        // The best first; the order of the book decides between equals.
        found.sort_by_key(|song| std::cmp::Reverse(song.hits(keyword)));
        Ok(found
            .into_iter()
            .map(|song| LyricCandidate::new(song.id, song.title, song.artist))
            .collect())
    }

    fn fetch(&mut self, id: &str) -> Result<String> {
        let song = BOOK.iter().find(|song| song.id == id);
        song.map(|song| song.words.to_owned())
            .ok_or_else(|| Error::not_found(format!("no song `{id}`")))
    }
}

stellatune_plugin_sdk::export!(lyrics: Songbook);

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(keyword: &str) -> Vec<String> {
        Songbook
            .search(keyword)
            .unwrap()
            .into_iter()
            .map(|candidate| candidate.id)
            .collect()
    }

    #[test]
    fn the_best_match_comes_first() {
        assert_eq!(ids("little LAMB"), ["lamb", "star"]);
        assert_eq!(ids("jane"), ["star"]);
        assert!(ids("symphony").is_empty());
    }

    #[test]
    fn words_are_found_by_the_id_of_a_candidate() {
        assert!(
            Songbook
                .fetch("boat")
                .unwrap()
                .ends_with("Life is but a dream.\n")
        );
        assert!(matches!(Songbook.fetch("none"), Err(Error::NotFound(_))));
    }
}

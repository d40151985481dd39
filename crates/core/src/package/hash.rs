//! BLAKE3 of a file or of a whole package, written as 64 hexadecimal digits.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::FileEntry;

/// A BLAKE3 hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    pub(crate) fn finish(hasher: &blake3::Hasher) -> Self {
        Self(*hasher.finalize().as_bytes())
    }

    /// The hash of a package: over path and hash of each file, in the order of the paths.
    pub(crate) fn of_package(files: &[FileEntry]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for file in files {
            let path = file.path.as_str().as_bytes();
            // The length keeps `("ab", …)` and `("a", "b…")` apart.
            hasher.update(&(path.len() as u64).to_le_bytes()).update(path).update(&file.blake3.0);
        }
        Self::finish(&hasher)
    }

    /// The hash as bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 16 digits, which name a version's directory.
    pub fn short(&self) -> String {
        self.to_string()[..16].to_owned()
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for ContentHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let hash = blake3::Hash::from_hex(&text).map_err(|_| "not a hash of 64 hexadecimal digits")?;
        Ok(Self(*hash.as_bytes()))
    }
}

//! The record of an installation: what was installed, file by file, with hashes.
//!
//! A receipt that does not read back exactly is broken, and its plugin is shown as broken; nothing is guessed.

use serde::{Deserialize, Serialize};

use crate::{
    manifest::Manifest,
    package::{ContentHash, FileEntry},
};

/// The one schema this library reads and writes.
const SCHEMA: u32 = 1;

/// Bytes of a receipt: 4,096 files with the longest paths fit.
pub(crate) const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// What was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Receipt {
    /// The format of this record; always 1.
    pub schema: u32,
    /// The package's manifest as it was parsed.
    pub manifest: Manifest,
    /// Every file of the package, sorted by path.
    pub files: Vec<FileEntry>,
    /// Over all files; its first 16 digits name the version's directory.
    pub package_hash: ContentHash,
    /// Milliseconds since 1970, by the clock of the machine; for people only, nothing is ordered by it.
    pub installed_at: u64,
    /// The artifact it was installed from, as it was given.
    pub origin: String,
}

/// The record with a hash over itself, so that a damaged one is known.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    receipt: Receipt,
    seal: ContentHash,
}

impl Receipt {
    pub(crate) fn new(manifest: Manifest, files: Vec<FileEntry>, installed_at: u64, origin: String) -> Self {
        let package_hash = ContentHash::of_package(&files);
        Self { schema: SCHEMA, manifest, files, package_hash, installed_at, origin }
    }

    /// Reads a receipt; otherwise says in words what is wrong with it.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, String> {
        let value: serde_json::Value = serde_json::from_slice(json).map_err(|error| format!("is damaged: {error}"))?;
        let schema = &value["receipt"]["schema"];
        if schema.as_u64() != Some(SCHEMA.into()) {
            return Err(format!("has schema {schema}, which this version does not read"));
        }
        let sealed: Sealed = serde_json::from_slice(json).map_err(|error| format!("is damaged: {error}"))?;
        if sealed.receipt.seal() != sealed.seal {
            return Err("does not match its own hash".into());
        }
        if ContentHash::of_package(&sealed.receipt.files) != sealed.receipt.package_hash {
            return Err("does not match the hash of its package".into());
        }
        Ok(sealed.receipt)
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(&Sealed { receipt: self.clone(), seal: self.seal() })
            .expect("a receipt has no keys or numbers that JSON lacks");
        json.push(b'\n');
        json
    }

    fn seal(&self) -> ContentHash {
        ContentHash::of(&serde_json::to_vec(self).expect("a receipt has no keys or numbers that JSON lacks"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        let manifest = Manifest::parse(
            br#"{"schema_version":1,"id":"a.b","name":"n","version":"1","api_version":1,"components":[{"id":"c",
            "path":"c.wasm","world":"dsp-plugin","abilities":[{"kind":"dsp","type_id":"t"}]}]}"#,
        )
        .expect("a valid manifest");
        let path = manifest.components[0].path.clone();
        let file = FileEntry { path, size: 3, blake3: ContentHash::of(b"abc") };
        Receipt::new(manifest, vec![file], 5, "/some/where".into())
    }

    #[test]
    fn a_receipt_reads_back() {
        assert_eq!(Receipt::parse(&receipt().to_json()), Ok(receipt()));
    }

    /// I12: one flip for each byte is noticed, unless the same is read with it.
    #[test]
    fn a_damaged_receipt_is_broken() {
        let good = receipt().to_json();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 7);
            if let Ok(read) = Receipt::parse(&bad) {
                assert_eq!(read, receipt(), "byte {at} of {}", String::from_utf8_lossy(&bad));
            }
        }
        for cut in 0..good.len() - 1 {
            assert!(Receipt::parse(&good[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_newer_receipt_says_so() {
        let newer = String::from_utf8(receipt().to_json()).expect("UTF-8").replace("\"schema\": 1", "\"schema\": 2");
        assert_eq!(Receipt::parse(newer.as_bytes()), Err("has schema 2, which this version does not read".into()));
    }
}

//! A path inside a package: relative, `/` between segments, safe to join on every system.
//!
//! The same rules hold for names of zip entries, names in a directory, and paths a manifest gives.

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};

use super::shown;
use crate::error::Error;

/// Bytes of a whole path, so that it fits below a root on systems with short paths.
pub(crate) const PATH_BYTES: usize = 240;
/// Bytes of one segment.
pub(crate) const SEGMENT_BYTES: usize = 160;
/// Segments of a path.
pub(crate) const DEPTH: usize = 16;

/// A relative path that stays inside its package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackagePath(String);

/// Which rule a path breaks, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathFault {
    pub(crate) rule: &'static str,
    pub(crate) why: &'static str,
}

impl PackagePath {
    /// The path of that text. Segments that are empty or `.` mean nothing and are left out.
    pub(crate) fn check(text: &str) -> Result<Self, PathFault> {
        let fault = |rule, why| Err(PathFault { rule, why });
        let bytes = text.as_bytes();
        if text.starts_with(['/', '\\']) || (bytes.len() > 1 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':') {
            return fault("absolute", "is not relative");
        }
        if text.contains('\\') {
            return fault("charset", "has a `\\`; segments are divided by `/`");
        }
        if text.contains(':') || text.chars().any(char::is_control) {
            return fault("charset", "has a `:` or a control character");
        }
        let segments: Vec<&str> = text.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect();
        if segments.is_empty() {
            return fault("empty", "names nothing");
        }
        for segment in &segments {
            if *segment == ".." {
                return fault("traversal", "leaves the package");
            }
            if segment.len() > SEGMENT_BYTES {
                return fault("path-length", "has a segment of more than 160 bytes");
            }
            if segment.ends_with(['.', ' ']) || is_device(segment) {
                return fault("reserved-name", "has a segment that Windows reserves or changes");
            }
        }
        if segments.len() > DEPTH {
            return fault("path-depth", "has more than 16 segments");
        }
        let path = segments.join("/");
        if path.len() > PATH_BYTES {
            return fault("path-length", "has more than 240 bytes");
        }
        Ok(Self(path))
    }

    /// The path as text, `/` between segments.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path below `root`.
    pub fn under(&self, root: &Path) -> std::path::PathBuf {
        root.join(&self.0)
    }

    /// The last segment.
    pub(crate) fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The paths of the directories above, outermost first.
    pub(crate) fn parents(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(end, _)| &self.0[..end])
    }

    /// How many segments the path has.
    pub(crate) fn depth(&self) -> usize {
        self.parents().count() + 1
    }

    /// The path below the directory `dir` (empty for the root itself), where it lies there.
    pub(crate) fn strip(&self, dir: &str) -> Option<Self> {
        if dir.is_empty() {
            return Some(self.clone());
        }
        Some(Self(self.0.strip_prefix(dir)?.strip_prefix('/')?.to_owned()))
    }
}

impl TryFrom<String> for PackagePath {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::check(&text).map_err(|fault| Error::rejected(fault.rule, format!("{} {}", shown(&text), fault.why)))
    }
}

impl From<PackagePath> for String {
    fn from(path: PackagePath) -> Self {
        path.0
    }
}

impl fmt::Display for PackagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The form in which two names collide on a file system that does not tell case.
pub(crate) fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// Whether Windows takes a name for a device, whatever follows its first dot.
pub(super) fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|n| {
            let mut chars = n.chars();
            matches!((chars.next(), chars.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
        })
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") || numbered("COM") || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_paths_are_normalised() {
        for (text, path) in [("wasm/a.wasm", "wasm/a.wasm"), ("./a", "a"), ("a//b/", "a/b"), ("...a", "...a")] {
            assert_eq!(PackagePath::check(text).map(|p| p.0), Ok(path.to_owned()), "{text}");
        }
    }

    #[test]
    fn unsafe_paths_name_their_rule() {
        let long = "a".repeat(161);
        let whole = ["a".repeat(100), "b".repeat(100), "c".repeat(100)].join("/");
        let deep = ["a"; 17].join("/");
        for (text, rule) in [
            ("../x", "traversal"),
            ("a/../../b", "traversal"),
            ("/x", "absolute"),
            ("C:\\x", "absolute"),
            ("C:x", "absolute"),
            ("\\\\srv\\s", "absolute"),
            ("a\\b", "charset"),
            ("ab:c", "charset"),
            ("a\0b", "charset"),
            ("a\u{7f}", "charset"),
            ("", "empty"),
            (".", "empty"),
            ("a/CON", "reserved-name"),
            ("aux.wasm", "reserved-name"),
            ("COM¹.x", "reserved-name"),
            ("a./b", "reserved-name"),
            ("a /b", "reserved-name"),
            (&long, "path-length"),
            (&whole, "path-length"),
            (&deep, "path-depth"),
        ] {
            assert_eq!(PackagePath::check(text).map_err(|fault| fault.rule), Err(rule), "{text:?}");
        }
    }

    #[test]
    fn a_path_is_stripped_by_whole_segments() {
        let path = PackagePath::check("a/b/c").expect("safe");
        assert_eq!(path.strip("a/b").map(|p| p.0), Some("c".into()));
        assert_eq!((path.strip("a/b/c"), path.strip("a/")), (None, None));
        assert_eq!((path.depth(), path.parents().collect::<Vec<_>>()), (3, vec!["a", "a/b"]));
    }
}

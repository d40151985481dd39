//! The three names a manifest gives, checked once when they are made.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{path, shown};
use crate::error::{Error, ErrorKind};

/// Bytes an id may have.
const MAX_BYTES: usize = 128;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id of that text, trimmed; otherwise the reason why it is none.
            pub(crate) fn check(text: &str) -> Result<Self, &'static str> {
                let text = text.trim();
                $check(text).map(|()| Self(text.to_owned()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                Self::check(text).map_err(|why| {
                    Error::new(ErrorKind::InvalidArgument, format!("{} is not a {}: it {why}", shown(text), $what))
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self, Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// The id of a package. Safe as the name of a directory on every system.
    PluginId, "plugin id", plugin_id
}

id! {
    /// The id of a component in its package. Never part of a path.
    ComponentId, "component id", label
}

id! {
    /// The name of an ability among those of its kind. Never part of a path.
    TypeId, "type id", label
}

impl PluginId {
    /// Whether the id is a reverse domain name in lower case, as new packages should have:
    /// `^[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9-]{1,63}){1,6}$`.
    pub fn is_canonical(&self) -> bool {
        let labels: Vec<&str> = self.0.split('.').collect();
        let label = |text: &&str| {
            (1..=63).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        (2..=7).contains(&labels.len()) && labels.iter().all(label) && !self.0.starts_with('-')
    }
}

fn plugin_id(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("is blank");
    }
    if text.len() > MAX_BYTES {
        return Err("is longer than 128 bytes");
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err("does not begin with an ASCII letter or digit");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
        return Err("has characters other than ASCII letters, digits, `.`, `-` and `_`");
    }
    if text.contains("..") || text.ends_with('.') {
        return Err("has an empty part between dots");
    }
    if path::is_device(text) {
        return Err("is the name of a device on Windows");
    }
    Ok(())
}

fn label(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("is blank");
    }
    if text.len() > MAX_BYTES {
        return Err("is longer than 128 bytes");
    }
    if text.chars().any(char::is_control) {
        return Err("has control characters");
    }
    if text.contains(['/', '\\']) {
        return Err("has a slash or a backslash");
    }
    Ok(())
}

/// What a version may be: it is shown to people and never part of a path, but some tool may make it one.
pub(super) fn version(text: &str) -> Result<(), &'static str> {
    label(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugin_ids_are_directory_names() {
        for good in ["dev.stellatune.decoder.ncm", "a", "A_b-c.9", " padded "] {
            assert!(PluginId::from_str(good).is_ok(), "{good}");
        }
        let long = "a".repeat(129);
        for bad in ["", " ", ".", "..", "a..b", "a.", ".a", "-a", "a/b", "a\\b", "a:b", "é", "CON", "nul.x", &long] {
            let error = PluginId::from_str(bad).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn labels_and_versions_are_no_paths() {
        for good in ["source-netease", "stream_symphonia", "1.2.3-rc.1+5", "Zwei Punkt Null"] {
            assert_eq!((label(good), version(good)), (Ok(()), Ok(())), "{good}");
        }
        for bad in ["", "../x", "a\\b", "/etc", "1\n2", &"a".repeat(129)] {
            assert!(label(bad).is_err() && version(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn canonical_ids_are_reverse_domain_names() {
        let canonical = |text: &str| PluginId::from_str(text).expect(text).is_canonical();
        for good in ["dev.stellatune.decoder.ncm", "a.b", "a-.-b", "1.2.3.4.5.6.7"] {
            assert!(canonical(good), "{good}");
        }
        let long = format!("{}.b", "a".repeat(64));
        for bad in ["single", "Dev.x", "a_b.c", "1.2.3.4.5.6.7.8", &long] {
            assert!(!canonical(bad), "{bad}");
        }
    }
}

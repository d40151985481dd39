//! Configuration and state as the host hands them in: JSON text, parsed when and as the plugin wants it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// A JSON document the host passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonText<'a>(&'a str);

impl<'a> JsonText<'a> {
    /// Wraps a text, which may turn out not to be JSON when it is parsed.
    pub fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The text as it came.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The document as a type of the plugin.
    ///
    /// # Errors
    /// [`Error::InvalidArg`](crate::Error::InvalidArg) with the place where the text does not fit.
    ///
    /// ```
    /// use stellatune_plugin_sdk::JsonText;
    ///
    /// let gains: Vec<f32> = JsonText::new("[0.5, 1]").parse()?;
    /// assert_eq!(gains, [0.5, 1.0]);
    /// # Ok::<(), stellatune_plugin_sdk::Error>(())
    /// ```
    pub fn parse<T: DeserializeOwned>(self) -> Result<T> {
        Ok(serde_json::from_str(self.0)?)
    }
}

/// A value of the plugin as JSON text: rows of a source, targets of a sink, state.
///
/// # Errors
/// [`Error::Internal`] for what JSON cannot hold, such as a map whose keys are no texts.
///
/// ```
/// assert_eq!(stellatune_plugin_sdk::to_json(&[("id", "1")])?, r#"[["id","1"]]"#);
/// # Ok::<(), stellatune_plugin_sdk::Error>(())
/// ```
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal(format!("this is not JSON: {error}")))
}

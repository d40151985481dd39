//! Small requests over HTTP. For a body that is large or no text, open a stream with
//! [`HttpRequest`](crate::HttpRequest).

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

#[cfg(target_family = "wasm")]
use crate::bindings::host::stellatune::plugin::http_client as host;
#[cfg(not(target_family = "wasm"))]
use crate::mock::http_client as host;

/// Fetches an address with GET and gives the text of the body, if the plugin was granted the address.
///
/// # Errors
/// [`Error::Denied`] without a grant; whatever else the host answers, for a status of 400 or above too.
pub fn fetch_text(url: &str) -> Result<String> {
    Ok(host::fetch_json(url)?)
}

/// Fetches a JSON document as a type of the plugin.
///
/// # Errors
/// As [`fetch_text`]; [`Error::Io`] with the place where the answer does not fit.
///
/// ```
/// use stellatune_plugin_sdk::{http, mock};
///
/// let _host = mock::Host::new().fetch(|url| Ok(format!("[\"{url}\", 2]"))).install();
/// let answer: (String, u8) = http::fetch_json("https://example.org")?;
/// assert_eq!(answer, ("https://example.org".to_owned(), 2));
/// # Ok::<(), stellatune_plugin_sdk::Error>(())
/// ```
pub fn fetch_json<T: DeserializeOwned>(url: &str) -> Result<T> {
    let text = fetch_text(url)?;
    serde_json::from_str(&text).map_err(|error| Error::io(format!("the answer of {url} is not as expected: {error}")))
}

//! The lyrics ability: what an author implements to find the words of songs.

use crate::error::Result;

pub use crate::bindings::lyrics::exports::stellatune::plugin::lyrics::LyricCandidate;

/// Where the words of songs are found. A host may make one for each question, so what is dear to set up belongs into a
/// `static` or a `thread_local!`. Dropped when the host closes it.
///
/// # Example
/// ```
#[doc = include_str!("../examples/lyrics.rs")]
///
/// # use stellatune_plugin_sdk::{Error, mock};
/// // In tests, a script takes the place of the host.
/// let answer = |url: &str| match url.strip_prefix(SERVICE) {
///     Some("/search?q=%C3%BC") => Ok(r#"[{"id":7,"title":"Ü","artist":"One"}]"#.to_owned()),
///     Some("/songs/7") => Ok(r#"{"words":"la la"}"#.to_owned()),
///     _ => Err(Error::not_found(url)),
/// };
/// let _host = mock::Host::new().fetch(answer).install();
/// let mut service = Service::create()?;
/// assert_eq!(service.search("ü")?, [LyricCandidate::new("7", "Ü", "One")]);
/// assert_eq!(service.fetch("7")?, "la la");
/// assert!(matches!(service.fetch("8"), Err(Error::NotFound(_))));
/// # Ok::<(), Error>(())
/// ```
pub trait Lyrics: Sized + 'static {
    /// Makes the provider.
    ///
    /// # Errors
    /// Any, and it is not used.
    fn create() -> Result<Self>;

    /// Songs that may be the one with this keyword, the best first. The keyword is not blank.
    ///
    /// # Errors
    /// Any; none found is an empty list and no error.
    fn search(&mut self, keyword: &str) -> Result<Vec<LyricCandidate>>;

    /// The words of a song by the id of a candidate, as plain text or with the time stamps of LRC.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) for an id without words.
    fn fetch(&mut self, id: &str) -> Result<String>;

    crate::tail::methods!();
}

impl LyricCandidate {
    /// A song that may be the one looked for.
    pub fn new(id: impl Into<String>, title: impl Into<String>, artist: impl Into<String>) -> Self {
        Self { id: id.into(), title: title.into(), artist: artist.into() }
    }
}

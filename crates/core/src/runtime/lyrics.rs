//! A lyrics provider as an application holds it.

use std::{fmt, sync::Arc};

use crate::{
    actor::{Actor, Canceller, Guest, Priority, Session},
    capability::Lyrics,
    config::{self, Config, ConfigUpdate},
    control::CancelToken,
    engine::Instance,
    error::{CallResult, Error, ErrorKind, PluginError, Result},
    limits::CallClass,
    manifest::Ability,
    route::RouteKey,
    types::LyricCandidate,
};

/// An open provider of a lyrics plugin. Closed when dropped.
pub struct LyricsProvider {
    session: Session,
    route: RouteKey,
    ability: Ability,
}

impl LyricsProvider {
    pub(super) async fn open(
        actor: &Arc<Actor>,
        route: RouteKey,
        ability: Ability,
        config: Option<Config>,
    ) -> Result<Self> {
        let open = move |guest: &mut Guest, token: &CancelToken| {
            let provider =
                guest.call("lyrics.create", CallClass::Stream, token, |instance| lyrics(instance)?.create())?;
            config::first(guest, provider, CallClass::Stream, token, config)?;
            Ok((provider, ()))
        };
        let (session, ()) = Session::open(actor, Priority::default(), CancelToken::default(), open).await?;
        Ok(Self { session, route, ability })
    }

    /// Which ability of which plugin it is.
    pub fn route(&self) -> &RouteKey {
        &self.route
    }

    /// Searches by a keyword. A blank one finds nothing, and the plugin is not asked (plugin contract 6).
    ///
    /// # Errors
    /// `plugin_error`: the provider says no, and lives on. `timeout`, `trap`, `cancelled`: the provider is gone.
    pub async fn search(&mut self, keyword: &str) -> Result<Vec<LyricCandidate>> {
        let keyword = keyword.trim().to_owned();
        if keyword.is_empty() {
            return Ok(Vec::new());
        }
        self.session
            .run(move |guest, provider, token| {
                guest.call("lyrics.search", CallClass::Stream, token, |instance| {
                    lyrics(instance)?.search(provider, &keyword)
                })
            })
            .await
    }

    /// The text of a candidate.
    ///
    /// # Errors
    /// `invalid_argument` for a blank id; as [`search`](Self::search).
    pub async fn fetch(&mut self, id: &str) -> Result<String> {
        let id = id.trim().to_owned();
        if id.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "lyrics are fetched by an id, which is blank")
                .plugin(self.route.plugin_id.as_str())
                .during("lyrics.fetch"));
        }
        self.session
            .run(move |guest, provider, token| {
                guest.call("lyrics.fetch", CallClass::Stream, token, |instance| lyrics(instance)?.fetch(provider, &id))
            })
            .await
    }

    /// Gives the provider new settings, of at most 64 KiB.
    ///
    /// # Errors
    /// `invalid_argument`: they do not fit the plugin's schema. `unsupported`: the plugin rejects them. As
    /// [`search`](Self::search).
    pub async fn configure(&mut self, config_json: &str) -> Result<ConfigUpdate> {
        let config = Config::check(config_json, &self.ability)?;
        config::update(&mut self.session, CallClass::Stream, config, |guest, token| {
            guest.call("lyrics.create", CallClass::Stream, token, |instance| lyrics(instance)?.create())
        })
        .await
    }

    /// Cuts the call in flight, from any thread. The plugin's instance is discarded with it.
    pub fn canceller(&self) -> Canceller {
        self.session.canceller()
    }

    /// Closes the provider. Dropping it does the same without waiting.
    pub async fn close(self) {
        self.session.close().await;
    }
}

impl fmt::Debug for LyricsProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LyricsProvider").field("route", &self.route).finish_non_exhaustive()
    }
}

fn lyrics(instance: &mut dyn Instance) -> CallResult<&mut dyn Lyrics> {
    instance.lyrics().ok_or_else(|| PluginError::Unsupported("the component has no lyrics".into()).into())
}

//! A source's catalogue as an application holds it, and the tracks it opens.

use std::{
    fmt,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use super::pcm::lie;
use crate::{
    actor::{Actor, Canceller, Priority, Session},
    capability::{OpenedHandle, OpenedStream, Source},
    config::{self, Config, ConfigUpdate},
    control::{CallControl, CancelToken},
    engine::Instance,
    error::{CallResult, Error, ErrorKind, PluginError, Result},
    host::HostStream,
    limits::CallClass,
    manifest::Ability,
    route::RouteKey,
    services::stream::Input,
    table::ObjectId,
    types::{EncodedChunk, MediaMetadata, SeekWhence},
};

/// Bytes asked of a source in one read at most (plugin contract 3.1).
const READ_BYTES: u32 = 65_536;

/// An open catalogue of a source plugin. Closed when dropped.
pub struct Catalog {
    session: Session,
    route: RouteKey,
    ability: Ability,
}

/// A track a source opened.
#[derive(Debug)]
#[non_exhaustive]
pub struct OpenedTrack {
    /// Its bytes, to be opened once.
    pub input: Input,
    /// What the source knows of it.
    pub metadata: Option<MediaMetadata>,
}

impl Catalog {
    pub(super) async fn open(
        actor: &Arc<Actor>,
        route: RouteKey,
        ability: Ability,
        config: Option<Config>,
    ) -> Result<Self> {
        let token = CancelToken::default();
        let open = move |guest: &mut crate::actor::Guest, token: &CancelToken| {
            let catalog =
                guest.call("source.create", CallClass::Stream, token, |instance| source(instance)?.create())?;
            config::first(guest, catalog, CallClass::Stream, token, config)?;
            Ok((catalog, ()))
        };
        let (session, ()) = Session::open(actor, Priority::default(), token, open).await?;
        Ok(Self { session, route, ability })
    }

    /// Which ability of which plugin it is.
    pub fn route(&self) -> &RouteKey {
        &self.route
    }

    /// Lists items; request and answer are JSON that plugin and player agree on (plugin contract 6).
    ///
    /// # Errors
    /// `plugin_error`: the source says no, and lives on. `timeout`, `trap`, `cancelled`: the catalogue is gone.
    pub async fn list_items(&mut self, request_json: &str) -> Result<String> {
        let request = request_json.to_owned();
        self.session
            .run(move |guest, catalog, token| {
                guest.call("source.list-items-json", CallClass::Stream, token, |instance| {
                    source(instance)?.list_items_json(catalog, &request)
                })
            })
            .await
    }

    /// Opens a track the source listed.
    ///
    /// # Errors
    /// As [`list_items`](Self::list_items).
    pub async fn open_stream(&mut self, track_json: &str) -> Result<OpenedTrack> {
        let track = track_json.to_owned();
        self.opened("source.open-stream-json", move |source, catalog| source.open_stream_json(catalog, &track)).await
    }

    /// Opens what a URI names.
    ///
    /// # Errors
    /// As [`list_items`](Self::list_items); `plugin_error` from most sources, which know no URIs.
    pub async fn open_uri(&mut self, uri: &str) -> Result<OpenedTrack> {
        let uri = uri.to_owned();
        self.opened("source.open-uri", move |source, catalog| source.open_uri(catalog, &uri)).await
    }

    async fn opened(
        &mut self,
        operation: &'static str,
        open: impl FnOnce(&mut dyn Source, ObjectId) -> CallResult<OpenedStream> + Send + 'static,
    ) -> Result<OpenedTrack> {
        let worker = self.session.worker();
        let (processed, (passed, ext_hint, metadata)) = self
            .session
            .branch(move |guest, catalog, token| {
                let opened = guest.call(operation, CallClass::Stream, token, |instance| {
                    match open(source(instance)?, catalog)? {
                        OpenedStream { handle: OpenedHandle::Passthrough(None), .. } => {
                            Err(PluginError::NotFound("the source closed the stream it returned".into()).into())
                        }
                        opened => Ok(opened),
                    }
                })?;
                Ok(match opened.handle {
                    OpenedHandle::Processed(stream) => (Some(stream), (None, opened.ext_hint, opened.metadata)),
                    OpenedHandle::Passthrough(passed) => (None, (passed, opened.ext_hint, opened.metadata)),
                })
            })
            .await?;
        let input = match (processed, passed) {
            (Some(session), _) => {
                Input::stream(Box::new(Processed { session, delivered: 0, ended: false }), Some(worker))
            }
            (None, Some(stream)) => Input::stream(stream, None),
            (None, None) => return Err(Error::new(ErrorKind::Internal, "the source opened nothing")),
        };
        let input = ext_hint.into_iter().fold(input, |input, ext| input.with_ext(&ext));
        Ok(OpenedTrack { input, metadata })
    }

    /// Gives the catalogue new settings, of at most 64 KiB.
    ///
    /// # Errors
    /// `invalid_argument`: they do not fit the plugin's schema. `unsupported`: the plugin rejects them. As
    /// [`list_items`](Self::list_items).
    pub async fn configure(&mut self, config_json: &str) -> Result<ConfigUpdate> {
        let config = Config::check(config_json, &self.ability)?;
        config::update(&mut self.session, CallClass::Stream, config, |guest, token| {
            guest.call("source.create", CallClass::Stream, token, |instance| source(instance)?.create())
        })
        .await
    }

    /// Cuts the call in flight, from any thread. The plugin's instance is discarded with it.
    pub fn canceller(&self) -> Canceller {
        self.session.canceller()
    }

    /// Closes the catalogue. Dropping it does the same without waiting.
    pub async fn close(self) {
        self.session.close().await;
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").field("route", &self.route).finish_non_exhaustive()
    }
}

fn source(instance: &mut dyn Instance) -> CallResult<&mut dyn Source> {
    instance.source().ok_or_else(|| PluginError::Unsupported("the component has no source".into()).into())
}

/// A stream that a source's guest reads itself, read by another guest (plugin contract 3.1).
struct Processed {
    session: Session,
    delivered: u64,
    ended: bool,
}

/// Makes a wait of the reading guest look again.
struct Ring(Arc<CallControl>);

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.0.ring();
    }
}

impl HostStream for Processed {
    fn read(&mut self, max_bytes: u32, control: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        if self.ended {
            return Ok(Vec::new());
        }
        let most = max_bytes.clamp(1, READ_BYTES);
        let read = self.session.run(move |guest, stream, token| {
            guest.call("source-stream.read", CallClass::Stream, token, |instance| {
                let chunk = source(instance)?.stream_read(stream, most)?;
                if chunk.bytes.len() > most as usize {
                    return Err(lie(&format!("{} bytes where {most} were asked for", chunk.bytes.len())));
                }
                Ok(chunk)
            })
        });
        let waker = Waker::from(Arc::new(Ring(Arc::clone(control))));
        let mut read = pin!(read);
        // Asked with the control locked: the poll only sends a job or looks for its answer.
        let chunk = control.wait(None, || match read.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(chunk) => Some(chunk),
            Poll::Pending => None,
        })?;
        let chunk = chunk.unwrap_or_else(|| Ok(EncodedChunk { bytes: Vec::new(), eof: true }));
        let EncodedChunk { bytes, eof } =
            chunk.map_err(|error| PluginError::Io(format!("the source failed: {error}")))?;
        if bytes.is_empty() && !eof {
            return Err(PluginError::Io("the source returned no bytes before the end of the stream".into()).into());
        }
        self.ended = eof;
        self.delivered += bytes.len() as u64;
        Ok(bytes)
    }

    fn seek(&mut self, _: i64, _: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
        Err(PluginError::Unsupported("a source's own stream only goes forward".into()).into())
    }

    fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(self.delivered)
    }

    fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Err(PluginError::Unsupported("a source's own stream does not know its length".into()).into())
    }
}

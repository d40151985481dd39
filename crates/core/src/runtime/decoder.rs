//! A decoder session as an application holds it.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;

use super::{
    pcm::{self, lie},
    place::Place,
    trim::{self, Trim},
};
use crate::{
    actor::{Actor, Canceller, Guest, Priority, Session},
    config::{self, Config, ConfigUpdate},
    control::CancelToken,
    engine::Instance,
    error::{CallResult, Error, ErrorKind, PluginError, Result},
    host::HostStream,
    limits::CallClass,
    manifest::{Ability, AbilityKind},
    registry::Snapshot,
    route::{self, RouteKey, Selector},
    services::stream::Input,
    table::ObjectId,
    types::{AudioSpec, DecoderInfo, MediaMetadata, PcmF32Chunk},
};

/// Frames asked of the guest in one call. Measured: larger calls are no faster.
const CALL_FRAMES: u32 = 4_096;

/// Frames in one read at most: a second and a half of music. Longer reads save nothing, and a block stays small.
const READ_FRAMES: u32 = 65_536;

/// Decoded audio: interleaved samples, nominally within -1.0..=1.0.
#[derive(Clone, Debug, PartialEq)]
pub struct PcmBlock {
    /// `frames * channels` samples.
    pub samples: Vec<f32>,
    /// Samples in a frame.
    pub channels: u16,
}

impl PcmBlock {
    /// Frames in the block.
    pub fn frames(&self) -> usize {
        self.samples.len() / usize::from(self.channels)
    }
}

/// An open stream in a decoder plugin. Closed when dropped.
///
/// Plugins do not trim what encoders add at both ends (plugin contract 6), so this does, unless told otherwise: what is
/// read and where it is sought are then those of the music before it was encoded.
pub struct Decoder {
    session: Session,
    route: RouteKey,
    ability: Ability,
    /// Opened again where the plugin wants the decoder to be made anew.
    input: Input,
    info: DecoderInfo,
    /// Changed on the guest's thread, so that it is right also where nobody waited for a call's answer.
    place: Arc<Mutex<Place>>,
    /// The music's duration, if known.
    duration_ms: Option<u64>,
    trim: Trim,
    ended: bool,
    /// An error that came after audio in one read, for the next one.
    pending: Option<Error>,
}

impl Decoder {
    pub(super) async fn open(
        actor: &Arc<Actor>,
        (route, ability): (RouteKey, Ability),
        (input, stream): (Input, Box<dyn HostStream>),
        config: Option<Config>,
    ) -> Result<Self> {
        let ext_hint = input.ext_hint();
        let token = CancelToken::default();
        let (session, info) = Session::open(actor, Priority::default(), token, move |guest, token| {
            let session = guest.call("decoder.open", CallClass::Stream, token, |instance| {
                decoder(instance)?.open(stream, ext_hint.as_deref())
            })?;
            config::first(guest, session, CallClass::Stream, token, config)?;
            match info(guest, session, token) {
                Ok(info) => Ok((session, info)),
                Err(error) => {
                    guest.close(session, CallClass::Stream);
                    Err(error)
                }
            }
        })
        .await?;
        let (duration_ms, trim) = (trim::duration_ms(&info), Trim::new(&info));
        let place = Arc::default();
        Ok(Self { session, route, ability, input, info, place, duration_ms, trim, ended: false, pending: None })
    }

    /// Makes it give all that the plugin decodes, encoder delay and padding with it. For a stream that was just opened.
    #[must_use]
    pub fn untrimmed(self) -> Self {
        Self { duration_ms: self.info.duration_ms, trim: Trim::default(), ..self }
    }

    /// Which ability of which plugin decodes.
    pub fn route(&self) -> &RouteKey {
        &self.route
    }

    /// The stream's properties, as the plugin reported them when it was opened: its duration is that of the untrimmed
    /// stream.
    pub fn info(&self) -> &DecoderInfo {
        &self.info
    }

    /// How long what can be read is, in milliseconds; `None` where the stream does not tell.
    pub fn duration_ms(&self) -> Option<u64> {
        self.duration_ms
    }

    /// Tags, format and extras such as cover art.
    ///
    /// # Errors
    /// `plugin_error`: the plugin has none; go on. `timeout`, `trap`, `cancelled`: the session is gone.
    pub async fn metadata(&mut self) -> Result<MediaMetadata> {
        self.session
            .run(|guest, session, token| {
                guest.call("decoder.metadata", CallClass::Metadata, token, |instance| {
                    decoder(instance)?.metadata(session)
                })
            })
            .await
    }

    /// Decodes at most `max_frames` (1 to 65,536); `None` is the end of the stream, until a seek.
    ///
    /// Dropping what it returns before it is ready loses the audio of that read; the next goes on behind it.
    ///
    /// # Errors
    /// `plugin_error`: the stream is broken here; a seek may help. `timeout`, `trap`, `cancelled`: the session is gone.
    pub async fn read(&mut self, max_frames: u32) -> Result<Option<PcmBlock>> {
        let channels = self.info.channels;
        let wanted = max_frames.clamp(1, READ_FRAMES);
        loop {
            let samples = self.trim.pull(wanted as usize * usize::from(channels));
            if !samples.is_empty() {
                return Ok(Some(PcmBlock { samples, channels }));
            }
            if let Some(error) = self.pending.take() {
                return Err(error);
            }
            if self.ended {
                return Ok(None);
            }
            let (held, place) = (self.trim.lend(), Arc::clone(&self.place));
            let read = self
                .session
                .run(move |guest, session, token| {
                    let before = held.len();
                    let mut read = read_frames(guest, session, token, held, wanted, channels);
                    place.lock().passes(&mut read.samples, before, channels);
                    Ok(read)
                })
                .await?;
            self.trim.push(read.samples);
            self.ended = read.ended;
            self.pending = read.error;
            if self.pending.is_some() {
                self.trim.break_off();
            } else if self.ended {
                self.trim.end();
            }
        }
    }

    /// Moves to `position_ms` from the start, at or before it where the format needs that.
    ///
    /// # Errors
    /// `plugin_error`: the stream cannot seek, or not there; reading goes on where it was. `timeout`, `trap`, `cancelled`:
    /// the session is gone.
    pub async fn seek(&mut self, position_ms: u64) -> Result<()> {
        let (place, sample_rate) = (Arc::clone(&self.place), self.info.sample_rate);
        self.session
            .run(move |guest, session, token| {
                seek(guest, session, token, position_ms)?;
                *place.lock() = Place::sought(position_ms, sample_rate);
                Ok(())
            })
            .await?;
        self.trim.restart();
        self.ended = false;
        self.pending = None;
        Ok(())
    }

    /// Gives the session new settings, of at most 64 KiB.
    ///
    /// A plugin may want the decoder to be made anew for them. The stream is then opened once more, the new decoder gets the
    /// settings and what the old one kept, and is sought to the millisecond at or before the next frame; the frames between
    /// are dropped. Nothing is lost or heard twice where the plugin seeks exactly. Where any of that is refused, the old
    /// decoder goes on as it was; a trap ends both, as they live in one instance.
    ///
    /// # Errors
    /// `invalid_argument`: they do not fit the plugin's schema. `unsupported`: the plugin rejects them, or wants to be made
    /// anew where its stream cannot be opened a second time or sought in, or would give audio of another shape: open the
    /// stream again with them. `plugin_error`, `timeout`, `trap`, `cancelled` as for [`seek`](Self::seek).
    pub async fn configure(&mut self, config_json: &str) -> Result<ConfigUpdate> {
        let config = Config::check(config_json, &self.ability)?;
        let (input, ext_hint, before) = (self.input.clone(), self.input.ext_hint(), self.info);
        let (current, ended) = (Arc::clone(&self.place), self.ended);
        let recreate = {
            let (current, seekable) = (Arc::clone(&current), before.seekable);
            move |guest: &mut Guest, token: &CancelToken| {
                if !(seekable || ended || current.lock().is_start()) {
                    return Err(only_anew("it cannot seek to where it is"));
                }
                let stream = input.open().map_err(|error| only_anew(error.message()).source_error(error))?;
                guest.call("decoder.open", CallClass::Stream, token, |instance| {
                    decoder(instance)?.open(stream, ext_hint.as_deref())
                })
            }
        };
        let settle = move |guest: &mut Guest, session: ObjectId, token: &CancelToken| {
            if !is_same_audio(&before, &info(guest, session, token)?) {
                return Err(only_anew("its audio would be of another shape"));
            }
            // Behind the end nothing is read before it is sought.
            if before.seekable && !ended {
                let (position_ms, resumed) = current.lock().resumed(before.sample_rate);
                seek(guest, session, token, position_ms)?;
                *current.lock() = resumed;
            }
            Ok(())
        };
        config::update_and_settle(&mut self.session, CallClass::Stream, config, recreate, settle).await
    }

    /// How soon later calls are due, where the plugin serves others too; `Interactive` unless set.
    pub fn set_priority(&mut self, priority: Priority) {
        self.session.set_priority(priority);
    }

    /// Cuts this session's call in flight, from any thread. Its instance is discarded with it.
    pub fn canceller(&self) -> Canceller {
        self.session.canceller()
    }

    /// Closes the session. Dropping it does the same without waiting.
    pub async fn close(self) {
        self.session.close().await;
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("route", &self.route).field("info", &self.info).finish_non_exhaustive()
    }
}

struct Read {
    samples: Vec<f32>,
    ended: bool,
    error: Option<Error>,
}

/// Calls the guest until `wanted` frames were added to `samples`, the stream ends or a call fails. What came before a
/// failure counts.
fn read_frames(
    guest: &mut Guest,
    session: ObjectId,
    token: &CancelToken,
    mut samples: Vec<f32>,
    wanted: u32,
    channels: u16,
) -> Read {
    samples.reserve_exact(wanted as usize * usize::from(channels));
    let mut read = Read { samples, ended: false, error: None };
    let mut left = wanted;
    while left > 0 {
        let frames = left.min(CALL_FRAMES);
        let chunk = guest.call("decoder.read-pcm-f32", CallClass::Stream, token, |instance| {
            let chunk = decoder(instance)?.read_pcm_f32(session, frames)?;
            check_chunk(&chunk, channels)?;
            Ok(chunk)
        });
        match chunk {
            Ok(chunk) if chunk.interleaved_f32le.is_empty() => {
                read.ended = true;
                break;
            }
            Ok(chunk) => {
                pcm::append(&mut read.samples, &chunk.interleaved_f32le);
                let got = chunk.interleaved_f32le.len() / (4 * usize::from(channels));
                left -= u32::try_from(got).unwrap_or(left).min(left);
                // The last audio may say that it is; asking again would be answered with an empty chunk.
                read.ended = chunk.eof;
                if chunk.eof {
                    break;
                }
            }
            Err(error) => {
                read.error = Some(error);
                break;
            }
        }
    }
    read
}

fn info(guest: &mut Guest, session: ObjectId, token: &CancelToken) -> Result<DecoderInfo> {
    guest.call("decoder.info", CallClass::Stream, token, |instance| check_info(decoder(instance)?.info(session)?))
}

fn seek(guest: &mut Guest, session: ObjectId, token: &CancelToken, position_ms: u64) -> Result<()> {
    guest.call("decoder.seek-ms", CallClass::Stream, token, |instance| decoder(instance)?.seek_ms(session, position_ms))
}

/// Why a decoder is not made anew in its stream.
fn only_anew(why: &str) -> Error {
    let text = format!("the decoder takes these settings only when its stream is opened: {why}");
    Error::new(ErrorKind::Unsupported, text).help("open the stream again with them")
}

/// Whether one decoder can go on where the other was.
fn is_same_audio(one: &DecoderInfo, other: &DecoderInfo) -> bool {
    let shape =
        |info: &DecoderInfo| (info.sample_rate, info.channels, info.encoder_delay_frames, info.encoder_padding_frames);
    shape(one) == shape(other)
}

/// The rules of plugin contract 6: empty without eof is fatal, the bytes decide (`frames` is ignored, and more than was
/// asked for is taken), whole frames only.
fn check_chunk(chunk: &PcmF32Chunk, channels: u16) -> CallResult<()> {
    let bytes = chunk.interleaved_f32le.len();
    let frame = 4 * usize::from(channels);
    if bytes == 0 && !chunk.eof {
        return Err(PluginError::Internal("the decoder returned no audio before the end of the stream".into()).into());
    }
    if !bytes.is_multiple_of(frame) {
        return Err(lie(&format!("{bytes} bytes of PCM are not whole frames of {channels} channels")));
    }
    Ok(())
}

fn check_info(info: DecoderInfo) -> CallResult<DecoderInfo> {
    let spec = AudioSpec { sample_rate: info.sample_rate, channels: info.channels };
    pcm::unfit(spec).map_or(Ok(info), |why| Err(lie(&why)))
}

fn decoder(instance: &mut dyn Instance) -> CallResult<&mut dyn crate::capability::Decoder> {
    instance.decoder().ok_or_else(|| PluginError::Unsupported("the component has no decoder".into()).into())
}

/// Which decoder opens a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DecoderChoice {
    /// The installed decoder that knows the extension best, then the next.
    #[default]
    Auto,
    /// This one and no other.
    Named(Selector),
}

impl DecoderChoice {
    /// The decoders to try in turn; at least one.
    pub(super) fn routes(&self, snapshot: &Snapshot, ext: Option<&str>) -> Result<Vec<RouteKey>> {
        let routes: Vec<_> = match self {
            Self::Named(selector) => vec![route::forced(snapshot, AbilityKind::Decoder, selector)?],
            Self::Auto => {
                let candidates = route::decoders(snapshot, ext, route::Input::LocalFile);
                candidates.into_iter().map(|candidate| candidate.route).collect()
            }
        };
        if routes.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "no decoder plugin is installed and enabled")
                .during("decoder.open")
                .help("install or enable one; `stellatune plugin list` shows what is there"));
        }
        Ok(routes)
    }
}

/// What the caller is told when no candidate opened the stream.
pub(super) fn refused(mut errors: Vec<(RouteKey, Error)>) -> Error {
    if errors.len() == 1
        && let Some((_, error)) = errors.pop()
    {
        return error;
    }
    let texts: Vec<_> = errors.iter().map(|(route, error)| format!("{route}: {error}")).collect();
    Error::new(ErrorKind::PluginError, format!("no decoder plugin could open the stream: {}", texts.join("; ")))
        .during("decoder.open")
}

//! `stellatune decode`: an audio file through a decoder plugin, and DSPs if there are any, into a WAV file.

use std::{
    fmt, io,
    path::Path,
    time::{Duration, Instant},
};

use serde::Serialize;
use stellatune_plugins::{
    ComponentStats, Decoder, DecoderChoice, Error, ErrorKind, Input, Result, RouteKey, Runtime,
    types::{AudioSpec, DecoderInfo},
};

use crate::{
    args::DecodeArgs,
    dsp::{Chain, StageStats},
    interrupt::Interrupt,
    output::{Output, unwritable},
    plugin,
    progress::{Progress, clock},
    wav::WavWriter,
};

/// Frames asked for at a time: enough that the way to the plugin's thread and a write cost nothing beside decoding, and
/// little enough that the progress moves and Ctrl-C is answered at once.
const READ_FRAMES: u32 = 65_536;

/// Decodes, and tells what came out.
///
/// # Errors
/// `not_found`: no such file, decoder or DSP; `invalid_argument`: an output that cannot be one; `io`: reading or writing
/// failed; `cancelled`: Ctrl-C; else what the decoder or a DSP answered. The output is as it was before.
pub(crate) async fn run(runtime: &Runtime, args: &DecodeArgs, show_progress: bool) -> Result<Decoded> {
    let interrupt = Interrupt::listen()?;
    let mut clocks = Clocks::start();
    let output = Output::create(&args.output, &args.input).map_err(|error| error.during("decode"))?;
    let input = Input::file(&args.input);
    let choice = args.decoder.clone().map_or(DecoderChoice::Auto, DecoderChoice::Named);
    let opened = interrupt.guard(runtime.open_decoder(&input, &choice)).await;
    let mut decoder = opened.map_err(|error| explain(error, "decode", &args.input, None))?;
    let &DecoderInfo { sample_rate, channels, .. } = decoder.info();
    let stream = AudioSpec { sample_rate, channels };
    let mut chain = Chain::open(runtime, &args.dsp, args.no_hot, stream, &interrupt).await?;
    clocks.opened();

    let audio = copy(&mut decoder, &mut chain, &output, args, &interrupt, show_progress, &mut clocks).await?;
    output.commit(audio.bytes).map_err(|error| error.during("decode"))?;

    let wall = clocks.began.elapsed();
    let (route, info) = (decoder.route(), decoder.info());
    let seconds = audio.frames as f64 / f64::from(info.sample_rate);
    Ok(Decoded {
        input: args.input.display().to_string(),
        output: args.output.display().to_string(),
        engine: runtime.engine().id().name,
        decoder: Ability::from(route),
        dsp: chain.abilities(),
        sample_rate: info.sample_rate,
        channels: info.channels,
        frames: audio.frames,
        seconds,
        wall_seconds: wall.as_secs_f64(),
        realtime_factor: seconds / wall.as_secs_f64(),
        stats: args.stats.then(|| clocks.stats(audio.frames, chain.stats(), runtime.stats())),
        plugin_version: version(runtime, route.plugin_id.as_str()),
        bytes: audio.bytes,
    })
}

/// What a WAV file was made of.
struct Audio {
    frames: u64,
    bytes: u64,
}

/// Copies all that `decoder` yields to `output`, by way of `chain`.
async fn copy(
    decoder: &mut Decoder,
    chain: &mut Chain,
    output: &Output,
    args: &DecodeArgs,
    interrupt: &Interrupt,
    show_progress: bool,
    clocks: &mut Clocks,
) -> Result<Audio> {
    let info = *decoder.info();
    let failed = |error: io::Error| unwritable(&args.output, error).during("decode");
    let mut wav = WavWriter::new(output.file(), info.sample_rate, info.channels).map_err(failed)?;
    let progress = Progress::new(show_progress, decoder.duration_ms().map(Duration::from_millis));
    let position = |frames: u64| Duration::from_secs_f64(frames as f64 / f64::from(info.sample_rate));
    loop {
        let read = clocks.reading(interrupt.guard(decoder.read(READ_FRAMES))).await;
        let mut block = match read {
            Ok(Some(block)) => block,
            Ok(None) => break,
            Err(error) => return Err(explain(error, "decode", &args.input, Some(position(wav.frames())))),
        };
        chain.process(&mut block.samples, interrupt).await?;
        clocks.writing(|| wav.write(&block.samples)).map_err(failed)?;
        progress.at(position(wav.frames()));
    }
    let frames = wav.frames();
    let (_, bytes) = clocks.writing(|| wav.finish()).map_err(failed)?;
    Ok(Audio { frames, bytes })
}

/// The failure, with the file where a plugin does not know it, how far it came, and what to do next.
pub(crate) fn explain(error: Error, doing: &'static str, input: &Path, position: Option<Duration>) -> Error {
    let (kind, input) = (error.kind(), input.display());
    let fault = matches!(kind, ErrorKind::Trap | ErrorKind::Timeout);
    let error = if fault || kind == ErrorKind::PluginError {
        let beyond = position.map(|position| format!(" beyond {}", clock(position))).unwrap_or_default();
        let message = format!("cannot {doing} {input}{beyond}: {}", error.message());
        let told = Error::new(kind, message).during(error.operation().unwrap_or(doing));
        let told = error.plugin_id().into_iter().fold(told, Error::plugin);
        error.help_text().into_iter().fold(told, Error::help)
    } else {
        error.during(doing)
    };
    if error.help_text().is_some() {
        return error;
    }
    match kind {
        ErrorKind::PluginError => {
            error.help("the file is damaged or not what it seems; `--decoder ID:TYPE` tries another decoder")
        }
        _ if fault => error.help("this is a fault of the plugin; `--decoder ID:TYPE` tries another decoder"),
        ErrorKind::NotFound if error.plugin_id().is_some() => {
            error.help("`stellatune plugin list` shows the decoders that are here")
        }
        ErrorKind::NotFound => error.help("check the path of the input"),
        ErrorKind::Io => error.help("check that you may read the input"),
        _ => error,
    }
}

fn version(runtime: &Runtime, plugin_id: &str) -> String {
    runtime.plugins().plugin(plugin_id).map(|plugin| plugin.version().to_owned()).unwrap_or_default()
}

/// Where the time of a decode goes.
struct Clocks {
    began: Instant,
    open: Duration,
    first_audio: Option<Duration>,
    read: Duration,
    write: Duration,
    reads: u64,
}

impl Clocks {
    fn start() -> Self {
        let zero = Duration::ZERO;
        Self { began: Instant::now(), open: zero, first_audio: None, read: zero, write: zero, reads: 0 }
    }

    fn opened(&mut self) {
        self.open = self.began.elapsed();
    }

    async fn reading<T>(&mut self, read: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let result = read.await;
        self.read += began.elapsed();
        self.reads += 1;
        self.first_audio.get_or_insert_with(|| self.began.elapsed());
        result
    }

    fn writing<T>(&mut self, write: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = write();
        self.write += began.elapsed();
        result
    }

    fn stats(&self, frames: u64, dsp: Vec<StageStats>, plugins: Vec<ComponentStats>) -> Stats {
        Stats {
            plugins: plugin::Stats(plugins),
            open_seconds: self.open.as_secs_f64(),
            first_audio_seconds: self.first_audio.unwrap_or(self.open).as_secs_f64(),
            read_seconds: self.read.as_secs_f64(),
            write_seconds: self.write.as_secs_f64(),
            reads: self.reads,
            frames_per_read: frames as f64 / self.reads.max(1) as f64,
            dsp,
        }
    }
}

/// What `decode` answers.
#[derive(Debug, Serialize)]
pub(crate) struct Decoded {
    input: String,
    output: String,
    engine: &'static str,
    decoder: Ability,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dsp: Vec<Ability>,
    sample_rate: u32,
    channels: u16,
    frames: u64,
    seconds: f64,
    wall_seconds: f64,
    realtime_factor: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<Stats>,
    #[serde(skip)]
    plugin_version: String,
    #[serde(skip)]
    bytes: u64,
}

/// Which ability of which plugin did it.
#[derive(Debug, Serialize)]
pub(crate) struct Ability {
    pub(crate) plugin_id: String,
    component_id: String,
    pub(crate) type_id: String,
}

impl From<&RouteKey> for Ability {
    fn from(route: &RouteKey) -> Self {
        Self {
            plugin_id: route.plugin_id.to_string(),
            component_id: route.component_id.to_string(),
            type_id: route.type_id.to_string(),
        }
    }
}

/// What `--stats` adds. Times are counted from the command's start, but `read` and `write`, which are sums.
#[derive(Debug, Serialize)]
struct Stats {
    open_seconds: f64,
    first_audio_seconds: f64,
    read_seconds: f64,
    write_seconds: f64,
    reads: u64,
    frames_per_read: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dsp: Vec<StageStats>,
    /// What the plugins did.
    plugins: plugin::Stats,
}

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { decoder, sample_rate, channels, frames, wall_seconds, realtime_factor, .. } = self;
        let channels = match channels {
            1 => "mono".to_owned(),
            2 => "stereo".to_owned(),
            more => format!("{more} channels"),
        };
        let duration = Duration::try_from_secs_f64(self.seconds).unwrap_or_default();
        writeln!(f, "input     {}", self.input)?;
        writeln!(f, "decoder   {}:{} {}, on {}", decoder.plugin_id, decoder.type_id, self.plugin_version, self.engine)?;
        for Ability { plugin_id, type_id, .. } in &self.dsp {
            writeln!(f, "dsp       {plugin_id}:{type_id}")?;
        }
        writeln!(f, "audio     {sample_rate} Hz, {channels}, {}, {frames} frames", clock(duration))?;
        writeln!(f, "time      {wall_seconds:.3} s, {realtime_factor:.0} x real time")?;
        if let Some(stats) = &self.stats {
            writeln!(f, "  open    {:.3} s, first audio after {:.3} s", stats.open_seconds, stats.first_audio_seconds)?;
            writeln!(
                f,
                "  read    {:.3} s, {} reads of {:.0} frames",
                stats.read_seconds, stats.reads, stats.frames_per_read
            )?;
            for stage in &stats.dsp {
                writeln!(f, "  dsp     {stage}")?;
            }
            writeln!(f, "  write   {:.3} s", stats.write_seconds)?;
        }
        writeln!(f, "output    {}, {:.1} MB, 32-bit float WAV", self.output, self.bytes as f64 / 1e6)?;
        self.stats.as_ref().map_or(Ok(()), |stats| write!(f, "\n{}", stats.plugins))
    }
}

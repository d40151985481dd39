//! DSPs one after another, and what each of them did and cost.

use std::{
    fmt,
    time::{Duration, Instant},
};

use cpu_time::ProcessTime;
use serde::Serialize;
use stellatune_plugins::{AudioPath, Dsp, DspOptions, Error, ErrorKind, Result, Runtime, types::AudioSpec};

use crate::{args::DspStage, decode::Ability, interrupt::Interrupt};

/// The chain that audio goes through; an empty one changes nothing.
pub(crate) struct Chain(Vec<Stage>);

struct Stage {
    dsp: Dsp,
    frames: u64,
    wall: Duration,
    /// None where the system does not tell.
    cpu: Option<Duration>,
}

impl Chain {
    /// Opens each DSP for audio of the shape `stream`.
    ///
    /// # Errors
    /// Those of opening one, with which one it is.
    pub(crate) async fn open(
        runtime: &Runtime,
        stages: &[DspStage],
        component_only: bool,
        stream: AudioSpec,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let mut chain = Vec::new();
        for DspStage { dsp, config } in stages {
            let options = DspOptions { config: config.clone(), component_only };
            let opened = interrupt.guard(runtime.open_dsp(dsp, stream, &options)).await;
            let opened = opened.map_err(|error| explain(error, &dsp.to_string()))?;
            chain.push(Stage { dsp: opened, frames: 0, wall: Duration::ZERO, cpu: Some(Duration::ZERO) });
        }
        Ok(Self(chain))
    }

    /// Sends a block through all of them.
    ///
    /// # Errors
    /// The first one's that fails.
    pub(crate) async fn process(&mut self, samples: &mut [f32], interrupt: &Interrupt) -> Result<()> {
        for Stage { dsp, frames, wall, cpu } in &mut self.0 {
            // The whole process's, since a component works on a thread of its own; nothing else of a decode runs meanwhile.
            let (began, cpu_began) = (Instant::now(), ProcessTime::try_now().ok());
            let processed = interrupt.guard(dsp.process(samples)).await;
            *wall += began.elapsed();
            let cpu_ended = ProcessTime::try_now().ok();
            let used = cpu_began.zip(cpu_ended).map(|(began, ended)| ended.duration_since(began));
            *cpu = cpu.zip(used).map(|(sum, used)| sum + used);
            *frames += samples.len() as u64 / u64::from(dsp.spec().channels);
            processed.map_err(|error| explain(error, &dsp.route().to_string()))?;
        }
        Ok(())
    }

    /// Which abilities they are, in their order.
    pub(crate) fn abilities(&self) -> Vec<Ability> {
        self.0.iter().map(|stage| Ability::from(stage.dsp.route())).collect()
    }

    /// What each did and cost.
    pub(crate) fn stats(&self) -> Vec<StageStats> {
        self.0.iter().map(Stage::stats).collect()
    }
}

impl Stage {
    fn stats(&self) -> StageStats {
        let seconds = self.frames as f64 / f64::from(self.dsp.spec().sample_rate);
        let wall = self.wall.as_secs_f64();
        let (path, reason) = match self.dsp.path() {
            AudioPath::Hot => ("hot", None),
            AudioPath::Component { reason } => ("component", Some(reason.clone())),
            _ => ("other", None),
        };
        StageStats {
            dsp: Ability::from(self.dsp.route()),
            path,
            reason,
            frames: self.frames,
            wall_seconds: wall,
            cpu_seconds: self.cpu.map(|cpu| cpu.as_secs_f64()),
            realtime_factor: if wall > 0.0 { seconds / wall } else { 0.0 },
        }
    }
}

/// What `--stats` says of a stage.
#[derive(Debug, Serialize)]
pub(crate) struct StageStats {
    #[serde(flatten)]
    dsp: Ability,
    /// `hot` or `component`, as it was at the end.
    path: &'static str,
    /// Why not `hot`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    frames: u64,
    wall_seconds: f64,
    /// What the process used of processors meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_seconds: Option<f64>,
    realtime_factor: f64,
}

impl fmt::Display for StageStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path == "hot" { "hot path" } else { "component calls" };
        let Self { dsp, frames, wall_seconds, realtime_factor, .. } = self;
        write!(f, "{}, {path}, {frames} frames in {wall_seconds:.3} s, {realtime_factor:.0} x real time", dsp.type_id)?;
        if let Some(cpu) = self.cpu_seconds {
            write!(f, ", {cpu:.3} s of processors")?;
        }
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, "\n          since {reason}"))
    }
}

/// The failure, with the DSP where a plugin does not know it, and what to do next.
fn explain(error: Error, dsp: &str) -> Error {
    let kind = error.kind();
    if kind == ErrorKind::Cancelled {
        return error;
    }
    let message = format!("the DSP {dsp} failed: {}", error.message());
    let told = Error::new(kind, message).during(error.operation().unwrap_or("dsp"));
    let told = error.plugin_id().into_iter().fold(told, Error::plugin);
    if let Some(help) = error.help_text() {
        return told.help(help);
    }
    match kind {
        ErrorKind::PluginError => {
            told.help("`stellatune --json plugin show ID` shows the schema of a plugin's configuration")
        }
        ErrorKind::Trap | ErrorKind::Timeout => told.help("this is a fault of the plugin; leave the DSP out"),
        _ => told.help("`stellatune plugin list` shows the plugins that are here"),
    }
}

//! `hot/<dsp>/<frames>/<form>`: a block through the hot path, and through component calls, beside a dynamic library. See
//! README.md.

#[allow(dead_code, reason = "each bench uses a part of it")]
mod common;
#[path = "hot/plain.rs"]
mod plain;
#[path = "hot/rounds.rs"]
mod rounds;

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use common::{
    component::{self, Component, Installed, Loaded},
    hot::{BIQUAD, Cdylib, Dsp, EQUALIZER, GAIN, INPUT, OUTPUT, block},
};
use plain::Plain;
use regex_lite::Regex;
use rounds::Form;
use stellatune_plugin_core::{
    engine::{HotExports, HotModule},
    meter::meter_block,
};
use stellatune_plugins::{Limits, engine, engines, hot::HotProcessor};

/// What the equaliser's forms may differ by: compilers may add in another order.
const CLOSE: f32 = 1.0 / (1 << 20) as f32;

fn main() -> Result<()> {
    let filter = filter()?;
    println!("{:<48} {:>10}      {:>7}   (of 8 of 10 rounds)", "", "median", "ratio");
    for dsp in [GAIN, BIQUAD, EQUALIZER] {
        let asked: Vec<usize> = [64, 128, 256, 512, 1024, 2048, 4096]
            .into_iter()
            .filter(|frames| filter.is_match(&group(dsp, *frames)))
            .collect();
        if asked.is_empty() {
            continue;
        }
        let components = engines().iter().map(|name| Engine::new(name, dsp)).collect::<Result<Vec<_>>>()?;
        for frames in asked {
            measure(&components, dsp, frames)?;
        }
    }
    Ok(())
}

/// The first argument that is no option. What is for Criterion, in the other benches of the same command, is passed over.
fn filter() -> Result<Regex> {
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--save-baseline" | "--baseline" => _ = arguments.next(),
            option if option.starts_with('-') => {}
            filter => return Regex::new(filter).context("the filter is no regular expression"),
        }
    }
    Ok(Regex::new("")?)
}

fn group(dsp: Dsp, frames: usize) -> String {
    format!("hot/{}/{frames}", dsp.name)
}

/// A DSP's component on an engine, in both ways to call it.
struct Engine {
    name: &'static str,
    loaded: Loaded,
    installed: Installed,
}

impl Engine {
    fn new(name: &'static str, dsp: Dsp) -> Result<Self> {
        Ok(Self { name, loaded: Loaded::new(name, dsp)?, installed: Installed::new(name, dsp)? })
    }
}

/// A DSP on an engine, in every form.
struct Forms {
    name: &'static str,
    by_hand: Option<ByHand>,
    processor: HotProcessor,
    in_place: HotProcessor,
    component: Component,
    actor: stellatune_plugins::Dsp,
}

impl Forms {
    fn new(engine: &Engine, dsp: Dsp) -> Result<Self> {
        let name = engine.name;
        Ok(Self {
            name,
            by_hand: dsp.is_bare().then(|| ByHand::new(name, &dsp.wasm()?)).transpose()?,
            processor: dsp.processor(name)?,
            in_place: dsp.processor(name)?,
            component: engine.loaded.component()?,
            actor: engine.installed.open()?,
        })
    }

    /// Runs the first block, which must come to the same in each form.
    fn check(&mut self, input: &[f32], expected: &[f32]) -> Result<()> {
        let same = |what: &str, output: &[f32]| {
            let near = output.iter().zip(expected).all(|(one, other)| (one - other).abs() <= CLOSE);
            ensure!(near, "{what} computes something else than the library");
            Ok(())
        };
        let mut output = vec![0.0; input.len()];
        if let Some(ByHand { copied, metered, .. }) = &mut self.by_hand {
            call(&mut **copied, input, &mut output);
            same("the module, called by hand,", &output)?;
            metered.process(input, &mut output);
            same("the module, at the seam,", &output)?;
        }
        ensure!(self.processor.process(input, &mut output).wet, "the block is dry");
        same("the module", &output)?;
        let bytes = self.component.process(&component::bytes(input));
        let of_component = bytes.chunks_exact(4).map(|sample| [sample[0], sample[1], sample[2], sample[3]]);
        same("the component", &of_component.map(f32::from_le_bytes).collect::<Vec<_>>())?;
        component::process(&mut self.actor, input, &mut output);
        same("the component, through its actor,", &output)
    }

    /// Each form of a block.
    fn all<'a>(&'a mut self, input: &'a [f32]) -> Vec<Form<'a>> {
        let Self { name, by_hand, processor, in_place, component, actor } = self;
        let frames = input.len() / 2;
        let form = |what: &str| format!("{name}/{what}");
        let room = || vec![0.0; input.len()];
        let mut forms = Vec::new();
        if let Some(ByHand { copied, in_place, metered }) = by_hand {
            let mut output = room();
            forms.push(Form::new(form("plain"), move || call(&mut **copied, input, &mut output)));
            let process = move || in_place.process(frames).expect("it did before");
            forms.push(Form::new(form("plain-in-place"), process));
            let mut output = room();
            forms.push(Form::new(form("metered"), move || metered.process(input, &mut output)));
        }
        let mut output = room();
        forms.push(Form::new(form("safe"), move || _ = black_box(processor.process(input, &mut output))));
        forms.push(Form::new(form("in-place"), move || {
            let mut block = in_place.block(frames);
            // What a producer would compute there anyway is not written here.
            black_box(block.input());
            black_box(block.process());
        }));
        let bytes = component::bytes(input);
        forms.push(Form::new(form("component"), move || _ = black_box(component.process(&bytes))));
        let mut output = room();
        let process = move || component::process(actor, input, &mut output);
        forms.push(Form { name: form("actor"), threads: true, process: Box::new(process) });
        forms
    }
}

/// The module without what core adds to it.
struct ByHand {
    copied: Box<dyn Plain>,
    in_place: Box<dyn Plain>,
    metered: Metered,
}

impl ByHand {
    fn new(engine: &str, wasm: &[u8]) -> Result<Self> {
        let plain = || plain::on(engine, wasm);
        Ok(Self { copied: plain()?, in_place: plain()?, metered: Metered::new(engine, wasm)? })
    }
}

fn measure(components: &[Engine], dsp: Dsp, frames: usize) -> Result<()> {
    let input = block(frames);
    let mut expected = vec![0.0; input.len()];
    let mut native = Cdylib::new(dsp)?;
    native.process(&input, &mut expected);
    let mut of_engines = components.iter().map(|engine| Forms::new(engine, dsp)).collect::<Result<Vec<_>>>()?;
    let mut output = vec![0.0; input.len()];
    let mut forms = vec![Form::new("native", || native.process(black_box(&input), &mut output))];
    for of_engine in &mut of_engines {
        of_engine.check(&input, &expected)?;
        forms.extend(of_engine.all(&input));
    }
    rounds::measure(&group(dsp, frames), frames, forms);
    Ok(())
}

/// A call by hand of a block that is not in the module's memory.
fn call(plain: &mut dyn Plain, input: &[f32], output: &mut [f32]) {
    copy_in(plain.memory(), input);
    plain.process(input.len() / 2).expect("the module works");
    copy_out(plain.memory(), output);
}

/// The engine seam alone: the meter, and a copy in and out.
struct Metered(Box<dyn HotModule>);

impl Metered {
    fn new(name: &str, wasm: &[u8]) -> Result<Self> {
        let exports = HotExports {
            memory: "memory".into(),
            init: "st_hot_init".into(),
            process: "st_hot_process".into(),
            reset: None,
            drop: None,
        };
        Ok(Self(engine(Some(name))?.hot(&meter_block(wasm, &exports.process)?, &exports, &Limits::HOT)?))
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) {
        copy_in(self.0.memory(), input);
        let frames = (input.len() / 2) as u32;
        assert_eq!(self.0.process(1 << 30, 0, frames, 8), Ok((0, frames.into())));
        copy_out(self.0.memory(), output);
    }
}

fn copy_in(memory: &mut [u8], input: &[f32]) {
    let bytes: &[u8] = bytemuck::cast_slice(input);
    memory[INPUT as usize..][..bytes.len()].copy_from_slice(bytes);
}

fn copy_out(memory: &[u8], output: &mut [f32]) {
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(output);
    bytes.copy_from_slice(&memory[OUTPUT as usize..][..bytes.len()]);
}

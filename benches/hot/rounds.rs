//! Forms of one DSP, measured in turns: every round runs each of them, so that what else the machine does weighs on all alike,
//! and what is told is the median of the rounds' ratios.

use std::time::Duration;

use cpu_time::{ProcessTime, ThreadTime};

/// Rounds that count; one before them pays for what is touched for the first time.
const ROUNDS: usize = 40;

/// Frames of one measurement, however they are divided: some ten microseconds of the fastest form, far more than a clock takes.
const FRAMES: usize = 1 << 15;

/// One way to process a block.
pub(crate) struct Form<'a> {
    pub(crate) name: String,
    /// Whether other threads work for it too, and count.
    pub(crate) threads: bool,
    pub(crate) process: Box<dyn FnMut() + 'a>,
}

impl<'a> Form<'a> {
    pub(crate) fn new(name: impl Into<String>, process: impl FnMut() + 'a) -> Self {
        Self { name: name.into(), threads: false, process: Box::new(process) }
    }

    /// Nanoseconds of CPU time of one of `times` blocks: other processes do not count.
    fn cost(&mut self, times: usize) -> f64 {
        fn repeat(times: usize, process: &mut dyn FnMut()) {
            for _ in 0..times {
                process();
            }
        }
        let elapsed: Duration = if self.threads {
            let began = ProcessTime::now();
            repeat(times, &mut self.process);
            began.elapsed()
        } else {
            let began = ThreadTime::now();
            repeat(times, &mut self.process);
            began.elapsed()
        };
        elapsed.as_nanos() as f64 / times as f64
    }
}

/// Measures blocks of `frames`, and prints a line a form below `group`; ratios are those to the first one.
pub(crate) fn measure(group: &str, frames: usize, mut forms: Vec<Form<'_>>) {
    let times = (FRAMES / frames).max(1);
    let mut costs = vec![Vec::with_capacity(ROUNDS); forms.len()];
    for round in 0..=ROUNDS {
        for (form, costs) in forms.iter_mut().zip(&mut costs) {
            let cost = form.cost(times);
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    for (form, of_form) in forms.iter().zip(&costs) {
        let ratios: Vec<f64> = of_form.iter().zip(&costs[0]).map(|(cost, first)| cost / first).collect();
        let name = format!("{group}/{}", form.name);
        let (ns, [low, median, high]) = (points(of_form)[1], points(&ratios));
        println!("{name:<48} {ns:>10.0} ns   {median:>7.3}   ({low:.3} to {high:.3})");
    }
}

/// The tenth, half and nine tenths of the way from the least to the most.
fn points(measured: &[f64]) -> [f64; 3] {
    let mut sorted = measured.to_vec();
    sorted.sort_by(f64::total_cmp);
    [1, 5, 9].map(|tenths| sorted[tenths * (sorted.len() - 1) / 10])
}

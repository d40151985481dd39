//! Is the hot-path module that a component describes in its package, and does it work?

use super::{rig::Rig, smoke::SPEC};
use crate::{
    error::{CallError, CallResult, Error, ErrorKind, PluginError, Result, Trap, TrapKind},
    hot::{HotFault, HotParameters, HotProcessor, HotSink, HotSpec, Primed},
    inspect,
    limits::Limits,
    types::{CoreModuleSpec, HotPathRole},
};

/// Frames that it is given.
const FRAMES: usize = 512;

/// Makes the module ready for what the component is for, as a player would, and gives it silence.
pub(super) fn play(rig: &Rig, role: HotPathRole, described: CoreModuleSpec, state: Option<&str>) -> CallResult<String> {
    let path = described.wasm_rel_path.clone();
    let primed = prime(rig, described, state).map_err(|error| failed(&error))?;
    let silence = vec![0.0; FRAMES * usize::from(SPEC.channels)];
    let fault = match role {
        HotPathRole::DspTransform => {
            let (mut processor, mut control) = HotProcessor::new(primed).map_err(|error| failed(&error))?;
            processor.process(&silence, &mut vec![0.0; silence.len()]);
            control.report().and_then(|report| report.fault)
        }
        HotPathRole::OutputSink => {
            let (mut sink, mut control) = HotSink::new(primed).map_err(|error| failed(&error))?;
            sink.write(&silence);
            control.report().and_then(|report| report.fault)
        }
    };
    fault.map_or_else(|| Ok(format!("{path}, {FRAMES} frames")), |fault| Err(broken(&fault)))
}

fn prime(rig: &Rig, described: CoreModuleSpec, state: Option<&str>) -> Result<Primed> {
    let parameters = state.map_or(Ok(None), HotParameters::of_state)?;
    let spec = HotSpec::new(described, SPEC)?.with_parameters(parameters);
    let wasm = inspect::read(&spec.path().under(rig.root()))?;
    Primed::new(rig.engine(), &wasm, &spec, &Limits::HOT)
}

/// It may say no, or be too slow for this machine; anything else is a description that is not true.
fn failed(error: &Error) -> CallError {
    match error.kind() {
        ErrorKind::PluginError => PluginError::Unsupported(error.to_string()).into(),
        ErrorKind::Timeout => PluginError::Timeout(error.to_string()).into(),
        _ => Trap::new(TrapKind::Abi, format!("the hot-path module cannot be used: {error}")).into(),
    }
}

fn broken(fault: &HotFault) -> CallError {
    Trap::new(TrapKind::Abi, format!("the hot-path module failed: {fault}")).into()
}

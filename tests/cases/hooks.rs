//! The hooks around an instance's life, good and bad.

use stellatune_plugin_core::{
    error::{CallResult, PluginError, TrapKind},
    types::DisableReason,
};

use crate::support::{
    Case, Subject,
    guest::{Guest, SHORT, refusal, trap_kind},
    stream::Script,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("hooks/tame", ["edge-decoder"], tame),
        Case::new("hooks/loop-in-enable", ["hook-loop-enable"], |subject| {
            assert_eq!(trap_kind(enable(subject, "hook-loop-enable")), TrapKind::Deadline);
        }),
        Case::new("hooks/trap-in-enable", ["hook-trap-enable"], |subject| {
            assert_eq!(trap_kind(enable(subject, "hook-trap-enable")), TrapKind::Unreachable);
        }),
        Case::new("hooks/error-in-enable", ["hook-error-enable"], |subject| {
            assert_eq!(refusal(enable(subject, "hook-error-enable")), PluginError::Denied("asked to".into()));
        }),
        Case::new("hooks/loop-in-disable", ["hook-loop-disable"], |subject| {
            assert_eq!(trap_kind(disable(subject, "hook-loop-disable")), TrapKind::Deadline);
        }),
        Case::new("hooks/trap-in-disable", ["hook-trap-disable"], |subject| {
            assert_eq!(trap_kind(disable(subject, "hook-trap-disable")), TrapKind::Unreachable);
        }),
        Case::new("hooks/error-in-disable", ["hook-error-disable"], |subject| {
            assert_eq!(refusal(disable(subject, "hook-error-disable")), PluginError::Denied("asked to".into()));
        }),
    ]
}

fn enable(subject: &Subject, fixture: &str) -> CallResult<()> {
    let mut guest = Guest::new(subject, fixture);
    guest.budget(SHORT);
    guest.call(|instance| instance.enable())
}

/// Uses a guest that is tame until it is disabled.
fn disable(subject: &Subject, fixture: &str) -> CallResult<()> {
    let mut guest = Guest::new(subject, fixture);
    guest.call(|instance| instance.enable()).expect("enables");
    assert_eq!(guest.decode(Script::new(Vec::new()).boxed(), "x"), [0.0; 48_000]);
    guest.budget(SHORT);
    guest.call(|instance| instance.disable(DisableReason::Shutdown))
}

/// Each reason reaches the guest as it is.
fn tame(subject: &Subject) {
    use DisableReason::{HostDisable, Reload, Shutdown, Unload};
    for reason in [HostDisable, Unload, Shutdown, Reload] {
        let mut guest = Guest::new(subject, "edge-decoder");
        guest.call(|instance| instance.enable()).expect("enables");
        guest.call(|instance| instance.disable(reason)).expect("disables");
        let lines = [(false, "on-enable".to_owned()), (false, format!("on-disable DisableReason::{reason:?}"))];
        assert_eq!(guest.log(), lines);
    }
}

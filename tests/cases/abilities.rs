//! What holds for every method of every ability, and for the objects that have them: a file each for what a method is
//! for, and here what is the same for all.
//!
//! Cases are named `abilities/<ability>/<method>/<what>`.

mod decoder;
mod dsp;
mod lyrics;
mod output_sink;
mod source;

use stellatune_plugin_core::{
    capability::OpenedHandle,
    engine::Instance,
    error::{CallResult, PluginError, TrapKind},
    table::ObjectId,
    types::{ConfigUpdateMode, ConfigUpdatePlan, DisableReason},
};

use crate::support::{
    Case, Subject,
    ability::{self, Kind, Method, json},
    guest::{Guest, SHORT, refusal, trap_kind},
    stream::Script,
};

/// Every case of `plugin-error`.
const REFUSALS: [&str; 7] = ["invalid-arg", "not-found", "io", "timeout", "unsupported", "denied", "internal"];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("abilities/many-in-one-component", ["many-abilities"], many_in_one),
        Case::new(
            "abilities/only-what-is-exported",
            ["edge-decoder", "echo-source", "echo-lyrics", "echo-sink", "echo-dsp", "many-abilities"],
            exports,
        ),
        Case::new("abilities/log-lines", ["many-abilities"], log_lines),
    ];
    for kind in Kind::ALL {
        for (index, method) in kind.methods().iter().enumerate() {
            let case = |what: &str, run: fn(&Subject, Kind, &Method)| {
                let name = format!("abilities/{}/{}/{what}", kind.name(), method.name);
                Case::new(name, [kind.fixture(), "many-abilities"], move |subject| {
                    run(subject, kind, &kind.methods()[index]);
                })
            };
            cases.push(case("wrong-objects", wrong_objects));
            if method.can_be_told() {
                cases.push(case("refusals", refusals));
                cases.push(case("cut", cut));
            }
        }
        let case = |what: &str, run: fn(&Subject, Kind)| {
            let name = format!("abilities/{}/{what}", kind.name());
            Case::new(name, [kind.fixture()], move |subject| run(subject, kind))
        };
        cases.push(case("close/twice", close_twice));
        if Kind::WITH_TAIL.contains(&kind) {
            cases.push(case("close/cut", close_cut));
            cases.push(case("create/refusals", create_refusals));
            cases.push(case("tail/plans", plans));
            cases.push(case("tail/a-rejected-configuration", a_rejected_configuration));
            cases.push(case("tail/state-of-a-successor", state_of_a_successor));
            cases.push(case("side-by-side", side_by_side));
        }
        cases.push(case("hooks", hooks));
    }
    cases.extend(decoder::cases());
    cases.extend(source::cases());
    cases.extend(lyrics::cases());
    cases.extend(output_sink::cases());
    cases.extend(dsp::cases());
    cases
}

/// Each kind of refusal arrives as that kind with its text, and guest and object live on.
fn refusals(subject: &Subject, kind: Kind, method: &Method) {
    let mut guest = Guest::new(subject, kind.fixture());
    for case in REFUSALS {
        let error = refusal(method.told(&mut guest, kind, &format!("error-{case}")));
        assert_eq!((error.case(), error.message()), (case, &*format!("asked for {case}")));
    }
    method.told(&mut guest, kind, "busy-1").expect("another object does as it should");
    method.told(&mut guest, kind, "sleep-1").expect("and waits if it is told to");
}

/// A trap ends the guest, and so does the deadline of one that does not come back.
fn cut(subject: &Subject, kind: Kind, method: &Method) {
    let mut guest = Guest::new(subject, kind.fixture());
    assert_eq!(trap_kind(method.told(&mut guest, kind, "trap")), TrapKind::Unreachable);
    let mut guest = Guest::new(subject, kind.fixture());
    guest.budget(SHORT);
    assert_eq!(trap_kind(method.told(&mut guest, kind, "loop")), TrapKind::Deadline);
}

/// An object of another kind, a closed one and an id that never was are `not-found` without asking the guest.
fn wrong_objects(subject: &Subject, kind: Kind, method: &Method) {
    let mut guest = Guest::new(subject, "many-abilities");
    let objects = Kind::ALL.map(|kind| (kind, make_of_many(&mut guest, kind)));
    for (other, id) in objects {
        let fits = other == kind || (method.is_of_the_tail() && other != Kind::SourceStream);
        let answer = guest.call(|it| (method.call)(it, id, ""));
        if fits {
            answer.unwrap_or_else(|error| panic!("{other:?} has this method: {error}"));
        } else {
            assert!(matches!(refusal(answer), PluginError::NotFound(_)), "{other:?}");
        }
    }
    let (_, own) = objects.into_iter().find(|(other, _)| *other == kind).expect("one of each");
    guest.close(own).expect("closes");
    for id in [own, ObjectId(4000), ObjectId(u32::MAX)] {
        let error = refusal(guest.call(|it| (method.call)(it, id, "")));
        assert!(matches!(error, PluginError::NotFound(_)), "{id:?}: {error}");
    }
    make_of_many(&mut guest, kind);
}

fn make_of_many(guest: &mut Guest, kind: Kind) -> ObjectId {
    match kind {
        Kind::SourceStream => {
            let catalog = guest.call(|it| ability::source(it).create()).expect("creates");
            let opened = guest.call(|it| ability::source(it).open_stream_json(catalog, "0")).expect("opens");
            let OpenedHandle::Processed(stream) = opened.handle else { panic!("the fixture reads it itself") };
            stream
        }
        kind => kind.make(guest, "").expect("makes an object"),
    }
}

/// The abilities of one component share its instance: each new object gets the next number.
fn many_in_one(subject: &Subject) {
    let mut guest = Guest::new(subject, "many-abilities");
    let decoder = guest.open(Script::new(Vec::new()).boxed(), "x").expect("opens");
    let source = guest.call(|it| ability::source(it).create()).expect("creates");
    let provider = guest.call(|it| ability::lyrics(it).create()).expect("creates");
    let session = guest.call(|it| ability::sink(it).create()).expect("creates");
    let processor = guest.call(|it| ability::dsp(it).create(ability::CD)).expect("creates");
    assert_eq!(guest.decoder(|decoder_| decoder_.info(decoder)).expect("has a shape").sample_rate, 8001);
    assert_eq!(guest.call(|it| ability::source(it).list_items_json(source, "0")).as_deref(), Ok("[2]"));
    assert_eq!(guest.call(|it| ability::lyrics(it).fetch(provider, "x")).as_deref(), Ok("3"));
    assert_eq!(guest.call(|it| ability::sink(it).list_targets_json(session)).as_deref(), Ok("[4]"));
    let block = [0; 8];
    let changed = guest.call(|it| ability::dsp(it).process_interleaved_f32(processor, 2, &block));
    assert_eq!(changed, Ok([5.0f32.to_le_bytes(), 5.0f32.to_le_bytes()].concat()));
}

/// A component offers what it exports and nothing else.
fn exports(subject: &Subject) {
    for (fixture, offers) in [
        ("edge-decoder", [true, false, false, false, false]),
        ("echo-source", [false, true, false, false, false]),
        ("echo-lyrics", [false, false, true, false, false]),
        ("echo-sink", [false, false, false, true, false]),
        ("echo-dsp", [false, false, false, false, true]),
        ("many-abilities", [true; 5]),
    ] {
        let found = Guest::new(subject, fixture).call(|it| {
            Ok([
                it.decoder().is_some(),
                it.source().is_some(),
                it.lyrics().is_some(),
                it.output_sink().is_some(),
                it.dsp().is_some(),
            ])
        });
        assert_eq!(found, Ok(offers), "{fixture}");
    }
}

/// Lines that the SDK logs, each with its level.
fn log_lines(subject: &Subject) {
    let mut guest = Guest::new(subject, "many-abilities");
    guest.open(Script::new(Vec::new()).boxed(), "x").expect("opens");
    guest.call(|it| ability::source(it).create()).expect("creates");
    let texts = ["debug: decoder", "warn: source", "warn: of many"].map(|text| (false, text.to_owned()));
    assert_eq!(guest.end(), texts);
}

fn close_twice(subject: &Subject, kind: Kind) {
    let mut guest = Guest::new(subject, kind.fixture());
    let (one, other) = (kind.make(&mut guest, "").expect("makes"), kind.make(&mut guest, "").expect("makes"));
    guest.close(one).expect("closes");
    guest.close(one).expect("closing again is fine");
    let method = &kind.methods()[0];
    guest.call(|it| (method.call)(it, other, "")).expect("the other is as it was");
    guest.close(other).expect("closes");
}

/// A trap and a deadline in `close`.
fn close_cut(subject: &Subject, kind: Kind) {
    for (word, expected) in [("trap", TrapKind::Unreachable), ("loop", TrapKind::Deadline)] {
        let mut guest = Guest::new(subject, kind.fixture());
        guest.budget(SHORT);
        let object = kind.make(&mut guest, "").expect("makes");
        guest.call(|it| it.apply_config(object, &json(&format!("close:{word}")))).expect("applies");
        assert_eq!(trap_kind(guest.close(object)), expected);
    }
}

/// Each kind of refusal of `open` or `create`, which leaves nothing behind.
fn create_refusals(subject: &Subject, kind: Kind) {
    let mut guest = Guest::new(subject, kind.fixture());
    let first = kind.make(&mut guest, "").expect("makes");
    for case in REFUSALS {
        let tell = |it: &mut dyn Instance, word: &str| it.apply_config(first, &json(word));
        guest.call(|it| tell(it, &format!("create:error-{case}"))).expect("applies");
        for _ in 0..40 {
            let error = refusal(kind.make(&mut guest, ""));
            assert_eq!((error.case(), error.message()), (case, &*format!("asked for {case}")));
        }
        guest.call(|it| tell(it, "")).expect("applies");
    }
    kind.make(&mut guest, "").expect("makes");
}

/// The three answers to a proposed configuration, which change nothing.
fn plans(subject: &Subject, kind: Kind) {
    let mut guest = Guest::new(subject, kind.fixture());
    let object = if kind == Kind::OutputSink {
        // One that is not open; an open one wants to be made anew.
        guest.call(|it| ability::sink(it).create()).expect("creates")
    } else {
        kind.make(&mut guest, "").expect("makes")
    };
    let before = guest.call(|it| it.export_state(object)).expect("exports");
    let mut plan = |config: &str| guest.call(|it| it.plan_config(object, config)).expect("plans");
    let asked = |mode| ConfigUpdatePlan { mode, reason: Some("asked to".into()) };
    assert_eq!(plan("{}"), ConfigUpdatePlan { mode: ConfigUpdateMode::HotApply, reason: None });
    assert_eq!(plan("{\"mode\":\"recreate\"}"), asked(ConfigUpdateMode::Recreate));
    assert_eq!(plan("{\"mode\":\"reject\"}"), asked(ConfigUpdateMode::Reject));
    assert_eq!(guest.call(|it| it.export_state(object)), Ok(before));
}

/// It is refused, and the one before stays in effect.
fn a_rejected_configuration(subject: &Subject, kind: Kind) {
    let mut guest = Guest::new(subject, kind.fixture());
    let object = kind.make(&mut guest, "").expect("makes");
    guest.call(|it| it.apply_config(object, &json("export_state:error-io"))).expect("applies");
    let error = refusal(guest.call(|it| it.apply_config(object, "{\"mode\":\"reject\"}")));
    assert_eq!(error, PluginError::InvalidArg("rejected".into()));
    let error = refusal(guest.call(|it| it.export_state(object)));
    assert_eq!(error, PluginError::Io("asked for io".into()), "it still does what the first one said");
    guest.call(|it| it.apply_config(object, "{}")).expect("applies");
    guest.call(|it| it.export_state(object)).expect("exports");
}

/// What an object exports, its successor imports, in another instance too.
fn state_of_a_successor(subject: &Subject, kind: Kind) {
    let mut guest = Guest::new(subject, kind.fixture());
    let (object, successor) = (kind.make(&mut guest, "").expect("makes"), kind.make(&mut guest, "").expect("makes"));
    guest.call(|it| it.import_state(object, &kind.state(7))).expect("imports");
    let state = exported(&mut guest, object).expect("has a state");
    assert_eq!(state, kind.state(7));
    guest.close(object).expect("closes");
    guest.call(|it| it.import_state(successor, &state)).expect("imports");
    assert_eq!(exported(&mut guest, successor).as_ref(), Some(&state));

    let mut next = Guest::new(subject, kind.fixture());
    let object = kind.make(&mut next, "").expect("makes");
    next.call(|it| it.import_state(object, &state)).expect("imports");
    assert_eq!(exported(&mut next, object), Some(state));
}

fn exported(guest: &mut Guest, object: ObjectId) -> Option<String> {
    guest.call(|it| it.export_state(object)).expect("exports")
}

/// Many objects in one instance keep to themselves, whichever of them are closed.
fn side_by_side(subject: &Subject, kind: Kind) {
    let mut guest = Guest::new(subject, kind.fixture());
    let make = |guest: &mut Guest, n: usize| -> CallResult<ObjectId> {
        let object = kind.make(guest, "")?;
        guest.call(|it| it.import_state(object, &kind.state(n)))?;
        Ok(object)
    };
    let mut objects: Vec<_> = (0..60).map(|n| (n, make(&mut guest, n).expect("makes"))).collect();
    for round in 0..3 {
        objects.retain(|&(n, object)| {
            let keep = n % 3 != round;
            if !keep {
                guest.close(object).expect("closes");
            }
            keep
        });
        objects.extend((100 * round..100 * round + 5).map(|n| (n, make(&mut guest, n).expect("makes"))));
        for &(n, object) in objects.iter().rev() {
            assert_eq!(exported(&mut guest, object), Some(kind.state(n)), "object {n}");
        }
    }
}

/// Both hooks, with every reason.
fn hooks(subject: &Subject, kind: Kind) {
    use DisableReason::{HostDisable, Reload, Shutdown, Unload};

    for reason in [HostDisable, Unload, Shutdown, Reload] {
        let mut guest = Guest::new(subject, kind.fixture());
        guest.call(|it| it.enable()).expect("enables");
        guest.call(|it| it.disable(reason)).expect("disables");
        let texts: Vec<_> = guest.log().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["on-enable".to_owned(), format!("on-disable DisableReason::{reason:?}")]);
    }
}

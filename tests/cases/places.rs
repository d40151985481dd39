//! A guest that runs for ever in any place of any world is cut there, and the next instance works. // G01, G12, G16, L06

use std::cell::RefCell;

use stellatune_plugin_core::error::TrapKind;

use crate::support::{
    Case, Subject,
    guest::{Guest, Options, SHORT, trap_kind},
    places::{Place, WORLDS, World, reach, world},
    stream::Script,
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in WORLDS {
        let world = world(name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        for place in world.places() {
            let title = format!("places/{name}/{}", place.name());
            cases.push(Case::new(title, [], move |subject| runs_for_ever(subject, name, &place)));
        }
        cases.push(Case::new(format!("places/{name}/nowhere"), [], move |subject| tame(subject, name)));
    }
    cases
}

fn runs_for_ever(subject: &Subject, name: &'static str, place: &Place) {
    let world = world(name).expect("was made before");
    let start = if *place == Place::Start { SHORT } else { Options::default().start };
    let guest = start_of(subject, &world, Some(place), Options { start, ..Options::default() });
    if *place == Place::Start {
        assert_eq!(guest.err().map(|trap| trap.kind), Some(TrapKind::Deadline));
    } else {
        let mut guest = guest.unwrap_or_else(|trap| panic!("it does not start: {trap}"));
        let objects = RefCell::default();
        let mut calls = reach(name, place, || Script::new(&[0; 8][..]).boxed(), &objects);
        let into = calls.pop().expect("a place is reached by a call");
        for (number, call) in calls.into_iter().enumerate() {
            guest.call(call).unwrap_or_else(|error| panic!("call {number} on the way: {error}"));
        }
        guest.budget(SHORT);
        assert_eq!(trap_kind(guest.call(into)), TrapKind::Deadline);
    }
    // What remains of it takes no part in what comes next.
    let mut next = start_of(subject, &world, None, Options::default()).expect("the next one starts");
    next.call(|instance| instance.enable()).expect("the next one works");
}

/// Without a place to hang in, every place is reached and answers.
fn tame(subject: &Subject, name: &'static str) {
    let world = world(name).expect("was made before");
    for place in world.places() {
        let mut guest = start_of(subject, &world, None, Options::default()).expect("starts");
        let objects = RefCell::default();
        for call in reach(name, &place, || Script::new(&[0; 8][..]).boxed(), &objects) {
            guest.call(call).unwrap_or_else(|error| panic!("{}: {error}", place.name()));
        }
    }
}

fn start_of(
    subject: &Subject,
    world: &World,
    place: Option<&Place>,
    options: Options,
) -> Result<Guest, stellatune_plugin_core::error::Trap> {
    let wasm = world.component(place).unwrap_or_else(|error| panic!("it is no component: {error:#}"));
    let name = place.map_or_else(|| "nowhere".to_owned(), Place::name);
    Guest::start(subject, &name, &*subject.load(&wasm).unwrap_or_else(|error| panic!("{error}")), options)
}

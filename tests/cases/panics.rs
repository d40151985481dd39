//! A host import that panics ends its guest with `host`, and the next instance works. // R01, B13

use stellatune_plugin_core::error::{ErrorKind, TrapKind};
use stellatune_plugins::Error;

use crate::support::{
    Case, Subject,
    guest::{Guest, Options, trap_kind},
    imports::{Import, imports, panicking},
};

pub(crate) fn cases() -> Vec<Case> {
    let imports = imports().unwrap_or_else(|error| panic!("{error:#}"));
    let case = |import: Import| {
        let name = format!("panics/{}/{}", import.world, import.name);
        Case::new(name, [], move |subject| panics(subject, import))
    };
    imports.into_iter().map(case).collect()
}

fn panics(subject: &Subject, import: Import) {
    let wasm = import.component().unwrap_or_else(|error| panic!("it is no component: {error:#}"));
    let program = subject.load(&wasm).unwrap_or_else(|error| panic!("{error}"));
    let services = panicking(import.name);
    let options = || Options { services: services.clone(), ..Options::default() };
    let mut guest = Guest::start(subject, import.name, &*program, options()).expect("starts");
    let answer = guest.call(|instance| instance.enable());
    if let Err(stellatune_plugin_core::error::CallError::Trap(trap)) = &answer {
        assert_eq!(Error::from(trap.clone()).kind(), ErrorKind::Internal);
    }
    assert_eq!(trap_kind(answer), TrapKind::Host);
    drop(guest);
    // The same services, which work now: what panicked has left them as they were.
    let mut next = Guest::start(subject, import.name, &*program, options()).expect("the next one starts");
    next.call(|instance| instance.enable()).expect("the next one works");
}

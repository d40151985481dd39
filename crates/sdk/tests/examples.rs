//! What the documentation promises of its examples.

use std::fs;
use std::path::Path;

fn lines(example: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text.contains("export!("), "{example} is a whole plugin");
    text.lines().count()
}

#[test]
fn a_plugin_takes_few_lines() {
    assert!(lines("decoder.rs") < 60);
    assert!(lines("dsp.rs") < 40);
    for other in ["source.rs", "lyrics.rs", "output_sink.rs"] {
        assert!(lines(other) < 70, "{other}");
    }
}

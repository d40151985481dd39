//! `decode`: what comes out is what went in, and a failure leaves nothing.

use std::{fs, path::Path};

use crate::{
    app::{App, BUNDLED, audio, keys, text},
    wav::Wav,
};

fn fixtures(extension: &str) -> Vec<String> {
    let entries = fs::read_dir(audio("")).expect("the fixtures are there");
    let names = entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
    let names: Vec<_> = names.filter(|name| Path::new(name).extension().is_some_and(|ext| ext == extension)).collect();
    assert!(names.len() > 10, "the fixtures are there: {names:?}");
    names
}

#[test]
fn every_wav_comes_out_with_the_samples_it_had() {
    let app = App::new();
    for name in fixtures("wav") {
        let before = Wav::read(&audio(&name));
        let run = app.run(&["decode", text(&audio(&name)), "-o", "out.wav"]);
        assert_eq!(run.code, 0, "{name}: {run:?}");
        let after = Wav::read(&app.path("out.wav"));
        assert_eq!((after.format, after.bits), (3, 32), "{name}");
        assert_eq!((after.sample_rate, after.channels), (before.sample_rate, before.channels), "{name}");
        let bits = |wav: &Wav| wav.samples().into_iter().map(f32::to_bits).collect::<Vec<_>>();
        assert!(bits(&before) == bits(&after), "{name}: the samples differ");
        assert_eq!(app.names(), ["out.wav"], "{name}");
    }
}

/// Sample rate, channels and frames as STREAMINFO has them (RFC 9639, section 8.2).
fn streaminfo(flac: &[u8]) -> (u32, u16, u64) {
    assert_eq!(&flac[..4], b"fLaC");
    let packed = u64::from_be_bytes(flac[18..26].try_into().expect("eight bytes"));
    let rate = u32::try_from(packed >> 44).expect("20 bits");
    let channels = u16::try_from(packed >> 41 & 7).expect("3 bits") + 1;
    (rate, channels, packed & 0xF_FFFF_FFFF)
}

#[test]
fn every_flac_comes_out_whole() {
    let app = App::new();
    for name in fixtures("flac") {
        let (rate, channels, frames) = streaminfo(&fs::read(audio(&name)).expect("the fixture is there"));
        let document = app.json(&["decode", text(&audio(&name)), "-o", "out.wav"]);
        let wav = Wav::read(&app.path("out.wav"));
        assert_eq!((wav.sample_rate, wav.channels, wav.frames()), (rate, channels, frames), "{name}");
        assert_eq!(document["frames"], frames, "{name}");
        assert_eq!(document["sample_rate"], rate, "{name}");
        assert_eq!(document["channels"], channels, "{name}");
    }
}

/// The bundled decoder takes each format by its extension, and what encoders add is not in the output.
#[test]
fn every_format_comes_out_with_the_length_it_was_encoded_from() {
    let app = App::new();
    for (name, frames) in [
        ("demo.mp3", 882_000),
        ("aac.m4a", 100_003),
        ("aac-mono.mp4", 50_021),
        ("adts.aac", 101_376),
        ("vorbis.ogg", 100_003),
        ("opus.opus", 24_000),
        ("alac-s16.m4a", 13_230),
        ("aiff-s24.aif", 13_230),
        ("caf-s16.caf", 13_230),
    ] {
        let document = app.json(&["decode", text(&audio(name)), "-o", "out.wav"]);
        assert_eq!(document["frames"], frames, "{name}");
        assert_eq!(Wav::read(&app.path("out.wav")).frames(), frames, "{name}");
    }
}

#[test]
fn the_document_has_every_field() {
    let app = App::new();
    let input = audio("flac-48000-16-2.flac");
    let document = app.json(&["decode", text(&input), "-o", "out.wav"]);
    let expected = [
        "channels",
        "decoder",
        "engine",
        "frames",
        "input",
        "output",
        "realtime_factor",
        "sample_rate",
        "seconds",
        "wall_seconds",
    ];
    assert_eq!(keys(&document), expected);
    assert_eq!(document["input"], text(&input));
    assert_eq!((&document["output"], &document["engine"]), (&"out.wav".into(), &"wasmtime".into()));
    let decoder = &document["decoder"];
    assert_eq!(keys(decoder), ["component_id", "plugin_id", "type_id"]);
    assert_eq!(decoder["plugin_id"], BUNDLED);
    assert_eq!(document["seconds"], 0.5);
    let (wall, factor) = (document["wall_seconds"].as_f64(), document["realtime_factor"].as_f64());
    assert!((wall.expect("a number") * factor.expect("a number") - 0.5).abs() < 1e-6);

    let type_id = decoder["type_id"].as_str().expect("a text");
    let named = format!("{BUNDLED}:{type_id}");
    let args = ["decode", text(&input), "-o", "again.wav", "--decoder", &named, "--stats"];
    let stats = &app.json(&args)["stats"];
    let expected =
        ["first_audio_seconds", "frames_per_read", "open_seconds", "plugins", "read_seconds", "reads", "write_seconds"];
    assert_eq!(keys(stats), expected);
    let plugins = stats["plugins"].as_array().expect("a list");
    assert_eq!((plugins.len(), &plugins[0]["traps"]), (1, &0.into()));
    // What this run counted is kept for the next command, whole.
    let kept = app.json(&["plugin", "stats"]);
    assert_eq!((kept.as_array().map(Vec::len), &kept[0]["plugin_id"]), (Some(1), &plugins[0]["plugin_id"]));
    assert!(kept[0]["calls"].as_u64() > Some(0), "{kept}");
    assert_eq!(fs::read(app.path("out.wav")).expect("there"), fs::read(app.path("again.wav")).expect("there"));
}

#[test]
fn engines_decode_to_the_same_file() {
    let app = App::new();
    let input = audio("flac-44100-24-2.flac");
    for engine in ["wasmtime", "wasmer"] {
        let output = format!("{engine}.wav");
        let document = app.json(&["--engine", engine, "decode", text(&input), "-o", &output]);
        assert_eq!(document["engine"], engine);
    }
    let (one, other) = (fs::read(app.path("wasmtime.wav")), fs::read(app.path("wasmer.wav")));
    assert!(one.expect("there") == other.expect("there"));
}

#[test]
fn the_summary_fits_a_screen_and_tells_all() {
    let app = App::new();
    let run = app.run(&["decode", text(&audio("demo.flac")), "-o", "out.wav", "--stats"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "no progress without a terminal");
    assert!(run.stdout.lines().count() <= 12, "{}", run.stdout);
    for part in ["demo.flac", "out.wav", BUNDLED, "0.1.0", "44100 Hz", "stereo", "0:20", "882000 frames", "x real time"]
    {
        assert!(run.stdout.contains(part), "no {part:?} in {}", run.stdout);
    }
}

#[test]
fn what_fails_says_why_and_leaves_what_was_there() {
    let app = App::new();
    fs::write(app.path("out.wav"), "precious").expect("writable");
    fs::write(app.path("garbage.flac"), [0x5A; 5_000]).expect("writable");
    fs::write(app.path("text.xyz"), "no audio").expect("writable");
    fs::write(app.path("empty.flac"), "").expect("writable");
    let flac = fs::read(audio("demo.flac")).expect("the fixture is there");
    let mut damaged = flac[..flac.len() / 2].to_vec();
    damaged.extend([0; 100_000]);
    fs::write(app.path("damaged.flac"), damaged).expect("writable");
    let good = audio("flac-48000-16-2.flac");
    let before = app.names();

    let cases: [(&[&str], &str, &str); 8] = [
        (&["missing.flac", "-o", "out.wav"], "not_found", "missing.flac"),
        (&["garbage.flac", "-o", "out.wav"], "plugin_error", "garbage.flac"),
        (&["empty.flac", "-o", "out.wav"], "plugin_error", "empty.flac"),
        (&["text.xyz", "-o", "out.wav"], "plugin_error", "text.xyz"),
        (&[text(&good), "-o", "out.wav", "--decoder", "no.such.plugin:x"], "not_found", "no.such.plugin"),
        (&[text(&good), "-o", "none/out.wav"], "io", "none/out.wav"),
        (&[text(&good), "-o", "."], "invalid_argument", "not a file"),
        (&["garbage.flac", "-o", "garbage.flac"], "invalid_argument", "garbage.flac"),
    ];
    for (args, kind, part) in cases {
        let error = app.failure(&[&["decode"], args].concat());
        assert_eq!(error["kind"], kind, "{args:?}: {error}");
        assert!(error["message"].as_str().expect("a text").contains(part), "{args:?}: {error}");
        assert!(error["help"].as_str().is_some_and(|help| !help.is_empty()), "{args:?}: {error}");
        assert_eq!(app.names(), before, "{args:?}");
        assert_eq!(fs::read(app.path("out.wav")).expect("there"), b"precious", "{args:?}");

        let text = app.run(&[&["decode"], args].concat());
        assert_eq!((text.code, text.stdout.as_str()), (1, ""), "{args:?}");
        assert!(text.stderr.starts_with("error: ") && text.stderr.contains("\nhelp: "), "{args:?}: {}", text.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_leaves_what_was_there() {
    use std::process::Command;

    use crate::app::Run;

    let app = App::new();
    fs::write(app.path("out.wav"), "precious").expect("writable");
    // The plugin is compiled beforehand: the limit is on the size of any file.
    app.json(&["decode", text(&audio("wav-1-frame.wav")), "-o", "first.wav"]);
    let app_command = app.command();
    let mut command = Command::new("sh");
    command.current_dir(app.work()).args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$@\"", "sh"]);
    command.arg(app_command.get_program()).args(app_command.get_args());
    command.args(["--json", "decode", text(&audio("demo.flac")), "-o", "out.wav"]);
    let run = Run::of(command.output().expect("sh is there"));
    assert_eq!(run.code, 1, "{run:?}");
    let document = run.document();
    assert_eq!(document["error"]["kind"], "io", "{run:?}");
    assert!(document["error"]["help"].as_str().is_some_and(|help| help.contains("room")), "{run:?}");
    assert_eq!(app.names(), ["first.wav", "out.wav"]);
    assert_eq!(fs::read(app.path("out.wav")).expect("there"), b"precious");
}

//! A radio: the user lists its stations, the host streams them.

use serde::{Deserialize, Serialize};
use stellatune_plugin_sdk::{HttpRequest, JsonText, OpenedStream, Result, Source, export, to_json};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Radio {
    stations: Vec<Station>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Station {
    title: String,
    url: String,
}

/// What the user interface shows, and what comes back as the track.
#[derive(Serialize)]
struct Row<'a> {
    kind: &'static str,
    title: &'a str,
    track: &'a Station,
}

impl Source for Radio {
    fn create() -> Result<Self> {
        Ok(Self::default())
    }

    fn apply_config(&mut self, config: JsonText<'_>) -> Result<()> {
        *self = config.parse()?;
        Ok(())
    }

    fn list_items(&mut self, _request: JsonText<'_>) -> Result<String> {
        let stations = self.stations.iter();
        let rows = stations.map(|station| Row { kind: "track", title: &station.title, track: station });
        to_json(&rows.collect::<Vec<_>>())
    }

    fn open_stream(&mut self, track: JsonText<'_>) -> Result<OpenedStream> {
        let station: Station = track.parse()?;
        let stream = HttpRequest::get(station.url).header("icy-metadata", "0").open()?;
        Ok(OpenedStream::passthrough(stream).with_ext_hint("mp3"))
    }
}

export!(source: Radio);

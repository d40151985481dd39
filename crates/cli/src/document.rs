//! How a command's answer reaches the user: as one JSON document, or as text of the same content.
//!
//! Everything shown may come from a package or a file name, so control characters are escaped in text; JSON does that
//! by itself.

use std::{
    fmt::{Display, Write as _},
    io::{self, Write},
};

use serde::Serialize;
use stellatune_plugins::{Error, ErrorKind, Result};

/// Prints a command's answer on standard output.
///
/// # Errors
/// `io` when nobody takes it.
pub(crate) fn print<T: Serialize + Display>(document: &T, json: bool) -> Result<()> {
    let text = if json { to_json(document)? } else { escape(&document.to_string()) };
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
        Error::new(ErrorKind::Io, format!("cannot write to standard output: {error}")).source_error(error)
    })
}

/// Prints a failure: on standard error for people, on standard output as the command's one document.
pub(crate) fn print_failure(error: &Error, json: bool) {
    if json {
        let failure = Failure::from(error);
        if let Ok(text) = to_json(&failure) {
            // Nobody is left to tell; the exit status says it.
            let _ = io::stdout().write_all(text.as_bytes());
        }
        return;
    }
    let mut text = format!("error: {error}\n");
    if let Some(help) = error.help_text() {
        let _ = writeln!(text, "help: {help}");
    }
    let _ = io::stderr().write_all(escape(&text).as_bytes());
}

/// The document of a failed command (docs/errors.md).
#[derive(Serialize)]
struct Failure<'a> {
    error: FailureBody<'a>,
}

#[derive(Serialize)]
struct FailureBody<'a> {
    kind: &'static str,
    message: String,
    plugin_id: Option<&'a str>,
    operation: Option<&'static str>,
    help: Option<&'a str>,
}

impl<'a> From<&'a Error> for Failure<'a> {
    fn from(error: &'a Error) -> Self {
        Self {
            error: FailureBody {
                kind: error.kind().name(),
                message: error.to_string(),
                plugin_id: error.plugin_id(),
                operation: error.operation(),
                help: error.help_text(),
            },
        }
    }
}

fn to_json<T: Serialize>(document: &T) -> Result<String> {
    let mut text = serde_json::to_string_pretty(document).map_err(|error| {
        Error::new(ErrorKind::Internal, format!("cannot write the JSON document: {error}")).source_error(error)
    })?;
    text.push('\n');
    Ok(text)
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) && character != '\n' {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Whether a character moves the cursor, reorders text or breaks a line.
fn steers(character: char) -> bool {
    let reorders = matches!(character, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    character.is_control() || reorders || matches!(character, '\u{2028}' | '\u{2029}')
}

/// Lines of cells in columns, each as wide as its widest cell.
pub(crate) struct Table<const COLUMNS: usize>(Vec<[String; COLUMNS]>);

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// A table with nothing but its heads.
    pub(crate) fn new(heads: [&str; COLUMNS]) -> Self {
        Self(vec![heads.map(str::to_owned)])
    }

    /// A table without heads.
    pub(crate) fn plain() -> Self {
        Self(Vec::new())
    }

    /// Adds a line. A line break in a cell becomes visible, so that a line stays one.
    pub(crate) fn row(&mut self, cells: [String; COLUMNS]) {
        self.0.push(cells.map(|cell| cell.replace('\n', "\\n")));
    }
}

impl<const COLUMNS: usize> Display for Table<COLUMNS> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut widths = [0; COLUMNS];
        for row in &self.0 {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &self.0 {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                write!(line, "{cell:width$}  ")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_every_field() {
        let error = Error::rejected("traversal", "entry `../x` leaves the package").during("install").help("rename it");
        let json = serde_json::to_value(Failure::from(&error)).expect("a plain document");
        let expected = serde_json::json!({ "error": {
            "kind": "rejected_package",
            "message": "entry `../x` leaves the package (rule: traversal)",
            "plugin_id": null,
            "operation": "install",
            "help": "rename it",
        }});
        assert_eq!(json, expected);
    }

    #[test]
    fn nothing_shown_moves_the_cursor() {
        assert_eq!(escape("a\u{1b}[2Jb\nc\rd\u{202e}"), "a\\u{1b}[2Jb\nc\\rd\\u{202e}");
    }

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(["ID", "NAME"]);
        table.row(["long.id".into(), "Ä".into()]);
        table.row(["x".into(), "a\nb".into()]);
        assert_eq!(table.to_string(), "ID       NAME\nlong.id  Ä\nx        a\\nb\n");
    }
}

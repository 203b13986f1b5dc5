//! `interop/autobahn/expected.json`: the results that were looked at and found right.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::case::Case;
use super::json::Value;
use super::options::Mode;
use super::verdict::{Results, Verdict};

/// What has to come out, for both modes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    server: Results,
    client: Results,
}

impl Expected {
    /// # Errors
    ///
    /// When the file cannot be read or is malformed.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        std::fs::write(path, self.to_text()).map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(crate) fn of(&self, mode: Mode) -> &Results {
        match mode {
            Mode::Server => &self.server,
            Mode::Client => &self.client,
        }
    }

    /// Takes over the results of the cases that ran; others stay as they are.
    pub(crate) fn bless(&mut self, results: &BTreeMap<Mode, Results>) {
        for (mode, results) in results {
            let own = match mode {
                Mode::Server => &mut self.server,
                Mode::Client => &mut self.client,
            };
            own.extend(results.clone());
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let value = Value::parse(text)?;
        let mode = |mode: Mode| {
            let members = value.member(mode.name()).map(Value::members).unwrap_or_default();
            let verdicts = members.iter().map(|(case, verdict)| {
                let case = Case::parse(case).ok_or_else(|| format!("`{case}` is no case"))?;
                Ok::<_, String>((case, Verdict::read(verdict)?))
            });
            verdicts.collect::<Result<Results, String>>()
        };
        Ok(Self { server: mode(Mode::Server)?, client: mode(Mode::Client)? })
    }

    /// One line for each case, so that a change shows as one.
    fn to_text(&self) -> String {
        let mut text = String::from("{\n");
        for (mode, end) in [(Mode::Server, ",\n"), (Mode::Client, "\n")] {
            let lines: Vec<String> = self
                .of(mode)
                .iter()
                .map(|(case, verdict)| format!("    \"{case}\": {}", verdict.to_json()))
                .collect();
            let name = mode.name();
            let _ = write!(text, "  \"{name}\": {{\n{}\n  }}{end}", lines.join(",\n"));
        }
        text.push_str("}\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_as_it_was_written() {
        let verdict = r#"{"behavior": "OK", "behaviorClose": "INFORMATIONAL"}"#;
        let verdict = Verdict::read(&Value::parse(verdict).unwrap()).unwrap();
        let case = Case::parse("1.1.1").unwrap();
        let mut expected = Expected::default();
        expected.bless(&BTreeMap::from([(Mode::Client, Results::from([(case, verdict)]))]));
        assert!(expected.server.is_empty());
        assert_eq!(Expected::parse(&expected.to_text()), Ok(expected));
    }

    #[test]
    fn the_committed_file_is_well_formed() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/autobahn/expected.json");
        let expected = Expected::read(&path).unwrap();
        assert!(expected.server.keys().eq(expected.client.keys()));
    }
}

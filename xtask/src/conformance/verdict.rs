//! What the suite says of a case, and what is to be thought of it.

use std::collections::BTreeMap;
use std::fmt;

use super::case::{Case, Selection};
use super::json::Value;
use super::options::Mode;
use super::{SUITE_CASES, Tally};

/// What came of the cases of one mode.
pub(crate) type Results = BTreeMap<Case, Verdict>;

/// What the suite says of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    behavior: String,
    behavior_close: String,
}

impl Verdict {
    /// # Errors
    ///
    /// When a member is missing.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        let member = |name| {
            let text = value.member(name).and_then(Value::as_str);
            text.map(str::to_owned).ok_or_else(|| format!("a verdict lacks `{name}`"))
        };
        Ok(Self { behavior: member("behavior")?, behavior_close: member("behaviorClose")? })
    }

    pub(crate) fn to_json(&self) -> Value {
        Value::Object(vec![
            ("behavior".to_owned(), Value::string(&self.behavior)),
            ("behaviorClose".to_owned(), Value::string(&self.behavior_close)),
        ])
    }

    /// Whether nothing can be objected. A case may have no right answer: it informs.
    fn is_strict(&self) -> bool {
        [&self.behavior, &self.behavior_close]
            .iter()
            .all(|word| matches!(word.as_str(), "OK" | "INFORMATIONAL"))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (close: {})", self.behavior, self.behavior_close)
    }
}

/// The results of one mode beside the expected ones.
pub(crate) struct Summary {
    mode: Mode,
    /// How often each verdict came.
    counts: BTreeMap<String, usize>,
    passed: usize,
    objections: Vec<String>,
}

impl Summary {
    pub(crate) fn new(
        mode: Mode,
        results: &Results,
        expected: &Results,
        selection: &Selection,
    ) -> Self {
        let mut summary = Self { mode, counts: BTreeMap::new(), passed: 0, objections: Vec::new() };
        for (case, verdict) in results {
            *summary.counts.entry(verdict.to_string()).or_default() += 1;
            let objection = if !verdict.is_strict() {
                format!("{case}: {verdict}")
            } else if let Some(wanted) = expected.get(case).filter(|wanted| *wanted != verdict) {
                format!("{case}: {verdict}, expected {wanted}")
            } else if !expected.contains_key(case) {
                format!("{case}: {verdict}, not among the expected results")
            } else {
                summary.passed += 1;
                continue;
            };
            summary.objections.push(objection);
        }
        let missing = expected
            .keys()
            .filter(|case| selection.contains(case) && !results.contains_key(case))
            .map(|case| format!("{case}: did not run"));
        summary.objections.extend(missing);
        if selection.is_all() && results.len() != SUITE_CASES {
            let ran = results.len();
            summary.objections.push(format!("{ran} cases ran, the suite has {SUITE_CASES}"));
        }
        summary
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally { passed: self.passed, failed: self.objections.len() }
    }

    fn to_json(&self) -> Value {
        let number = |count: usize| Value::Number(count.to_string());
        let counts = self.counts.iter().map(|(verdict, count)| (verdict.clone(), number(*count)));
        let objections = self.objections.iter().map(Value::string);
        Value::Object(vec![
            ("passed".to_owned(), number(self.passed)),
            ("verdicts".to_owned(), Value::Object(counts.collect())),
            ("objections".to_owned(), Value::Array(objections.collect())),
        ])
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.mode.name();
        for (verdict, count) in &self.counts {
            writeln!(f, "    {name}  {count:>4}  {verdict}")?;
        }
        for objection in &self.objections {
            writeln!(f, "    {name}  case {objection}")?;
        }
        writeln!(f, "    {name}  {} passed, {} failed", self.passed, self.objections.len())
    }
}

/// All summaries as one object.
pub(crate) fn to_json(summaries: &[Summary]) -> Value {
    let members = summaries.iter().map(|it| (it.mode.name().to_owned(), it.to_json()));
    Value::Object(members.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(verdicts: &[(&str, &str, &str)]) -> Results {
        let verdict = |behavior: &str, behavior_close: &str| Verdict {
            behavior: behavior.to_owned(),
            behavior_close: behavior_close.to_owned(),
        };
        let results = verdicts.iter();
        results.map(|(case, one, two)| (Case::parse(case).unwrap(), verdict(one, two))).collect()
    }

    fn objections(of: &Results, expected: &Results, selection: &Selection) -> usize {
        Summary::new(Mode::Server, of, expected, selection).objections.len()
    }

    #[test]
    fn what_is_strict_and_expected_passes() {
        let good = results(&[("1.1.1", "OK", "OK"), ("7.1.6", "INFORMATIONAL", "INFORMATIONAL")]);
        let tally = Summary::new(Mode::Client, &good, &good, &Selection::uncompressed()).tally();
        assert_eq!((tally.passed, tally.failed), (2, 0));
    }

    #[test]
    fn nothing_but_a_strict_verdict_passes_even_if_expected() {
        for word in ["NON-STRICT", "UNIMPLEMENTED", "FAILED", "WRONG CODE", "UNCLEAN", ""] {
            for bad in [("1.1.1", word, "OK"), ("1.1.1", "OK", word)] {
                let bad = results(&[bad]);
                assert_eq!(objections(&bad, &bad, &Selection::uncompressed()), 1, "{word}");
            }
        }
    }

    #[test]
    fn a_case_that_is_missing_new_or_different_is_objected_to() {
        let one = results(&[("1.1.1", "OK", "OK")]);
        let other = results(&[("1.1.1", "INFORMATIONAL", "OK")]);
        let none = Results::new();
        let selection = Selection::parse("1.*").unwrap();
        assert_eq!(objections(&one, &other, &selection), 1);
        assert_eq!(objections(&one, &none, &selection), 1);
        assert_eq!(objections(&none, &one, &selection), 1);
        assert_eq!(objections(&none, &one, &Selection::parse("2.*").unwrap()), 0);
    }

    #[test]
    fn a_run_of_everything_has_all_cases() {
        let one = results(&[("1.1.1", "OK", "OK")]);
        assert_eq!(objections(&one, &one, &Selection::all()), 1);
    }

    #[test]
    fn a_summary_tells_numbers_and_objections() {
        let bad = results(&[("1.1.1", "FAILED", "OK")]);
        let summary = Summary::new(Mode::Server, &bad, &bad, &Selection::parse("1.*").unwrap());
        assert_eq!(
            summary.to_string(),
            "    server     1  FAILED (close: OK)\n    server  case 1.1.1: FAILED (close: OK)\n    \
             server  0 passed, 1 failed\n"
        );
        assert_eq!(
            to_json(&[summary]).to_string(),
            "{\"server\": {\"passed\": 0, \"verdicts\": {\"FAILED (close: OK)\": 1}, \
             \"objections\": [\"1.1.1: FAILED (close: OK)\"]}}"
        );
    }
}

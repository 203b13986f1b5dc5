//! The result as Markdown, and as JSON.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::arguments::{Format, Options, Pace, Save};
use crate::comparison::{Comparison, Figure, Outcome, TableResult};
use crate::contestant::OURS;
use crate::row::{Aim, Metric};

const CELL_WITH_LIMIT: &str = "\
Each cell: the figure, how many times the limit's it is, and ours divided by it (below 1 we need less;
for messages per second, above 1 we do more), where the ratios are medians of those within a round.";

const CELL: &str = "\
Each cell: the figure, and ours divided by it (below 1 we need less; for messages per second, above 1 we do
more), where the ratio is the median of those within a round.";

const EXPLANATION: &str = "\
CPU is that of the server's
process, all its threads, over the window, divided by the messages that it delivered. The server has the
first core, the clients have the second; where the server has both, the clients take what they need of
the second, so those figures are rough. Every server is a process of its own, started anew for each
round; what it sends is compared.";

/// Prints the result, and keeps it if that is wanted.
///
/// # Errors
///
/// When it cannot be written.
pub(crate) fn write(comparison: &Comparison, options: &Options) -> Result<(), Box<dyn Error>> {
    let markdown = markdown(comparison, options);
    let json = format!("{:#}\n", json(comparison, options.pace));
    if options.save == Save::Keep {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        fs::create_dir_all(&folder)?;
        let name = options.suite.name();
        fs::write(folder.join(name).with_extension("md"), &markdown)?;
        fs::write(folder.join(name).with_extension("json"), &json)?;
        eprintln!("saved in {}", folder.display());
    }
    match options.print {
        Format::Markdown => print!("{markdown}"),
        Format::Json => print!("{json}"),
    }
    Ok(())
}

fn markdown(comparison: &Comparison, options: &Options) -> String {
    let (suite, pace) = (options.suite, options.pace);
    let title = suite.title();
    let mut out = format!("# {title}: ours and the peers', in one run on the same work\n\n");
    let Pace { rounds, window, .. } = pace;
    let _ = write!(
        out,
        "{}, on {}; load before: {}.\nMedians of {rounds} rounds, each a window of {window:?}",
        comparison.date, comparison.machine, comparison.load_average
    );
    if pace.fewer_connections > 1 {
        let divisor = pace.fewer_connections;
        let _ = write!(
            out,
            "; QUICK: all broadcasts and idle connections are 1/{divisor} of what is said"
        );
    }
    let cell = if suite.has_limit() { CELL_WITH_LIMIT } else { CELL };
    let _ = writeln!(out, ".\n\n{cell}\n{EXPLANATION} {}\n", suite.explanation());
    for (name, version) in &comparison.versions {
        let _ = writeln!(out, "- {name}: {version}");
    }
    for table in &comparison.tables {
        let _ = write!(out, "\n## {}\n\n", table.title);
        table_markdown(table, &mut out);
        aims_markdown(table, &mut out);
    }
    out
}

/// What the rows aim at, and what it is.
fn aims_markdown(table: &TableResult, out: &mut String) {
    let mut aims =
        table.rows.iter().flat_map(|row| row.aims(&table.rows).map(move |aim| (row, aim)));
    let Some(first) = aims.next() else { return };
    out.push_str("\n| ours | | it is | aimed at |\n|---|---|---|---|\n");
    for (result, (aim, value)) in std::iter::once(first).chain(aims) {
        let (what, aimed_at, is_reached) = match aim {
            Aim::Ratio(name, most) => {
                (format!("divided by {name}"), format!("at most {most}"), value <= most)
            }
            Aim::AtMost(metric, most) => {
                (metric.unit().to_owned(), format!("at most {most}"), value <= most)
            }
            Aim::AtLeast(metric, least) => {
                (metric.unit().to_owned(), format!("at least {least}"), value >= least)
            }
            Aim::AtMostAbove(metric, row, most) => {
                let what = format!("{} more than {row}", metric.unit());
                (what, format!("at most {most}"), value <= most)
            }
        };
        let verdict = if is_reached { "" } else { " · missed" };
        let (value, row) = (number(value), result.row.name);
        let _ = writeln!(out, "| {what} | {row} | {value}{verdict} | {aimed_at} |");
    }
}

fn table_markdown(table: &TableResult, out: &mut String) {
    let columns: Vec<_> = table
        .rows
        .iter()
        .flat_map(|result| result.row.metrics.iter().map(move |metric| (result, *metric)))
        .collect();
    out.push_str("| server |");
    for (result, metric) in &columns {
        let _ = write!(out, " {} ({}) |", result.row.name, metric.unit());
    }
    let _ = writeln!(out, "\n|---|{}", "---|".repeat(columns.len()));
    let mut notes = Vec::new();
    for name in &table.contestants {
        let _ = write!(out, "| {name} |");
        for (result, metric) in &columns {
            let cell = match (result.figure(name, *metric), result.outcome(name)) {
                (Some(figure), _) => cell(name, figure),
                (None, Some(Outcome::Failed(why))) => {
                    notes.push(format!("{name}, {}: FAILED: {why}", result.row.name));
                    "FAILED".to_owned()
                }
                (None, Some(Outcome::NotMeasured(why))) => {
                    notes.push(format!("{name}: not measured: {why}"));
                    "not measured".to_owned()
                }
                (None, _) => "–".to_owned(),
            };
            let _ = write!(out, " {cell} |");
        }
        out.push('\n');
    }
    notes.dedup();
    for note in notes {
        let _ = write!(out, "\n{note}\n");
    }
}

fn cell(name: &str, figure: Figure) -> String {
    let mut cell = number(figure.value);
    if let Some(to_limit) = figure.to_limit {
        let _ = write!(cell, " · {}×", number(to_limit));
    }
    if let Some(ours_to_it) = figure.ours_to_it.filter(|_| name != OURS) {
        let _ = write!(cell, " · {}", number(ours_to_it));
    }
    cell
}

/// Three digits that count; all of those before the point.
fn number(value: f64) -> String {
    match value {
        ..0.9995 => format!("{value:.3}"),
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn json(comparison: &Comparison, pace: Pace) -> Value {
    let versions: serde_json::Map<String, Value> = comparison
        .versions
        .iter()
        .map(|(name, version)| ((*name).to_owned(), version.as_str().into()))
        .collect();
    let results = comparison.tables.iter().flat_map(|table| &table.rows);
    let rows: Vec<Value> = results
        .flat_map(|result| {
            let outcomes = result.outcomes.iter();
            outcomes.map(|(name, outcome)| {
                let outcome = match outcome {
                    Outcome::NotMeasured(why) => json!({ "not_measured": why }),
                    Outcome::Failed(why) => json!({ "failed": why }),
                    Outcome::Measured(_) => {
                        let figures = result.row.metrics.iter().filter_map(|metric| {
                            Some(figure_json(*metric, result.figure(name, *metric)?))
                        });
                        json!({ "figures": figures.collect::<Vec<_>>() })
                    }
                };
                json!({ "row": result.row.name, "server": name, "outcome": outcome })
            })
        })
        .collect();
    json!({
        "date": comparison.date,
        "machine": comparison.machine,
        "load_average": comparison.load_average,
        "rounds": pace.rounds,
        "window_ms": u64::try_from(pace.window.as_millis()).unwrap_or(u64::MAX),
        "fewer_connections": pace.fewer_connections,
        "versions": versions,
        "rows": rows,
    })
}

fn figure_json(metric: Metric, figure: Figure) -> Value {
    json!({
        "metric": format!("{metric:?}"),
        "unit": metric.unit(),
        "value": figure.value,
        "to_limit": figure.to_limit,
        "ours_to_it": figure.ours_to_it,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::tests::row_result;
    use crate::contestant::LIMIT;

    fn table() -> TableResult {
        let row = row_result();
        let contestants = row.outcomes.iter().map(|(name, _)| *name).collect();
        TableResult { title: "Echo", contestants, rows: vec![row] }
    }

    #[test]
    fn a_table_tells_losses_failures_and_absences() {
        let mut out = String::new();
        table_markdown(&table(), &mut out);
        let expected = "\
| server | echo 1 × 32 B (µs) |
|---|---|
| limit | 4.00 · 1.00× · 1.40 |
| tidings | 4.40 · 1.40× |
| axum | 8.80 · 2.20× · 0.500 |
| ws | FAILED |
| tomcat | not measured |

ws, echo 1 × 32 B: FAILED: it closed

tomcat: not measured: it is not installed
";
        assert_eq!(out, expected);
    }

    #[test]
    fn json_has_every_figure_with_its_ratios() {
        let comparison = Comparison {
            machine: "a machine".to_owned(),
            load_average: 0.0,
            date: "1 May 2026".to_owned(),
            versions: vec![(LIMIT, "1".to_owned())],
            tables: vec![table()],
        };
        let json = json(&comparison, Pace::QUICK);
        assert_eq!(json["rows"][2]["server"], "axum");
        assert_eq!(json["rows"][2]["outcome"]["figures"][0]["value"], 8.8);
        assert_eq!(json["rows"][3]["outcome"]["failed"], "it closed");
        assert_eq!(json["versions"]["limit"], "1");
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        let numbers = [0.2531, 4.018, 24.04, 132_975.2].map(number);
        assert_eq!(numbers, ["0.253", "4.02", "24.0", "132975"]);
    }
}

//! Every row on every contestant, round by round, so that a drift of the machine hits all alike.

use std::error::Error;
use std::io::Write;

use crate::arguments::Options;
use crate::contestant::{Contestant, LIMIT, OURS};
use crate::machine;
use crate::measure::{NoSample, Sample, measure};
use crate::row::{Aim, Metric, Row};

/// The load of the machine from which on the figures are not worth much.
const LOAD_AVERAGE_MAX: f64 = 0.5;

/// All that came out.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) machine: String,
    /// Of the machine, before anything was measured.
    pub(crate) load_average: f64,
    pub(crate) date: String,
    /// Name and version of each contestant.
    pub(crate) versions: Vec<(&'static str, String)>,
    pub(crate) tables: Vec<TableResult>,
}

/// The rows of one table that were measured.
#[derive(Debug)]
pub(crate) struct TableResult {
    pub(crate) title: &'static str,
    pub(crate) contestants: Vec<&'static str>,
    pub(crate) rows: Vec<RowResult>,
}

/// One row, contestant by contestant.
#[derive(Debug)]
pub(crate) struct RowResult {
    pub(crate) row: &'static Row,
    pub(crate) outcomes: Vec<(&'static str, Outcome)>,
}

/// What came of one row on one contestant.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// One sample a round.
    Measured(Vec<Sample>),
    /// It cannot be started, and why.
    NotMeasured(String),
    /// It did something else than the work, and what.
    Failed(String),
}

/// A figure, and how it compares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    /// The median of the rounds.
    pub(crate) value: f64,
    /// The figure divided by the limit's: the median of what it is in each round, since the machine is not
    /// equally fast in all of them.
    pub(crate) to_limit: Option<f64>,
    /// Ours divided by this one, in the same way.
    pub(crate) ours_to_it: Option<f64>,
}

/// Measures.
///
/// # Errors
///
/// When nothing can be measured at all.
pub(crate) fn run(options: &Options) -> Result<Comparison, Box<dyn Error>> {
    machine::raise_open_files()?;
    let load_average = machine::load_average();
    if load_average > LOAD_AVERAGE_MAX {
        eprintln!("the machine is busy: its load is {load_average}, so these figures are rough");
    }
    let contestants = options.suite.contestants();
    let unknown = |name: &&String| contestants.iter().all(|one| one.name != name.as_str());
    if let Some(name) = options.only.iter().find(unknown) {
        let names = contestants.iter().map(|one| one.name).collect::<Vec<_>>().join(", ");
        return Err(format!("there is no `{name}`, but {names}").into());
    }
    let wanted = |row: &Row| {
        options.rows.is_empty() || options.rows.iter().any(|word| row.name.contains(word.as_str()))
    };
    let mut tables = Vec::new();
    for table in options.suite.tables() {
        let rows: Vec<RowResult> =
            table.rows.iter().filter(|row| wanted(row)).map(|row| run_row(row, options)).collect();
        let took_part = |name| rows.iter().any(|row| row.outcome(name).is_some());
        let names: Vec<_> =
            contestants.iter().map(|one| one.name).filter(|name| took_part(name)).collect();
        if !names.is_empty() {
            tables.push(TableResult { title: table.title, contestants: names, rows });
        }
    }
    if tables.is_empty() {
        return Err("no row has such a name".into());
    }
    let taken_part = |name: &str| tables.iter().any(|table| table.contestants.contains(&name));
    let versions = contestants
        .iter()
        .filter(|contestant| taken_part(contestant.name))
        .map(|contestant| (contestant.name, contestant.version(options)))
        .collect();
    Ok(Comparison {
        machine: machine::description(),
        load_average,
        date: machine::date(),
        versions,
        tables,
    })
}

fn run_row(row: &'static Row, options: &Options) -> RowResult {
    let mut outcomes: Vec<(&Contestant, Outcome)> = options
        .suite
        .contestants()
        .iter()
        .filter(|contestant| is_wanted(contestant, row, options))
        .map(|contestant| (contestant, Outcome::Measured(Vec::new())))
        .collect();
    for round in 1..=options.pace.rounds {
        for (contestant, outcome) in &mut outcomes {
            let Outcome::Measured(samples) = outcome else { continue };
            eprint!(
                "{}, round {round} of {}: {:<18}",
                row.name, options.pace.rounds, contestant.name
            );
            // Progress is nothing to fail for.
            let _ = std::io::stderr().flush();
            match measure(row, contestant, options) {
                Ok(sample) => {
                    for metric in row.metrics {
                        eprint!(" {:>12.3} {}", value(&sample, *metric), metric.unit());
                    }
                    eprintln!();
                    samples.push(sample);
                }
                Err(NoSample::NotInstalled(why)) => {
                    eprintln!(" not measured: {why}");
                    *outcome = Outcome::NotMeasured(why);
                }
                Err(NoSample::Failed(error)) => {
                    eprintln!(" FAILED: {error}");
                    *outcome = Outcome::Failed(error.to_string());
                }
            }
        }
    }
    let outcomes = outcomes.into_iter().map(|(one, outcome)| (one.name, outcome)).collect();
    RowResult { row, outcomes }
}

fn is_wanted(contestant: &Contestant, row: &Row, options: &Options) -> bool {
    let named = options.only.is_empty()
        || contestant.name == LIMIT
        || options.only.iter().any(|name| name == contestant.name);
    named && contestant.takes_part(&row.work)
}

impl Comparison {
    /// How many contestants did not do their work.
    pub(crate) fn failures(&self) -> usize {
        let rows = self.tables.iter().flat_map(|table| &table.rows);
        let outcomes = rows.flat_map(|row| &row.outcomes);
        outcomes.filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_))).count()
    }
}

impl RowResult {
    pub(crate) fn outcome(&self, name: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|(contestant, _)| *contestant == name).map(|(_, outcome)| outcome)
    }

    /// What a contestant's samples come to.
    pub(crate) fn figure(&self, name: &str, metric: Metric) -> Option<Figure> {
        let values = self.values(name, metric)?;
        let value = median(values.clone())?;
        let to_limit = self.values(LIMIT, metric).and_then(|limit| median_ratio(&values, &limit));
        let ours_to_it = self.values(OURS, metric).and_then(|ours| median_ratio(&ours, &values));
        Some(Figure { value, to_limit, ours_to_it })
    }

    /// What the row aims at, and what came out, of it and of the others.
    pub(crate) fn aims(&self, others: &[Self]) -> impl Iterator<Item = (Aim, f64)> {
        self.row.aims.iter().filter_map(move |aim| {
            let value = match *aim {
                Aim::Ratio(name, _) => self.figure(name, *self.row.metrics.first()?)?.ours_to_it?,
                Aim::AtMost(metric, _) | Aim::AtLeast(metric, _) => {
                    self.figure(OURS, metric)?.value
                }
                Aim::AtMostAbove(metric, row, _) => {
                    let other = others.iter().find(|it| it.row.name == row)?;
                    self.figure(OURS, metric)?.value - other.figure(OURS, metric)?.value
                }
            };
            Some((*aim, value))
        })
    }

    /// Round by round.
    fn values(&self, name: &str, metric: Metric) -> Option<Vec<f64>> {
        let Outcome::Measured(samples) = self.outcome(name)? else { return None };
        Some(samples.iter().map(|sample| value(sample, metric)).collect())
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn median_ratio(dividends: &[f64], divisors: &[f64]) -> Option<f64> {
    let rounds = dividends.iter().zip(divisors).filter(|(_, divisor)| **divisor > 0.0);
    median(rounds.map(|(dividend, divisor)| dividend / divisor).collect())
}

fn value(sample: &Sample, metric: Metric) -> f64 {
    sample.iter().find(|(measured, _)| *measured == metric).map_or(f64::NAN, |(_, value)| *value)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A row with three rounds of ours, two failures and a limit.
    pub(crate) fn row_result() -> RowResult {
        let row = &crate::row::WEBSOCKET[0].rows[0];
        let measured = |values: &[f64]| {
            let sample = |value: &f64| vec![(Metric::CpuPerMessage, *value)];
            Outcome::Measured(values.iter().map(sample).collect())
        };
        let outcomes = vec![
            (LIMIT, measured(&[4.0, 5.0, 3.0])),
            (OURS, measured(&[6.0, 4.4, 4.2])),
            ("axum", measured(&[8.8, 8.8, 8.8])),
            ("ws", Outcome::Failed("it closed".to_owned())),
            ("tomcat", Outcome::NotMeasured("it is not installed".to_owned())),
        ];
        RowResult { row, outcomes }
    }

    #[test]
    fn figures_are_medians_with_their_ratios() {
        let result = row_result();
        let figure = result.figure("axum", Metric::CpuPerMessage).unwrap();
        assert!((figure.value - 8.8).abs() < 1e-9);
        assert!((figure.to_limit.unwrap() - 2.2).abs() < 1e-9);
        assert!((figure.ours_to_it.unwrap() - 0.5).abs() < 1e-9);
        let limit = result.figure(LIMIT, Metric::CpuPerMessage).unwrap();
        assert!((limit.value - 4.0).abs() < 1e-9);
        assert_eq!(result.figure("ws", Metric::CpuPerMessage), None);
        assert_eq!(result.figure("no such", Metric::CpuPerMessage), None);
    }
}

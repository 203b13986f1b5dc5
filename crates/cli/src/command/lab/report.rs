use std::io::{self, IsTerminal, Write, stdout};
use std::time::Duration;

use serde_json::{Value, json};

use super::measure::Measured;
use super::{Arguments, Row};

/// The widest bar, in characters.
const BAR_WIDTH: f64 = 24.0;

/// What was measured.
pub(super) struct Report<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) rows: &'a [Row],
}

impl Report<'_> {
    pub(super) fn print(&self) -> io::Result<()> {
        if self.arguments.json {
            return writeln!(stdout(), "{}", self.json());
        }
        let bold = |text: &str| match stdout().is_terminal() {
            true => format!("\x1b[1m{text}\x1b[0m"),
            false => text.to_owned(),
        };
        let Arguments { url, messages, size, .. } = self.arguments;
        let mut out = stdout().lock();
        writeln!(out, "{}", bold(url))?;
        writeln!(
            out,
            "{messages} messages of {size} octets by each transport, one after the other\n"
        )?;
        let head = format!(
            "{:<22}{:>10}{:>12}{:>12}{:>10}{:>12}",
            "transport", "connect", "latency", "p95", "requests", "octets"
        );
        writeln!(out, "{}", bold(&head))?;
        let most = self.rows.iter().filter_map(|row| row.outcome.as_ref().ok());
        let most = most.map(|measured| self.octets_of_each(measured)).fold(0.0, f64::max);
        for Row { transport, outcome } in self.rows {
            let name = transport.name();
            match outcome {
                Ok(measured) => writeln!(out, "{name:<22}{}", self.line(measured, most))?,
                Err(why) => writeln!(out, "{name:<22}FAILED: {why}")?,
            }
        }
        writeln!(
            out,
            "\nlatency: median and 95th percentile of sending a message until it is back. requests: all of them.\n\
             octets: on the wire, both ways, for each message; without connecting."
        )
    }

    fn line(&self, measured: &Measured, most: f64) -> String {
        let Measured { connect, latencies, requests, .. } = measured;
        let octets = self.octets_of_each(measured);
        let bar = "▇".repeat(bar_width(octets, most));
        format!(
            "{:>10}{:>12}{:>12}{requests:>10}{octets:>12.0}  {bar}",
            shown(*connect),
            shown(percentile(latencies, 50)),
            shown(percentile(latencies, 95)),
        )
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|Row { transport, outcome }| match outcome {
            Err(why) => json!({ "transport": transport.name(), "failed": why }),
            Ok(measured) => json!({
                "transport": transport.name(),
                "connect_ms": milliseconds(measured.connect),
                "latency_ms": {
                    "median": milliseconds(percentile(&measured.latencies, 50)),
                    "p95": milliseconds(percentile(&measured.latencies, 95)),
                    "max": milliseconds(percentile(&measured.latencies, 100)),
                },
                "octets_sent": measured.octets.sent,
                "octets_received": measured.octets.received,
                "octets_per_message": self.octets_of_each(measured),
                "requests": measured.requests,
            }),
        });
        json!({
            "url": self.arguments.url,
            "messages": self.arguments.messages,
            "message_octets": self.arguments.size,
            "rows": rows.collect::<Vec<_>>(),
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "octets of a measurement")]
    fn octets_of_each(&self, measured: &Measured) -> f64 {
        (measured.octets.sent + measured.octets.received) as f64
            / f64::from(self.arguments.messages)
    }
}

/// At least one character, in proportion to the longest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and the width"
)]
fn bar_width(value: f64, most: f64) -> usize {
    (value / most * BAR_WIDTH).clamp(1.0, BAR_WIDTH) as usize
}

/// Of sorted values; 100 is the last.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn shown(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    match milliseconds {
        ..9.995 => format!("{milliseconds:.2} ms"),
        ..99.95 => format!("{milliseconds:.1} ms"),
        _ => format!("{milliseconds:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_values() {
        let values: Vec<_> = (1..=20).map(Duration::from_millis).collect();
        assert_eq!(percentile(&values, 50), Duration::from_millis(10));
        assert_eq!(percentile(&values, 95), Duration::from_millis(19));
        assert_eq!(percentile(&values, 100), Duration::from_millis(20));
        assert_eq!(percentile(&values[..1], 50), Duration::from_millis(1));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[test]
    fn times_have_three_digits_that_count() {
        let shown = [0.1234, 12.34, 1234.5].map(|ms| shown(Duration::from_secs_f64(ms / 1e3)));
        assert_eq!(shown, ["0.12 ms", "12.3 ms", "1234 ms"]);
    }

    #[test]
    fn a_bar_is_in_proportion_and_never_empty() {
        assert_eq!([1.0, 12.0, 24.0].map(|value| bar_width(value, 24.0)), [1, 12, 24]);
        assert_eq!(bar_width(0.001, 24.0), 1);
    }
}

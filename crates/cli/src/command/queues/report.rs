use std::io::{self, Write};

use crate::command::counted::counted;
use crate::command::visible::Visible;
use crate::control::{Moved, QueueRow, ShownMessage};

/// A line for each queue, in columns.
pub(super) fn table(out: &mut dyn Write, rows: &[QueueRow]) -> io::Result<()> {
    let widest = |of: fn(&QueueRow) -> usize, title: &str| {
        rows.iter().map(of).max().unwrap_or(0).max(title.len())
    };
    let name = widest(|row| row.name.chars().count(), "NAME");
    let kind = widest(|row| row.kind.len(), "KIND");
    writeln!(
        out,
        "{:name$}  {:kind$}  {:>9}  {:>9}  {:>9}  {:>9}  {:>12}",
        "NAME", "KIND", "READY", "UNSETTLED", "DELAYED", "CONSUMERS", "OCTETS"
    )?;
    for row in rows {
        let QueueRow { ready, unsettled, delayed, consumers, octets, .. } = row;
        writeln!(
            out,
            "{:name$}  {:kind$}  {ready:>9}  {unsettled:>9}  {delayed:>9}  {consumers:>9}  {octets:>12}",
            row.name, row.kind
        )?;
    }
    Ok(())
}

/// A message as a frame would show it, behind what its queue knows of it: `x-delivery-count` of a dead letter is what the
/// queue counted that gave it up.
pub(super) fn message(out: &mut dyn Write, message: &ShownMessage) -> io::Result<()> {
    let ShownMessage { id, destination, deliveries, headers, body_octets, body, body_hex } =
        message;
    writeln!(out, "message-id:{id}\ndestination:{destination}\ndeliveries:{deliveries}")?;
    for (name, value) in headers {
        writeln!(out, "{}:{}", Visible(name), Visible(value))?;
    }
    writeln!(out)?;
    match body {
        Some(text) => text.lines().try_for_each(|line| writeln!(out, "{}", Visible(line)))?,
        None => {
            let hex = body_hex.as_deref().unwrap_or_default();
            writeln!(out, "[{}] {hex}", counted(*body_octets, "octet"))?;
        }
    }
    writeln!(out)
}

/// Why messages are left in a queue from which others were moved. `ready` says it of those that could have been.
pub(super) fn left(moved: &Moved, ready: &str) -> String {
    let Moved { left, unsettled, delayed, .. } = *moved;
    let waiting = left.saturating_sub(unsettled + delayed);
    let reasons = [
        (unsettled, "that a consumer has"),
        (delayed, "that wait for their time"),
        (waiting, ready),
    ];
    let reasons = reasons.into_iter().filter(|(count, _)| *count > 0);
    let reasons: Vec<_> = reasons.map(|(count, why)| format!("{count} {why}")).collect();
    let told = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join(", ")) };
    format!("{} left there{told}.", counted(left, "message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_stand_in_columns() {
        let row = |name: &str, ready| QueueRow {
            name: name.to_owned(),
            kind: "queue".to_owned(),
            ready,
            unsettled: 1,
            delayed: 0,
            consumers: 2,
            octets: 345,
        };
        let mut out = Vec::new();
        table(&mut out, &[row("/queue/a", 10), row("/queue/longer", 2)]).unwrap();
        let out = String::from_utf8(out).unwrap();
        let ends: Vec<usize> = out.lines().map(str::len).collect();
        assert!(ends.iter().all(|end| *end == ends[0]), "{out}");
    }

    /// What is shown of a message that was delivered once.
    fn shown((name, value): (&str, &str), body: &str) -> String {
        let message = ShownMessage {
            id: "m-1".to_owned(),
            destination: "/queue/a".to_owned(),
            deliveries: 1,
            headers: vec![(name.to_owned(), value.to_owned())],
            body_octets: body.len(),
            body: Some(body.to_owned()),
            body_hex: None,
        };
        let mut out = Vec::new();
        super::message(&mut out, &message).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_left_of_a_queue_has_a_reason() {
        let check = |(left, unsettled, delayed), expected: &str| {
            let moved = Moved { moved: 1, left, unsettled, delayed };
            assert_eq!(super::left(&moved, "beyond --limit"), expected);
        };
        check((0, 0, 0), "0 messages left there.");
        check((1, 0, 0), "1 message left there: 1 beyond --limit.");
        check(
            (3, 1, 2),
            "3 messages left there: 1 that a consumer has, 2 that wait for their time.",
        );
        check(
            (3, 1, 1),
            "3 messages left there: 1 that a consumer has, 1 that wait for their time, 1 beyond --limit.",
        );
    }

    #[test]
    fn how_often_a_queue_has_delivered_is_not_what_another_one_has() {
        assert_eq!(
            shown(("x-delivery-count", "20"), "x"),
            "message-id:m-1\ndestination:/queue/a\ndeliveries:1\nx-delivery-count:20\n\nx\n\n"
        );
    }

    #[test]
    fn a_message_cannot_act_on_the_terminal() {
        let out = shown(("a\u{1b}", "b\nc"), "x\u{1b}[2J\ny");
        assert!(!out.contains('\u{1b}') && out.contains("\ny\n"), "{out}");
        assert!(out.contains("b\\nc"), "{out}");
    }
}

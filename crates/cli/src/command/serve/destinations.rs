//! `--destination`: how destinations behave, from the command line.

use std::collections::HashSet;
use std::fmt::Write;
use std::str::FromStr;
use std::time::Duration;

use tidings::broker::{
    DeadLetters, Destination, DestinationPattern, DestinationPolicy, QueueOverflow,
    RedeliveryDelay, Retention, SlowConsumers,
};

/// The value of one `--destination`: a pattern, a blank, and settings separated by commas.
#[derive(Clone, Debug)]
pub(super) struct DestinationSettings {
    pub(super) pattern: String,
    pub(super) policy: DestinationPolicy,
}

/// Something that can be set: one row of the table in `docs/destinations.md`.
struct Setting {
    name: &'static str,
    /// What its value looks like.
    value: &'static str,
    /// What it does, for `--help`.
    about: &'static str,
    /// Sets it, or says that the value is none.
    set: fn(&mut DestinationPolicy, &str) -> Option<()>,
}

/// Everything that can be set, in the order of `--help`.
const SETTINGS: &[Setting] = &[
    Setting {
        name: "message-ttl",
        value: "DURATION",
        about: "how long a message of a queue waits at most",
        set: |policy, value| {
            policy.message_ttl = Some(duration(value).filter(|ttl| !ttl.is_zero())?);
            Some(())
        },
    },
    Setting {
        name: "messages-max",
        value: "NUMBER",
        about: "how many messages a queue holds",
        set: |policy, value| {
            policy.messages_max = Some(value.parse().ok().filter(|max| *max > 0)?);
            Some(())
        },
    },
    Setting {
        name: "octets-max",
        value: "SIZE",
        about: "how many octets a queue holds",
        set: |policy, value| {
            policy.octets_max = Some(size(value).filter(|max| *max > 0)?);
            Some(())
        },
    },
    Setting {
        name: "overflow",
        value: "wait|refuse|drop-head|drop-new",
        about: "what becomes of messages for which a queue has no room",
        set: |policy, value| {
            policy.overflow = match value {
                "wait" => QueueOverflow::Wait,
                "refuse" => QueueOverflow::Refuse,
                "drop-head" => QueueOverflow::DropHead,
                "drop-new" => QueueOverflow::DropNew,
                _ => return None,
            };
            Some(())
        },
    },
    Setting {
        name: "slow-consumers",
        value: "close|drop-oldest|keep-latest",
        about: "what happens to subscribers of a topic who read too slowly",
        set: |policy, value| {
            policy.slow_consumers = match value {
                "close" => SlowConsumers::Close,
                "drop-oldest" => SlowConsumers::DropOldest,
                "keep-latest" => SlowConsumers::KeepLatest,
                _ => return None,
            };
            Some(())
        },
    },
    Setting {
        name: "deliveries-max",
        value: "NUMBER",
        about: "how often a message is delivered before it is a dead letter",
        set: |policy, value| {
            policy.deliveries_max = value.parse().ok().filter(|max| *max > 0)?;
            Some(())
        },
    },
    Setting {
        name: "redelivery-delay",
        value: "DURATION",
        about: "how long a message waits after its first delivery that was not acknowledged",
        set: |policy, value| {
            policy.redelivery_delay.first = duration(value)?;
            Some(())
        },
    },
    Setting {
        name: "redelivery-factor",
        value: "NUMBER",
        about: "by what that delay grows each time",
        set: |policy, value| {
            policy.redelivery_delay.factor = value.parse().ok().filter(|factor| *factor > 0)?;
            Some(())
        },
    },
    Setting {
        name: "redelivery-delay-max",
        value: "DURATION",
        about: "how long it gets with a factor, which needs it",
        set: |policy, value| {
            policy.redelivery_delay.max = duration(value)?;
            Some(())
        },
    },
    Setting {
        name: "dead-letters",
        value: "DESTINATION|PREFIX*|discard",
        about: "where messages go that a queue gives up",
        set: |policy, value| {
            policy.dead_letters = match (value, value.strip_suffix('*')) {
                ("discard", _) => DeadLetters::Discard,
                (_, Some(prefix)) => DeadLetters::QueueNamed(prefix.to_owned()),
                (name, None) => DeadLetters::To(Destination::parse(name).ok()?),
            };
            Some(())
        },
    },
    Setting {
        name: "dead-letter-retry",
        value: "DURATION",
        about: "after how long persistent ones are sent again for which there was no place",
        set: |policy, value| {
            policy.dead_letter_retry = duration(value)?;
            Some(())
        },
    },
    Setting {
        name: "history",
        value: "NUMBER",
        about: "how many messages a topic keeps for subscribers that come back",
        set: |policy, value| {
            let max = value.parse().ok().filter(|max| *max > 0)?;
            policy.history.get_or_insert_default().messages_max = max;
            Some(())
        },
    },
    Setting {
        name: "history-age",
        value: "DURATION",
        about: "for how long it keeps them",
        set: |policy, value| {
            let max = duration(value).filter(|max| !max.is_zero())?;
            policy.history.get_or_insert_default().age_max = max;
            Some(())
        },
    },
    Setting {
        name: "history-octets",
        value: "SIZE",
        about: "how many octets of them it keeps",
        set: |policy, value| {
            let max = size(value).filter(|max| *max > 0)?;
            policy.history.get_or_insert_default().octets_max = max;
            Some(())
        },
    },
    Setting {
        name: "presence",
        value: "NUMBER",
        about: "tell who is subscribed to a topic, up to so many of them",
        set: |policy, value| {
            policy.presence.get_or_insert_default().members_max = value.parse().ok()?;
            Some(())
        },
    },
    Setting {
        name: "presence-octets",
        value: "SIZE",
        about: "up to how many octets their list takes",
        set: |policy, value| {
            policy.presence.get_or_insert_default().octets_max = size(value)?;
            Some(())
        },
    },
    Setting {
        name: "retain",
        value: "when-asked|last|never",
        about: "which message a topic keeps for new subscribers",
        set: |policy, value| {
            policy.retention = match value {
                "when-asked" => Retention::WhenAsked,
                "last" => Retention::Last,
                "never" => Retention::Never,
                _ => return None,
            };
            Some(())
        },
    },
];

impl FromStr for DestinationSettings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (pattern, settings) = text.split_once(char::is_whitespace).ok_or(
            "expected a pattern, a blank, and settings, such as '/queue/jobs.* message-ttl=1h,deliveries-max=5'",
        )?;
        DestinationPattern::parse(pattern).map_err(|error| error.to_string())?;
        let mut policy = DestinationPolicy::default();
        let mut given = HashSet::new();
        for setting in settings.split(',').map(str::trim) {
            let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
            let (name, value) = (name.trim(), value.trim());
            let Some(known) = SETTINGS.iter().find(|known| known.name == name) else {
                let names: Vec<_> = SETTINGS.iter().map(|known| known.name).collect();
                return Err(format!(
                    "unknown setting `{name}`, expected one of {}",
                    names.join(", ")
                ));
            };
            if !given.insert(name) {
                return Err(format!("{name} is there twice: give it once"));
            }
            (known.set)(&mut policy, value).ok_or_else(|| {
                format!(
                    "`{value}` is no value of {name}, expected {}",
                    expected(known.value, value)
                )
            })?;
        }
        let RedeliveryDelay { first, factor, max } = &mut policy.redelivery_delay;
        *max = (*max).max(*first);
        if *factor > 1 && (first.is_zero() || max <= first) {
            return Err("redelivery-factor changes nothing without redelivery-delay and a longer \
                        redelivery-delay-max"
                .to_owned());
        }
        if *factor <= 1 && max > first {
            return Err("redelivery-delay-max changes nothing without redelivery-factor".to_owned());
        }
        Ok(Self { pattern: pattern.to_owned(), policy })
    }
}

/// What a value looks like that was given otherwise, with an example where its name alone does not say it.
fn expected(value: &str, given: &str) -> String {
    if let Some((0, _)) = number_and_unit(given) {
        return "more than 0, or leave the setting out".to_owned();
    }
    let example = match value {
        "DURATION" => ", a number and ms, s, m, h or d, such as 30s",
        "SIZE" => ", octets, or a number and KiB, MiB or GiB, such as 8MiB",
        "NUMBER" => ", such as 100",
        _ => "",
    };
    format!("{value}{example}")
}

/// What `--help` says of the settings.
pub(super) fn help() -> String {
    let mut help = "Sets how destinations behave whose names match a pattern; can be given more than once. \
        In PATTERN, `*` stands for one word, and `**` or `#` for any number, as does a final `>`; `jobs` is short for \
        `/queue/jobs`; the first pattern that matches a destination counts. A DURATION is a number and ms, s, m, h or \
        d, such as 30s; a SIZE is in octets, or has KiB, MiB or GiB behind it, such as 8MiB.\n\nSettings:"
        .to_owned();
    for Setting { name, value, about, .. } in SETTINGS {
        let _ = write!(help, "\n- {name}={value}: {about}");
    }
    help
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

fn size(text: &str) -> Option<usize> {
    let (number, unit) = number_and_unit(text)?;
    let octets: u64 = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    usize::try_from(number.checked_mul(octets)?).ok()
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use tidings::broker::{HistoryPolicy, PresencePolicy};

    use super::*;

    #[test]
    fn every_setting_is_read() {
        let check = |settings: &str, change: fn(&mut DestinationPolicy)| {
            let read: DestinationSettings = format!("/queue/a.* {settings}").parse().unwrap();
            let mut expected = DestinationPolicy::default();
            change(&mut expected);
            assert_eq!(
                (read.pattern.as_str(), read.policy),
                ("/queue/a.*", expected),
                "{settings}"
            );
        };
        check("message-ttl=250ms", |policy| policy.message_ttl = Some(Duration::from_millis(250)));
        check("message-ttl=2d", |policy| policy.message_ttl = Some(Duration::from_secs(172_800)));
        check("messages-max=7, octets-max=2MiB", |policy| {
            policy.messages_max = Some(7);
            policy.octets_max = Some(2 * 1024 * 1024);
        });
        check("overflow=drop-head", |policy| policy.overflow = QueueOverflow::DropHead);
        check("overflow=drop-new", |policy| policy.overflow = QueueOverflow::DropNew);
        check("overflow=refuse", |policy| policy.overflow = QueueOverflow::Refuse);
        check("overflow=wait", |policy| policy.overflow = QueueOverflow::Wait);
        check("slow-consumers=drop-oldest", |policy| {
            policy.slow_consumers = SlowConsumers::DropOldest;
        });
        check("slow-consumers=keep-latest", |policy| {
            policy.slow_consumers = SlowConsumers::KeepLatest;
        });
        check("slow-consumers=close", |policy| policy.slow_consumers = SlowConsumers::Close);
        check("deliveries-max=3", |policy| policy.deliveries_max = 3);
        check("redelivery-delay=1s", |policy| {
            policy.redelivery_delay.first = Duration::from_secs(1);
            policy.redelivery_delay.max = Duration::from_secs(1);
        });
        check("redelivery-delay=1s,redelivery-factor=2,redelivery-delay-max=1m", |policy| {
            policy.redelivery_delay.first = Duration::from_secs(1);
            policy.redelivery_delay.factor = 2;
            policy.redelivery_delay.max = Duration::from_secs(60);
        });
        check("dead-letters=discard", |policy| policy.dead_letters = DeadLetters::Discard);
        check("dead-letters=/queue/dead.*", |policy| {
            policy.dead_letters = DeadLetters::QueueNamed("/queue/dead.".to_owned());
        });
        check("dead-letters=/queue/dead", |policy| {
            policy.dead_letters = DeadLetters::To(Destination::parse("/queue/dead").unwrap());
        });
        check("dead-letter-retry=5m", |policy| {
            policy.dead_letter_retry = Duration::from_secs(300);
        });
        check("history=7", |policy| {
            policy.history = Some(HistoryPolicy { messages_max: 7, ..HistoryPolicy::default() });
        });
        check("history=7,history-age=1h,history-octets=64KiB", |policy| {
            policy.history = Some(HistoryPolicy {
                messages_max: 7,
                age_max: Duration::from_secs(3600),
                octets_max: 64 * 1024,
            });
        });
        check("presence=50,presence-octets=1MiB", |policy| {
            policy.presence = Some(PresencePolicy { members_max: 50, octets_max: 1024 * 1024 });
        });
        check("retain=last", |policy| policy.retention = Retention::Last);
        check("retain=never", |policy| policy.retention = Retention::Never);
        check("retain=when-asked", |policy| policy.retention = Retention::WhenAsked);
    }

    #[test]
    fn a_mistake_is_told_with_what_was_expected() {
        let check = |text: &str, expected: &str| {
            let error = text.parse::<DestinationSettings>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("/queue/a", "expected a pattern, a blank, and settings");
        check("/queue/a ttl=1s", "unknown setting `ttl`, expected one of message-ttl, ");
        check(
            "/queue/a message-ttl=1",
            "`1` is no value of message-ttl, expected DURATION, a number and ms, s, m, h or d, such as 30s",
        );
        check("/queue/a message-ttl=99999999999999999999d", "expected DURATION");
        check(
            "/queue/a octets-max=1kb",
            "expected SIZE, octets, or a number and KiB, MiB or GiB, such as 8MiB",
        );
        for zero in [
            "deliveries-max=0",
            "messages-max=0",
            "octets-max=0KiB",
            "message-ttl=0s",
            "history=0",
            "history-age=0s",
            "history-octets=0",
        ] {
            check(&format!("/queue/a {zero}"), "expected more than 0, or leave the setting out");
        }
        check("/queue/a history=many", "expected NUMBER, such as 100");
        check(
            "/queue/a messages-max=5,overflow=wait,messages-max=6",
            "messages-max is there twice: give it once",
        );
        check("/queue/a overflow", "expected wait|refuse|drop-head|drop-new");
        check("/queue/a redelivery-delay=1s,redelivery-factor=2", "a longer redelivery-delay-max");
        check("/queue/a redelivery-factor=2,redelivery-delay-max=1m", "redelivery-factor changes");
        check(
            "/queue/a redelivery-delay=1s,redelivery-delay-max=1m",
            "redelivery-delay-max changes",
        );
        check("/queue/a,overflow=wait", "a blank");
    }

    #[test]
    fn help_names_every_setting() {
        let help = help();
        assert!(SETTINGS.iter().all(|setting| help.contains(setting.name)));
    }
}

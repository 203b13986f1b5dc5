use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::QueueDefinition;
use super::octets::{Reader, Writer};
use crate::arguments::QueueArguments;
use crate::binding::Binding;
use crate::dead_letter::DeathReason;
use crate::destination::Destination;
use crate::message::{Durability, Kept, Message, Properties, Retain};
use crate::pattern::DestinationPattern;
use crate::policy::QueueOverflow;
use crate::stomp::Headers;
use crate::timestamp::Timestamp;

/// The first octet of every record, so that a later version can tell its own from these.
const FORM: u8 = 1;

/// That of a message that is not to be delivered at once, which says when.
const DELAYED_FORM: u8 = 2;

/// That of a message whose queue has said how long it keeps it, which says until when, and when it is to be
/// delivered.
const KEPT_FORM: u8 = 3;

/// That of a message which its queue has given up and has no place for, which says why, and how often it was
/// delivered.
const GIVEN_UP_FORM: u8 = 4;

/// A message as it was found in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredMessage {
    /// Where it was sent to.
    pub destination: Destination,
    /// The number in its id.
    pub serial: u64,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Bytes,
    /// What the broker makes of its headers.
    pub properties: Properties,
}

/// A record that this version cannot read: it was damaged, or another version wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// It ends too early.
    TooShort,
    /// A text in it is no UTF-8.
    NotText,
    /// It is of a form that this version does not know.
    UnknownForm,
    /// A name in it is none.
    InvalidName,
    /// It is of a message whose queue is not there.
    NoSuchQueue,
}

impl Message {
    /// The record of the message, appended to `record`.
    pub fn write_record(&self, record: &mut Vec<u8>) {
        let mut writer = Writer(std::mem::take(record));
        match (self.properties.kept, self.properties.deliver_at) {
            (Kept::Unsaid, None) => writer.u8(FORM),
            (Kept::Unsaid, Some(at)) => {
                writer.u8(DELAYED_FORM);
                writer.u64(at.0);
            }
            (Kept::Until(until), at) => {
                writer.u8(KEPT_FORM);
                writer.u64(until.0);
                writer.option(at.map(|at| at.0));
            }
            (Kept::GivenUp { reason, deliveries }, _) => {
                writer.u8(GIVEN_UP_FORM);
                writer.u8(reason_number(reason));
                writer.u64(deliveries.into());
            }
        }
        writer.u64(self.message_id.serial());
        writer.option(self.properties.priority.map(u64::from));
        writer.option(self.properties.expires_at.map(|at| at.0));
        writer.text(self.destination.as_str());
        writer.length(self.headers.len());
        for (name, value) in self.headers.iter_octets() {
            writer.octets(name);
            writer.octets(value);
        }
        writer.0.extend_from_slice(&self.body);
        *record = writer.0;
    }
}

impl StoredMessage {
    /// Reads what [`Message::write_record`] wrote.
    ///
    /// # Errors
    ///
    /// [`RecordError`]; nothing in a record can make it panic.
    pub fn read_record(record: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader(record);
        let (kept, deliver_at) = match reader.u8()? {
            FORM => (Kept::Unsaid, None),
            DELAYED_FORM => (Kept::Unsaid, Some(Timestamp(reader.u64()?))),
            KEPT_FORM => {
                let until = Timestamp(reader.u64()?);
                (Kept::Until(until), reader.option()?.map(Timestamp))
            }
            GIVEN_UP_FORM => {
                let reason = reason_of(reader.u8()?)?;
                let deliveries = u32::try_from(reader.u64()?);
                let deliveries = deliveries.map_err(|_| RecordError::UnknownForm)?;
                (Kept::GivenUp { reason, deliveries }, None)
            }
            _ => return Err(RecordError::UnknownForm),
        };
        let serial = reader.u64()?;
        let priority = reader.option()?.map(u8::try_from).transpose();
        let priority = priority.map_err(|_| RecordError::UnknownForm)?;
        let expires_at = reader.option()?.map(Timestamp);
        let destination =
            Destination::parse(reader.text()?).map_err(|_| RecordError::InvalidName)?;
        let count = reader.length()?;
        let mut headers = Headers::default();
        for _ in 0..count {
            let name = reader.octets()?;
            headers.push_octets(name, reader.octets()?);
        }
        let body = Bytes::copy_from_slice(reader.rest());
        let durability = Durability::Persistent;
        let retain = Retain::Unsaid;
        let properties = Properties { durability, priority, expires_at, deliver_at, kept, retain };
        Ok(Self { destination, serial, headers, body, properties })
    }
}

impl QueueDefinition {
    /// The record of the queue, appended to `record`.
    pub fn write_record(&self, record: &mut Vec<u8>) {
        let mut writer = Writer(std::mem::take(record));
        writer.u8(FORM);
        writer.text(self.name.as_str());
        let QueueArguments {
            message_ttl,
            expires,
            messages_max,
            octets_max,
            overflow,
            priority_max,
            dead_letters,
        } = &self.arguments;
        writer.option(message_ttl.map(milliseconds));
        writer.option(expires.map(milliseconds));
        writer.option(*messages_max);
        writer.option(*octets_max);
        writer.option(overflow.map(overflow_number));
        writer.option(priority_max.map(u64::from));
        writer.optional_text(dead_letters.as_ref().map(Destination::as_str));
        writer.optional_text(self.binding.as_ref().map(|binding| binding.pattern.as_str()));
        let selector = self.binding.as_ref().and_then(Binding::selector_text);
        writer.optional_text(selector.as_deref());
        *record = writer.0;
    }

    /// Reads what [`write_record`](Self::write_record) wrote.
    ///
    /// # Errors
    ///
    /// [`RecordError`]; nothing in a record can make it panic.
    pub fn read_record(record: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader(record);
        expect_form(&mut reader)?;
        let name = destination(reader.text()?)?;
        let arguments = QueueArguments {
            message_ttl: reader.option()?.map(Duration::from_millis),
            expires: reader.option()?.map(Duration::from_millis),
            messages_max: reader.option()?,
            octets_max: reader.option()?,
            overflow: reader.option()?.map(overflow_of).transpose()?,
            priority_max: priority(reader.option()?)?,
            dead_letters: reader.optional_text()?.map(destination).transpose()?,
        };
        let pattern = reader.optional_text()?.map(DestinationPattern::parse).transpose();
        let pattern = pattern.map_err(|_| RecordError::InvalidName)?;
        let selector = reader.optional_text()?;
        let binding = pattern.map(|pattern| Binding::read(pattern, selector)).transpose()?;
        Ok(Self { name, arguments, binding })
    }
}

fn expect_form(reader: &mut Reader<'_>) -> Result<(), RecordError> {
    if reader.u8()? == FORM { Ok(()) } else { Err(RecordError::UnknownForm) }
}

fn destination(text: &str) -> Result<Destination, RecordError> {
    Destination::parse(text).map_err(|_| RecordError::InvalidName)
}

fn priority(number: Option<u64>) -> Result<Option<u8>, RecordError> {
    number.map(u8::try_from).transpose().map_err(|_| RecordError::UnknownForm)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn reason_number(reason: DeathReason) -> u8 {
    match reason {
        DeathReason::Rejected => 0,
        DeathReason::Expired => 1,
        DeathReason::MaxLength => 2,
        DeathReason::DeliveryLimit => 3,
    }
}

fn reason_of(number: u8) -> Result<DeathReason, RecordError> {
    match number {
        0 => Ok(DeathReason::Rejected),
        1 => Ok(DeathReason::Expired),
        2 => Ok(DeathReason::MaxLength),
        3 => Ok(DeathReason::DeliveryLimit),
        _ => Err(RecordError::UnknownForm),
    }
}

fn overflow_number(overflow: QueueOverflow) -> u64 {
    match overflow {
        QueueOverflow::Refuse => 0,
        QueueOverflow::DropHead => 1,
        QueueOverflow::DropNew => 2,
        QueueOverflow::Wait => 3,
    }
}

fn overflow_of(number: u64) -> Result<QueueOverflow, RecordError> {
    match number {
        // What `reject-publish` has always been written as.
        0 => Ok(QueueOverflow::Refuse),
        1 => Ok(QueueOverflow::DropHead),
        2 => Ok(QueueOverflow::DropNew),
        3 => Ok(QueueOverflow::Wait),
        _ => Err(RecordError::UnknownForm),
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "the record ends too early",
            Self::NotText => "a text of the record is not UTF-8",
            Self::UnknownForm => "the record is of a form that this version does not know",
            Self::InvalidName => "a name in the record is not valid",
            Self::NoSuchQueue => "the record is of a message whose queue is not there",
        })
    }
}

impl Error for RecordError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MessageIds;

    fn message() -> Message {
        Message {
            destination: Destination::parse("/queue/größe").unwrap(),
            message_id: MessageIds::new("x", 77).next(),
            headers: {
                let mut headers = Headers::from([("a", "1"), ("b", ""), ("a", "2")]);
                headers.push_octets(b"no text", b"\xff");
                headers
            },
            body: Bytes::from_static(b"\0body\xff"),
            properties: Properties {
                durability: Durability::Persistent,
                priority: Some(9),
                expires_at: Some(Timestamp(u64::MAX)),
                ..Properties::default()
            },
            sender: None,
        }
    }

    #[test]
    fn a_message_reads_back() {
        use DeathReason::{DeliveryLimit, Expired, MaxLength, Rejected};

        let (some, until) = (Some(Timestamp(7)), Kept::Until(Timestamp(8)));
        let letters = [Rejected, Expired, MaxLength, DeliveryLimit]
            .map(|reason| (Kept::GivenUp { reason, deliveries: u32::MAX }, None));
        let others = [(Kept::Unsaid, None), (Kept::Unsaid, some), (until, None), (until, some)];
        for (kept, deliver_at) in others.into_iter().chain(letters) {
            let mut message = message();
            message.properties.kept = kept;
            message.properties.deliver_at = deliver_at;
            let mut record = Vec::new();
            message.write_record(&mut record);
            let read = StoredMessage::read_record(&record).unwrap();
            assert_eq!(read.serial, 77);
            assert_eq!(read.destination, message.destination);
            assert_eq!(read.headers, message.headers);
            assert_eq!(read.body, message.body);
            assert_eq!(read.properties, message.properties);
        }
    }

    #[test]
    fn a_queue_reads_back() {
        use QueueOverflow::{DropHead, DropNew, Refuse, Wait};
        for overflow in [None, Some(Wait), Some(Refuse), Some(DropHead), Some(DropNew)] {
            check_queue(overflow);
        }
    }

    fn check_queue(overflow: Option<QueueOverflow>) {
        let definition = QueueDefinition {
            name: Destination::parse("/queue/a").unwrap(),
            arguments: QueueArguments {
                message_ttl: Some(Duration::from_secs(1)),
                expires: None,
                messages_max: Some(7),
                octets_max: None,
                overflow,
                priority_max: Some(10),
                dead_letters: Some(Destination::parse("/queue/dead").unwrap()),
            },
            binding: Some(
                Binding::read(DestinationPattern::parse("/topic/a.*").unwrap(), None).unwrap(),
            ),
        };
        let mut record = Vec::new();
        definition.write_record(&mut record);
        assert_eq!(QueueDefinition::read_record(&record), Ok(definition));
    }

    #[test]
    fn a_record_that_was_cut_or_changed_is_refused_or_read_but_never_a_panic() {
        let mut record = Vec::new();
        message().write_record(&mut record);
        let head = record.len() - 6;
        for length in 0..head {
            let refused = StoredMessage::read_record(&record[..length]);
            assert_eq!(refused, Err(RecordError::TooShort), "{length}");
        }
        for at in 0..record.len() {
            for octet in [0, 1, 0x7f, 0xff] {
                let mut changed = record.clone();
                changed[at] = octet;
                let _ = StoredMessage::read_record(&changed);
                let _ = QueueDefinition::read_record(&changed);
            }
        }
        record[0] = 3;
        assert_eq!(StoredMessage::read_record(&record), Err(RecordError::UnknownForm));
    }
}

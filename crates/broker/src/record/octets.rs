//! Numbers and texts as records hold them.

use super::RecordError;

/// Appends to a record.
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn length(&mut self, length: usize) {
        let length = u32::try_from(length).expect("no text of a message has 4 GiB");
        self.0.extend_from_slice(&length.to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.octets(text.as_bytes());
    }

    pub(super) fn octets(&mut self, octets: &[u8]) {
        self.length(octets.len());
        self.0.extend_from_slice(octets);
    }

    /// A number that may be missing.
    pub(super) fn option(&mut self, value: Option<u64>) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            self.u64(value);
        }
    }

    pub(super) fn optional_text(&mut self, text: Option<&str>) {
        self.u8(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }
}

/// Reads a record from its start.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn u8(&mut self) -> Result<u8, RecordError> {
        self.take(1).map(|octets| octets[0])
    }

    pub(super) fn u64(&mut self) -> Result<u64, RecordError> {
        let octets = self.take(8)?;
        octets.try_into().map(u64::from_le_bytes).map_err(|_| RecordError::TooShort)
    }

    pub(super) fn length(&mut self) -> Result<usize, RecordError> {
        let octets = self.take(4)?;
        let length = octets.try_into().map(u32::from_le_bytes);
        usize::try_from(length.map_err(|_| RecordError::TooShort)?)
            .map_err(|_| RecordError::TooShort)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, RecordError> {
        str::from_utf8(self.octets()?).map_err(|_| RecordError::NotText)
    }

    pub(super) fn octets(&mut self) -> Result<&'a [u8], RecordError> {
        let length = self.length()?;
        self.take(length)
    }

    pub(super) fn option(&mut self) -> Result<Option<u64>, RecordError> {
        if self.presence()? { self.u64().map(Some) } else { Ok(None) }
    }

    pub(super) fn optional_text(&mut self) -> Result<Option<&'a str>, RecordError> {
        if self.presence()? { self.text().map(Some) } else { Ok(None) }
    }

    pub(super) fn presence(&mut self) -> Result<bool, RecordError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RecordError::UnknownForm),
        }
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(RecordError::TooShort)?;
        self.0 = rest;
        Ok(taken)
    }
}

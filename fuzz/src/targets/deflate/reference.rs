//! Another inflater: RFC 1951, as plainly as it can be written, to compare ours with.

/// The largest distance of deflate.
pub(super) const WINDOW_OCTETS_MAX: usize = 32 * 1024;

const LENGTH_BASES: [usize; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
];
const LENGTH_EXTRA: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASES: [usize; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
    2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
const CODE_LENGTH_ORDER: [usize; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Why there is no more output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The input is used up.
    EndOfInput,
    Corrupt,
    /// As much came out as was asked for, and more would have.
    Full,
}

/// What became of some input.
pub(super) struct Inflated {
    pub(super) out: Vec<u8>,
    pub(super) stop: Stop,
    /// Where the last of the blocks ends that say they are final.
    pub(super) final_block_end: Option<usize>,
    /// How far back the furthest reference went.
    pub(super) distance_max: usize,
}

/// Inflates `input`, but no more than `octets_max` octets. After a final block another stream begins,
/// which refers to nothing before it.
pub(super) fn inflate(input: &[u8], octets_max: usize) -> Inflated {
    let mut inflating = Inflating {
        input,
        position: 0,
        window_start: 0,
        octets_max,
        inflated: Inflated {
            out: Vec::new(),
            stop: Stop::EndOfInput,
            final_block_end: None,
            distance_max: 0,
        },
    };
    loop {
        if let Err(stop) = inflating.block() {
            inflating.inflated.stop = stop;
            return inflating.inflated;
        }
    }
}

struct Inflating<'a> {
    input: &'a [u8],
    /// In bits.
    position: usize,
    /// Where in the output the stream begins.
    window_start: usize,
    octets_max: usize,
    inflated: Inflated,
}

impl Inflating<'_> {
    fn block(&mut self) -> Result<(), Stop> {
        let is_final = self.bits(1)? == 1;
        match self.bits(2)? {
            0 => self.stored()?,
            1 => {
                let lengths: Vec<u8> = (0..288).map(fixed_length).collect();
                self.compressed(&Code::new(&lengths)?, &Code::new(&[5; 32])?)?;
            }
            2 => {
                let (literals, distances) = self.dynamic()?;
                self.compressed(&literals, &distances)?;
            }
            _ => return Err(Stop::Corrupt),
        }
        if is_final {
            self.position = self.position.next_multiple_of(8);
            self.inflated.final_block_end = Some(self.position / 8);
            self.window_start = self.inflated.out.len();
        }
        Ok(())
    }

    fn stored(&mut self) -> Result<(), Stop> {
        self.position = self.position.next_multiple_of(8);
        let len = self.bits(16)?;
        if self.bits(16)? != !len & 0xffff {
            return Err(Stop::Corrupt);
        }
        for _ in 0..len {
            let octet = self.octet()?;
            self.push(octet)?;
        }
        Ok(())
    }

    fn compressed(&mut self, literals: &Code, distances: &Code) -> Result<(), Stop> {
        loop {
            let symbol = self.symbol(literals)?;
            match symbol {
                0..256 => self.push(u8::try_from(symbol).expect("it is less than 256"))?,
                256 => return Ok(()),
                _ => {
                    let at = symbol - 257;
                    let base = *LENGTH_BASES.get(at).ok_or(Stop::Corrupt)?;
                    let len = base + self.bits(LENGTH_EXTRA[at])?;
                    let at = self.symbol(distances)?;
                    let base = *DISTANCE_BASES.get(at).ok_or(Stop::Corrupt)?;
                    let extra = u8::try_from(at / 2).expect("it is small").saturating_sub(1);
                    let distance = base + self.bits(extra)?;
                    self.copy(len, distance)?;
                }
            }
        }
    }

    fn copy(&mut self, len: usize, distance: usize) -> Result<(), Stop> {
        if distance > self.inflated.out.len() - self.window_start {
            return Err(Stop::Corrupt);
        }
        self.inflated.distance_max = self.inflated.distance_max.max(distance);
        for _ in 0..len {
            self.push(self.inflated.out[self.inflated.out.len() - distance])?;
        }
        Ok(())
    }

    fn dynamic(&mut self) -> Result<(Code, Code), Stop> {
        let (literals, distances) = (self.bits(5)? + 257, self.bits(5)? + 1);
        let code_lengths = self.bits(4)? + 4;
        if literals > 286 || distances > 30 {
            return Err(Stop::Corrupt);
        }
        let mut lengths = [0; 19];
        for at in &CODE_LENGTH_ORDER[..code_lengths] {
            lengths[*at] = u8::try_from(self.bits(3)?).expect("three bits are an octet");
        }
        let code = Code::new(&lengths)?;
        // Without any code, each bit stands for the first symbol: an end of block is missing then.
        if !code.is_complete() && !code.is_empty() {
            return Err(Stop::Corrupt);
        }
        let lengths = self.code_lengths(&code, literals + distances)?;
        let (literal_lengths, distance_lengths) = lengths.split_at(literals);
        if literal_lengths[256] == 0 {
            return Err(Stop::Corrupt);
        }
        let codes = (Code::new(literal_lengths)?, Code::new(distance_lengths)?);
        let is_usable = |code: &Code| code.is_complete() || code.len_max <= 1;
        if is_usable(&codes.0) && is_usable(&codes.1) { Ok(codes) } else { Err(Stop::Corrupt) }
    }

    fn code_lengths(&mut self, code: &Code, count: usize) -> Result<Vec<u8>, Stop> {
        let mut lengths = Vec::new();
        while lengths.len() < count {
            let symbol =
                if code.is_empty() { self.bits(1).map(|_| 0)? } else { self.symbol(code)? };
            let (length, times) = match symbol {
                0..16 => (u8::try_from(symbol).expect("it is less than 16"), 1),
                16 => {
                    let times = 3 + self.bits(2)?;
                    (*lengths.last().ok_or(Stop::Corrupt)?, times)
                }
                17 => (0, 3 + self.bits(3)?),
                _ => (0, 11 + self.bits(7)?),
            };
            if lengths.len() + times > count {
                return Err(Stop::Corrupt);
            }
            lengths.resize(lengths.len() + times, length);
        }
        Ok(lengths)
    }

    fn symbol(&mut self, code: &Code) -> Result<usize, Stop> {
        let (mut value, mut first, mut index) = (0, 0, 0);
        for count in &code.counts[1..=code.len_max.max(1)] {
            value |= self.bits(1)?;
            if value < first + count {
                return Ok(code.symbols[index + value - first]);
            }
            index += count;
            first = (first + count) << 1;
            value <<= 1;
        }
        Err(Stop::Corrupt)
    }

    fn push(&mut self, octet: u8) -> Result<(), Stop> {
        if self.inflated.out.len() >= self.octets_max {
            return Err(Stop::Full);
        }
        self.inflated.out.push(octet);
        Ok(())
    }

    fn octet(&mut self) -> Result<u8, Stop> {
        self.bits(8).map(|octet| u8::try_from(octet).expect("eight bits are an octet"))
    }

    fn bits(&mut self, count: u8) -> Result<usize, Stop> {
        let mut bits = 0;
        for shift in 0..count {
            let octet = self.input.get(self.position / 8).ok_or(Stop::EndOfInput)?;
            bits |= usize::from(octet >> (self.position % 8) & 1) << shift;
            self.position += 1;
        }
        Ok(bits)
    }
}

/// The canonical code with the given lengths: RFC 1951, section 3.2.2.
struct Code {
    /// How many codes there are of each length.
    counts: [usize; 16],
    /// The symbols in the order of their codes.
    symbols: Vec<usize>,
    len_max: usize,
}

impl Code {
    fn new(lengths: &[u8]) -> Result<Self, Stop> {
        let mut code = Self { counts: [0; 16], symbols: Vec::new(), len_max: 0 };
        for len in 1..16 {
            let of_this_length =
                lengths.iter().enumerate().filter(|(_, it)| usize::from(**it) == len);
            code.symbols.extend(of_this_length.map(|(symbol, _)| symbol));
            code.counts[len] = code.symbols.len() - code.counts[..len].iter().sum::<usize>();
            if code.counts[len] > 0 {
                code.len_max = len;
            }
        }
        if code.kraft_sum() > 1 << 15 { Err(Stop::Corrupt) } else { Ok(code) }
    }

    /// The share of all codes that are used, of two to the power of 15.
    fn kraft_sum(&self) -> usize {
        self.counts.iter().enumerate().map(|(len, count)| count << (15 - len)).sum()
    }

    fn is_complete(&self) -> bool {
        self.kraft_sum() == 1 << 15
    }

    fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }
}

fn fixed_length(symbol: usize) -> u8 {
    match symbol {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], out: &[u8], stop: Stop) {
        let inflated = inflate(input, 100);
        assert_eq!((&inflated.out[..], inflated.stop), (out, stop), "{input:x?}");
    }

    #[test]
    fn the_examples_of_the_standard() {
        let end = Stop::EndOfInput;
        check(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], b"Hello", end);
        check(
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0, 0, 0xff, 0xff, 0xf2, 0, 0x11, 0, 0],
            b"HelloHello",
            end,
        );
        check(&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00], b"Hello", end);
        check(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], b"Hello", end);
        check(
            &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
            b"Hello",
            end,
        );
    }

    #[test]
    fn what_refers_to_nothing_is_corrupt() {
        check(&[0xf2, 0, 0x11, 0, 0], b"H", Stop::Corrupt);
        // The stream before the final block is gone.
        check(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x02, 0x22, 0], b"Hello", Stop::Corrupt);
        check(&[0x06], b"", Stop::Corrupt);
    }

    #[test]
    fn output_stops_where_it_is_full() {
        let inflated = inflate(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], 3);
        assert_eq!((&inflated.out[..], inflated.stop), (&b"Hel"[..], Stop::Full));
    }
}

//! The bytes of one datum, read from the front: the primitive types of Avro's binary encoding.
//!
//! What must stay true: nothing is taken that is not there, so that no length in a record costs more than the record.

/// What is left to be read of a datum.
#[derive(Clone, Copy, Debug)]
pub struct Datum<'a>(&'a [u8]);

/// Why bytes are not of their schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes end too early.
    #[error("it ends within a value")]
    Cut,
    /// A varint without an end.
    #[error("a number has more than 10 bytes")]
    LongVarint,
    /// A number that its type does not hold.
    #[error("{0} is no int")]
    Int(i64),
    /// A negative length.
    #[error("{0} is no length")]
    Length(i64),
    /// Neither 0 nor 1.
    #[error("{0} is no boolean")]
    Boolean(u8),
    /// A string that is not UTF-8.
    #[error("a string is not UTF-8")]
    Utf8,
    /// A union has no such branch.
    #[error("a union has no branch {0}")]
    Branch(i64),
    /// An enum has no such symbol.
    #[error("an enum has no symbol {0}")]
    Symbol(i64),
    /// There is more than the schema says.
    #[error("{0} bytes are left after the record")]
    Left(usize),
}

impl<'a> Datum<'a> {
    /// All of a datum.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all of it was read.
    ///
    /// # Errors
    /// [`Fault::Left`].
    pub fn end(self) -> Result<(), Fault> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(Fault::Left(left)),
        }
    }

    /// So many bytes: a `fixed`.
    ///
    /// # Errors
    /// [`Fault::Cut`].
    pub fn fixed(&mut self, size: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(size).ok_or(Fault::Cut)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Fault::Cut)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// A `long`: a zigzag varint. What a tenth byte has beyond 64 bits is lost, as apache-avro
    /// loses it.
    ///
    /// # Errors
    /// [`Fault::Cut`], [`Fault::LongVarint`].
    pub fn long(&mut self) -> Result<i64, Fault> {
        // Most are lengths and branches, of one byte.
        if let Some((&byte, rest)) = self.0.split_first()
            && byte < 0x80
        {
            self.0 = rest;
            return Ok(unzigzag(u64::from(byte)));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<i64, Fault> {
        const BYTES_MAX: usize = 10;
        let mut number = 0;
        for (place, byte) in self.0.iter().take(BYTES_MAX).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * place);
            if *byte < 0x80 {
                self.0 = &self.0[place + 1..];
                return Ok(unzigzag(number));
            }
        }
        Err(match self.0.len() {
            BYTES_MAX.. => Fault::LongVarint,
            _ => Fault::Cut,
        })
    }

    /// An `int`.
    ///
    /// # Errors
    /// [`Fault::Int`] beside those of a long.
    pub fn int(&mut self) -> Result<i32, Fault> {
        let long = self.long()?;
        i32::try_from(long).map_err(|_| Fault::Int(long))
    }

    /// The place of one of `all`: the branch of a union, the symbol of an enum.
    ///
    /// # Errors
    /// What `fault` makes of a place that is none, beside those of a long.
    pub fn one_of<'s, T>(
        &mut self,
        all: &'s [T],
        fault: impl FnOnce(i64) -> Fault,
    ) -> Result<&'s T, Fault> {
        let place = self.long()?;
        let found = usize::try_from(place).ok().and_then(|it| all.get(it));
        found.ok_or_else(|| fault(place))
    }

    /// A `boolean`.
    ///
    /// # Errors
    /// [`Fault::Cut`], [`Fault::Boolean`].
    pub fn boolean(&mut self) -> Result<bool, Fault> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(Fault::Boolean(other)),
        }
    }

    /// A `float`.
    ///
    /// # Errors
    /// [`Fault::Cut`].
    pub fn float(&mut self) -> Result<f32, Fault> {
        self.array().map(f32::from_le_bytes)
    }

    /// A `double`.
    ///
    /// # Errors
    /// [`Fault::Cut`].
    pub fn double(&mut self) -> Result<f64, Fault> {
        self.array().map(f64::from_le_bytes)
    }

    /// `bytes`: a length, and as many.
    ///
    /// # Errors
    /// [`Fault::Cut`], [`Fault::Length`], and those of a long.
    pub fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.long()?;
        let size = usize::try_from(length).map_err(|_| Fault::Length(length))?;
        self.fixed(size)
    }

    /// So many bytes, or with none said, a length and as many.
    ///
    /// # Errors
    /// Those of either.
    pub fn sized(&mut self, size: Option<usize>) -> Result<&'a [u8], Fault> {
        match size {
            Some(size) => self.fixed(size),
            None => self.bytes(),
        }
    }

    /// A `string`.
    ///
    /// # Errors
    /// [`Fault::Utf8`] beside those of bytes.
    pub fn string(&mut self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Fault::Utf8)
    }

    /// What lies between here and where `other`, which was read further, has come.
    #[must_use]
    pub fn until(self, other: Self) -> Self {
        let read = self.0.len().saturating_sub(other.0.len());
        Self(&self.0[..read])
    }
}

/// The blocks of an array or a map.
#[derive(Debug, Default)]
pub struct Blocks {
    left: u64,
}

impl Blocks {
    /// Whether there is one more item, which stands next in the datum. The bytes of a block are not taken at its word.
    ///
    /// # Errors
    /// Those of a long.
    pub fn next(&mut self, datum: &mut Datum<'_>) -> Result<bool, Fault> {
        if self.left == 0 {
            let count = datum.long()?;
            if count < 0 {
                datum.long()?;
            }
            if count == 0 {
                return Ok(false);
            }
            self.left = count.unsigned_abs();
        }
        self.left -= 1;
        Ok(true)
    }
}

#[expect(clippy::cast_possible_wrap, reason = "the sign is in the lowest bit")]
fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_has_up_to_ten_bytes() {
        let ones = [0xff; 10];
        let table: [(&[u8], Result<i64, Fault>); 9] = [
            (&[0], Ok(0)),
            (&[1], Ok(-1)),
            (&[0x7f], Ok(-64)),
            (&[0x80, 1], Ok(64)),
            (&[0x80, 0], Ok(0)),
            (&[&ones[..9], &[1]].concat(), Ok(i64::MIN)),
            (&[&ones[..9], &[0x7f]].concat(), Ok(i64::MIN)),
            (&ones, Err(Fault::LongVarint)),
            (&ones[..9], Err(Fault::Cut)),
        ];
        for (bytes, expected) in table {
            assert_eq!(Datum::new(bytes).long(), expected, "{bytes:?}");
        }
        assert_eq!(
            Datum::new(&[0xfe, 0xff, 0xff, 0xff, 0x0f]).int(),
            Ok(i32::MAX)
        );
        let above = Datum::new(&[0x80, 0x80, 0x80, 0x80, 0x10]).int();
        assert_eq!(above, Err(Fault::Int(1 << 31)));
    }

    #[test]
    fn no_length_takes_more_than_there_is() {
        for (bytes, expected) in [
            (&[4, b'a', b'b'][..], Ok("ab")),
            (&[0], Ok("")),
            (&[4, b'a'], Err(Fault::Cut)),
            (&[1], Err(Fault::Length(-1))),
            (
                &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                Err(Fault::Cut),
            ),
            (&[2, 0xff], Err(Fault::Utf8)),
            (&[], Err(Fault::Cut)),
        ] {
            assert_eq!(Datum::new(bytes).string(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn blocks_are_one_list() {
        // Two items, then one in a block that says its bytes (wrongly), then the end and one byte more.
        let mut datum = Datum::new(&[4, 10, 12, 1, 99, 14, 0, 7]);
        let (mut blocks, mut found) = (Blocks::default(), Vec::new());
        while blocks.next(&mut datum).unwrap() {
            found.push(datum.long().unwrap());
        }
        assert_eq!(found, [5, 6, 7]);
        assert_eq!(datum.end(), Err(Fault::Left(1)));
    }
}

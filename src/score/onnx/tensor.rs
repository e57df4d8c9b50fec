//! What flows through a graph: numbers or texts in a box of some dimensions, row by row.

use super::Wrong;
use super::proto;

/// Elements of a tensor: a row of a customer is far smaller, and nothing that a step makes may fill the memory.
pub const ELEMENTS_MAX: usize = 1 << 20;

/// Numbers or texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// How long each dimension is; of a single value, none.
    pub dims: Vec<usize>,
    /// What is in it, the last dimension running fastest.
    pub data: Data,
}

/// What is in a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Numbers, and whether they are of single precision: then each is one of those.
    Floats(Vec<f64>, Precision),
    /// Whole numbers; of truths, 1 and 0.
    Ints(Vec<i64>),
    /// Texts.
    Texts(Vec<String>),
}

/// How exact numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits.
    Single,
    /// 64 bits.
    Double,
}

impl Precision {
    /// A number of this precision. The product, quotient, sum or difference of two single ones, rounded to double and then to single,
    /// is what it is rounded to single at once.
    #[must_use]
    pub fn of(self, number: f64) -> f64 {
        match self {
            #[expect(clippy::cast_possible_truncation, reason = "single precision is meant")]
            Self::Single => f64::from(number as f32),
            Self::Double => number,
        }
    }

    /// The greater of two.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Single => other,
            Self::Double => self,
        }
    }
}

impl Tensor {
    /// Numbers.
    #[must_use]
    pub fn floats(dims: &[usize], numbers: Vec<f64>, precision: Precision) -> Self {
        let numbers = numbers.into_iter().map(|it| precision.of(it)).collect();
        Self {
            dims: dims.to_vec(),
            data: Data::Floats(numbers, precision),
        }
    }

    /// Whole numbers.
    #[must_use]
    pub fn ints(dims: &[usize], numbers: Vec<i64>) -> Self {
        Self {
            dims: dims.to_vec(),
            data: Data::Ints(numbers),
        }
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Floats(numbers, _) => numbers.len(),
            Data::Ints(numbers) => numbers.len(),
            Data::Texts(texts) => texts.len(),
        }
    }

    /// Whether the dimensions say how many elements there are, and that is not too many.
    pub fn checked(self) -> Result<Self, Wrong> {
        let product = self
            .dims
            .iter()
            .try_fold(1usize, |product, dim| product.checked_mul(*dim));
        match product {
            Some(product) if product == self.len() && product <= ELEMENTS_MAX => Ok(self),
            _ => Err(Wrong(format!(
                "{} elements in {:?}; at most {ELEMENTS_MAX}",
                self.len(),
                self.dims
            ))),
        }
    }

    /// Its numbers.
    pub fn numbers(&self) -> Result<Vec<f64>, Wrong> {
        match &self.data {
            Data::Floats(numbers, _) => Ok(numbers.clone()),
            #[expect(clippy::cast_precision_loss, reason = "as ONNX converts them")]
            Data::Ints(numbers) => Ok(numbers.iter().map(|it| *it as f64).collect()),
            Data::Texts(_) => Err(Wrong("texts where numbers are meant".to_owned())),
        }
    }

    /// Its whole numbers, be they indices, axes or dimensions.
    pub fn whole(&self) -> Result<&[i64], Wrong> {
        match &self.data {
            Data::Ints(numbers) => Ok(numbers),
            Data::Floats(..) | Data::Texts(_) => {
                Err(Wrong("whole numbers are meant here".to_owned()))
            }
        }
    }

    /// How exact its numbers are.
    #[must_use]
    pub fn precision(&self) -> Precision {
        match &self.data {
            Data::Floats(_, precision) => *precision,
            Data::Ints(_) | Data::Texts(_) => Precision::Single,
        }
    }

    /// The same elements in other dimensions.
    pub fn shaped(&self, dims: Vec<usize>) -> Result<Self, Wrong> {
        Self {
            dims,
            data: self.data.clone(),
        }
        .checked()
    }

    /// The elements at these places, in these dimensions.
    pub fn picked(&self, dims: Vec<usize>, places: &[usize]) -> Result<Self, Wrong> {
        fn of<T: Clone>(all: &[T], places: &[usize]) -> Result<Vec<T>, Wrong> {
            let one = |place: &usize| all.get(*place).cloned();
            let picked: Option<Vec<T>> = places.iter().map(one).collect();
            picked.ok_or_else(|| Wrong("an index lies outside".to_owned()))
        }
        let data = match &self.data {
            Data::Floats(all, precision) => Data::Floats(of(all, places)?, *precision),
            Data::Ints(all) => Data::Ints(of(all, places)?),
            Data::Texts(all) => Data::Texts(of(all, places)?),
        };
        Self { dims, data }.checked()
    }

    /// Rows and columns: all but the last dimension together, and the last.
    #[must_use]
    pub fn matrix(&self) -> (usize, usize) {
        let columns = self.dims.last().copied().unwrap_or(1);
        (self.len() / columns.max(1), columns)
    }

    /// A constant of the file.
    pub fn read(tensor: &proto::Tensor) -> Result<Self, Wrong> {
        let dims = tensor.dims.iter().map(|dim| usize::try_from(*dim));
        let dims: Vec<usize> = dims
            .collect::<Result<_, _>>()
            .map_err(|_| Wrong("a dimension below 0".to_owned()))?;
        let raw = tensor.raw_data.as_slice();
        let data = match tensor.data_type {
            FLOAT if raw.is_empty() => {
                let numbers = tensor.float_data.iter().map(|it| f64::from(*it));
                Data::Floats(numbers.collect(), Precision::Single)
            }
            FLOAT => {
                let numbers = raw.as_chunks().0.iter();
                let numbers = numbers.map(|it| f64::from(f32::from_le_bytes(*it)));
                Data::Floats(numbers.collect(), Precision::Single)
            }
            DOUBLE if raw.is_empty() => Data::Floats(tensor.double_data.clone(), Precision::Double),
            DOUBLE => {
                let numbers = raw.as_chunks().0.iter();
                Data::Floats(
                    numbers.map(|it| f64::from_le_bytes(*it)).collect(),
                    Precision::Double,
                )
            }
            INT64 if raw.is_empty() => Data::Ints(tensor.int64_data.clone()),
            INT64 => Data::Ints(
                raw.as_chunks()
                    .0
                    .iter()
                    .map(|it| i64::from_le_bytes(*it))
                    .collect(),
            ),
            INT32 | BOOL if raw.is_empty() => {
                Data::Ints(tensor.int32_data.iter().map(|it| i64::from(*it)).collect())
            }
            INT32 => Data::Ints(
                raw.as_chunks()
                    .0
                    .iter()
                    .map(|it| i64::from(i32::from_le_bytes(*it)))
                    .collect(),
            ),
            BOOL => Data::Ints(raw.iter().map(|it| i64::from(*it)).collect()),
            STRING => Data::Texts(tensor.string_data.iter().map(|it| text(it)).collect()),
            other => return Err(Wrong(format!("a constant of type {other}"))),
        };
        Self { dims, data }.checked()
    }
}

/// Text of the file.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `TensorProto.DataType`.
pub const FLOAT: i32 = 1;
/// See [`FLOAT`].
pub const INT32: i32 = 6;
/// See [`FLOAT`].
pub const INT64: i32 = 7;
/// See [`FLOAT`].
pub const STRING: i32 = 8;
/// See [`FLOAT`].
pub const BOOL: i32 = 9;
/// See [`FLOAT`].
pub const DOUBLE: i32 = 11;

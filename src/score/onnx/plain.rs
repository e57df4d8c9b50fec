//! The operators of ai.onnx that exporters of scikit-learn, XGBoost and LightGBM put around their models: arithmetic, comparisons, and
//! what moves elements about.

use super::proto::Node;
use super::tensor::{BOOL, DOUBLE, Data, FLOAT, INT32, INT64, Precision, STRING, Tensor};
use super::tree::softmax;
use super::{Run, Wrong, first};

/// One operator on each number.
pub fn each(of: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Result<Run, Wrong> {
    Ok(Box::new(move |inputs| {
        let input = first(inputs)?;
        let numbers = input.numbers()?.into_iter().map(&of).collect();
        Ok(vec![Tensor::floats(
            &input.dims,
            numbers,
            input.precision(),
        )])
    }))
}

/// One operator on pairs of numbers; whole ones stay so.
pub fn pairs(of: impl Fn(f64, f64) -> f64 + Send + Sync + 'static) -> Result<Run, Wrong> {
    Ok(Box::new(move |inputs| {
        let mut inputs = inputs.iter().flatten();
        let mut all = (*inputs.next().ok_or_else(missing)?).clone();
        for next in inputs {
            let (dims, places) = broadcast(&all.dims, &next.dims)?;
            let (a, b) = (all.numbers()?, next.numbers()?);
            let numbers = places.iter().map(|(i, j)| of(a[*i], b[*j]));
            all = match (&all.data, &next.data) {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "whole numbers of a model are small"
                )]
                (Data::Ints(_), Data::Ints(_)) => {
                    Tensor::ints(&dims, numbers.map(|it| it.trunc() as i64).collect())
                }
                _ => {
                    let precision = all.precision().or(next.precision());
                    Tensor::floats(&dims, numbers.collect(), precision)
                }
            };
        }
        Ok(vec![all])
    }))
}

/// Compares pairs of numbers, or of texts for equality.
pub fn compare(of: impl Fn(f64, f64) -> bool + Send + Sync + 'static) -> Result<Run, Wrong> {
    Ok(Box::new(move |inputs| {
        let (a, b) = (first(inputs)?, at(inputs, 1)?);
        let (dims, places) = broadcast(&a.dims, &b.dims)?;
        let truths: Vec<bool> = match (&a.data, &b.data) {
            (Data::Texts(a), Data::Texts(b)) => {
                let same = |(i, j): &(usize, usize)| of(f64::from(u8::from(a[*i] == b[*j])), 1.0);
                places.iter().map(same).collect()
            }
            _ => {
                let (a, b) = (a.numbers()?, b.numbers()?);
                places.iter().map(|(i, j)| of(a[*i], b[*j])).collect()
            }
        };
        let truths = truths.into_iter().map(i64::from).collect();
        Ok(vec![Tensor::ints(&dims, truths)])
    }))
}

/// `Where`: of two, by a truth each.
pub fn choose(_node: &Node) -> Result<Run, Wrong> {
    Ok(Box::new(|inputs| {
        let (truths, yes, no) = (first(inputs)?, at(inputs, 1)?, at(inputs, 2)?);
        let (dims, places) = broadcast(&yes.dims, &no.dims)?;
        let (all, outer) = broadcast(&truths.dims, &dims)?;
        let (yes_of, no_of) = (yes.numbers()?, no.numbers()?);
        let truths = truths.whole()?;
        let numbers = outer.iter().map(|(t, place)| {
            let (i, j) = places[*place];
            if truths[*t] != 0 { yes_of[i] } else { no_of[j] }
        });
        let precision = yes.precision().or(no.precision());
        Ok(vec![match (&yes.data, &no.data) {
            #[expect(clippy::cast_possible_truncation, reason = "they were whole")]
            (Data::Ints(_), Data::Ints(_)) => {
                Tensor::ints(&all, numbers.map(|it| it as i64).collect())
            }
            _ => Tensor::floats(&all, numbers.collect(), precision),
        }])
    }))
}

/// `Cast`.
pub fn cast(node: &Node) -> Result<Run, Wrong> {
    let to = i32::try_from(node.int("to", i64::from(FLOAT))).unwrap_or(0);
    if ![FLOAT, DOUBLE, INT64, INT32, BOOL, STRING].contains(&to) {
        return Err(Wrong(format!("a cast to type {to}")));
    }
    Ok(Box::new(move |inputs| {
        let input = first(inputs)?;
        let dims = &input.dims;
        let numbers = || match &input.data {
            Data::Texts(texts) => {
                let read = texts.iter().map(|it| it.trim().parse::<f64>());
                let read: Result<Vec<f64>, _> = read.collect();
                read.map_err(|_| Wrong("a text that is no number".to_owned()))
            }
            Data::Floats(..) | Data::Ints(_) => input.numbers(),
        };
        Ok(vec![match to {
            FLOAT => Tensor::floats(dims, numbers()?, Precision::Single),
            DOUBLE => Tensor::floats(dims, numbers()?, Precision::Double),
            BOOL => {
                let truths = numbers()?.into_iter().map(|it| i64::from(it != 0.0));
                Tensor::ints(dims, truths.collect())
            }
            STRING => match &input.data {
                Data::Texts(_) => input.clone(),
                Data::Ints(all) => texts(dims, all.iter().map(ToString::to_string)),
                Data::Floats(all, _) => texts(dims, all.iter().map(ToString::to_string)),
            },
            #[expect(clippy::cast_possible_truncation, reason = "as ONNX casts")]
            _ => Tensor::ints(dims, numbers()?.into_iter().map(|it| it as i64).collect()),
        }])
    }))
}

fn texts(dims: &[usize], texts: impl Iterator<Item = String>) -> Tensor {
    Tensor {
        dims: dims.to_vec(),
        data: Data::Texts(texts.collect()),
    }
}

/// `MatMul`, and `Gemm` with what it has beside.
pub fn product(node: &Node, gemm: bool) -> Result<Run, Wrong> {
    let flag = |name| gemm && node.int(name, 0) != 0;
    let factor = |name| if gemm { node.float(name, 1.0) } else { 1.0 };
    let (turn_a, turn_b) = (flag("transA"), flag("transB"));
    let (alpha, beta) = (factor("alpha"), factor("beta"));
    Ok(Box::new(move |inputs| {
        let (a, b) = (first(inputs)?, at(inputs, 1)?);
        let turned = |of: &Tensor, turn: bool| {
            let (rows, columns) = of.matrix();
            if turn {
                (columns, rows)
            } else {
                (rows, columns)
            }
        };
        let ((rows, inner), (inner_b, columns)) = (turned(a, turn_a), turned(b, turn_b));
        if inner != inner_b {
            return Err(Wrong(format!("a product of {:?} and {:?}", a.dims, b.dims)));
        }
        let (left, right) = (a.numbers()?, b.numbers()?);
        let mut numbers = Vec::with_capacity(rows * columns);
        for i in 0..rows {
            for j in 0..columns {
                let of = |k: usize| {
                    let l = if turn_a { k * rows + i } else { i * inner + k };
                    let r = if turn_b {
                        j * inner + k
                    } else {
                        k * columns + j
                    };
                    left[l] * right[r]
                };
                numbers.push(alpha * (0..inner).map(of).sum::<f64>());
            }
        }
        let dims = [rows, columns];
        if let Some(Some(added)) = inputs.get(2) {
            let (_, places) = broadcast(&dims, &added.dims)?;
            let added = added.numbers()?;
            for (number, (_, j)) in numbers.iter_mut().zip(places) {
                *number += beta * added[j];
            }
        }
        let precision = a.precision().or(b.precision());
        Ok(vec![Tensor::floats(&dims, numbers, precision)])
    }))
}

/// `Softmax` over the last dimension.
pub fn softmaxed(_node: &Node) -> Result<Run, Wrong> {
    Ok(Box::new(|inputs| {
        let input = first(inputs)?;
        let mut numbers = input.numbers()?;
        let (_, columns) = input.matrix();
        for row in numbers.chunks_mut(columns.max(1)) {
            softmax(row, |_| true);
        }
        Ok(vec![Tensor::floats(
            &input.dims,
            numbers,
            input.precision(),
        )])
    }))
}

/// `Clip`: between bounds, given as inputs or, in old files, as attributes.
pub fn clip(node: &Node) -> Result<Run, Wrong> {
    let (least, most) = (node.float("min", f32::MIN), node.float("max", f32::MAX));
    Ok(Box::new(move |inputs| {
        let input = first(inputs)?;
        let bound = |i: usize, otherwise: f64| match inputs.get(i) {
            Some(Some(bound)) => Ok(bound.numbers()?.first().copied().unwrap_or(otherwise)),
            _ => Ok(otherwise),
        };
        let (least, most) = (bound(1, least)?, bound(2, most)?);
        let numbers = input.numbers()?.into_iter();
        let numbers = numbers.map(|it| it.max(least).min(most)).collect();
        Ok(vec![Tensor::floats(
            &input.dims,
            numbers,
            input.precision(),
        )])
    }))
}

/// `ReduceSum`, `ReduceMean`, `ReduceMax`, `ReduceMin`: over the last dimension, or over all where no axis is said.
pub fn reduce(node: &Node, of: fn(&[f64]) -> f64) -> Result<Run, Wrong> {
    let axes = node.ints("axes").to_vec();
    let keeps = node.int("keepdims", 1) != 0;
    Ok(Box::new(move |inputs| {
        let input = first(inputs)?;
        let axes = match inputs.get(1) {
            Some(Some(axes)) => axes.whole()?.to_vec(),
            _ => axes.clone(),
        };
        let last = input.dims.len().saturating_sub(1);
        let is_last = axes
            .iter()
            .all(|it| axis(*it, input.dims.len()) == Some(last));
        if !is_last {
            return Err(Wrong(
                "what is put together over another than the last axis".to_owned(),
            ));
        }
        let (_, columns) = input.matrix();
        let columns = if axes.is_empty() {
            input.len()
        } else {
            columns
        };
        let numbers: Vec<f64> = input.numbers()?.chunks(columns.max(1)).map(of).collect();
        let mut dims = match axes.is_empty() {
            true => vec![1; input.dims.len()],
            false => input.dims.clone(),
        };
        if let Some(dim) = dims.last_mut() {
            *dim = 1;
        }
        if !keeps {
            match axes.is_empty() {
                true => dims.clear(),
                false => drop(dims.pop()),
            }
        }
        Ok(vec![Tensor::floats(&dims, numbers, input.precision())])
    }))
}

/// `ArgMax` over the last dimension.
pub fn arg_max(node: &Node) -> Result<Run, Wrong> {
    let keeps = node.int("keepdims", 1) != 0;
    Ok(Box::new(move |inputs| {
        let input = first(inputs)?;
        let (rows, columns) = input.matrix();
        let numbers = input.numbers()?;
        let places = numbers.chunks(columns.max(1)).map(|row| {
            let mut best = 0;
            for (i, number) in row.iter().enumerate() {
                if *number > row[best] {
                    best = i;
                }
            }
            i64::try_from(best).unwrap_or(i64::MAX)
        });
        let dims = if keeps { vec![rows, 1] } else { vec![rows] };
        Ok(vec![Tensor::ints(&dims, places.collect())])
    }))
}

/// `Reshape`, by its second input.
pub fn reshape(_node: &Node) -> Result<Run, Wrong> {
    Ok(Box::new(|inputs| {
        let (input, wanted) = (first(inputs)?, at(inputs, 1)?);
        let mut dims = Vec::new();
        for (i, dim) in wanted.whole()?.iter().enumerate() {
            dims.push(match dim {
                0 => input.dims.get(i).copied().unwrap_or(1),
                dim => usize::try_from(*dim).unwrap_or(usize::MAX),
            });
        }
        if let Some(open) = dims.iter().position(|dim| *dim == usize::MAX) {
            dims[open] = 1;
            let others = dims.iter().product::<usize>().max(1);
            dims[open] = input.len() / others;
        }
        Ok(vec![input.shaped(dims)?])
    }))
}

/// `Flatten`: rows, and the rest as columns.
pub fn flatten(_node: &Node) -> Result<Run, Wrong> {
    Ok(Box::new(|inputs| {
        let input = first(inputs)?;
        let rows = input.dims.first().copied().unwrap_or(1);
        Ok(vec![input.shaped(vec![rows, input.len() / rows.max(1)])?])
    }))
}

/// `Squeeze` (`adds` false) and `Unsqueeze`: dimensions of 1 that go or come.
pub fn squeeze(node: &Node, adds: bool) -> Result<Run, Wrong> {
    let axes = node.ints("axes").to_vec();
    Ok(Box::new(move |inputs| {
        let input = first(inputs)?;
        let axes = match inputs.get(1) {
            Some(Some(axes)) => axes.whole()?.to_vec(),
            _ => axes.clone(),
        };
        let mut dims = input.dims.clone();
        let rank = dims.len() + if adds { axes.len() } else { 0 };
        let mut axes: Vec<usize> = axes.iter().filter_map(|it| axis(*it, rank)).collect();
        axes.sort_unstable();
        if adds {
            for at in axes.into_iter().filter(|at| *at <= rank) {
                dims.insert(at.min(dims.len()), 1);
            }
        } else if axes.is_empty() {
            dims.retain(|dim| *dim != 1);
        } else {
            for at in axes.into_iter().rev().filter(|at| *at < rank) {
                dims.remove(at);
            }
        }
        Ok(vec![input.shaped(dims)?])
    }))
}

/// `Concat` along an axis.
pub fn concat(node: &Node) -> Result<Run, Wrong> {
    let along = node.int("axis", 1);
    Ok(Box::new(move |inputs| {
        let all: Vec<&Tensor> = inputs.iter().flatten().copied().collect();
        let begun = first(inputs)?;
        let rank = begun.dims.len();
        let along = axis(along, rank).ok_or_else(missing)?;
        let outer: usize = begun.dims[..along].iter().product();
        let width = |it: &Tensor| it.len() / outer.max(1);
        if all.iter().any(|it| it.dims.len() != rank) {
            return Err(Wrong(
                "what is put together has other dimensions".to_owned(),
            ));
        }
        let mut dims = begun.dims.clone();
        dims[along] = all.iter().map(|it| it.dims[along]).sum();
        let places = |it: &Tensor, row: usize| row * width(it)..(row + 1) * width(it);
        let data = if all.iter().all(|it| matches!(it.data, Data::Texts(_))) {
            let mut texts = Vec::new();
            for row in 0..outer {
                for it in &all {
                    if let Data::Texts(own) = &it.data {
                        texts.extend_from_slice(&own[places(it, row)]);
                    }
                }
            }
            Data::Texts(texts)
        } else if all.iter().all(|it| matches!(it.data, Data::Ints(_))) {
            let mut numbers = Vec::new();
            for row in 0..outer {
                for it in &all {
                    numbers.extend_from_slice(&it.whole()?[places(it, row)]);
                }
            }
            Data::Ints(numbers)
        } else {
            let mut numbers = Vec::new();
            for row in 0..outer {
                for it in &all {
                    numbers.extend_from_slice(&it.numbers()?[places(it, row)]);
                }
            }
            let precision = all.iter().map(|it| it.precision());
            Data::Floats(
                numbers,
                precision.reduce(Precision::or).unwrap_or(Precision::Single),
            )
        };
        Ok(vec![Tensor { dims, data }.checked()?])
    }))
}

/// `Gather` along an axis, and `ArrayFeatureExtractor` along the last.
pub fn gather(node: &Node, last: bool) -> Result<Run, Wrong> {
    let along = if last { -1 } else { node.int("axis", 0) };
    Ok(Box::new(move |inputs| {
        let (input, indices) = (first(inputs)?, at(inputs, 1)?);
        let along = axis(along, input.dims.len()).ok_or_else(missing)?;
        let length = input.dims[along];
        let outer: usize = input.dims[..along].iter().product();
        let inner: usize = input.dims[along + 1..].iter().product();
        let chosen: Option<Vec<usize>> = indices
            .whole()?
            .iter()
            .map(|it| axis(*it, length))
            .collect();
        let chosen = chosen.ok_or_else(|| Wrong("an index lies outside".to_owned()))?;
        let mut places = Vec::new();
        for row in 0..outer {
            for at in &chosen {
                places.extend((0..inner).map(|i| (row * length + at) * inner + i));
            }
        }
        // Of an extractor, one row of indices.
        let between = if last {
            vec![chosen.len()]
        } else {
            indices.dims.clone()
        };
        let dims = [&input.dims[..along], &between, &input.dims[along + 1..]].concat();
        Ok(vec![input.picked(dims, &places)?])
    }))
}

/// `Slice` of the last opsets, by inputs: starts, ends, axes, steps of 1.
pub fn slice(_node: &Node) -> Result<Run, Wrong> {
    Ok(Box::new(|inputs| {
        let mut input = first(inputs)?.clone();
        let (starts, ends) = (at(inputs, 1)?.whole()?, at(inputs, 2)?.whole()?);
        let axes = match inputs.get(3) {
            Some(Some(axes)) => axes.whole()?.to_vec(),
            _ => (0..).take(starts.len()).collect(),
        };
        let steps = match inputs.get(4) {
            Some(Some(steps)) => steps.whole()?,
            _ => &[],
        };
        if steps.iter().any(|step| *step != 1) {
            return Err(Wrong("a slice with steps".to_owned()));
        }
        for ((start, end), along) in starts.iter().zip(ends).zip(axes) {
            let along = axis(along, input.dims.len()).ok_or_else(missing)?;
            let length = i64::try_from(input.dims[along]).unwrap_or(0);
            let clamped = |it: i64| if it < 0 { it + length } else { it }.clamp(0, length);
            let (start, end) = (clamped(*start), clamped(*end));
            let range = usize::try_from(start).unwrap_or(0)..usize::try_from(end).unwrap_or(0);
            let outer: usize = input.dims[..along].iter().product();
            let inner: usize = input.dims[along + 1..].iter().product();
            let mut places = Vec::new();
            for row in 0..outer {
                for at in range.clone() {
                    let from = (row * input.dims[along] + at) * inner;
                    places.extend(from..from + inner);
                }
            }
            let mut dims = input.dims.clone();
            dims[along] = range.len();
            input = input.picked(dims, &places)?;
        }
        Ok(vec![input])
    }))
}

/// `Transpose` of a matrix.
pub fn transpose(_node: &Node) -> Result<Run, Wrong> {
    Ok(Box::new(|inputs| {
        let input = first(inputs)?;
        let [rows, columns] = input.dims[..] else {
            return Err(Wrong("only a matrix is turned".to_owned()));
        };
        let places = (0..columns).flat_map(|j| (0..rows).map(move |i| i * columns + j));
        let places: Vec<usize> = places.collect();
        Ok(vec![input.picked(vec![columns, rows], &places)?])
    }))
}

/// `Shape`: the dimensions.
pub fn shape(_node: &Node) -> Result<Run, Wrong> {
    Ok(Box::new(|inputs| {
        let dims = first(inputs)?.dims.iter();
        let dims: Vec<i64> = dims.map(|dim| i64::try_from(*dim).unwrap_or(0)).collect();
        Ok(vec![Tensor::ints(&[dims.len()], dims)])
    }))
}

/// `ConstantOfShape`, and `Expand`.
pub fn expand(node: &Node, constant: bool) -> Result<Run, Wrong> {
    let zero = Tensor::floats(&[1], vec![0.0], Precision::Single);
    let value = node.tensor("value")?.unwrap_or(zero);
    Ok(Box::new(move |inputs| {
        let (value, wanted) = match constant {
            true => (&value, first(inputs)?),
            false => (first(inputs)?, at(inputs, 1)?),
        };
        let wanted = wanted.whole()?.iter();
        let wanted: Vec<usize> = wanted
            .map(|dim| usize::try_from(*dim).unwrap_or(0))
            .collect();
        let (dims, places) = broadcast(&value.dims, &wanted)?;
        let places: Vec<usize> = places.into_iter().map(|(i, _)| i).collect();
        Ok(vec![value.picked(dims, &places)?])
    }))
}

/// `Constant`.
pub fn constant(node: &Node) -> Result<Run, Wrong> {
    let value = match node.tensor("value")? {
        Some(value) => value,
        None => match node.listed("value_strings", "value_ints", "value_floats")? {
            Data::Floats(numbers, _) if numbers.is_empty() => {
                Tensor::floats(&[], vec![node.float("value_float", 0.0)], Precision::Single)
            }
            data => Tensor {
                dims: vec![match &data {
                    Data::Floats(all, _) => all.len(),
                    Data::Ints(all) => all.len(),
                    Data::Texts(all) => all.len(),
                }],
                data,
            },
        },
    };
    Ok(Box::new(move |_| Ok(vec![value.clone()])))
}

/// An input that has to be there.
fn at<'t>(inputs: &[Option<&'t Tensor>], place: usize) -> Result<&'t Tensor, Wrong> {
    inputs.get(place).copied().flatten().ok_or_else(missing)
}

fn missing() -> Wrong {
    Wrong("an input is missing".to_owned())
}

/// An axis or index, counted from the end where it is below 0.
fn axis(at: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let at = if at < 0 { at + length } else { at };
    usize::try_from(at).ok().filter(|_| at < length)
}

/// Dimensions, and for each place in them the places in two tensors.
type Together = (Vec<usize>, Vec<(usize, usize)>);

/// The dimensions of what two tensors come to together, and which element of each stands in each place.
fn broadcast(a: &[usize], b: &[usize]) -> Result<Together, Wrong> {
    let rank = a.len().max(b.len());
    let of = |dims: &[usize], i: usize| match (i + dims.len()).checked_sub(rank) {
        Some(at) => dims[at],
        None => 1,
    };
    let mut dims = Vec::with_capacity(rank);
    for i in 0..rank {
        dims.push(match (of(a, i), of(b, i)) {
            (1, other) | (other, 1) => other,
            (same, other) if same == other => same,
            _ => return Err(Wrong(format!("{a:?} and {b:?} do not go together"))),
        });
    }
    let count = dims.iter().try_fold(1usize, |n, dim| n.checked_mul(*dim));
    let count = count.filter(|count| *count <= super::tensor::ELEMENTS_MAX);
    let count = count.ok_or_else(|| Wrong(format!("{dims:?} is too large")))?;
    let place = |mut at: usize, own: &[usize]| {
        let (mut place, mut stride) = (0, 1);
        for i in (0..rank).rev() {
            let index = at % dims[i];
            at /= dims[i];
            if of(own, i) != 1 {
                place += index * stride;
            }
            stride *= of(own, i);
        }
        place
    };
    let places = (0..count).map(|at| (place(at, a), place(at, b))).collect();
    Ok((dims, places))
}

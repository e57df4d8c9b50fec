//! What of ai.onnx.ml weighs, scales and encodes: linear models, `Scaler`, `Normalizer`, `Imputer`, encoders.

use super::proto::Node;
use super::tensor::{Data, Precision, Tensor};
use super::tree::after;
use super::{Run, Wrong, first};

/// `LinearClassifier`: the labels (0 in their place, for nobody asks) and the scores of each class.
pub fn classifier(node: &Node) -> Result<Run, Wrong> {
    let weigh = weighing(node)?;
    let after = after(&node.text("post_transform", "NONE"))?;
    let run = move |inputs: &[Option<&Tensor>]| {
        let (rows, of_each) = weigh(first(inputs)?)?;
        let mut scores = Vec::new();
        let mut columns = 0;
        for mut of in of_each {
            // One score of two classes is that of the second.
            if let [score] = of[..] {
                of = vec![-score, score];
            }
            after.apply(&mut of);
            columns = of.len();
            scores.extend(of);
        }
        let scores = Tensor::floats(&[rows, columns], scores, Precision::Single);
        Ok(vec![Tensor::ints(&[rows], vec![0; rows]), scores])
    };
    Ok(Box::new(run))
}

/// `LinearRegressor`.
pub fn regressor(node: &Node) -> Result<Run, Wrong> {
    let weigh = weighing(node)?;
    let after = after(&node.text("post_transform", "NONE"))?;
    let run = move |inputs: &[Option<&Tensor>]| {
        let (rows, of_each) = weigh(first(inputs)?)?;
        let columns = of_each.first().map_or(0, Vec::len);
        let scores = of_each.into_iter().flat_map(|mut of| {
            after.apply(&mut of);
            of
        });
        let scores = Tensor::floats(&[rows, columns], scores.collect(), Precision::Single);
        Ok(vec![scores])
    };
    Ok(Box::new(run))
}

type Weighed = (usize, Vec<Vec<f64>>);

/// What the coefficients make of each row: coefficients x features + intercepts.
fn weighing(node: &Node) -> Result<impl Fn(&Tensor) -> Result<Weighed, Wrong> + use<>, Wrong> {
    let (coefficients, intercepts) = (node.numbers("coefficients")?, node.numbers("intercepts")?);
    let targets = intercepts
        .len()
        .max(usize::try_from(node.int("targets", 1)).unwrap_or(1));
    let features = coefficients.len() / targets;
    if features * targets != coefficients.len() || features == 0 {
        return Err(Wrong(
            "coefficients that are not one for each feature".to_owned(),
        ));
    }
    Ok(move |input: &Tensor| {
        let (rows, columns) = input.matrix();
        if columns != features {
            return Err(Wrong(format!(
                "{features} features are meant, and here are {columns}"
            )));
        }
        let numbers = input.numbers()?;
        let weigh = |row: &[f64]| {
            let each = coefficients.chunks(features).enumerate();
            each.map(|(i, of)| {
                let products = of.iter().zip(row).map(|(weight, value)| weight * value);
                products.sum::<f64>() + intercepts.get(i).copied().unwrap_or(0.0)
            })
            .collect()
        };
        Ok((rows, numbers.chunks(columns).map(weigh).collect()))
    })
}

/// `Scaler`: (x - offset) x scale, of each column or of all.
pub fn scaler(node: &Node) -> Result<Run, Wrong> {
    let (offset, scale) = (node.numbers("offset")?, node.numbers("scale")?);
    each_column(move |column, value| {
        let of = |all: &[f64], otherwise| {
            let only = all.first().filter(|_| all.len() == 1);
            all.get(column).or(only).copied().unwrap_or(otherwise)
        };
        let moved = Precision::Single.of(value - of(&offset, 0.0));
        moved * of(&scale, 1.0)
    })
}

/// `Imputer`: what stands for something missing becomes something else.
pub fn imputer(node: &Node) -> Result<Run, Wrong> {
    let (replaced, by) = match node.ints("imputed_value_int64s") {
        [] => (
            node.float("replaced_value_float", 0.0),
            node.numbers("imputed_value_floats")?,
        ),
        #[expect(clippy::cast_precision_loss, reason = "as ONNX converts them")]
        ints => (
            node.int("replaced_value_int64", 0) as f64,
            ints.iter().map(|it| *it as f64).collect(),
        ),
    };
    each_column(move |column, value| {
        #[expect(clippy::float_cmp, reason = "one value stands for what is missing")]
        let is_missing = value == replaced || value.is_nan() && replaced.is_nan();
        let only = by.first().filter(|_| by.len() == 1);
        match by.get(column).or(only).filter(|_| is_missing) {
            Some(by) => *by,
            None => value,
        }
    })
}

/// `Binarizer`: 1 above the threshold, else 0.
pub fn binarizer(node: &Node) -> Result<Run, Wrong> {
    let threshold = node.float("threshold", 0.0);
    each_column(move |_, value| f64::from(u8::from(value > threshold)))
}

fn each_column(of: impl Fn(usize, f64) -> f64 + Send + Sync + 'static) -> Result<Run, Wrong> {
    Ok(Box::new(move |inputs| {
        let input = first(inputs)?;
        let (_, columns) = input.matrix();
        let numbers = input.numbers()?.into_iter().enumerate();
        let numbers = numbers.map(|(i, value)| of(i % columns.max(1), value));
        Ok(vec![Tensor::floats(
            &input.dims,
            numbers.collect(),
            input.precision(),
        )])
    }))
}

/// `Normalizer`: each row divided by its greatest, its sum, or its length.
pub fn normalizer(node: &Node) -> Result<Run, Wrong> {
    let norm = node.text("norm", "MAX");
    if !["MAX", "L1", "L2"].contains(&norm.as_str()) {
        return Err(Wrong(format!("rows are divided by `{norm}`")));
    }
    Ok(Box::new(move |inputs| {
        let input = first(inputs)?;
        let (_, columns) = input.matrix();
        let mut numbers = input.numbers()?;
        for row in numbers.chunks_mut(columns.max(1)) {
            let by = match norm.as_str() {
                "MAX" => row.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                "L1" => row.iter().map(|it| it.abs()).sum(),
                _ => row.iter().map(|it| it * it).sum::<f64>().sqrt(),
            };
            if by != 0.0 {
                row.iter_mut().for_each(|it| *it /= by);
            }
        }
        Ok(vec![Tensor::floats(
            &input.dims,
            numbers,
            Precision::Single,
        )])
    }))
}

/// `FeatureVectorizer`: columns put together as single numbers.
pub fn vectorizer(_node: &Node) -> Result<Run, Wrong> {
    Ok(Box::new(|inputs| {
        let mut all = Vec::new();
        for input in inputs.iter().flatten() {
            all.extend(input.numbers()?);
        }
        Ok(vec![Tensor::floats(
            &[1, all.len()],
            all,
            Precision::Single,
        )])
    }))
}

/// `OneHotEncoder`: 1 in the place of the category, 0 in the others.
pub fn one_hot(node: &Node) -> Result<Run, Wrong> {
    let categories = node.listed("cats_strings", "cats_int64s", "")?;
    let (width, zeros) = (length(&categories), node.int("zeros", 1) == 1);
    Ok(Box::new(move |inputs| {
        let input = first(inputs)?;
        let mut numbers = Vec::with_capacity(input.len() * width);
        for at in 0..input.len() {
            let place = place(&categories, &input.data, at);
            if place.is_none() && !zeros {
                return Err(Wrong("a category that the model does not know".to_owned()));
            }
            numbers.extend((0..width).map(|i| f64::from(u8::from(place == Some(i)))));
        }
        let dims = [&input.dims[..], &[width]].concat();
        Ok(vec![Tensor::floats(&dims, numbers, Precision::Single)])
    }))
}

/// `LabelEncoder`: each key becomes its value.
pub fn label_encoder(node: &Node) -> Result<Run, Wrong> {
    let keys = node.listed("keys_strings", "keys_int64s", "keys_floats")?;
    let values = node.listed("values_strings", "values_int64s", "values_floats")?;
    if length(&keys) != length(&values) {
        return Err(Wrong(
            "a label encoder whose keys are not one for each value".to_owned(),
        ));
    }
    let otherwise = (
        node.text("default_string", "_Unused"),
        node.int("default_int64", -1),
        node.float("default_float", -0.0),
    );
    Ok(Box::new(move |inputs| {
        let input = first(inputs)?;
        let places = (0..input.len()).map(|at| place(&keys, &input.data, at));
        let data = match &values {
            Data::Texts(values) => {
                let of = |it: Option<usize>| it.map_or(&otherwise.0, |it| &values[it]).clone();
                Data::Texts(places.map(of).collect())
            }
            Data::Ints(values) => Data::Ints(
                places
                    .map(|it| it.map_or(otherwise.1, |it| values[it]))
                    .collect(),
            ),
            Data::Floats(values, precision) => Data::Floats(
                places
                    .map(|it| it.map_or(otherwise.2, |it| values[it]))
                    .collect(),
                *precision,
            ),
        };
        let dims = input.dims.clone();
        Ok(vec![Tensor { dims, data }])
    }))
}

fn length(data: &Data) -> usize {
    match data {
        Data::Floats(numbers, _) => numbers.len(),
        Data::Ints(numbers) => numbers.len(),
        Data::Texts(texts) => texts.len(),
    }
}

/// The place among `keys` of an element.
fn place(keys: &Data, data: &Data, at: usize) -> Option<usize> {
    match (keys, data) {
        (Data::Texts(keys), Data::Texts(texts)) => keys.iter().position(|key| *key == texts[at]),
        (Data::Ints(keys), Data::Ints(numbers)) => keys.iter().position(|key| *key == numbers[at]),
        #[expect(
            clippy::cast_precision_loss,
            clippy::float_cmp,
            reason = "categories are small whole numbers"
        )]
        (Data::Ints(keys), Data::Floats(numbers, _)) => {
            keys.iter().position(|key| *key as f64 == numbers[at])
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::float_cmp,
            reason = "categories are small whole numbers"
        )]
        (Data::Floats(keys, _), Data::Ints(numbers)) => {
            keys.iter().position(|key| *key == numbers[at] as f64)
        }
        #[expect(clippy::float_cmp, reason = "a key is found or not")]
        (Data::Floats(keys, _), Data::Floats(numbers, _)) => {
            let same = |key: &f64| *key == numbers[at] || key.is_nan() && numbers[at].is_nan();
            keys.iter().position(same)
        }
        (Data::Texts(_), _) | (_, Data::Texts(_)) => None,
    }
}

//! What models compute: from the values of their inputs to a score, the same on every machine.
//!
//! Formulas alone. Which values of a customer a model takes, [`crate::expression::model`] says; what its file may say,
//! [`crate::model`]. Powers and logarithms are those of `libm`: the platform's differ in the last digit, and a score that lies at a
//! bound would be decided otherwise by another machine.

pub mod bg_nbd;
pub mod logistic;
pub mod onnx;

use bg_nbd::BgNbd;
use logistic::Logistic;
use onnx::Onnx;

/// What an input is for one customer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Given<'a> {
    /// A number; true is 1, and false 0. Not a number stands for what is missing, where a model takes that.
    Number(f64),
    /// A text.
    Text(&'a str),
}

/// A declared model: what it takes, and what it computes.
#[derive(Debug)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// What it takes, in order.
    pub inputs: Vec<Input>,
    /// What it computes.
    pub formula: Formula,
}

/// What a model takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// The expression that it is the value of.
    pub of: String,
    /// What it is where that is not known; none: then the score is not known.
    pub unknown: Option<Constant>,
    /// What it usually is: what it contributes is counted from there. Of formulas that know it otherwise, none.
    pub typical: Option<Constant>,
}

/// A value of an input that is declared.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// This number; not a number where it is missing.
    Number(f64),
    /// This text.
    Text(String),
}

/// What a model computes.
#[derive(Debug)]
pub enum Formula {
    /// Whether she is still a customer.
    BgNbd(BgNbd),
    /// A weighted sum, as a probability.
    Logistic(Logistic),
    /// What a file computes.
    Onnx(Onnx),
}

/// A score, and what each input contributes to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The score.
    pub score: f64,
    /// By the name of what contributes, in the order of the inputs.
    pub contributions: Vec<(String, f64)>,
}

impl Constant {
    /// As an input takes it.
    #[must_use]
    pub fn given(&self) -> Given<'_> {
        match self {
            Self::Number(number) => Given::Number(*number),
            Self::Text(text) => Given::Text(text),
        }
    }
}

impl Given<'_> {
    /// Its number; a text has none.
    fn number(self) -> f64 {
        match self {
            Self::Number(number) => number,
            Self::Text(_) => f64::NAN,
        }
    }
}

impl Spec {
    /// The score of these values, one for each input; none where they give no finite number.
    #[must_use]
    pub fn score(&self, given: &[Given<'_>]) -> Option<f64> {
        let score = match &self.formula {
            Formula::BgNbd(model) => model.alive(history(given)),
            Formula::Logistic(model) => model.score(given.iter().map(|it| it.number())),
            Formula::Onnx(model) => model.score(given).unwrap_or(f64::NAN),
        };
        score.is_finite().then_some(score)
    }

    /// The score of these values, and what each contributes: of [`Formula::BgNbd`] and [`Formula::Logistic`] in
    /// log-odds, of [`Formula::Onnx`] how much less the score were if that input alone were as it usually is.
    #[must_use]
    pub fn explained(&self, given: &[Given<'_>]) -> Option<Explained> {
        let score = self.score(given)?;
        let named = |values: Vec<f64>| {
            let names = self.inputs.iter().map(|input| input.name.clone());
            names.zip(values).collect()
        };
        let contributions = match &self.formula {
            Formula::BgNbd(model) => {
                let (repeats, silence) = model.log_odds(history(given));
                vec![
                    (bg_nbd::REPEATS.to_owned(), repeats),
                    (bg_nbd::SILENCE.to_owned(), silence),
                ]
            }
            Formula::Logistic(model) => {
                named(model.parts(given.iter().map(|it| it.number())).collect())
            }
            Formula::Onnx(_) => named(self.differences(given, score)?),
        };
        Some(Explained {
            score,
            contributions,
        })
    }
}

impl Spec {
    fn differences(&self, given: &[Given<'_>], score: f64) -> Option<Vec<f64>> {
        let without = |(i, input): (usize, &Input)| {
            let mut given = given.to_vec();
            given[i] = input.typical.as_ref()?.given();
            Some(score - self.score(&given)?)
        };
        self.inputs.iter().enumerate().map(without).collect()
    }
}

impl Formula {
    /// Whether the score goes one way as time passes and nothing happens.
    #[must_use]
    pub fn goes_one_way(&self) -> bool {
        match self {
            Self::BgNbd(_) => true,
            Self::Logistic(_) | Self::Onnx(_) => false,
        }
    }
}

/// The inputs of [`bg_nbd::INPUTS`].
fn history(given: &[Given<'_>]) -> bg_nbd::History {
    let of = |i: usize| given.get(i).map_or(f64::NAN, |it| it.number());
    let (repeats, silence, age) = (of(0), of(1), of(2));
    bg_nbd::History {
        repeats,
        last: age - silence,
        age,
    }
}

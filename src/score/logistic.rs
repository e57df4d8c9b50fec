//! A weighted sum of the inputs, as a probability: 1 / (1 + e^-(intercept + sum of weight x input)).

/// A logistic regression whose weights are declared.
#[derive(Clone, Debug, PartialEq)]
pub struct Logistic {
    /// The sum where every input is 0.
    pub intercept: f64,
    /// What one more of each input adds to the sum.
    pub weights: Vec<f64>,
}

impl Logistic {
    /// What each input adds to the sum, which are log-odds.
    pub fn parts(&self, inputs: impl Iterator<Item = f64>) -> impl Iterator<Item = f64> {
        let weights = self.weights.iter().zip(inputs);
        weights.map(|(weight, input)| weight * input)
    }

    /// The probability.
    #[must_use]
    pub fn score(&self, inputs: impl Iterator<Item = f64>) -> f64 {
        sigmoid(self.intercept + self.parts(inputs).sum::<f64>())
    }
}

/// The probability that log-odds say.
#[must_use]
pub fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-log_odds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_probability_that_log_odds_say() {
        for (inputs, expected) in [
            ([0.0, 0.0], 0.119_202_922_022_117_55),
            ([1.0, 0.0], 0.5),
            ([1.0, 3.0], 0.182_425_523_806_356_34),
            ([1_000.0, 0.0], 1.0),
            ([-1_000.0, 0.0], 0.0),
        ] {
            let model = Logistic {
                intercept: -2.0,
                weights: vec![2.0, -0.5],
            };
            let score = model.score(inputs.into_iter());
            assert!((score - expected).abs() < 1e-15, "{inputs:?}: {score}");
        }
    }
}

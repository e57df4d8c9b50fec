//! BG/NBD: how probable it is that a customer who bought is a customer still.
//!
//! Fader, Hardie and Lee, "Counting your customers the easy way: an alternative to the Pareto/NBD model", Marketing Science 24
//! (2005). While she is one, she buys by a Poisson process; after each purchase she leaves with a probability. Rates are gamma over
//! customers (`r`, `alpha`), probabilities beta (`a`, `b`). The probability of being alive is that of Fader and Hardie, "Computing
//! P(alive) using the BG/NBD model" (2008).

use super::logistic::sigmoid;

/// The inputs, in order.
pub const INPUTS: [&str; 3] = [REPEATS, SILENCE, "age"];
/// How often she bought again.
pub const REPEATS: &str = "repeats";
/// How long she has bought nothing.
pub const SILENCE: &str = "silence";

/// The model's parameters, each above 0; time in the unit that `alpha` is in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BgNbd {
    /// Shape of the rates of buying.
    pub r: f64,
    /// Scale of the rates of buying.
    pub alpha: f64,
    /// Of the probabilities of leaving.
    pub a: f64,
    /// Of the probabilities of leaving.
    pub b: f64,
}

/// What the model asks of a customer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct History {
    /// How often she bought again after the first time.
    pub repeats: f64,
    /// When she bought last, after the first time.
    pub last: f64,
    /// How long ago the first time was.
    pub age: f64,
}

/// Parameters that fit, and how well.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The parameters of the greatest likelihood.
    pub model: BgNbd,
    /// The logarithm of the likelihood.
    pub log_likelihood: f64,
}

impl History {
    /// Of the days on which she bought, in order and each once, up to the last day that is looked at; `unit_days`: of how many days the
    /// unit of time is. None where she had not bought by then.
    #[must_use]
    pub fn of_days(
        days: impl IntoIterator<Item = i32>,
        until: i32,
        unit_days: f64,
    ) -> Option<Self> {
        let mut days = days.into_iter().take_while(|day| *day <= until);
        let first = days.next()?;
        let (repeats, last) = days.fold((0, first), |(n, _), day| (n + 1, day));
        let since = |day: i32| f64::from(day - first) / unit_days;
        Some(Self {
            repeats: f64::from(repeats),
            last: since(last),
            age: since(until),
        })
    }
}

impl BgNbd {
    /// The probability that she is a customer still. Who bought once has had no occasion to leave: 1.
    #[must_use]
    pub fn alive(&self, history: History) -> f64 {
        let (repeats, silence) = self.log_odds(history);
        match history.repeats >= 1.0 {
            true => sigmoid(repeats + silence),
            false if history.age.is_nan() => f64::NAN,
            false => 1.0,
        }
    }

    /// What speaks for it and against it, in log-odds: how often she bought, ln((b + x - 1) / a), and how long she has not,
    /// -(r + x) ln((alpha + T) / (alpha + t)). Of who bought once, nothing.
    #[must_use]
    pub fn log_odds(&self, history: History) -> (f64, f64) {
        let History { repeats, last, age } = history;
        if repeats < 1.0 {
            return (0.0, 0.0);
        }
        let silent = libm::log((self.alpha + age.max(last)) / (self.alpha + last.max(0.0)));
        let repeated = libm::log((self.b + repeats - 1.0) / self.a);
        (repeated, -(self.r + repeats) * silent)
    }

    /// The logarithm of the likelihood of these histories.
    #[must_use]
    pub fn log_likelihood(&self, histories: &[History]) -> f64 {
        let Self { r, alpha, a, b } = *self;
        let constant =
            r * libm::log(alpha) - libm::lgamma(r) + libm::lgamma(a + b) - libm::lgamma(b);
        let one = |it: &History| {
            let x = it.repeats;
            let of_all = libm::lgamma(r + x) + libm::lgamma(b + x) - libm::lgamma(a + b + x);
            let stayed = -(r + x) * libm::log(alpha + it.age);
            let left = match x > 0.0 {
                true => {
                    libm::log(a) - libm::log(b + x - 1.0) - (r + x) * libm::log(alpha + it.last)
                }
                false => f64::NEG_INFINITY,
            };
            let most = stayed.max(left);
            let either = most + libm::log(libm::exp(stayed - most) + libm::exp(left - most));
            constant + of_all + either
        };
        histories.iter().map(one).sum()
    }

    /// The parameters that make these histories most likely; none where nobody bought again, for then any do as well.
    #[must_use]
    pub fn fit(histories: &[History]) -> Option<Fit> {
        let again = histories.iter().filter(|it| it.repeats > 0.0).count();
        if again == 0 {
            return None;
        }
        let model = |at: &[f64; 4]| {
            let [r, alpha, a, b] = at.map(libm::exp);
            Self { r, alpha, a, b }
        };
        let unlikely = |at: &[f64; 4]| {
            let unlikely = -model(at).log_likelihood(histories);
            match unlikely.is_nan() {
                true => f64::INFINITY,
                false => unlikely,
            }
        };
        // From where it came to rest once more: a simplex may lose a direction.
        let (first, _) = least([0.0; 4], unlikely);
        let (at, unlikely) = least(first, unlikely);
        Some(Fit {
            model: model(&at),
            log_likelihood: -unlikely,
        })
    }
}

/// Where a function of four numbers is least, as far as the simplex of Nelder and Mead finds it ("A simplex method for function
/// minimization", 1965): 2,000 steps at most, or until all its corners are the same to a billionth.
fn least(start: [f64; 4], of: impl Fn(&[f64; 4]) -> f64) -> ([f64; 4], f64) {
    const STEPS: usize = 2_000;
    let mut corners: Vec<([f64; 4], f64)> = Vec::with_capacity(5);
    corners.push((start, of(&start)));
    for i in 0..4 {
        let mut corner = start;
        corner[i] += 0.5;
        corners.push((corner, of(&corner)));
    }
    for _ in 0..STEPS {
        corners.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (best, worst) = (corners[0], corners[4]);
        if worst.1 - best.1 <= 1e-9 * (1.0 + best.1.abs() * 1e-3) {
            break;
        }
        let mut middle = [0.0; 4];
        for (corner, _) in &corners[..4] {
            for (sum, part) in middle.iter_mut().zip(corner) {
                *sum += part / 4.0;
            }
        }
        // From the worst corner, so many times as far as the middle of the others.
        let at = |far: f64| {
            let mut corner = [0.0; 4];
            for (i, part) in corner.iter_mut().enumerate() {
                *part = middle[i] + far * (middle[i] - worst.0[i]);
            }
            (corner, of(&corner))
        };
        let reflected = at(1.0);
        let better = if reflected.1 < best.1 {
            let expanded = at(2.0);
            Some(if expanded.1 < reflected.1 {
                expanded
            } else {
                reflected
            })
        } else if reflected.1 < corners[3].1 {
            Some(reflected)
        } else {
            let outside = reflected.1 < worst.1;
            let contracted = at(if outside { 0.5 } else { -0.5 });
            (contracted.1 < reflected.1.min(worst.1)).then_some(contracted)
        };
        match better {
            Some(better) => corners[4] = better,
            None => {
                for corner in &mut corners[1..] {
                    for (part, towards) in corner.0.iter_mut().zip(best.0) {
                        *part = (*part + towards) / 2.0;
                    }
                    corner.1 = of(&corner.0);
                }
            }
        }
    }
    corners.sort_by(|a, b| a.1.total_cmp(&b.1));
    corners[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paper's, of CDNOW's customers, in weeks.
    const CDNOW: BgNbd = BgNbd {
        r: 0.243,
        alpha: 4.414,
        a: 0.793,
        b: 2.426,
    };

    /// Of histories (x, t, T), what the formula of the note says.
    #[test]
    fn whoever_is_silent_for_long_has_left() {
        for (repeats, last, age) in [
            (2.0, 30.43, 38.86),
            (1.0, 1.71, 38.86),
            (26.0, 30.86, 31.0),
            (7.0, 30.0, 30.0),
            (3.0, 0.5, 60.0),
        ] {
            let alive = CDNOW.alive(History { repeats, last, age });
            let ratio: f64 = (CDNOW.alpha + age) / (CDNOW.alpha + last);
            let left = CDNOW.a / (CDNOW.b + repeats - 1.0) * ratio.powf(CDNOW.r + repeats);
            assert!((alive - 1.0 / (1.0 + left)).abs() < 1e-12, "{alive}");
        }
        let once = |age| History {
            repeats: 0.0,
            last: 0.0,
            age,
        };
        assert_eq!(CDNOW.alive(once(300.0)), 1.0);
        // Whoever never bought has no age.
        assert!(CDNOW.alive(once(f64::NAN)).is_nan());
    }

    #[test]
    fn a_history_is_of_days() {
        let of = |days: &[i32], until| History::of_days(days.iter().copied(), until, 7.0);
        let history = |repeats, last, age| Some(History { repeats, last, age });
        assert_eq!(of(&[10, 24, 45], 52), history(2.0, 5.0, 6.0));
        assert_eq!(of(&[10, 24, 45], 44), history(1.0, 2.0, 34.0 / 7.0));
        assert_eq!(of(&[10], 10), history(0.0, 0.0, 0.0));
        assert_eq!(of(&[10], 9), None);
    }

    /// Nothing that lies near what is fitted makes the histories more likely.
    #[test]
    fn what_is_fitted_is_most_likely() {
        assert_eq!(BgNbd::fit(&[]), None);
        let once = History {
            repeats: 0.0,
            last: 0.0,
            age: 10.0,
        };
        assert_eq!(BgNbd::fit(&[once]), None);
        let mut histories = Vec::new();
        for i in 0u8..200 {
            let age = 20.0 + f64::from(i % 20);
            let repeats = [0.0, 0.0, 0.0, 1.0, 0.0, 2.0, 0.0, 5.0, 1.0, 0.0][usize::from(i) % 10];
            let last = match repeats > 0.0 {
                true => age * f64::from(1 + i % 7) / 8.0,
                false => 0.0,
            };
            histories.push(History { repeats, last, age });
        }
        let fit = BgNbd::fit(&histories).expect("some bought again");
        for (factor, which) in [
            (0.97, 0),
            (1.03, 0),
            (0.97, 1),
            (1.03, 1),
            (0.9, 2),
            (1.1, 3),
        ] {
            let BgNbd {
                mut r,
                mut alpha,
                mut a,
                mut b,
            } = fit.model;
            *[&mut r, &mut alpha, &mut a, &mut b][which] *= factor;
            let other = BgNbd { r, alpha, a, b };
            assert!(other.log_likelihood(&histories) < fit.log_likelihood);
        }
    }
}

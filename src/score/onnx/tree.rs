//! Ensembles of decision trees: `TreeEnsembleClassifier` and `TreeEnsembleRegressor` of ai.onnx.ml.
//!
//! Each node is met on one way from its root at most, which is checked when the file is read: so a walk ends.

use std::collections::HashMap;

use super::proto::Node;
use super::tensor::{Precision, Tensor};
use super::{Run, Wrong};

/// The nodes of all trees of a model: some thousands of trees as boosting makes them.
const NODES_MAX: usize = 1 << 20;

/// Trees that are read.
struct Forest {
    nodes: Vec<Branch>,
    roots: Vec<usize>,
    /// What each leaf adds to which target, leaf by leaf.
    weights: Vec<(usize, f64)>,
}

struct Branch {
    mode: Mode,
    feature: usize,
    value: f64,
    /// Where what is missing goes.
    missing_holds: bool,
    yes: usize,
    no: usize,
    /// Of a leaf, its part of the weights.
    weights: (usize, usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    Unequal,
    Leaf,
}

impl Forest {
    /// Reads the trees; `whose` is what their weights are of: `class` or `target`. `targets`: how many there are.
    fn read(node: &Node, whose: &str, targets: usize) -> Result<Self, Wrong> {
        let ids: Vec<(i64, i64)> = pairs(node, "nodes_treeids", "nodes_nodeids")?;
        let count = ids.len();
        if count == 0 || count > NODES_MAX {
            return Err(Wrong(format!("{count} nodes of trees; 1 to {NODES_MAX}")));
        }
        let places: HashMap<(i64, i64), usize> = ids.iter().copied().zip(0..).collect();
        if places.len() != count {
            return Err(Wrong("two nodes of a tree have one id".to_owned()));
        }
        let weights = weights(node, whose, targets, &places)?;
        let modes = node.texts("nodes_modes");
        let features = node.ints("nodes_featureids");
        let values = node.numbers("nodes_values")?;
        let missing = node.ints("nodes_missing_value_tracks_true");
        let (yes, no) = (
            node.ints("nodes_truenodeids"),
            node.ints("nodes_falsenodeids"),
        );
        let lists = [
            modes.len(),
            features.len(),
            values.len(),
            yes.len(),
            no.len(),
        ];
        if lists.iter().any(|length| *length != count) {
            return Err(Wrong(
                "the lists of a tree are not of one length".to_owned(),
            ));
        }
        let mut nodes = Vec::with_capacity(count);
        let mut flat = Vec::new();
        for (i, (tree, _)) in ids.iter().enumerate() {
            let mode = mode(&modes[i])?;
            let below = |id: i64| match mode {
                Mode::Leaf => Ok(0),
                _ => places
                    .get(&(*tree, id))
                    .copied()
                    .ok_or_else(|| Wrong(format!("a tree has no node {id}"))),
            };
            let begins = flat.len();
            flat.extend(weights.get(&i).into_iter().flatten());
            nodes.push(Branch {
                mode,
                feature: usize::try_from(features[i])
                    .map_err(|_| Wrong("a feature below 0".to_owned()))?,
                value: values[i],
                missing_holds: missing.get(i) == Some(&1),
                yes: below(yes[i])?,
                no: below(no[i])?,
                weights: (begins, flat.len()),
            });
        }
        let roots = roots(&nodes)?;
        Ok(Self {
            nodes,
            roots,
            weights: flat,
        })
    }

    /// The weights of the leaf of each tree, for a row of features.
    fn leaves<'f>(&'f self, row: &'f [f64]) -> impl Iterator<Item = &'f [(usize, f64)]> {
        self.roots.iter().map(move |root| {
            let mut at = &self.nodes[*root];
            while at.mode != Mode::Leaf {
                let value = row.get(at.feature).copied().unwrap_or(f64::NAN);
                at = &self.nodes[if at.holds(value) { at.yes } else { at.no }];
            }
            &self.weights[at.weights.0..at.weights.1]
        })
    }
}

impl Branch {
    fn holds(&self, value: f64) -> bool {
        let holds = match self.mode {
            Mode::AtMost => value <= self.value,
            Mode::Below => value < self.value,
            Mode::AtLeast => value >= self.value,
            Mode::Above => value > self.value,
            #[expect(clippy::float_cmp, reason = "as the format says")]
            Mode::Equal => value == self.value,
            #[expect(clippy::float_cmp, reason = "as the format says")]
            Mode::Unequal => value != self.value,
            Mode::Leaf => false,
        };
        holds || self.missing_holds && value.is_nan()
    }
}

fn mode(word: &str) -> Result<Mode, Wrong> {
    Ok(match word {
        "BRANCH_LEQ" => Mode::AtMost,
        "BRANCH_LT" => Mode::Below,
        "BRANCH_GTE" => Mode::AtLeast,
        "BRANCH_GT" => Mode::Above,
        "BRANCH_EQ" => Mode::Equal,
        "BRANCH_NEQ" => Mode::Unequal,
        "LEAF" => Mode::Leaf,
        other => return Err(Wrong(format!("a node of a tree is `{other}`"))),
    })
}

fn pairs(node: &Node, trees: &str, nodes: &str) -> Result<Vec<(i64, i64)>, Wrong> {
    let (trees, nodes) = (node.ints(trees), node.ints(nodes));
    if trees.len() != nodes.len() {
        return Err(Wrong(
            "the lists of a tree are not of one length".to_owned(),
        ));
    }
    Ok(trees.iter().copied().zip(nodes.iter().copied()).collect())
}

/// What each node adds to which target, in the order of the file.
fn weights(
    node: &Node,
    whose: &str,
    targets: usize,
    places: &HashMap<(i64, i64), usize>,
) -> Result<HashMap<usize, Vec<(usize, f64)>>, Wrong> {
    let ids = pairs(
        node,
        &format!("{whose}_treeids"),
        &format!("{whose}_nodeids"),
    )?;
    let of = node.ints(&format!("{whose}_ids"));
    let weights = node.numbers(&format!("{whose}_weights"))?;
    if of.len() != ids.len() || weights.len() != ids.len() {
        return Err(Wrong(
            "the weights of a tree are not one for each".to_owned(),
        ));
    }
    let mut by_node: HashMap<usize, Vec<(usize, f64)>> = HashMap::new();
    for ((id, target), weight) in ids.iter().zip(of).zip(weights) {
        let target = usize::try_from(*target).ok().filter(|it| *it < targets);
        let (Some(place), Some(target)) = (places.get(id), target) else {
            return Err(Wrong("a weight of what is not there".to_owned()));
        };
        by_node.entry(*place).or_default().push((target, weight));
    }
    Ok(by_node)
}

/// The nodes that are below none; an error where a node is below two, or only nodes that are below it lead to it.
fn roots(nodes: &[Branch]) -> Result<Vec<usize>, Wrong> {
    let mut is_below = vec![false; nodes.len()];
    for node in nodes.iter().filter(|it| it.mode != Mode::Leaf) {
        for below in [node.yes, node.no] {
            if std::mem::replace(&mut is_below[below], true) {
                return Err(Wrong("a node of a tree is below two others".to_owned()));
            }
        }
    }
    let roots: Vec<usize> = (0..nodes.len()).filter(|at| !is_below[*at]).collect();
    let (mut met, mut open) = (0, roots.clone());
    while let Some(at) = open.pop() {
        met += 1;
        if nodes[at].mode != Mode::Leaf {
            open.extend([nodes[at].yes, nodes[at].no]);
        }
    }
    match met == nodes.len() {
        true => Ok(roots),
        false => Err(Wrong("a tree goes in a circle".to_owned())),
    }
}

/// `TreeEnsembleClassifier`: the labels (0 in their place, for nobody asks) and the scores of each class.
pub fn classifier(node: &Node) -> Result<Run, Wrong> {
    let classes = node
        .ints("classlabels_int64s")
        .len()
        .max(node.texts("classlabels_strings").len());
    let forest = Forest::read(node, "class", classes.max(1))?;
    let base = node.numbers("base_values")?;
    let after = after(&node.text("post_transform", "NONE"))?;
    let ids = node.ints("class_ids");
    let is_binary = classes <= 2 && ids.iter().all(|id| Some(id) == ids.first());
    let run = move |inputs: &[Option<&Tensor>]| {
        let (rows, columns, numbers) = rows(inputs)?;
        let mut scores = Vec::with_capacity(rows * classes);
        for row in numbers.chunks(columns.max(1)) {
            let mut of: Vec<f64> = (0..classes.max(1)).map(|i| based(&base, i)).collect();
            for (class, weight) in forest.leaves(row).flatten() {
                of[*class] += weight;
            }
            if is_binary {
                let score = of[usize::try_from(ids_first(&forest)).unwrap_or(0)];
                of = match after {
                    After::None => vec![1.0 - score, score],
                    After::Logistic | After::Softmax | After::SoftmaxZero => vec![-score, score],
                };
            }
            after.apply(&mut of);
            scores.extend(of);
        }
        let columns = if is_binary { 2 } else { classes.max(1) };
        let scores = Tensor::floats(&[rows, columns], scores, Precision::Single);
        Ok(vec![Tensor::ints(&[rows], vec![0; rows]), scores])
    };
    Ok(Box::new(run))
}

/// The only class that leaves add to.
fn ids_first(forest: &Forest) -> i64 {
    let first = forest.weights.first();
    first.map_or(0, |(class, _)| i64::try_from(*class).unwrap_or(0))
}

/// `TreeEnsembleRegressor`.
pub fn regressor(node: &Node) -> Result<Run, Wrong> {
    let targets = usize::try_from(node.int("n_targets", 1))
        .unwrap_or(1)
        .max(1);
    let forest = Forest::read(node, "target", targets)?;
    let base = node.numbers("base_values")?;
    let after = after(&node.text("post_transform", "NONE"))?;
    let aggregate = node.text("aggregate_function", "SUM");
    if !["SUM", "AVERAGE", "MIN", "MAX"].contains(&aggregate.as_str()) {
        return Err(Wrong(format!("trees are put together by `{aggregate}`")));
    }
    let run = move |inputs: &[Option<&Tensor>]| {
        let (rows, columns, numbers) = rows(inputs)?;
        let mut scores = Vec::with_capacity(rows * targets);
        for row in numbers.chunks(columns.max(1)) {
            let begun = match aggregate.as_str() {
                "MIN" => f64::INFINITY,
                "MAX" => f64::NEG_INFINITY,
                _ => 0.0,
            };
            let mut of = vec![begun; targets];
            for (target, weight) in forest.leaves(row).flatten() {
                of[*target] = match aggregate.as_str() {
                    "MIN" => of[*target].min(*weight),
                    "MAX" => of[*target].max(*weight),
                    _ => of[*target] + weight,
                };
            }
            for (i, score) in of.iter_mut().enumerate() {
                if aggregate == "AVERAGE" {
                    #[expect(clippy::cast_precision_loss, reason = "trees of a model")]
                    let trees = forest.roots.len() as f64;
                    *score /= trees;
                }
                *score += based(&base, i);
            }
            after.apply(&mut of);
            scores.extend(of);
        }
        let scores = Tensor::floats(&[rows, targets], scores, Precision::Single);
        Ok(vec![scores])
    };
    Ok(Box::new(run))
}

/// What is there before the trees; one for all where there is one.
fn based(base: &[f64], i: usize) -> f64 {
    let only = base.first().filter(|_| base.len() == 1);
    base.get(i).or(only).copied().unwrap_or(0.0)
}

fn rows(inputs: &[Option<&Tensor>]) -> Result<(usize, usize, Vec<f64>), Wrong> {
    let input = super::first(inputs)?;
    let (rows, columns) = input.matrix();
    Ok((rows, columns, input.numbers()?))
}

/// What becomes of scores at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing.
    None,
    /// Each a probability by itself.
    Logistic,
    /// Probabilities that come to 1.
    Softmax,
    /// The same, of those that are not 0.
    SoftmaxZero,
}

/// Reads `post_transform`.
pub fn after(word: &str) -> Result<After, Wrong> {
    Ok(match word {
        "NONE" => After::None,
        "LOGISTIC" => After::Logistic,
        "SOFTMAX" => After::Softmax,
        "SOFTMAX_ZERO" => After::SoftmaxZero,
        other => return Err(Wrong(format!("scores end with `{other}`"))),
    })
}

impl After {
    /// Changes the scores of one row.
    pub fn apply(self, scores: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Logistic => scores
                .iter_mut()
                .for_each(|score| *score = super::super::logistic::sigmoid(*score)),
            Self::Softmax => softmax(scores, |_| true),
            Self::SoftmaxZero => softmax(scores, |score| score != 0.0),
        }
    }
}

/// Probabilities that come to 1, of the scores that are `meant`.
pub fn softmax(scores: &mut [f64], meant: impl Fn(f64) -> bool) {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in scores.iter_mut().filter(|score| meant(**score)) {
        *score = libm::exp(*score - most);
        sum += *score;
    }
    if sum > 0.0 {
        scores.iter_mut().for_each(|score| *score /= sum);
    }
}

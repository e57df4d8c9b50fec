//! Models from ONNX files: the operators of `ai.onnx.ml`, and of `ai.onnx` what exporters of scikit-learn, XGBoost and LightGBM put
//! around them, on one row.
//!
//! Our own, and not a library's: a score decides what is sent, and is the same on every machine. Runtimes choose their kernels by the
//! processor, and add and round otherwise on another. Numbers of single precision are doubles that are rounded after each step,
//! exponentials are those of `libm`.
//!
//! A file is compiled once: only what its score needs, with every operator known, every tree free of circles, and tried once with
//! nothing given. Deliberately absent: more than one row, sequences and maps (a `ZipMap` passes what it would name), control flow,
//! what only neural networks have.

mod linear;
mod node;
mod plain;
mod proto;
mod tensor;
mod tree;

use std::collections::HashMap;
use std::fmt;

use prost::Message as _;

use super::Given;
use tensor::{DOUBLE, Data, FLOAT, INT32, INT64, Precision, STRING, Tensor};

/// Nodes of a graph: pipelines of many columns have some hundreds.
const NODES_MAX: usize = 4096;

/// What is wrong with a file, or with what it is given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Wrong(pub String);

/// One step: from its inputs, of which some may be absent, to its outputs.
type Run = Box<dyn Fn(&[Option<&Tensor>]) -> Result<Vec<Tensor>, Wrong> + Send + Sync>;

/// A compiled file.
pub struct Onnx {
    inputs: Vec<Port>,
    steps: Vec<Step>,
    /// What is there before the first step, by its place.
    constants: Vec<(usize, Tensor)>,
    /// How many values there are.
    places: usize,
    /// Which of them is the score's, and in which column.
    score: (usize, usize),
}

/// An input of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// How many columns it has; none: as many as come.
    pub width: Option<usize>,
    /// Whether it takes texts.
    pub is_text: bool,
    kind: i32,
    place: usize,
}

struct Step {
    run: Run,
    inputs: Vec<Option<usize>>,
    outputs: Vec<Option<usize>>,
}

impl fmt::Debug for Onnx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Onnx({} steps)", self.steps.len())
    }
}

impl Onnx {
    /// Compiles a file. `output`: the name of the output that has the score; by default that of probabilities, else the last. `column`:
    /// which of its columns; by default the last.
    ///
    /// # Errors
    /// Where it is none, or has an operator that is not known here.
    pub fn compile(
        bytes: &[u8],
        output: Option<&str>,
        column: Option<usize>,
    ) -> Result<Self, Wrong> {
        let model = proto::Model::decode(bytes);
        let model = model.map_err(|error| Wrong(format!("this is no ONNX file: {error}")))?;
        let graph = model.graph.unwrap_or_default();
        if graph.node.is_empty() || graph.node.len() > NODES_MAX {
            let found = graph.node.len();
            return Err(Wrong(format!("a graph of {found} nodes; 1 to {NODES_MAX}")));
        }
        let score = scored(&graph, output)?;
        let needed = needed(&graph, &score);
        let mut places = HashMap::new();
        let mut constants = Vec::new();
        for tensor in &graph.initializer {
            let place = place_of(&mut places, &tensor.name);
            let read = Tensor::read(tensor);
            constants.push((
                place,
                read.map_err(|wrong| Wrong(format!("`{}`: {wrong}", tensor.name)))?,
            ));
        }
        let mut inputs = Vec::new();
        for info in &graph.input {
            // Old files list constants among the inputs.
            if !places.contains_key(info.name.as_str()) {
                let place = place_of(&mut places, &info.name);
                inputs.push(port(info, place)?);
            }
        }
        let mut steps = Vec::new();
        for node in graph
            .node
            .iter()
            .zip(needed)
            .filter(|it| it.1)
            .map(|it| it.0)
        {
            let of = |name: &String| match name.as_str() {
                "" => Ok(None),
                name => places.get(name).copied().map(Some).ok_or_else(|| {
                    Wrong(format!(
                        "`{}` takes `{name}`, which nothing gives",
                        node.op_type
                    ))
                }),
            };
            let inputs = node.input.iter().map(of).collect::<Result<_, _>>()?;
            let run = step(node);
            let run = run.map_err(|wrong| Wrong(format!("`{}`: {wrong}", node.op_type)))?;
            let outputs = node.output.iter();
            let outputs = outputs
                .map(|name| (!name.is_empty()).then(|| place_of(&mut places, name)))
                .collect();
            steps.push(Step {
                run,
                inputs,
                outputs,
            });
        }
        let place = places.get(score.as_str()).copied();
        let place = place.ok_or_else(|| Wrong(format!("nothing gives `{score}`")))?;
        let mut made = Self {
            inputs,
            steps,
            constants,
            places: places.len(),
            score: (place, 0),
        };
        made.try_once(column)?;
        Ok(made)
    }

    /// Its inputs.
    #[must_use]
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// Tries it with nothing given, where it says how much that is; and finds the column of the score.
    fn try_once(&mut self, column: Option<usize>) -> Result<(), Wrong> {
        if self.inputs.iter().any(|port| port.width.is_none()) {
            self.score.1 = column.unwrap_or(usize::MAX);
            return Ok(());
        }
        let given: Vec<Given<'_>> = self
            .inputs
            .iter()
            .flat_map(|port| {
                let nothing = if port.is_text {
                    Given::Text("")
                } else {
                    Given::Number(0.0)
                };
                std::iter::repeat_n(nothing, port.width.unwrap_or(1))
            })
            .collect();
        let columns = self.computed(&given)?.len();
        let last = columns.saturating_sub(1);
        self.score.1 = column.unwrap_or(last);
        match self.score.1 <= last {
            true => Ok(()),
            false => Err(Wrong(format!(
                "the score has {columns} columns, counted from 0"
            ))),
        }
    }

    /// The score of a row: the inputs one after the other, each with as many values as it has columns; an input of any width takes what
    /// is left.
    pub fn score(&self, given: &[Given<'_>]) -> Result<f64, Wrong> {
        let columns = self.computed(given)?;
        let at = self.score.1.min(columns.len().saturating_sub(1));
        let found = columns.get(at).copied();
        found.ok_or_else(|| Wrong("there is no score".to_owned()))
    }

    fn computed(&self, given: &[Given<'_>]) -> Result<Vec<f64>, Wrong> {
        let mut values: Vec<Option<Tensor>> = vec![None; self.places];
        let mut rest = given;
        for port in &self.inputs {
            let width = port.width.unwrap_or(rest.len()).min(rest.len());
            let (own, others) = rest.split_at(width);
            rest = others;
            values[port.place] = Some(port.tensor(own));
        }
        let constants: HashMap<usize, &Tensor> = self
            .constants
            .iter()
            .map(|(place, it)| (*place, it))
            .collect();
        for step in &self.steps {
            let inputs: Vec<Option<&Tensor>> = step
                .inputs
                .iter()
                .map(|place| {
                    let place = (*place)?;
                    values[place].as_ref().or(constants.get(&place).copied())
                })
                .collect();
            let outputs = (step.run)(&inputs)?;
            for (place, output) in step.outputs.iter().zip(outputs) {
                if let Some(place) = place {
                    values[*place] = Some(output);
                }
            }
        }
        let score = values[self.score.0].as_ref();
        score.map_or_else(|| Ok(Vec::new()), Tensor::numbers)
    }
}

impl Port {
    fn tensor(&self, given: &[Given<'_>]) -> Tensor {
        let numbers = || given.iter().map(|it| it.number());
        let dims = [1, given.len()];
        match self.kind {
            STRING => Tensor {
                dims: dims.to_vec(),
                data: Data::Texts(
                    given
                        .iter()
                        .map(|it| match it {
                            Given::Text(text) => (*text).to_owned(),
                            Given::Number(_) => String::new(),
                        })
                        .collect(),
                ),
            },
            #[expect(clippy::cast_possible_truncation, reason = "as a cast of ONNX does")]
            INT64 | INT32 => Tensor::ints(&dims, numbers().map(|it| it as i64).collect()),
            DOUBLE => Tensor::floats(&dims, numbers().collect(), Precision::Double),
            _ => Tensor::floats(&dims, numbers().collect(), Precision::Single),
        }
    }
}

/// The first input of a step.
fn first<'t>(inputs: &[Option<&'t Tensor>]) -> Result<&'t Tensor, Wrong> {
    let found = inputs.first().copied().flatten();
    found.ok_or_else(|| Wrong("an input is missing".to_owned()))
}

fn place_of<'n>(places: &mut HashMap<&'n str, usize>, name: &'n str) -> usize {
    let next = places.len();
    *places.entry(name).or_insert(next)
}

fn port(info: &proto::ValueInfo, place: usize) -> Result<Port, Wrong> {
    let tensor = info.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
    let kind = tensor.map_or(0, |tensor| tensor.elem_type);
    if ![FLOAT, DOUBLE, INT64, INT32, STRING].contains(&kind) {
        let name = &info.name;
        return Err(Wrong(format!(
            "the input `{name}` takes neither numbers nor texts"
        )));
    }
    let dims = tensor.and_then(|tensor| tensor.shape.as_ref());
    let last = dims.and_then(|shape| shape.dim.last());
    let width = last
        .and_then(|dim| dim.dim_value)
        .filter(|width| *width > 0);
    Ok(Port {
        name: info.name.clone(),
        width: width.and_then(|width| usize::try_from(width).ok()),
        is_text: kind == STRING,
        kind,
        place,
    })
}

/// The output that has the score.
fn scored(graph: &proto::Graph, output: Option<&str>) -> Result<String, Wrong> {
    let names: Vec<&str> = graph.output.iter().map(|it| it.name.as_str()).collect();
    if let Some(output) = output {
        return match names.contains(&output) {
            true => Ok(output.to_owned()),
            false => Err(Wrong(format!(
                "it has no output `{output}`, but {}",
                names.join(", ")
            ))),
        };
    }
    let probable = names.iter().find(|name| name.contains("proba"));
    let name = probable.or(names.last());
    name.map(|name| (*name).to_owned())
        .ok_or_else(|| Wrong("it has no output".to_owned()))
}

/// Which nodes the score needs.
fn needed(graph: &proto::Graph, score: &str) -> Vec<bool> {
    let mut names = vec![score];
    let mut needed = vec![false; graph.node.len()];
    for (i, node) in graph.node.iter().enumerate().rev() {
        if node
            .output
            .iter()
            .any(|name| names.contains(&name.as_str()))
        {
            needed[i] = true;
            names.extend(node.input.iter().map(String::as_str));
        }
    }
    needed
}

/// The operators by name, those of `ai.onnx.ml` first.
fn step(node: &proto::Node) -> Result<Run, Wrong> {
    match node.op_type.as_str() {
        "TreeEnsembleClassifier" => tree::classifier(node),
        "TreeEnsembleRegressor" => tree::regressor(node),
        "LinearClassifier" => linear::classifier(node),
        "LinearRegressor" => linear::regressor(node),
        "Scaler" => linear::scaler(node),
        "Imputer" => linear::imputer(node),
        "Binarizer" => linear::binarizer(node),
        "Normalizer" => linear::normalizer(node),
        "FeatureVectorizer" => linear::vectorizer(node),
        "OneHotEncoder" => linear::one_hot(node),
        "LabelEncoder" => linear::label_encoder(node),
        "ArrayFeatureExtractor" => plain::gather(node, true),
        _ => plain_step(node),
    }
}

/// Those of `ai.onnx`.
fn plain_step(node: &proto::Node) -> Result<Run, Wrong> {
    match node.op_type.as_str() {
        "Identity" | "ZipMap" | "Dropout" => {
            Ok(Box::new(|inputs| Ok(vec![first(inputs)?.clone()])))
        }
        "Cast" => plain::cast(node),
        "Add" | "Sum" => plain::pairs(|a, b| a + b),
        "Sub" => plain::pairs(|a, b| a - b),
        "Mul" => plain::pairs(|a, b| a * b),
        "Div" => plain::pairs(|a, b| a / b),
        "Max" => plain::pairs(f64::max),
        "Min" => plain::pairs(f64::min),
        "Pow" => plain::pairs(libm::pow),
        "Equal" => plain::compare(|a, b| a.total_cmp(&b).is_eq() || a - b == 0.0),
        "Greater" => plain::compare(|a, b| a > b),
        "GreaterOrEqual" => plain::compare(|a, b| a >= b),
        "Less" => plain::compare(|a, b| a < b),
        "LessOrEqual" => plain::compare(|a, b| a <= b),
        "And" => plain::compare(|a, b| a != 0.0 && b != 0.0),
        "Or" => plain::compare(|a, b| a != 0.0 || b != 0.0),
        "Where" => plain::choose(node),
        "Abs" => plain::each(f64::abs),
        "Ceil" => plain::each(f64::ceil),
        "Exp" => plain::each(libm::exp),
        "Floor" => plain::each(f64::floor),
        "Log" => plain::each(libm::log),
        "Neg" => plain::each(|a| -a),
        "Reciprocal" => plain::each(|a| 1.0 / a),
        "Relu" => plain::each(|a| a.max(0.0)),
        "Sigmoid" => plain::each(super::logistic::sigmoid),
        "Sqrt" => plain::each(f64::sqrt),
        "Tanh" => plain::each(libm::tanh),
        "Clip" => plain::clip(node),
        "Softmax" => plain::softmaxed(node),
        "MatMul" => plain::product(node, false),
        "Gemm" => plain::product(node, true),
        "ReduceSum" => plain::reduce(node, |row| row.iter().sum()),
        #[expect(clippy::cast_precision_loss, reason = "columns of a row")]
        "ReduceMean" => plain::reduce(node, |row| row.iter().sum::<f64>() / row.len() as f64),
        "ReduceMax" => plain::reduce(node, |row| {
            row.iter().copied().fold(f64::NEG_INFINITY, f64::max)
        }),
        "ReduceMin" => plain::reduce(node, |row| {
            row.iter().copied().fold(f64::INFINITY, f64::min)
        }),
        "ArgMax" => plain::arg_max(node),
        "Concat" => plain::concat(node),
        "Constant" => plain::constant(node),
        "ConstantOfShape" => plain::expand(node, true),
        "Expand" => plain::expand(node, false),
        "Flatten" => plain::flatten(node),
        "Gather" => plain::gather(node, false),
        "Reshape" => plain::reshape(node),
        "Shape" => plain::shape(node),
        "Slice" => plain::slice(node),
        "Squeeze" => plain::squeeze(node, false),
        "Transpose" => plain::transpose(node),
        "Unsqueeze" => plain::squeeze(node, true),
        _ => Err(Wrong("this operator is not known here".to_owned())),
    }
}

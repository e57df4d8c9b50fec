//! Models: formulas that a company declares to score its customers by, to be asked as `models.NAME`.
//!
//! What one computes is [`crate::score`]; here is what its file may say, and which values of a customer it takes. Its inputs may ask
//! profile, facts and `now`, and neither segments nor other models, which may ask for it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use xxhash_rust::xxh3::xxh3_64;

use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{self, Declared, Fields, Reader};
use crate::document::report::{Report, Source};
use crate::document::suggest::{closest, listed};
use crate::document::yaml::{self, Node, Yaml};
use crate::event::{Text, Type};
use crate::expression::{Expression, read};
use crate::score::bg_nbd::{self, BgNbd};
use crate::score::logistic::Logistic;
use crate::score::onnx::Onnx;
use crate::score::{Constant, Formula, Input, Spec};

/// A model's name: it stands in expressions.
pub const NAME_BYTES: usize = 64;

/// Inputs of a model: each is computed at every evaluation, and stands in the evidence.
pub const INPUTS_MAX: usize = 64;

/// Weights and parameters beyond this say nothing of a customer.
const NUMBER_MAX: f64 = 1e12;

/// The keys of the file of a model.
pub const KEYS: Keys = Keys {
    of: "a model",
    known: &[
        Known::required(
            "model",
            Shape::Form("^[a-z][a-z0-9_]{0,63}$", "alive"),
            "Its name, once in a set: lower-case letters, digits and underscores. Expressions ask for its score as `models.NAME`.",
        ),
        Known::optional(
            "about",
            Shape::Text(yaml::limits::FILE_BYTES),
            "What it says of a customer, in its author's words. For people.",
        ),
        Known::optional(
            "bg_nbd",
            Shape::Mapping(&BG_NBD),
            "The probability that she is a customer still, by how often and how lately she bought: BG/NBD, whose parameters `moments fit bgnbd` finds.",
        ),
        Known::optional(
            "logistic",
            Shape::Mapping(&LOGISTIC),
            "A weighted sum of its inputs, as a probability.",
        ),
        Known::optional(
            "onnx",
            Shape::Mapping(&ONNX),
            "What an ONNX file computes, as scikit-learn, XGBoost and LightGBM export their models.",
        ),
    ],
    later: &[],
};

/// The keys of BG/NBD.
pub const BG_NBD: Keys = Keys {
    of: "`bg_nbd`",
    known: &[
        Known::required("r", POSITIVE, "Shape of the rates at which customers buy."),
        Known::required(
            "alpha",
            POSITIVE,
            "Scale of those rates, in `unit`s of time.",
        ),
        Known::required(
            "a",
            POSITIVE,
            "Of the probabilities with which they leave after a purchase.",
        ),
        Known::required("b", POSITIVE, "Of those probabilities."),
        Known::required(
            "unit",
            Shape::Duration,
            "The unit of time that `alpha` is in, such as `7d`.",
        ),
        Known::default(
            "repeats",
            REPEATS,
            Shape::Expression,
            "How often she bought again after the first time. By default on how many further days.",
        ),
        Known::default("first", FIRST, Shape::Expression, "When she bought first."),
        Known::default("last", LAST, Shape::Expression, "When she bought last."),
    ],
    later: &[],
};
const REPEATS: &str = "profile.rhythm.gaps";
const FIRST: &str = "profile.orders.first";
const LAST: &str = "profile.orders.last";
const POSITIVE: Shape = Shape::Number(0.0, NUMBER_MAX);
const NUMBER: Shape = Shape::Number(-NUMBER_MAX, NUMBER_MAX);

/// The keys of a logistic model.
pub const LOGISTIC: Keys = Keys {
    of: "`logistic`",
    known: &[
        Known::default("intercept", "0", NUMBER, "The sum where every input is 0."),
        Known::required(
            "inputs",
            Shape::Each(&Shape::Mapping(&WEIGHTED)),
            "What it takes, by name, 1 to 64.",
        ),
    ],
    later: &[],
};

/// The keys of an input that has a weight.
pub const WEIGHTED: Keys = Keys {
    of: "an input",
    known: &[
        Known::required(
            "of",
            Shape::Expression,
            "An expression on the customer (`profile`, `facts`, `now`): a number, or a condition, which is 1 where it is true, else 0.",
        ),
        Known::required("weight", NUMBER, "What one more of it adds to the sum."),
        Known::optional(
            "unknown",
            NUMBER,
            "What it is where it is not known. Without it the score is not known then.",
        ),
    ],
    later: &[],
};

/// The keys of a model from a file.
pub const ONNX: Keys = Keys {
    of: "`onnx`",
    known: &[
        Known::required(
            "file",
            Shape::Form("^.+\\.onnx$", "churn.onnx"),
            "The file, in the folder of this one.",
        ),
        Known::optional(
            "output",
            Shape::Text(256),
            "The name of the output that has the score. By default that of probabilities, else the last.",
        ),
        Known::optional(
            "column",
            Shape::Whole(0, COLUMNS_MAX),
            "Which of its columns, counted from 0. By default the last: of two classes, the second.",
        ),
        Known::required(
            "inputs",
            Shape::Each(&Shape::Mapping(&GIVEN)),
            "What it takes, by name, 1 to 64. Where the file has one input of several columns, in their order; else by the names of the file's inputs.",
        ),
    ],
    later: &[],
};
const COLUMNS_MAX: u32 = 10_000;

/// The keys of an input of a file.
pub const GIVEN: Keys = Keys {
    of: "an input",
    known: &[
        Known::required(
            "of",
            Shape::Expression,
            "An expression on the customer (`profile`, `facts`, `now`): a number, or a condition, which is 1 where it is true; a text where the file takes one.",
        ),
        Known::optional("unknown", CONSTANT, UNKNOWN),
        Known::default("typical", "0", CONSTANT, TYPICAL),
    ],
    later: &[],
};
const CONSTANT: Shape = Shape::Either(&[NUMBER, Shape::Text(256)]);
const UNKNOWN: &str = "What it is where it is not known: a number, a text, or `missing` where the model was fitted with gaps. Without it the score is not known then.";
const TYPICAL: &str = "What it usually is: what it contributes to a score is how much less that were if it were this.";
/// The word for a gap.
const MISSING: &str = "missing";

/// A checked model.
#[derive(Debug)]
pub struct Declaration {
    /// Its name.
    pub name: Text,
    /// What it takes and computes.
    pub spec: Arc<Spec>,
    /// Hash of its definition's text, and of the file that it names.
    pub text: u64,
    /// Hash of the file that it names; 0 where it names none.
    pub file: u64,
}

/// Reads the file of a model, which may name one of `files`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(
    source: &Source,
    declared: Declared<'_>,
    files: &[&Source],
) -> Result<Declaration, Vec<Report>> {
    let mut named = None;
    let spec = reader::file(source, declared, KEYS, |reader, fields| {
        model(reader, fields, files, &mut named)
    })?;
    let file = named.map_or(0, Source::digest);
    let texts = [source.digest().to_le_bytes(), file.to_le_bytes()];
    Ok(Declaration {
        name: spec.name.as_str().into(),
        text: xxh3_64(texts.as_flattened()),
        file,
        spec: Arc::new(spec),
    })
}

const FORMULAS: [&str; 3] = ["bg_nbd", "logistic", "onnx"];

fn model<'f>(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    files: &[&'f Source],
    file: &mut Option<&'f Source>,
) -> Option<Spec> {
    let name = reader.required(fields, "model", "its name, such as alive");
    let name = name.and_then(|node| reader.identifier(node, ("a model", "alive"), NAME_BYTES));
    if let Some(node) = fields.get("about") {
        reader.text(node, "a sentence on what it says");
    }
    let entries = fields.entries().iter();
    let formulas: Vec<_> = entries
        .filter(|(key, _)| FORMULAS.contains(&key.text.as_str()))
        .collect();
    let [(key, node)] = formulas.as_slice() else {
        let message = format!("a model has one formula; here are {}", formulas.len());
        let expected = "exactly one of `bg_nbd`, `logistic` and `onnx`".to_owned();
        reader.fails(&fields.node.span, message, expected);
        return None;
    };
    let (inputs, formula) = match key.text.as_str() {
        "bg_nbd" => bg_nbd(reader, node),
        "logistic" => logistic(reader, node),
        _ => onnx(reader, node, files, file),
    }?;
    Some(Spec {
        name: name?.to_owned(),
        inputs,
        formula,
    })
}

fn bg_nbd(reader: &mut Reader<'_>, node: &Node) -> Option<(Vec<Input>, Formula)> {
    let fields = reader.fields(node, BG_NBD)?;
    let mut positive = |key: &str| {
        const EXPECTED: &str = "a number above 0, such as `moments fit bgnbd` prints";
        let node = reader.required(&fields, key, EXPECTED)?;
        let number = reader.number(node, EXPECTED)?;
        if number <= 0.0 || number > NUMBER_MAX {
            reader.unexpected(node, EXPECTED);
            return None;
        }
        Some(number)
    };
    let (r, alpha, a, b) = (
        positive("r"),
        positive("alpha"),
        positive("a"),
        positive("b"),
    );
    let unit = reader.required(&fields, "unit", "the unit of time, such as 7d");
    let unit_ms = unit.and_then(|node| reader.duration(node));
    let mut of = |key: &str, otherwise: &str, kind| {
        let Some(node) = fields.get(key) else {
            return Some(otherwise.to_owned());
        };
        let environment = read::environment(reader.declared, None, false);
        let role = "what is asked for";
        let expression = read::of_kind(reader, node, &environment, kind, role)?;
        of_customer(reader, node, &expression)?;
        Some(expression.source().to_owned())
    };
    let repeats = of("repeats", REPEATS, Type::Number);
    let first = of("first", FIRST, Type::Time);
    let last = of("last", LAST, Type::Time);
    let (repeats, first, last, unit_ms) = (repeats?, first?, last?, unit_ms?);
    let since = |time: &str| format!("(now - ({time})) / duration('{unit_ms}ms')");
    let of = [repeats, since(&last), since(&first)];
    let inputs = bg_nbd::INPUTS.iter().zip(of).map(|(name, of)| Input {
        name: (*name).to_owned(),
        of,
        unknown: None,
        typical: None,
    });
    let model = BgNbd {
        r: r?,
        alpha: alpha?,
        a: a?,
        b: b?,
    };
    Some((inputs.collect(), Formula::BgNbd(model)))
}

fn logistic(reader: &mut Reader<'_>, node: &Node) -> Option<(Vec<Input>, Formula)> {
    let fields = reader.fields(node, LOGISTIC)?;
    let intercept = fields.get("intercept");
    let intercept = intercept.map_or(Some(0.0), |node| number(reader, node));
    let named = reader.required(&fields, "inputs", "what it takes, by name");
    let mut inputs = Vec::new();
    let mut weights = Vec::new();
    for (name, node) in named.and_then(|node| each(reader, node))? {
        let Some(fields) = reader.fields(node, WEIGHTED) else {
            continue;
        };
        let input = input(reader, name, &fields, false);
        let weight = reader.required(&fields, "weight", "what one more of it adds");
        let weight = weight.and_then(|node| number(reader, node));
        inputs.extend(input);
        weights.extend(weight);
    }
    let intercept = intercept?;
    Some((inputs, Formula::Logistic(Logistic { intercept, weights })))
}

fn onnx<'f>(
    reader: &mut Reader<'_>,
    node: &Node,
    files: &[&'f Source],
    named: &mut Option<&'f Source>,
) -> Option<(Vec<Input>, Formula)> {
    let fields = reader.fields(node, ONNX)?;
    let output = fields.get("output");
    let output = output.and_then(|node| reader.text(node, "the name of an output"));
    let column = fields.get("column");
    let column = column.map_or(Some(None), |node| {
        let column = reader.whole(node, 0..=COLUMNS_MAX)?;
        usize::try_from(column).ok().map(Some)
    })?;
    let node = reader.required(&fields, "file", "a file in this folder, such as churn.onnx")?;
    let found = file(reader, node, files)?;
    *named = Some(found);
    let bytes = STANDARD.decode(found.text()).unwrap_or_default();
    let model = match Onnx::compile(&bytes, output, column) {
        Ok(model) => model,
        Err(wrong) => {
            let expected = "a model as scikit-learn, XGBoost or LightGBM exports it".to_owned();
            let message = format!("{}: {wrong}", found.name());
            reader.fails(&node.span, message, expected);
            return None;
        }
    };
    let inputs = reader.required(&fields, "inputs", "what it takes, by name")?;
    let inputs = taken(reader, inputs, &model)?;
    Some((inputs, Formula::Onnx(model)))
}

/// The file that is named.
fn file<'f>(reader: &mut Reader<'_>, node: &Node, files: &[&'f Source]) -> Option<&'f Source> {
    let text = reader.text(node, "a file in this folder, such as churn.onnx")?;
    let folder = match reader.source.name().rfind(['/', '\\']) {
        Some(end) => &reader.source.name()[..=end],
        None => "",
    };
    let name = format!("{folder}{text}");
    let found = files.iter().find(|file| file.name() == name);
    if found.is_none() {
        let beside = files
            .iter()
            .filter_map(|file| file.name().strip_prefix(folder));
        let report = Report::at(
            reader.source,
            node.span.clone(),
            format!("there is no `{name}`"),
        )
        .expected("an ONNX file in the folder of this one".to_owned())
        .suggest(closest(text, beside).map(str::to_owned));
        reader.reports.push(report);
    }
    found.copied()
}

/// The inputs of a file, in its order.
fn taken(reader: &mut Reader<'_>, node: &Node, model: &Onnx) -> Option<Vec<Input>> {
    let ports = model.inputs();
    let named: Vec<_> = each(reader, node)?.collect();
    if let [port] = ports {
        let expected = port.width.unwrap_or(named.len());
        if expected != named.len() {
            let message = format!("here are {} inputs", named.len());
            let expected = format!("{expected}: one for each column of `{}`", port.name);
            reader.fails(&node.span, message, expected);
            return None;
        }
        let read = named.iter().map(|(name, node)| {
            let fields = reader.fields(node, GIVEN)?;
            input(reader, name, &fields, port.is_text)
        });
        return read.collect::<Vec<_>>().into_iter().collect();
    }
    let names = || ports.iter().map(|port| port.name.as_str());
    for (name, at) in &named {
        if !names().any(|port| port == *name) {
            let report = Report::at(
                reader.source,
                at.span.clone(),
                format!("the file has no input `{name}`"),
            )
            .expected(listed(names()))
            .suggest(closest(name, names()).map(str::to_owned));
            reader.reports.push(report);
        }
    }
    let mut inputs = Vec::new();
    for port in ports {
        let found = named.iter().find(|(name, _)| *name == port.name);
        let Some((name, node)) = found.filter(|_| port.width == Some(1)) else {
            let message = match found {
                Some(_) => format!("`{}` of the file is no single column", port.name),
                None => format!("the file's input `{}` is missing", port.name),
            };
            let expected = format!("one column for each of {}", listed(names()));
            reader.fails(&node.span, message, expected);
            continue;
        };
        if let Some(fields) = reader.fields(node, GIVEN) {
            inputs.extend(input(reader, name, &fields, port.is_text));
        }
    }
    Some(inputs)
}

/// The inputs of a mapping of names, in order.
fn each<'n>(
    reader: &mut Reader<'_>,
    node: &'n Node,
) -> Option<impl Iterator<Item = (&'n str, &'n Node)> + use<'n>> {
    let Yaml::Map(entries) = &node.value else {
        reader.unexpected(node, "a mapping of names, each with `of`");
        return None;
    };
    if entries.is_empty() || entries.len() > INPUTS_MAX {
        let message = format!("here are {} inputs", entries.len());
        reader.fails(&node.span, message, format!("1 to {INPUTS_MAX}"));
        return None;
    }
    let named = entries.iter();
    Some(named.map(|(key, node)| (key.text.as_str(), node)))
}

/// One input: what it is of, and what it is where that is not known.
fn input(reader: &mut Reader<'_>, name: &str, fields: &Fields<'_>, is_text: bool) -> Option<Input> {
    let kinds: &[Type] = match is_text {
        true => &[Type::Text],
        false => &[Type::Number, Type::Bool],
    };
    let of = reader.required(fields, "of", "an expression, such as `facts.views`");
    let of = of.and_then(|node| {
        let environment = read::environment(reader.declared, None, false);
        let text = read::text(reader, node)?;
        let compiled = Expression::compile(text, &environment);
        let expression = read::compiled(reader, node, 0, compiled)?;
        if !kinds.contains(&expression.kind()) {
            let kinds: Vec<_> = kinds.iter().map(|kind| kind.described()).collect();
            let found = expression.kind().described();
            let message = format!("`{name}` takes {}, and this is {found}", kinds.join(" or "));
            let expected =
                "of a time, how long ago it was: `(now - profile.last_order) / duration('1d')`";
            reader.fails(&node.span, message, expected.to_owned());
            return None;
        }
        of_customer(reader, node, &expression)?;
        Some(expression.source().to_owned())
    });
    let mut said = |key: &str| {
        let Some(node) = fields.get(key) else {
            return Some(None);
        };
        constant(reader, node, is_text).map(Some)
    };
    let (unknown, typical) = (said("unknown"), said("typical"));
    let nothing = match is_text {
        true => Constant::Text(String::new()),
        false => Constant::Number(0.0),
    };
    Some(Input {
        name: name.to_owned(),
        of: of?,
        unknown: unknown?,
        typical: Some(typical?.unwrap_or(nothing)),
    })
}

fn constant(reader: &mut Reader<'_>, node: &Node, is_text: bool) -> Option<Constant> {
    match (is_text, node.text() == Some(MISSING)) {
        (true, true) => Some(Constant::Text(String::new())),
        (false, true) => Some(Constant::Number(f64::NAN)),
        (true, false) => {
            let text = reader.text(node, "a text, or `missing`")?;
            Some(Constant::Text(text.to_owned()))
        }
        (false, false) => number(reader, node).map(Constant::Number),
    }
}

fn of_customer(reader: &mut Reader<'_>, node: &Node, expression: &Expression) -> Option<()> {
    let asks = expression.asks().iter();
    if asks.clone().any(|path| path == "profile.segments") {
        let expected = "the condition itself: segments may ask for models".to_owned();
        reader.fails(&node.span, "a model that asks for segments", expected);
        return None;
    }
    Some(())
}

fn number(reader: &mut Reader<'_>, node: &Node) -> Option<f64> {
    const EXPECTED: &str = "a number from -10^12 to 10^12";
    let number = reader.number(node, EXPECTED)?;
    if number.abs() > NUMBER_MAX {
        reader.unexpected(node, EXPECTED);
        return None;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::document::report::rendered;
    use crate::event::Vocabulary;

    /// What is read, and what is said of it.
    #[rustfmt::skip]
    const ERRORS: &[(&str, &str)] = &[
        ("model: alive, bg_nbd: { r: 0.2, alpha: 4.4, a: 0.8, b: 2.4, unit: 7d }, about: Whether she is one still.", ""),
        ("model: alive, bg_nbd: { r: 0.2, alpha: 4.4, a: 0.8, b: 2.4, unit: 7d, repeats: profile.orders.count - 1, first: profile.first_sean }", "the profile has no field"),
        ("model: alive, bg_nbd: { r: 0.2, alpha: 4.4, a: 0.8, b: 2.4, unit: 7d, last: profile.orders.count }", "what is asked for is a time"),
        ("model: alive, bg_nbd: { r: 0, alpha: 4.4, a: 0.8, b: 2.4, unit: 7d }", "a number above 0"),
        ("model: alive, bg_nbd: { alpha: 4.4, a: 0.8, b: 2.4, unit: 7d }", "`r` is missing"),
        ("model: alive, bg_nbd: { r: 0.2, alpha: 4.4, a: 0.8, b: 2.4 }", "`unit` is missing"),
        ("model: a-live, logistic: { inputs: { x: { of: profile.orders.count, weight: 1 } } }", "`a-live` is not a model's name"),
        ("model: m, logistic: { intercept: -1, inputs: { x: { of: profile.orders.count > 1, weight: 1 }, y: { of: profile.nps.score, weight: -0.1, unknown: 7 } } }", ""),
        ("model: m, logistic: { inputs: {} }", "here are 0 inputs"),
        ("model: m, logistic: { inputs: [x] }", "a mapping of names"),
        ("model: m, logistic: { inputs: { x: { weight: 1 } } }", "`of` is missing"),
        ("model: m, logistic: { inputs: { x: { of: profile.orders.count } } }", "`weight` is missing"),
        ("model: m, logistic: { inputs: { x: { of: profile.last_order, weight: 1 } } }", "how long ago it was"),
        ("model: m, logistic: { inputs: { x: { of: event.total, weight: 1 } } }", "`event` is not there"),
        ("model: m, logistic: { inputs: { x: { of: models.other, weight: 1 } } }", "no model is called `other`"),
        ("model: m, logistic: { inputs: { x: { of: size(profile.segments), weight: 1 } } }", "a model that asks for segments"),
        ("model: m, onnx: { file: m.onnx, inputs: { x: { of: profile.orders.count } } }", "there is no `m.onnx`"),
        ("model: m, onnx: { inputs: { x: { of: profile.orders.count } } }", "`file` is missing"),
        ("model: m", "a model has one formula; here are 0"),
        ("model: m, logistc: {}", "did you mean `logistic`?"),
    ];

    #[test]
    fn what_cannot_be_meant_is_said() {
        let (vocabulary, attributes) = (Vocabulary::standard(), BTreeMap::new());
        for (text, expected) in ERRORS {
            let source = Source::new("m.yaml", format!("{{ {text} }}"));
            let read = read(&source, Declared::new(&vocabulary, &attributes), &[]);
            let said = read.err().map(|it| rendered(&it)).unwrap_or_default();
            assert!(
                said.contains(expected) && said.is_empty() == expected.is_empty(),
                "{text}: {said}"
            );
        }
    }
}

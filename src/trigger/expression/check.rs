//! From syntax to a typed tree: names resolved, types checked, constants folded.

use std::ops::Range;

use cel::common::ast::{
    CallExpr, Expr, IdedExpr, ListExpr, LiteralValue, operators as cel_operators,
};

use super::functions::{FUNCTIONS, Function, FunctionDoc};
use super::names::{self, Path, Segment};
use super::operators::Binary;
use super::parse::Parsed;
use super::tree::Tree;
use super::{Environment, ExpressionError};
use crate::event::{Text, Type};
use crate::time::{Timestamp, parse_duration};
use crate::trigger::suggest::{closest, listed};

/// A checked expression.
pub struct Checked {
    pub kind: Type,
    pub tree: Tree,
    pub uses_event: bool,
    pub uses_previous: bool,
}

/// A node with its type; `None` is the type of `null` itself.
type Typed = (Option<Type>, Tree);

/// Checks a parsed text.
pub fn check(
    parsed: &Parsed<'_>,
    environment: &Environment<'_>,
) -> Result<Checked, ExpressionError> {
    let mut checker = Checker {
        parsed,
        environment,
        uses_event: false,
        uses_previous: false,
    };
    let (kind, tree) = checker.node(&parsed.root)?;
    let kind = kind.ok_or_else(|| {
        error(
            checker.parsed.span(&parsed.root),
            "`null` alone says nothing",
        )
    })?;
    Ok(Checked {
        kind,
        tree,
        uses_event: checker.uses_event,
        uses_previous: checker.uses_previous,
    })
}

struct Checker<'c> {
    parsed: &'c Parsed<'c>,
    environment: &'c Environment<'c>,
    uses_event: bool,
    uses_previous: bool,
}

impl Checker<'_> {
    fn node(&mut self, node: &IdedExpr) -> Result<Typed, ExpressionError> {
        match &node.expr {
            Expr::Literal(literal) => self.literal(node, literal),
            Expr::Ident(_) | Expr::Select(_) => self.path(node),
            Expr::Call(call) if call.func_name == cel_operators::INDEX => self.path(node),
            Expr::Call(call) => self.call(node, call),
            Expr::List(list) => self.texts(list),
            Expr::Map(_) | Expr::Struct(_) => {
                Err(self.fails(node, "maps are not part of this language"))
            }
            Expr::Comprehension(_) | Expr::Unspecified => {
                Err(self.fails(node, "this is not part of this language"))
            }
        }
    }

    fn literal(&self, node: &IdedExpr, literal: &LiteralValue) -> Result<Typed, ExpressionError> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "all numbers of the language are f64"
        )]
        let typed = match literal {
            LiteralValue::Null => (None, Tree::Null),
            LiteralValue::Boolean(value) => (Some(Type::Bool), Tree::Bool(*value.inner())),
            LiteralValue::Double(value) => (Some(Type::Number), Tree::Number(*value.inner())),
            LiteralValue::Int(value) => (Some(Type::Number), Tree::Number(*value.inner() as f64)),
            LiteralValue::UInt(value) => (Some(Type::Number), Tree::Number(*value.inner() as f64)),
            LiteralValue::String(value) if value.inner().is_empty() => {
                return Err(ExpressionError {
                    expected: Some("`has(x)`, `x == null` or `x != null`".to_owned()),
                    ..self.fails(
                        node,
                        "empty text counts as not known and is equal to nothing",
                    )
                });
            }
            LiteralValue::String(value) => (Some(Type::Text), Tree::Text(value.inner().into())),
            LiteralValue::Bytes(_) => {
                return Err(self.fails(node, "bytes are not part of this language"));
            }
        };
        Ok(typed)
    }

    fn texts(&mut self, list: &ListExpr) -> Result<Typed, ExpressionError> {
        let mut texts: Vec<Text> = Vec::with_capacity(list.elements.len());
        for element in &list.elements {
            match self.node(element)? {
                (_, Tree::Text(text)) => texts.push(Text::from(&*text)),
                (kind, _) => {
                    let found = kind.map_or("null", Type::described);
                    let message = format!("a list holds texts in quotes, and this is {found}");
                    let expected =
                        Some("texts; after `in`, a list may hold anything of one type".to_owned());
                    return Err(ExpressionError {
                        expected,
                        ..self.fails(element, &message)
                    });
                }
            }
        }
        Ok((Some(Type::List), Tree::Texts(texts.into())))
    }

    fn path(&mut self, node: &IdedExpr) -> Result<Typed, ExpressionError> {
        let path = self.segments(node)?;
        let (kind, tree) = names::resolve(&path, self.environment)?;
        self.uses_event |= path.root == "event";
        self.uses_previous |= path.root == "previous";
        Ok((Some(kind), tree))
    }

    fn segments(&self, node: &IdedExpr) -> Result<Path, ExpressionError> {
        match &node.expr {
            Expr::Ident(name) => Ok(Path {
                root: name.clone(),
                root_span: self.parsed.span(node),
                segments: Vec::new(),
            }),
            Expr::Select(select) => {
                let mut path = self.segments(&select.operand)?;
                let span = self.parsed.field_span(node, &select.field);
                path.segments.push(Segment {
                    name: select.field.clone(),
                    span,
                    keyed: false,
                });
                Ok(path)
            }
            Expr::Call(CallExpr {
                func_name, args, ..
            }) if func_name == cel_operators::INDEX && args.len() == 2 => {
                let mut path = self.segments(&args[0])?;
                let span = self.parsed.span(&args[1]);
                let Expr::Literal(LiteralValue::String(key)) = &args[1].expr else {
                    return Err(error(span, "the key in brackets is a text in quotes"));
                };
                path.segments.push(Segment {
                    name: key.inner().to_owned(),
                    span,
                    keyed: true,
                });
                Ok(path)
            }
            _ => Err(self.fails(node, "only `event`, `profile` and `previous` have fields")),
        }
    }

    fn call(&mut self, node: &IdedExpr, call: &CallExpr) -> Result<Typed, ExpressionError> {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (cel_operators::CONDITIONAL, [condition, yes, no]) => self.choice(condition, yes, no),
            (cel_operators::LOGICAL_NOT, [of]) => {
                let of = self.bool(of, "!")?;
                Ok((Some(Type::Bool), Tree::Not(Box::new(of))))
            }
            (cel_operators::NEGATE, [of]) => match self.node(of)? {
                (kind @ Some(Type::Number | Type::Duration), tree) => {
                    Ok((kind, Tree::Negative(Box::new(tree))))
                }
                (kind, _) => {
                    let message = format!(
                        "`-` takes a number or a duration, and this is {}",
                        described(kind)
                    );
                    Err(self.fails(of, &message))
                }
            },
            (name, [left, right]) if call.target.is_none() => match Binary::named(name) {
                Some((operator, symbol)) => self.binary(node, operator, symbol, left, right),
                None => self.function(node, call),
            },
            _ => self.function(node, call),
        }
    }

    fn choice(
        &mut self,
        condition: &IdedExpr,
        yes: &IdedExpr,
        no: &IdedExpr,
    ) -> Result<Typed, ExpressionError> {
        let condition = self.bool(condition, "?")?;
        let (yes_kind, yes) = self.node(yes)?;
        let (no_kind, no_tree) = self.node(no)?;
        if let (Some(a), Some(b)) = (yes_kind, no_kind)
            && a != b
        {
            let message = format!(
                "both sides of `:` have one type; the first is {}, this is {}",
                a.described(),
                b.described()
            );
            return Err(self.fails(no, &message));
        }
        Ok((
            yes_kind.or(no_kind),
            Tree::Choice(Box::new([condition, yes, no_tree])),
        ))
    }

    fn bool(&mut self, node: &IdedExpr, symbol: &str) -> Result<Tree, ExpressionError> {
        match self.node(node)? {
            (Some(Type::Bool), tree) => Ok(tree),
            (kind, _) => {
                let message = format!("`{symbol}` takes a bool, and this is {}", described(kind));
                let expected = kind.map(|kind| super::expected_instead(kind, Type::Bool));
                Err(ExpressionError {
                    expected,
                    ..self.fails(node, &message)
                })
            }
        }
    }

    fn binary(
        &mut self,
        node: &IdedExpr,
        operator: Binary,
        symbol: &str,
        left: &IdedExpr,
        right: &IdedExpr,
    ) -> Result<Typed, ExpressionError> {
        let bool = |tree| Ok((Some(Type::Bool), tree));
        match operator {
            Binary::And => bool(Tree::And(Box::new([
                self.bool(left, symbol)?,
                self.bool(right, symbol)?,
            ]))),
            Binary::Or => bool(Tree::Or(Box::new([
                self.bool(left, symbol)?,
                self.bool(right, symbol)?,
            ]))),
            Binary::In => self.among(node, left, right),
            Binary::Equal => self.equal(node, symbol, left, right),
            Binary::Unequal => {
                let (kind, tree) = self.equal(node, symbol, left, right)?;
                Ok((kind, Tree::Not(Box::new(tree))))
            }
            Binary::Order(order) => {
                let (left_kind, left) = self.node(left)?;
                let (right_kind, right) = self.node(right)?;
                match (left_kind, right_kind) {
                    (Some(a), Some(b)) if a == b && matches!(a, Type::Number | Type::Time | Type::Duration) => {
                        bool(Tree::Order(order, Box::new([left, right])))
                    }
                    (Some(Type::Text), Some(Type::Text)) => Err(ExpressionError {
                        expected: Some(
                            "two numbers, times or durations; texts can be asked with `==`, `in`, `startsWith`"
                                .to_owned(),
                        ),
                        ..self.fails(node, &format!("texts have no order, so `{symbol}` cannot compare them"))
                    }),
                    kinds => Err(self.mismatch(node, symbol, kinds, "two numbers, two times or two durations")),
                }
            }
            Binary::Arithmetic(operator) => {
                let (left_kind, left) = self.node(left)?;
                let (right_kind, right) = self.node(right)?;
                let kind = left_kind
                    .zip(right_kind)
                    .and_then(|(a, b)| operator.kind(a, b));
                match kind {
                    Some(kind) => Ok((
                        Some(kind),
                        Tree::Arithmetic(operator, Box::new([left, right])),
                    )),
                    None => {
                        let expected = "numbers, durations, or a time and a duration";
                        Err(self.mismatch(node, symbol, (left_kind, right_kind), expected))
                    }
                }
            }
        }
    }

    fn equal(
        &mut self,
        node: &IdedExpr,
        symbol: &str,
        left: &IdedExpr,
        right: &IdedExpr,
    ) -> Result<Typed, ExpressionError> {
        let (left_kind, left) = self.node(left)?;
        let (right_kind, right) = self.node(right)?;
        let tree = match (left_kind, right_kind) {
            (None, None) => Tree::Bool(true),
            (Some(_), None) => Tree::Not(Box::new(Tree::Known(Box::new(left)))),
            (None, Some(_)) => Tree::Not(Box::new(Tree::Known(Box::new(right)))),
            (Some(Type::List), Some(Type::List)) => {
                let expected = Some("`\"x\" in list` or `size(list) == 0`".to_owned());
                let message = format!("lists cannot be compared with `{symbol}`");
                return Err(ExpressionError {
                    expected,
                    ..self.fails(node, &message)
                });
            }
            (Some(a), Some(b)) if a == b => Tree::Equal(Box::new([left, right])),
            kinds => return Err(self.mismatch(node, symbol, kinds, "two of one type")),
        };
        Ok((Some(Type::Bool), tree))
    }

    fn among(
        &mut self,
        node: &IdedExpr,
        needle: &IdedExpr,
        list: &IdedExpr,
    ) -> Result<Typed, ExpressionError> {
        let (needle_kind, needle_tree) = self.node(needle)?;
        let Some(needle_kind) = needle_kind.filter(|kind| *kind != Type::List) else {
            return Err(self.fails(
                needle,
                &format!(
                    "`in` looks for one value, and this is {}",
                    described(needle_kind)
                ),
            ));
        };
        if let Expr::List(items) = &list.expr {
            let mut trees = Vec::with_capacity(items.elements.len());
            for item in &items.elements {
                let (kind, tree) = self.node(item)?;
                if kind != Some(needle_kind) {
                    let message = format!(
                        "`in` looks for {} here, and this is {}",
                        needle_kind.described(),
                        described(kind)
                    );
                    return Err(self.fails(item, &message));
                }
                trees.push(tree);
            }
            return Ok((
                Some(Type::Bool),
                Tree::Among(Box::new(needle_tree), trees.into()),
            ));
        }
        match self.node(list)? {
            (Some(Type::List), tree) if needle_kind == Type::Text => {
                Ok((Some(Type::Bool), Tree::In(Box::new([needle_tree, tree]))))
            }
            (Some(Type::Text), _) if needle_kind == Type::Text => {
                let expected = Some("`text.contains(part)`, or a list".to_owned());
                Err(ExpressionError {
                    expected,
                    ..self.fails(list, "`in` looks into a list, and this is a text")
                })
            }
            (kind, _) => Err(self.mismatch(
                node,
                "in",
                (Some(needle_kind), kind),
                "a text in a list of texts",
            )),
        }
    }

    fn function(&mut self, node: &IdedExpr, call: &CallExpr) -> Result<Typed, ExpressionError> {
        let name = call.func_name.as_str();
        let Some(doc) = FUNCTIONS.iter().find(|doc| doc.name == name) else {
            let names = FUNCTIONS.iter().map(|doc| doc.name);
            return Err(ExpressionError {
                expected: Some(format!("one of {}", listed(names.clone()))),
                suggestion: closest(name, names).map(str::to_owned),
                ..error(
                    self.parsed.name_span(node, name),
                    &format!("there is no function `{name}`"),
                )
            });
        };
        let arguments: Vec<&IdedExpr> = call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect();
        if arguments.len() != doc.takes.len() {
            let message = format!("`{name}` is written `{}`", doc.call);
            return Err(ExpressionError {
                expected: Some(doc.about.to_owned()),
                ..self.fails(node, &message)
            });
        }
        let mut trees = Vec::with_capacity(arguments.len());
        for (argument, kinds) in arguments.iter().zip(doc.takes) {
            let (kind, tree) = self.node(argument)?;
            if !kind.is_some_and(|kind| kinds.contains(&kind)) {
                let wanted: Vec<_> = kinds.iter().map(|kind| kind.described()).collect();
                let message = format!(
                    "`{name}` takes {} here, and this is {}",
                    wanted.join(" or "),
                    described(kind)
                );
                let expected = Some(format!("`{}`: {}", doc.call, doc.about));
                return Err(ExpressionError {
                    expected,
                    ..self.fails(argument, &message)
                });
            }
            trees.push(tree);
        }
        self.called(doc, &arguments, trees)
    }

    fn called(
        &self,
        doc: &FunctionDoc,
        arguments: &[&IdedExpr],
        mut trees: Vec<Tree>,
    ) -> Result<Typed, ExpressionError> {
        let tree = match (doc.function, trees.first()) {
            (Function::Has, Some(_)) => Tree::Known(Box::new(trees.swap_remove(0))),
            (Function::Duration, Some(Tree::Text(text))) => Tree::Duration(
                parse_duration(text).map_err(|message| self.fails(arguments[0], &message))?,
            ),
            (Function::Timestamp, Some(Tree::Text(text))) => match Timestamp::parse(text) {
                Some(time) => Tree::Time(time),
                None => {
                    let expected = Some("such as `2026-03-02T10:00:00Z`".to_owned());
                    let message = format!("`{text}` is no time in RFC 3339");
                    return Err(ExpressionError {
                        expected,
                        ..self.fails(arguments[0], &message)
                    });
                }
            },
            (Function::Duration | Function::Timestamp, _) => {
                let message = format!(
                    "`{}` takes a text in quotes, written as `{}`",
                    doc.name, doc.call
                );
                return Err(self.fails(arguments[0], &message));
            }
            (function, _) => Tree::Call(function, trees.into()),
        };
        Ok((Some(doc.gives), tree))
    }

    fn mismatch(
        &self,
        node: &IdedExpr,
        symbol: &str,
        kinds: (Option<Type>, Option<Type>),
        expected: &str,
    ) -> ExpressionError {
        let message = format!(
            "`{symbol}` stands between {} and {}",
            described(kinds.0),
            described(kinds.1)
        );
        ExpressionError {
            expected: Some(expected.to_owned()),
            ..self.fails(node, &message)
        }
    }

    fn fails(&self, node: &IdedExpr, message: &str) -> ExpressionError {
        error(self.parsed.span(node), message)
    }
}

fn described(kind: Option<Type>) -> &'static str {
    kind.map_or("null", Type::described)
}

fn error(span: Range<usize>, message: &str) -> ExpressionError {
    ExpressionError {
        span,
        message: message.to_owned(),
        expected: None,
        suggestion: None,
    }
}

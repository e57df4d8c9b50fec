//! From syntax to a typed tree: names resolved, types checked, constants folded.

use std::ops::Range;
use std::sync::Arc;

use cel::common::ast::{
    CallExpr, Expr, IdedExpr, ListExpr, LiteralValue, operators as cel_operators,
};

use super::conjunct::Leaf;
use super::functions::{FUNCTIONS, Function, FunctionDoc};
use super::names::{self, Path, Segment};
use super::operators::Binary;
use super::parse::Parsed;
use super::tree::Tree;
use super::{Environment, ExpressionError};
use crate::document::suggest::{closest, listed};
use crate::event::{Text, Type};
use crate::measure::Measure;
use crate::measure::lots::Ahead;
use crate::time::{Timestamp, parse_duration};

/// A checked expression.
pub struct Checked {
    pub kind: Type,
    pub tree: Tree,
    pub uses_event: bool,
    pub uses_previous: bool,
    pub asks: Vec<String>,
    pub leaves: Vec<Leaf>,
    pub conjuncts: Vec<Range<usize>>,
}

/// A node with its type; `None` is the type of `null` itself.
pub(super) type Typed = (Option<Type>, Tree);

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
        asks: Vec::new(),
        leaves: Vec::new(),
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
        asks: checker.asks,
        leaves: checker.leaves,
        conjuncts: conjuncts(parsed, &parsed.root),
    })
}

/// Where the parts of a condition stand that are joined by `&&`.
fn conjuncts(parsed: &Parsed<'_>, node: &IdedExpr) -> Vec<Range<usize>> {
    match &node.expr {
        Expr::Call(call) if call.func_name == cel_operators::LOGICAL_AND => {
            let parts = call.args.iter();
            parts.flat_map(|part| conjuncts(parsed, part)).collect()
        }
        _ => vec![parsed.balanced(parsed.span(node))],
    }
}

/// A check under way.
pub(super) struct Checker<'c> {
    parsed: &'c Parsed<'c>,
    pub(super) environment: &'c Environment<'c>,
    uses_event: bool,
    uses_previous: bool,
    asks: Vec<String>,
    leaves: Vec<Leaf>,
}

impl Checker<'_> {
    pub(super) fn node(&mut self, node: &IdedExpr) -> Result<Typed, ExpressionError> {
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
        Ok((Some(Type::TEXTS), Tree::Texts(texts.into())))
    }

    fn path(&mut self, node: &IdedExpr) -> Result<Typed, ExpressionError> {
        if let Some(found) = self.lookup(node) {
            return found;
        }
        let path = self.segments(node)?;
        let (kind, tree) = names::resolve(&path, self.environment)?;
        self.uses_event |= path.root == "event";
        self.uses_previous |= path.root == "previous";
        match &tree {
            Tree::Model(model) => {
                let inputs = model.inputs().iter();
                self.asks
                    .extend(inputs.flat_map(|input| input.asks().iter().cloned()));
            }
            Tree::Points { of, .. } => {
                let asked = of.iter().flat_map(|(condition, _)| condition.asks());
                self.asks.extend(asked.cloned());
                self.asks.push(path.dotted());
            }
            _ if path.root != "event" => self.asks.push(path.dotted()),
            _ => {}
        }
        self.leaves.push(Leaf {
            span: self.parsed.span(node),
            name: path.dotted(),
            tree: names::resolve(&path, self.environment)?.1,
        });
        Ok((Some(kind), tree))
    }

    /// `tables.NAME[key].column`; none where it is something else.
    fn lookup(&mut self, node: &IdedExpr) -> Option<Result<Typed, ExpressionError>> {
        let Expr::Select(column) = &node.expr else {
            return None;
        };
        let Expr::Call(CallExpr {
            func_name, args, ..
        }) = &column.operand.expr
        else {
            return None;
        };
        let [of, key] = &args[..] else { return None };
        let Expr::Select(table) = &of.expr else {
            return None;
        };
        let is_one = matches!(&table.operand.expr, Expr::Ident(root) if root == "tables");
        if !is_one || func_name != cel_operators::INDEX {
            return None;
        }
        let places = (
            self.parsed.field_span(of, &table.field),
            self.parsed.field_span(node, &column.field),
        );
        let found = names::of_tables(
            (&table.field, places.0),
            (&column.field, places.1),
            self.environment,
        );
        Some(found.and_then(|(found, column, kind)| {
            let (key_kind, tree) = self.node(key)?;
            if !matches!(key_kind, Some(Type::Text | Type::Number)) {
                let message = format!(
                    "a row is found by a text or a number, and this is {}",
                    described(key_kind)
                );
                return Err(self.fails(key, &message));
            }
            self.asks.push(format!("tables.{}", table.field));
            let tree = Tree::Lookup {
                table: found,
                column,
                kind,
                key: Box::new(tree),
                home: self.environment.home(),
            };
            Ok((Some(kind), tree))
        }))
    }

    pub(super) fn segments(&mut self, node: &IdedExpr) -> Result<Path, ExpressionError> {
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
                    asked: None,
                });
                Ok(path)
            }
            Expr::Call(CallExpr {
                func_name, args, ..
            }) if func_name == cel_operators::INDEX && args.len() == 2 => {
                let mut path = self.segments(&args[0])?;
                path.segments.push(self.key(&args[1])?);
                Ok(path)
            }
            _ => Err(self.fails(node, "only `event`, `profile` and `previous` have fields")),
        }
    }

    /// What stands in brackets: a text in quotes, or an expression that says which is meant.
    fn key(&mut self, node: &IdedExpr) -> Result<Segment, ExpressionError> {
        let span = self.parsed.span(node);
        let (name, asked) = match &node.expr {
            Expr::Literal(LiteralValue::String(key)) => (key.inner().to_owned(), None),
            _ => {
                let (kind, tree) = self.node(node)?;
                if !matches!(
                    kind,
                    Some(Type::Text | Type::Number | Type::Bool | Type::Time)
                ) {
                    let message = format!(
                        "the key in brackets is a text, number, bool or time, and this is {}",
                        described(kind)
                    );
                    return Err(self.fails(node, &message));
                }
                let name = format!("[{}]", &self.parsed.text[span.clone()]);
                (name, Some(Arc::new(tree)))
            }
        };
        Ok(Segment {
            name,
            span,
            keyed: true,
            asked,
        })
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
                let wanted = kinds.iter().map(|kind| match kind {
                    Type::List(_) => "a list",
                    kind => kind.described(),
                });
                let mut wanted: Vec<_> = wanted.collect();
                wanted.dedup();
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
        let called = self.called(doc, &arguments, trees)?;
        self.ask_expiry(node, &called.1);
        Ok(called)
    }

    /// What of a balance expires is asked by itself, too, beside the balance.
    fn ask_expiry(&mut self, node: &IdedExpr, called: &Tree) {
        if let Tree::Expiry {
            spec,
            key,
            whose,
            of,
        } = called
        {
            let span = self.parsed.span(node);
            self.leaves.push(Leaf {
                name: self.parsed.text[span.clone()].to_owned(),
                tree: Tree::Expiry {
                    spec: spec.clone(),
                    key: key.clone(),
                    whose: *whose,
                    of: *of,
                },
                span,
            });
        }
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
            (Function::Expiring | Function::NextExpiry, _) => self.expiry(doc, arguments, trees)?,
            (function, _) => Tree::Call(function, trees.into(), self.environment.home()),
        };
        Ok((Some(doc.gives), tree))
    }

    /// What of a balance expires, or when.
    fn expiry(
        &self,
        doc: &FunctionDoc,
        arguments: &[&IdedExpr],
        trees: Vec<Tree>,
    ) -> Result<Tree, ExpressionError> {
        let mut trees = trees.into_iter();
        let wrong = |node: &IdedExpr, message: String| ExpressionError {
            expected: Some(format!("`{}`: {}", doc.call, doc.about)),
            ..self.fails(node, &message)
        };
        let of = match (doc.function, trees.next(), trees.next()) {
            (Function::NextExpiry, Some(fact), _) => (Ahead::NextExpiry, fact),
            (_, Some(fact), Some(Tree::Duration(ms))) => (Ahead::Expiring(ms), fact),
            (_, _, _) => {
                let message = format!("`{}` takes a length of time in quotes", doc.name);
                return Err(wrong(arguments[1], message));
            }
        };
        match of {
            (of, Tree::Fact { spec, key, whose })
                if spec.measure == (Measure::Balance { expires: true }) =>
            {
                Ok(Tree::Expiry {
                    spec,
                    key,
                    whose,
                    of,
                })
            }
            (_, Tree::Fact { spec, .. })
                if spec.measure == (Measure::Balance { expires: false }) =>
            {
                let message = "nothing of it expires: the fact has no `expires`".to_owned();
                Err(wrong(arguments[0], message))
            }
            _ => {
                let message = format!("`{}` takes a fact that is a `balance`", doc.name);
                Err(wrong(arguments[0], message))
            }
        }
    }

    pub(super) fn fails(&self, node: &IdedExpr, message: &str) -> ExpressionError {
        error(self.parsed.span(node), message)
    }
}

pub(super) fn described(kind: Option<Type>) -> &'static str {
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

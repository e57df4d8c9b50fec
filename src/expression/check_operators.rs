//! Types of operators: which go together, and what comes of it.

use cel::common::ast::{Expr, IdedExpr};

use super::ExpressionError;
use super::check::{Checker, Typed, described};
use super::operators::{Arithmetic, Binary, Order};
use super::tree::Tree;
use crate::document::suggest::{closest, listed};
use crate::event::Type;

impl Checker<'_> {
    pub(super) fn choice(
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

    pub(super) fn bool(&mut self, node: &IdedExpr, symbol: &str) -> Result<Tree, ExpressionError> {
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

    pub(super) fn binary(
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
            Binary::Order(order) => self.order(node, (order, symbol), left, right),
            Binary::Arithmetic(operator) => self.arithmetic(node, (operator, symbol), left, right),
        }
    }

    // A function each, so that a chain of operators takes no more of the stack than its own need.

    #[inline(never)]
    fn order(
        &mut self,
        node: &IdedExpr,
        (order, symbol): (Order, &str),
        left: &IdedExpr,
        right: &IdedExpr,
    ) -> Result<Typed, ExpressionError> {
        let (left_kind, left) = self.node(left)?;
        let (right_kind, right) = self.node(right)?;
        match (left_kind, right_kind) {
            (Some(a), Some(b))
                if a == b && matches!(a, Type::Number | Type::Time | Type::Duration) =>
            {
                Ok((Some(Type::Bool), Tree::Order(order, Box::new([left, right]))))
            }
            (Some(Type::Text), Some(Type::Text)) => Err(ExpressionError {
                expected: Some(
                    "two numbers, times or durations; texts can be asked with `==`, `in`, `startsWith`"
                        .to_owned(),
                ),
                ..self.fails(
                    node,
                    &format!("texts have no order, so `{symbol}` cannot compare them"),
                )
            }),
            kinds => Err(self.mismatch(
                node,
                symbol,
                kinds,
                "two numbers, two times or two durations",
            )),
        }
    }

    #[inline(never)]
    fn arithmetic(
        &mut self,
        node: &IdedExpr,
        (operator, symbol): (Arithmetic, &str),
        left: &IdedExpr,
        right: &IdedExpr,
    ) -> Result<Typed, ExpressionError> {
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

    #[inline(never)]
    pub(super) fn equal(
        &mut self,
        node: &IdedExpr,
        symbol: &str,
        left: &IdedExpr,
        right: &IdedExpr,
    ) -> Result<Typed, ExpressionError> {
        let nodes = [(left, right), (right, left)];
        let (left_kind, left) = self.node(left)?;
        let (right_kind, right) = self.node(right)?;
        for ((label, value), tree) in nodes.into_iter().zip([&right, &left]) {
            self.is_label(label, value, tree)?;
        }
        let tree = match (left_kind, right_kind) {
            (None, None) => Tree::Bool(true),
            (Some(_), None) => Tree::Not(Box::new(Tree::Known(Box::new(left)))),
            (None, Some(_)) => Tree::Not(Box::new(Tree::Known(Box::new(right)))),
            (Some(Type::List(_)), Some(Type::List(_))) => {
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

    #[inline(never)]
    pub(super) fn among(
        &mut self,
        node: &IdedExpr,
        needle: &IdedExpr,
        list: &IdedExpr,
    ) -> Result<Typed, ExpressionError> {
        let (needle_kind, needle_tree) = self.node(needle)?;
        let Some(needle_kind) = needle_kind.filter(|kind| !matches!(kind, Type::List(_))) else {
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
                self.is_label(needle, item, &tree)?;
                trees.push(tree);
            }
            return Ok((
                Some(Type::Bool),
                Tree::Among(Box::new(needle_tree), trees.into()),
            ));
        }
        if let (Tree::Text(name), true) = (&needle_tree, self.is_segments(list)) {
            self.declared(needle, name)?;
        }
        match self.node(list)? {
            (kind @ Some(Type::List(_)), tree) if kind == needle_kind.listed() => {
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
                "a value in a list of its type, such as a text in a list of texts",
            )),
        }
    }

    /// Whether this is `profile.segments`, or the same of `previous`.
    fn is_segments(&self, list: &IdedExpr) -> bool {
        let Expr::Select(select) = &list.expr else {
            return false;
        };
        let of_customer = |root: &str| matches!(root, "profile" | "previous");
        select.field == "segments"
            && matches!(&select.operand.expr, Expr::Ident(root) if of_customer(root))
    }

    /// Holds that a text which is compared with a label, a stage or a persona is one of those that are declared.
    fn is_label(
        &mut self,
        label: &IdedExpr,
        value: &IdedExpr,
        tree: &Tree,
    ) -> Result<(), ExpressionError> {
        let Tree::Text(name) = tree else {
            return Ok(());
        };
        let Ok(path) = self.segments(label) else {
            return Ok(());
        };
        let path = path.dotted();
        let path = path
            .strip_prefix("profile.")
            .or(path.strip_prefix("previous."));
        let names = path.and_then(|path| self.environment.derived.labels.get(path));
        let Some(names) = names.filter(|names| !names.iter().any(|known| **known == **name)) else {
            return Ok(());
        };
        let names = || names.iter().map(String::as_str);
        Err(ExpressionError {
            expected: Some(format!("one of {}", listed(names()))),
            suggestion: closest(name, names()).map(|name| format!("\"{name}\"")),
            ..self.fails(value, &format!("`{name}` is none of them"))
        })
    }

    /// Holds that a segment of this name is declared.
    fn declared(&self, node: &IdedExpr, name: &str) -> Result<(), ExpressionError> {
        let segments = &self.environment.derived.segments;
        if segments.contains(name) {
            return Ok(());
        }
        let names = || segments.iter().map(String::as_str);
        let expected = match segments.len() {
            0 => "segments are declared in files of their own, beside the triggers, and are there for personas, the path and triggers; none is here"
                .to_owned(),
            _ => format!("one of {}", listed(names())),
        };
        Err(ExpressionError {
            expected: Some(expected),
            suggestion: closest(name, names()).map(|name| format!("\"{name}\"")),
            ..self.fails(node, &format!("no segment is called `{name}`"))
        })
    }

    pub(super) fn mismatch(
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
        let written = match kinds {
            (Some(Type::Duration), Some(Type::Text | Type::Number))
            | (Some(Type::Text | Type::Number), Some(Type::Duration)) => {
                "; a duration is written `duration(\"7d\")`"
            }
            (Some(Type::Time), Some(Type::Text)) | (Some(Type::Text), Some(Type::Time)) => {
                "; a time is written `timestamp(\"2026-03-02T10:00:00Z\")`"
            }
            _ => "",
        };
        ExpressionError {
            expected: Some(format!("{expected}{written}")),
            ..self.fails(node, &message)
        }
    }
}

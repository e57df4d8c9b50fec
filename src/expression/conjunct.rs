//! The parts of a condition that must all hold, each with what it asks: why it holds for one customer and not for another.

use std::ops::Range;

use super::tree::Tree;
use super::{Expression, Scope};
use crate::value::Value;

/// A path of names in an expression, to be asked by itself.
pub(super) struct Leaf {
    /// Where it stands in the text.
    pub span: Range<usize>,
    /// As it is written with dots.
    pub name: String,
    pub tree: Tree,
}

/// A part of a condition that is joined to the others by `&&`; or all of it.
pub struct Conjunct<'e> {
    /// As its author wrote it.
    pub text: &'e str,
    tree: &'e Tree,
    leaves: Vec<&'e Leaf>,
}

impl Conjunct<'_> {
    /// Whether it is true; what is not known is not.
    #[must_use]
    pub fn holds(&self, scope: &Scope<'_>) -> bool {
        self.tree.holds(scope)
    }

    /// Whether it asks about an event, or about what was before one.
    #[must_use]
    pub fn asks_event(&self) -> bool {
        let asks = |leaf: &&Leaf| {
            let root = leaf.name.split('.').next();
            matches!(root, Some("event" | "previous"))
        };
        self.leaves.iter().any(asks)
    }

    /// What stands behind each name in it, in order and once: what is not known is null.
    #[must_use]
    pub fn values(&self, scope: &Scope<'_>) -> Vec<(String, serde_json::Value)> {
        let mut values: Vec<(String, serde_json::Value)> = Vec::new();
        for leaf in &self.leaves {
            if !values.iter().any(|(known, _)| *known == leaf.name) {
                let value: Value<'_> = leaf.tree.eval(scope);
                values.push((leaf.name.clone(), (&value).into()));
            }
        }
        values
    }
}

impl Expression {
    /// The parts that must all hold that it does, in order; one where nothing is joined by `&&`.
    #[must_use]
    pub fn conjuncts(&self) -> Vec<Conjunct<'_>> {
        let mut trees = Vec::new();
        flatten(&self.tree, &mut trees);
        let whole = || vec![(0..self.text.len(), &self.tree)];
        let parts: Vec<(Range<usize>, &Tree)> = match trees.len() == self.conjuncts.len() {
            true => self.conjuncts.iter().cloned().zip(trees).collect(),
            false => whole(),
        };
        let conjunct = |(span, tree): (Range<usize>, _)| {
            let within = |leaf: &&Leaf| span.start <= leaf.span.start && leaf.span.end <= span.end;
            Conjunct {
                leaves: self.leaves.iter().filter(within).collect(),
                text: self.text[span].trim(),
                tree,
            }
        };
        parts.into_iter().map(conjunct).collect()
    }

    /// Every name in it as it is written with dots, in order and once: `profile.basket.value`, `event.total`, `facts.views`.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for leaf in &self.leaves {
            if !names.contains(&leaf.name.as_str()) {
                names.push(&leaf.name);
            }
        }
        names
    }
}

fn flatten<'t>(tree: &'t Tree, into: &mut Vec<&'t Tree>) {
    match tree {
        Tree::And(parts) => parts.iter().for_each(|part| flatten(part, into)),
        other => into.push(other),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::event::{EventName, Type, Vocabulary};
    use crate::expression::{Environment, Expression, Scope};
    use crate::measure::{Declarations, Measure, Spec};
    use crate::profile::Settled;
    use crate::time::Timestamp;

    /// A part of a condition, whether it holds of whom nothing is known, and what it asks.
    type Part = (&'static str, bool, &'static str);

    /// Conditions, and their parts.
    #[rustfmt::skip]
    const TABLE: &[(&str, &[Part])] = &[
        ("profile.orders.count == 0", &[("profile.orders.count == 0", true, "profile.orders.count=0")]),
        ("profile.orders.count > 2 && profile.attributes.vip", &[
            ("profile.orders.count > 2", false, "profile.orders.count=0"),
            ("profile.attributes.vip", false, "profile.attributes.vip=null"),
        ]),
        ("(event.total > 5.0 && (1 < 2)) && !has(profile.last_order) && has(profile.last_order)", &[
            ("event.total > 5.0", false, "event.total=null"),
            ("1 < 2", true, ""),
            ("!has(profile.last_order)", true, "profile.last_order=null"),
            ("has(profile.last_order)", false, "profile.last_order=null"),
        ]),
        ("!(profile.attributes.vip) && (profile.orders.count + 1) * 2 > 1", &[
            ("!(profile.attributes.vip)", true, "profile.attributes.vip=null"),
            ("(profile.orders.count + 1) * 2 > 1", true, "profile.orders.count=0"),
        ]),
        ("expiring(facts.points, duration('1d')) > 5", &[
            ("expiring(facts.points, duration('1d')) > 5", false, "facts.points=0 expiring(facts.points, duration('1d'))=0"),
        ]),
        ("profile.orders.count > 2 || profile.attributes.vip && 1 < 2", &[
            ("profile.orders.count > 2 || profile.attributes.vip && 1 < 2", false, "profile.orders.count=0 profile.attributes.vip=null"),
        ]),
    ];

    #[test]
    fn a_condition_is_taken_apart() {
        let vocabulary = Vocabulary::standard();
        let points = Spec {
            key: 1,
            digest: 2,
            kind: Type::Number,
            keyed: false,
            measure: Measure::Balance { expires: true },
            over_ms: None,
        };
        let derived = Declarations {
            facts: [("points".to_owned(), points)].into(),
            ..Declarations::default()
        };
        let attributes = BTreeMap::from([("vip".to_owned(), Type::Bool)]);
        let environment = Environment {
            vocabulary: &vocabulary,
            attributes: &attributes,
            derived: &derived,
            events: Some(&[EventName::ORDER_COMPLETED]),
            each_product: false,
            previous: true,
        };
        let profile = Settled::default();
        let scope = Scope::of(&profile, Timestamp(0), &crate::table::rows::NONE);
        for (text, expected) in TABLE {
            let condition = Expression::condition(text, &environment).expect(text);
            let parts = condition.conjuncts();
            let shown: Vec<(&str, bool, String)> = parts
                .iter()
                .map(|part| {
                    let values = part.values(&scope).into_iter();
                    let values = values.map(|(name, value)| format!("{name}={value}"));
                    let values: Vec<String> = values.collect();
                    (part.text, part.holds(&scope), values.join(" "))
                })
                .collect();
            let expected: Vec<(&str, bool, String)> = expected
                .iter()
                .map(|(part, holds, values)| (*part, *holds, (*values).to_owned()))
                .collect();
            assert_eq!(shown, expected, "{text}");
            let asks = parts.iter().any(super::Conjunct::asks_event);
            assert_eq!(asks, text.contains("event."), "{text}");
        }
    }
}

//! A declared model, asked of a customer: the values of its inputs, its score, and what each input contributes.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Environment, Expression, ExpressionError, Scope};
use crate::event::Type;
use crate::score::{Explained, Given, Spec};
use crate::value::Value;

/// A model whose inputs are compiled.
#[derive(Debug)]
pub struct Model {
    spec: Arc<Spec>,
    inputs: Vec<Expression>,
}

impl Model {
    /// Compiles the inputs of a declared model, which ask `profile`, `facts` and `now`.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be: nothing, where its file was read against the same declarations.
    pub fn compile(
        spec: &Arc<Spec>,
        environment: &Environment<'_>,
    ) -> Result<Self, ExpressionError> {
        let environment = Environment {
            events: None,
            each_product: false,
            previous: false,
            ..*environment
        };
        let inputs = spec.inputs.iter();
        let inputs = inputs.map(|input| Expression::compile(&input.of, &environment));
        Ok(Self {
            spec: Arc::clone(spec),
            inputs: inputs.collect::<Result<_, _>>()?,
        })
    }

    /// What it computes.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its inputs, in the order of the specification's.
    #[must_use]
    pub fn inputs(&self) -> &[Expression] {
        &self.inputs
    }

    /// The score now; none where it is not known.
    #[must_use]
    pub fn score(&self, scope: &Scope<'_>) -> Option<f64> {
        self.spec.score(&self.given(scope)?)
    }

    /// The same, and what each input contributes.
    #[must_use]
    pub fn explained(&self, scope: &Scope<'_>) -> Option<Explained> {
        self.spec.explained(&self.given(scope)?)
    }

    /// What each input is, as JSON: what is not known is null.
    pub fn shown(&self, scope: &Scope<'_>) -> serde_json::Map<String, serde_json::Value> {
        let inputs = self.spec.inputs.iter().zip(&self.inputs);
        let shown = inputs.map(|(input, of)| {
            let value = serde_json::Value::from(&of.eval(&of_customer(scope)));
            (input.name.clone(), value)
        });
        shown.collect()
    }

    /// The values of the inputs; none where one is not known that has to be.
    fn given<'a>(&'a self, scope: &Scope<'a>) -> Option<SmallVec<[Given<'a>; 16]>> {
        let scope = of_customer(scope);
        let inputs = self.spec.inputs.iter().zip(&self.inputs);
        let given = inputs.map(|(input, of)| match of.eval(&scope) {
            Value::Number(number) => Some(Given::Number(number)),
            Value::Bool(yes) => Some(Given::Number(f64::from(u8::from(yes)))),
            Value::Text(text) => Some(Given::Text(text)),
            Value::Null
            | Value::Time(_)
            | Value::Duration(_)
            | Value::List(_)
            | Value::Items(..) => input.unknown.as_ref().map(|unknown| unknown.given()),
        });
        given.collect()
    }
}

/// Without the event: a model is asked of the customer.
fn of_customer<'a>(scope: &Scope<'a>) -> Scope<'a> {
    Scope::of(scope.profile, scope.now, scope.rows)
}

/// The types that an input may have.
#[must_use]
pub fn is_input(kind: Type) -> bool {
    matches!(kind, Type::Number | Type::Bool | Type::Text)
}

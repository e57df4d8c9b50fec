//! The parameters of one node of a graph.

use super::Wrong;
use super::proto::{Attribute, Node};
use super::tensor::{Data, Tensor, text};

impl Node {
    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attribute.iter().find(|it| it.name == name)
    }

    /// A whole number, or what it is without it.
    pub fn int(&self, name: &str, otherwise: i64) -> i64 {
        let found = self.attribute(name).and_then(|it| it.i);
        found.unwrap_or(otherwise)
    }

    /// A number, or what it is without it.
    pub fn float(&self, name: &str, otherwise: f32) -> f64 {
        let found = self.attribute(name).and_then(|it| it.f);
        f64::from(found.unwrap_or(otherwise))
    }

    /// A text, or what it is without it.
    pub fn text(&self, name: &str, otherwise: &str) -> String {
        let found = self.attribute(name).and_then(|it| it.s.as_deref());
        found.map_or_else(|| otherwise.to_owned(), text)
    }

    /// Whole numbers.
    pub fn ints(&self, name: &str) -> &[i64] {
        self.attribute(name).map_or(&[], |it| &it.ints)
    }

    /// Texts.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let found = self.attribute(name).map_or(&[][..], |it| &it.strings);
        found.iter().map(|it| text(it)).collect()
    }

    /// Numbers: a list of single ones, or a tensor under the same name with `_as_tensor` behind it.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, Wrong> {
        if let Some(tensor) = self.tensor(&format!("{name}_as_tensor"))? {
            return tensor.numbers();
        }
        let found = self.attribute(name).map_or(&[][..], |it| &it.floats);
        Ok(found.iter().map(|it| f64::from(*it)).collect())
    }

    /// A tensor.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>, Wrong> {
        let found = self.attribute(name).and_then(|it| it.t.as_ref());
        found.map(Tensor::read).transpose()
    }

    /// What is listed under one of three names: texts, whole numbers or numbers.
    pub fn listed(&self, texts: &str, ints: &str, floats: &str) -> Result<Data, Wrong> {
        let found = self.texts(texts);
        if !found.is_empty() {
            return Ok(Data::Texts(found));
        }
        if !self.ints(ints).is_empty() {
            return Ok(Data::Ints(self.ints(ints).to_vec()));
        }
        let numbers = self.numbers(floats)?;
        Ok(Data::Floats(numbers, super::tensor::Precision::Single))
    }
}

//! Which segments an event may concern, asked of each event: by who writes the fields that they ask for, each asked once, and by the
//! facts that take the event.

use smallvec::SmallVec;

use super::Segment;
use crate::event::Event;
use crate::fact::Fact;
use crate::profile::section::Writer;

/// Numbers of segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    bits: SmallVec<[u64; 2]>,
}

impl Chosen {
    /// So many, from the first on.
    fn first(number: usize) -> Self {
        let mut some = Self::default();
        (0..number).for_each(|at| some.add(at));
        some
    }

    fn add(&mut self, at: usize) {
        let word = at / 64;
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        self.bits[word] |= 1 << (at % 64);
    }

    fn join(&mut self, other: &Self) {
        if self.bits.len() < other.bits.len() {
            self.bits.resize(other.bits.len(), 0);
        }
        for (own, other) in self.bits.iter_mut().zip(&other.bits) {
            *own |= other;
        }
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn has(&self, at: usize) -> bool {
        let word = self.bits.get(at / 64);
        word.is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|word| *word == 0)
    }
}

/// Who is asked again at an event.
#[derive(Debug, Default)]
pub struct Concerned {
    all: Chosen,
    by_writer: Vec<(Writer, Chosen)>,
    /// By the number of the fact.
    by_fact: Vec<Chosen>,
}

impl Concerned {
    /// Of these segments and facts.
    #[must_use]
    pub fn new(segments: &[Segment], facts: &[Fact]) -> Self {
        let mut made = Self {
            all: Chosen::first(segments.len()),
            by_writer: Vec::new(),
            by_fact: vec![Chosen::default(); facts.len()],
        };
        for (at, segment) in segments.iter().enumerate() {
            for writer in &segment.written_by {
                // Two that are one may have two addresses: then both are asked.
                let mut known = made.by_writer.iter_mut();
                match known.find(|(it, _)| std::ptr::fn_addr_eq(*it, *writer)) {
                    Some((_, some)) => some.add(at),
                    None => {
                        let mut some = Chosen::default();
                        some.add(at);
                        made.by_writer.push((*writer, some));
                    }
                }
            }
            for (fact, some) in facts.iter().zip(&mut made.by_fact) {
                if segment.facts.iter().any(|name| *name == fact.name) {
                    some.add(at);
                }
            }
        }
        made
    }

    /// Whose answer an event may change, but by what else she stands with; `measured`: the numbers of the facts that take it.
    #[must_use]
    pub fn by(&self, event: &Event, measured: impl Iterator<Item = usize>) -> Chosen {
        // Another time zone moves her days.
        if event.traits.is_some() {
            return self.all.clone();
        }
        let mut some = Chosen::default();
        for (writes, asking) in &self.by_writer {
            if writes(event) {
                some.join(asking);
            }
        }
        measured.for_each(|fact| some.join(&self.by_fact[fact]));
        some
    }
}

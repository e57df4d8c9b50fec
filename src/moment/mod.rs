//! The points at which a trigger's condition comes true: one file a kind, and one line in `kinds!`.
//!
//! A kind ([`MomentKind`]) has a compiled form (what the trigger file declared) and a state for each customer whom it concerns.
//! The macro makes of the list what has to know all of them: [`Kind`] and [`State`], the keys of `moment`, and what the reference
//! page is made from. There is no arm for "any other kind".

pub mod absence;
pub mod baseline;
pub mod broadcast;
pub mod calendar;
pub mod crosses;
pub mod event;
pub mod inactivity;
pub mod kind;
pub mod matcher;
pub mod per;
pub mod prediction;
pub mod sequence;
pub mod states;
pub mod threshold;
pub mod transition;

use crate::document::keys::{Keys, Known};
use crate::document::reader::Reader;
use crate::document::suggest::listed;
use crate::document::yaml::{Node, Yaml};
use crate::event::{Event, EventName};
use crate::expression::{Expression, Scope};
use crate::profile::Settled;
use crate::stored::{Inventory, Lazy, Part, Stored, StoredError, read};
use crate::table::rows::Rows;
use crate::time::Timestamp;

pub use absence::Absence;
pub use baseline::Baseline;
pub use broadcast::Broadcast;
pub use calendar::Calendar;
pub use event::EventMoment;
pub use inactivity::Inactivity;
pub use kind::{
    CameTrue, Concerns, Described, EventRef, Evidence, Found, Kept, Missing, Moment, MomentKind,
    Sees, Telling, Unseen,
};
pub use matcher::Matcher;
pub use per::Per;
pub use prediction::Prediction;
pub use sequence::Sequence;
pub use states::States;
pub use threshold::Threshold;
pub use transition::Transition;

/// What [`State::Gone`] is stored under.
const GONE: u16 = 0;

/// A line for each kind: its name, and its type.
macro_rules! kinds {
    ($($Kind:ident: $Type:ty,)*) => {
        /// How a trigger's condition comes true.
        #[derive(Debug)]
        pub enum Kind {
            $(#[doc = concat!("See [`", stringify!($Type), "`].")]
            $Kind($Type),)*
        }

        /// Where a trigger stands with one customer.
        #[derive(Clone, Debug, PartialEq)]
        pub enum State {
            $(#[doc = concat!("Of a [`", stringify!($Type), "`].")]
            $Kind(Lazy<<$Type as MomentKind>::State>),)*
            /// The trigger is in the set no more; the last it decided was about what happened then. Should it come back, it does
            /// not decide that again.
            Gone(Timestamp),
        }

        /// Every kind.
        pub const DESCRIBED: &[Described] = &[$(<$Type>::DESCRIBED),*];

        /// The kinds, each with its parameters.
        pub const KINDS: Keys = Keys {
            of: "a moment",
            known: &[$(Known::optional(
                <$Type>::DESCRIBED.word,
                <$Type>::SHAPE,
                <$Type>::DESCRIBED.comes_true,
            )),*],
            later: &[],
        };

        impl Kind {
            /// Reads what stands under the word of a kind; the word is one.
            fn under(word: &str, reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
                $(if word == <$Type>::DESCRIBED.word {
                    return <$Type>::read(reader, node).map(Self::$Kind);
                })*
                None
            }

            /// It, for people.
            #[must_use]
            pub fn described(&self) -> &'static Described {
                match self {
                    $(Self::$Kind(_) => const { &<$Type>::DESCRIBED },)*
                }
            }

            /// See [`MomentKind::concerns`].
            #[must_use]
            pub fn concerns(&self) -> Concerns {
                match self {
                    $(Self::$Kind(kind) => kind.concerns(),)*
                }
            }

            /// See [`MomentKind::at_hand`].
            #[must_use]
            pub fn at_hand(&self) -> Vec<EventName> {
                match self {
                    $(Self::$Kind(kind) => kind.at_hand(),)*
                }
            }

            /// See [`MomentKind::has_event`].
            #[must_use]
            pub fn has_event(&self) -> bool {
                match self {
                    $(Self::$Kind(kind) => kind.has_event(),)*
                }
            }

            /// See [`MomentKind::sees`].
            #[must_use]
            pub fn sees(&self) -> Sees {
                match self {
                    $(Self::$Kind(kind) => kind.sees(),)*
                }
            }

            /// See [`MomentKind::TAKES_AGAIN`].
            #[must_use]
            pub fn takes_again(&self) -> bool {
                match self {
                    $(Self::$Kind(_) => <$Type>::TAKES_AGAIN,)*
                }
            }

            /// See [`MomentKind::remembers`].
            #[must_use]
            pub fn remembers(&self) -> bool {
                match self {
                    $(Self::$Kind(kind) => kind.remembers(),)*
                }
            }

            /// See [`MomentKind::uses_previous`].
            #[must_use]
            pub fn uses_previous(&self) -> bool {
                match self {
                    $(Self::$Kind(kind) => kind.uses_previous(),)*
                }
            }

            /// See [`MomentKind::may_come_true`].
            #[must_use]
            pub fn may_come_true(&self, state: Option<&State>, unseen: Unseen<'_>) -> bool {
                match self {
                    $(Self::$Kind(kind) => match state {
                        Some(State::$Kind(own)) => kind.may_come_true(Some(own), unseen),
                        _ => kind.may_come_true(None, unseen),
                    },)*
                }
            }

            /// See [`MomentKind::looks_again`].
            #[must_use]
            pub fn looks_again(&self, event: &Event, settled: &Settled) -> Option<Timestamp> {
                match self {
                    $(Self::$Kind(kind) => kind.looks_again(event, settled),)*
                }
            }

            /// See [`MomentKind::begin`].
            #[must_use]
            pub fn begin(&self, settled: &Settled, decided: Option<Timestamp>) -> Option<State> {
                match self {
                    $(Self::$Kind(kind) => {
                        let begun = kind.begin(settled, decided)?;
                        Some(State::$Kind(begun.into()))
                    })*
                }
            }

            /// See [`MomentKind::event`], on the state under `key`. A state of another kind is left from an older definition,
            /// and makes way.
            pub fn event(&self, key: u32, states: &mut States, scope: &Scope<'_>, found: &mut Found) {
                match self {
                    $(Self::$Kind(kind) => {
                        if let Some(State::$Kind(own)) = states.get_mut(key) {
                            return kind.event(&mut Kept::Known(own), scope, found);
                        }
                        let mut begun = None;
                        kind.event(&mut Kept::New(&mut begun), scope, found);
                        match begun {
                            Some(begun) => states.keep(key, State::$Kind(begun.into())),
                            None => drop(states.take(key)),
                        }
                    })*
                }
            }

            /// See [`MomentKind::due`].
            #[must_use]
            pub fn due(&self, state: &State, settled: &Settled) -> Option<Timestamp> {
                match self {
                    $(Self::$Kind(kind) => match state {
                        State::$Kind(own) => kind.due(own, settled),
                        _ => None,
                    },)*
                }
            }

            /// See [`MomentKind::fire`].
            pub fn fire(&self, state: &mut State, settled: &Settled, rows: &Rows) -> Option<Moment> {
                match self {
                    $(Self::$Kind(kind) => match state {
                        State::$Kind(own) => kind.fire(own, settled, rows),
                        _ => None,
                    },)*
                }
            }

            /// See [`MomentKind::undone`].
            #[must_use]
            pub fn undone(&self, state: Option<&State>, past: CameTrue<'_>, scope: &Scope<'_>) -> bool {
                match self {
                    $(Self::$Kind(kind) => match state {
                        Some(State::$Kind(own)) => kind.undone(Some(own), past, scope),
                        _ => kind.undone(None, past, scope),
                    },)*
                }
            }

            /// See [`MomentKind::merge`]. A state of another kind is left from an older definition, and makes way.
            pub fn merge(&self, own: &mut State, other: State, both: &Settled) -> u32 {
                match self {
                    $(Self::$Kind(kind) => match (own, other) {
                        (State::$Kind(own), State::$Kind(other)) => {
                            return kind.merge(own, other.into_inner(), both);
                        }
                        (own, other @ State::$Kind(_)) => *own = other,
                        (_, _) => {}
                    },)*
                }
                0
            }

            /// See [`MomentKind::armed`].
            #[must_use]
            pub fn armed(&self, state: &State, settled: &Settled) -> usize {
                match self {
                    $(Self::$Kind(kind) => match state {
                        State::$Kind(own) => kind.armed(own, settled),
                        _ => 0,
                    },)*
                }
            }

            /// See [`MomentKind::said`].
            #[must_use]
            pub fn said(&self) -> String {
                match self {
                    $(Self::$Kind(kind) => kind.said(),)*
                }
            }

            /// See [`MomentKind::explain`].
            #[must_use]
            pub fn explain(&self, state: Option<&State>, scope: &Scope<'_>) -> Vec<Missing> {
                match self {
                    $(Self::$Kind(kind) => match state {
                        Some(State::$Kind(own)) => kind.explain(Some(own), scope),
                        _ => kind.explain(None, scope),
                    },)*
                }
            }

            /// See [`MomentKind::expressions`].
            #[must_use]
            pub fn expressions(&self) -> Vec<&Expression> {
                match self {
                    $(Self::$Kind(kind) => kind.expressions(),)*
                }
            }

            /// See [`MomentKind::told`].
            #[must_use]
            pub fn told(&self, telling: &Telling<'_>) -> Option<String> {
                match self {
                    $(Self::$Kind(kind) => kind.told(telling),)*
                }
            }
        }

        impl State {
            /// See [`MomentKind::last_decided`].
            #[must_use]
            pub fn last_decided(&self) -> Option<Timestamp> {
                match self {
                    $(Self::$Kind(own) => <$Type>::last_decided(own),)*
                    Self::Gone(at) => Some(*at),
                }
            }

            /// Shows the state of every kind that remembers anything.
            pub fn inventory(shown: &mut impl Inventory) {
                $(if size_of::<<$Type as MomentKind>::State>() > 0 {
                    shown.part::<<$Type as MomentKind>::State>(<$Type>::TAG);
                })*
            }

            /// Writes it behind `out`.
            pub fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$Kind(own) => own.write(<$Type>::TAG, out),)*
                    Self::Gone(at) => Lazy::from(*at).write(GONE, out),
                }
            }

            /// Takes a part that was written.
            ///
            /// # Errors
            /// Where no kind has its tag.
            pub fn from_part(part: Part) -> Result<Self, StoredError> {
                Ok(match part.tag {
                    $(<$Type>::TAG => Self::$Kind(Lazy::from_part(part)),)*
                    GONE => Self::Gone(read(part.version, &part.bytes)?),
                    tag => return Err(StoredError::newer(format!("a state of kind {tag}"), 1, 0)),
                })
            }

            /// Whether it can be read.
            ///
            /// # Errors
            /// As [`read`].
            pub fn check(&self) -> Result<(), StoredError> {
                match self {
                    $(Self::$Kind(own) => own.check(),)*
                    Self::Gone(_) => Ok(()),
                }
            }
        }
    };
}

kinds! {
    Event: EventMoment,
    Absence: Absence,
    Inactivity: Inactivity,
    Baseline: Baseline,
    Threshold: Threshold,
    Calendar: Calendar,
    Broadcast: Broadcast,
    Sequence: Sequence,
    Transition: Transition,
    Prediction: Prediction,
}

impl Stored for Timestamp {
    const VERSION: u8 = 1;
}

impl Kind {
    /// Its word in trigger files.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.described().word
    }

    /// Whether it is decided when the event is seen, and not when the watermark has passed.
    #[must_use]
    pub fn is_immediate(&self) -> bool {
        self.sees() == Sees::SoFar
    }

    /// Whether it is shown an event that settles: to be decided then, or to be remembered.
    #[must_use]
    pub fn folds(&self) -> bool {
        !self.is_immediate() || self.remembers()
    }

    /// Reads `moment`: exactly one kind.
    pub fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Self> {
        let before = reader.reports.len();
        let fields = reader.fields(node, KINDS)?;
        let [(key, value)] = fields.entries() else {
            let message = format!("a moment has one kind; here are {}", fields.entries().len());
            let expected = format!("exactly one of {}", listed(KINDS.names()));
            reader.fails(&node.span, message, expected);
            return None;
        };
        if reader.reports.len() > before {
            return None;
        }
        Self::under(&key.text, reader, value)
    }
}

/// The word of the only kind that stands under `moment`, readable or not; none where there is another or none.
#[must_use]
pub fn word_of(node: &Node) -> Option<&str> {
    match &node.value {
        Yaml::Map(kinds) => match kinds.as_slice() {
            [(word, _)] => Some(&word.text),
            _ => None,
        },
        _ => None,
    }
}

//! The keys of `journey`, of its steps and of what stands in them.

use super::limits;
use crate::document::keys::{Keys, Known, Shape};
use crate::moment::matcher;
use crate::time::WEEKDAYS;
use crate::treatment::choice;

/// Steps hold steps: what does is `static`, as a constant cannot hold itself.
macro_rules! steps {
    () => {
        Shape::List(&STEP_SHAPE, 1, limits::STEPS)
    };
}
/// What a journey looks like.
pub const SHAPE: Shape = Shape::Either(&[steps!(), Shape::Mapping(&KEYS)]);

/// A step may hold steps.
static STEP_SHAPE: Shape = Shape::Named(
    "step",
    &Shape::Either(&[Shape::Mapping(&STEP), Shape::Words(&[EXIT])]),
);
pub(super) const EXIT: &str = "exit";

/// The keys of a journey.
pub const KEYS: Keys = Keys {
    of: "a journey",
    known: &[
        Known::required("steps", steps!(), "What is done, one after the other."),
        Known::optional(
            "until",
            Shape::Expression,
            "A condition: whoever meets it leaves at once, also by time alone.",
        ),
        Known::default(
            "re_enter",
            "always",
            Shape::Either(&[
                Shape::Words(&["always", "never"]),
                Shape::Form("^after .+$", "after 30d"),
            ]),
            "Whether who was inside enters again: `always`; `after 30d`, not before so long after she entered last; `never`. Nobody is inside twice at a time, of one `per`.",
        ),
        Known::optional(
            "per",
            Shape::Expression,
            "A value of the event that it begins with, such as `event.order_id`: she has one journey of each at a time.",
        ),
    ],
    later: &[],
};

/// The keys of a step.
pub(super) static STEP: Keys = Keys {
    of: "a step",
    known: &[
        Known::optional(
            "name",
            Shape::Form("^[a-z0-9][a-z0-9-]{0,63}$", "second-reminder"),
            "Its name, once in the journey. Without it, it is named by what it does. Customers inside are known to stand at a step by its name.",
        ),
        Known::optional(
            "send",
            Shape::Either(&[
                Shape::Mapping(&choice::KEYS),
                Shape::List(
                    &Shape::Mapping(&choice::KEYS),
                    1,
                    choice::limits::TREATMENTS,
                ),
            ]),
            "A treatment, or several of which the first whose `if` holds is sent, as in `treatments`. It passes the same gates; whatever becomes of it, she goes on.",
        ),
        Known::optional(
            "wait",
            Shape::Either(&[Shape::Duration, Shape::Mapping(&WAIT)]),
            "So long; or until a date or a local time.",
        ),
        Known::optional(
            "wait_for",
            Shape::Mapping(&WAIT_FOR),
            "Until an event comes or a condition holds, and no longer than `within`: then she goes through `then`, else through `else`, where they are said.",
        ),
        Known::optional(
            "branch",
            Shape::List(&Shape::Mapping(&BRANCH), 1, limits::WAYS),
            "The first of which the condition holds; else `else`, where it is said.",
        ),
        Known::optional(
            "split",
            Shape::Words(SPLITS),
            "One of several `ways`, by lot: `weighted`, by their weights, for each customer always the same; `adaptive`, the more often, the likelier it is that more of those who go it meet the `goal` of the trigger than of those who go any other.",
        ),
        Known::optional(
            "ways",
            Shape::List(&Shape::Mapping(&WAY), 2, limits::WAYS),
            "Of `split`: the ways.",
        ),
        Known::optional("then", steps!(), "Of `wait_for`: the steps when it came."),
        Known::optional(
            "else",
            steps!(),
            "Of `wait_for` and `branch`: the steps when it did not come, or none holds.",
        ),
    ],
    later: &[("exit", "`- exit`, a step without a value")],
};
/// All of them, for people.
#[must_use]
pub fn tables() -> [&'static Keys; 6] {
    [&KEYS, &STEP, &WAIT, &WAIT_FOR, &BRANCH, &WAY]
}

/// What a step does, one of which it says, and the keys that go with it.
pub(super) const ACTIONS: &[(&str, &[&str])] = &[
    ("send", &[]),
    ("wait", &[]),
    ("wait_for", &["then", "else"]),
    ("branch", &["else"]),
    ("split", &["ways"]),
];
pub(super) const SPLITS: &[&str] = &["weighted", ADAPTIVE];
pub(super) const ADAPTIVE: &str = "adaptive";

pub(super) const WAIT: Keys = Keys {
    of: "`wait`",
    known: &[
        Known::optional(
            "until",
            Shape::Expression,
            "A time or a date of the profile or of the event that it began with; of a date its end in her zone. Over already: she goes on at once. Not known: she leaves.",
        ),
        Known::optional(
            "minus",
            Shape::Duration,
            "So long before `until`; of a date whole days are calendar days.",
        ),
        Known::optional("plus", Shape::Duration, "So long after `until`."),
        Known::optional(
            "at",
            Shape::Form("^([01][0-9]|2[0-3]):[0-5][0-9]$", "10:00"),
            "The local time in her zone: on the day of `until`, or the next that comes.",
        ),
        Known::optional(
            "weekdays",
            Shape::List(&Shape::Words(WEEKDAYS), 1, 7),
            "Of `at` without `until`: on which days of hers; on any where nothing is said.",
        ),
    ],
    later: &[],
};

pub(super) const WAIT_FOR: Keys = Keys {
    of: "`wait_for`",
    known: &[
        Known::optional(
            "event",
            matcher::SHAPE,
            "An event after she came to the step: a name, a list of names, or `{ name: ..., where: ... }`. Either this or `when`.",
        ),
        Known::optional(
            "when",
            Shape::Expression,
            "A condition. Where it holds already, she goes on at once.",
        ),
        Known::required(
            "within",
            Shape::Duration,
            "How long it is waited for. What comes exactly at its end is in time.",
        ),
    ],
    later: &[],
};

pub(super) static BRANCH: Keys = Keys {
    of: "a branch",
    known: &[
        Known::required("if", Shape::Expression, "A condition."),
        Known::required("then", steps!(), "The steps when it holds."),
    ],
    later: &[],
};

pub(super) static WAY: Keys = Keys {
    of: "a way",
    known: &[
        Known::required(
            "name",
            Shape::Form("^[a-z0-9][a-z0-9-]{0,63}$", "with-discount"),
            "Its name, once in the split.",
        ),
        Known::default(
            "weight",
            "1",
            Shape::Whole(1, WEIGHT_MAX),
            "Of `split: weighted`: how many go this way, in proportion to the others.",
        ),
        Known::optional(
            "then",
            steps!(),
            "The steps of this way; without them she goes on.",
        ),
    ],
    later: &[],
};
/// Parts in a thousand are fine enough for anybody.
pub(super) const WEIGHT_MAX: u32 = 1000;

//! What a mapping of a YAML file may hold, said once: the reader refuses other keys by this table, and the JSON Schema
//! and the reference page are made from it.

/// The keys a mapping may have.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// What the mapping is, for messages.
    pub of: &'static str,
    /// Those that are read.
    pub known: &'static [Known],
    /// Those that one may look for here, with what is there instead; nothing: any that is known.
    pub later: &'static [(&'static str, &'static str)],
}

/// A key that is read.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// As it is written.
    pub name: &'static str,
    /// Whether it must be there.
    pub need: Need,
    /// What its value looks like.
    pub shape: Shape,
    /// What it means, in a sentence.
    pub about: &'static str,
}

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It may.
    Optional,
    /// It may; without it, it is this.
    Default(&'static str),
}

/// What a value looks like. It says less than the reader knows: whether an expression is one, the reader finds out.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Text of at most so many bytes.
    Text(usize),
    /// Text of a form: a regular expression, and an example.
    Form(&'static str, &'static str),
    /// One of several words.
    Words(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A whole number, from and to.
    Whole(u32, u32),
    /// A number, from and to.
    Number(f64, f64),
    /// A length of time.
    Duration,
    /// RFC 3339, or a date.
    Instant,
    /// A condition or a value in CEL.
    Expression,
    /// The name of an event.
    EventName,
    /// A mapping of names to values, constant or computed.
    Values,
    /// A mapping with these keys.
    Mapping(&'static Keys),
    /// A mapping with exactly one of these keys.
    OneOf(&'static Keys),
    /// A mapping with these keys and any others.
    Open(&'static Keys),
    /// So many of a shape, at least and at most.
    List(&'static Shape, usize, usize),
    /// Any of these shapes.
    Either(&'static [Shape]),
    /// Whatever YAML can write.
    Any,
    /// A mapping of any names, each value of this shape.
    Each(&'static Shape),
    /// What a type of serde reads: its name, and its JSON Schema.
    Typed(&'static str, fn() -> serde_json::Value),
    /// A shape that stands in many places, by a name of its own.
    Named(&'static str, &'static Shape),
}

impl Keys {
    /// The names of those that are read.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        self.known.iter().map(|known| known.name)
    }
}

impl Known {
    /// A key that must be there.
    #[must_use]
    pub const fn required(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self {
            name,
            need: Need::Required,
            shape,
            about,
        }
    }

    /// A key that may be there.
    #[must_use]
    pub const fn optional(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self {
            name,
            need: Need::Optional,
            shape,
            about,
        }
    }

    /// A key that has a value without being there.
    #[must_use]
    pub const fn default(
        name: &'static str,
        value: &'static str,
        shape: Shape,
        about: &'static str,
    ) -> Self {
        Self {
            name,
            need: Need::Default(value),
            shape,
            about,
        }
    }
}

impl Shape {
    /// What it is, in words.
    #[must_use]
    pub fn described(&self) -> String {
        match self {
            Self::Text(_) => "text".to_owned(),
            Self::Form(_, example) => format!("such as `{example}`"),
            Self::Words(words) => words
                .iter()
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(" or "),
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Whole(min, max) => format!("a whole number from {min} to {max}"),
            Self::Number(f64::MIN, f64::MAX) => "a number".to_owned(),
            Self::Number(min, f64::MAX) => format!("a number from {min} on"),
            Self::Number(min, max) => format!("a number from {min} to {max}"),
            Self::Duration => "a duration, such as `7d`".to_owned(),
            Self::Instant => "a time or a date".to_owned(),
            Self::Expression => "an expression".to_owned(),
            Self::EventName => "an event".to_owned(),
            Self::Values | Self::Each(_) => "names and values".to_owned(),
            Self::Any => "anything".to_owned(),
            Self::Typed(name, _) => format!("as `{name}` of the configuration"),
            Self::Named(_, shape) => shape.described(),
            Self::Mapping(keys) | Self::OneOf(keys) | Self::Open(keys) => {
                let names: Vec<_> = keys.names().map(|name| format!("`{name}`")).collect();
                format!("{{ {} }}", names.join(", "))
            }
            Self::List(item, ..) => format!("a list, each {}", item.described()),
            // The first is the plainest; the page on triggers shows the others.
            Self::Either(shapes) => shapes.first().map(Self::described).unwrap_or_default(),
        }
    }
}

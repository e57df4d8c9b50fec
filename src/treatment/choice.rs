//! `treatments:` what may be done, and with what it is filled.
//!
//! Values of `data` and `offer`: an unquoted value that is `now`, or begins with `profile.`,
//! `event.` or `previous.`, is an expression; so is `${ ... }`, quoted or not. Everything else is
//! constant, and `valid_for` always is; but an unquoted text with such a name inside is refused.

use crate::document::keys::{Keys, Known, Shape};
use crate::document::reader::{Fields, Reader};
use crate::document::yaml::{Key, Node, Yaml};
use crate::event::Text;
use crate::expression::read;
use crate::expression::{Environment, Expression};
use crate::money::Amount;
use crate::time::parse_duration;

use super::channel::{CHANNEL_BYTES, is_channel};
use super::code::{self, Coded};

/// Bounds of what may be done.
pub mod limits {
    /// Treatments in one list: they are tried one after the other at every moment.
    pub const TREATMENTS: usize = 16;
    /// Entries of `data` or `offer`, each computed for every command.
    pub const FILLS: usize = 32;
    /// Text of a template's name, a constant key, and the like.
    pub const TEXT_BYTES: usize = 256;
}

/// The most that one treatment costs.
const COST_MAX: f64 = 1e6;

/// One of several treatments.
#[derive(Debug)]
pub struct TreatmentChoice {
    /// Its condition; always where absent.
    pub condition: Option<Expression>,
    /// `email`, `push`, `sms`, `onsite`, `print`, `phone`, ... : the topic is `treatments.<channel>`.
    pub channel: Text,
    /// The campaign tool's template.
    pub template: Text,
    /// The offer, filled.
    pub offer: Vec<(Text, Fill)>,
    /// The data of the template, filled.
    pub data: Vec<(Text, Fill)>,
    /// The code that each command has in its offer.
    pub code: Option<Coded>,
    /// What one costs, in the company's currency.
    pub cost: Amount,
}

/// A value of an offer or of template data.
#[derive(Debug)]
pub enum Fill {
    /// As written.
    Constant(serde_json::Value),
    /// Computed from profile and event.
    Expression(Expression),
}

impl TreatmentChoice {
    /// Whether it asks for the profile before the event.
    #[must_use]
    pub fn uses_previous(&self) -> bool {
        let asks = |fill: &Fill| matches!(fill, Fill::Expression(expression) if expression.uses_previous());
        let mut fills = self.offer.iter().chain(&self.data).map(|(_, fill)| fill);
        fills.any(asks)
            || self
                .condition
                .as_ref()
                .is_some_and(Expression::uses_previous)
    }
}

/// The keys of a treatment.
pub const KEYS: Keys = Keys {
    of: "a treatment",
    known: &[
        Known::optional(
            "if",
            Shape::Expression,
            "A condition. Only the last treatment may be without.",
        ),
        Known::required(
            "channel",
            Shape::Form("^[a-z0-9_-]{1,32}$", "email"),
            "The end of the topic's name: email, push, sms, phone, print, onsite, store, call-centre, ad-audience, or one of your own.",
        ),
        Known::required(
            "template",
            Shape::Text(limits::TEXT_BYTES),
            "A name that the campaign tool knows.",
        ),
        Known::optional(
            "offer",
            Shape::Values,
            "What is offered. A value that begins with `profile.`, `event.` or `previous.`, or is `now`, is an expression; any other stands in `\"${ ... }\"`.",
        ),
        Known::optional(
            "data",
            Shape::Values,
            "What the template is filled with. Expressions as in `offer`.",
        ),
        Known::optional(
            "code",
            Shape::Mapping(&CODE),
            "Each command has a coupon code of its own, as `offer.code`; or with `referral` the code by which the customer refers friends. Needs `[codes] key_file` in the configuration.",
        ),
        Known::default(
            "cost",
            "0",
            Shape::Number(0.0, COST_MAX),
            "What one costs, in the company's currency: postage, printing, the gift.",
        ),
    ],
    later: &[
        ("margin", "`margin` in `goal`"),
        ("variant", "no `variant`; each treatment is one"),
    ],
};

/// The keys of a code.
const CODE: Keys = Keys {
    of: "a code",
    known: &[
        PREFIX,
        LENGTH,
        Known::optional(
            "referral",
            Shape::Text(NAME_BYTES),
            "The name of a referral: it is the customer's code of that one, the same in all commands. Without `prefix` and `length`.",
        ),
    ],
    later: &[("pool", "no `pool` of codes; they are derived")],
};

/// What codes begin with.
pub const PREFIX: Known = Known::default(
    "prefix",
    "",
    Shape::Form("^[A-Z0-9-]{0,16}$", "HELLO-"),
    "What it begins with: capital letters, digits and `-`.",
);

/// How long codes are.
pub const LENGTH: Known = Known::default(
    "length",
    "10",
    Shape::Whole(code::limits::LENGTH_MIN, code::limits::LENGTH_MAX),
    "Characters behind the prefix. Of a million codes with 10 two are the same with a probability of 0.04 %.",
);

/// The name of a referral.
pub const NAME_BYTES: usize = 64;

/// What stands in place of the list where there is none.
pub const NONE: &str = "none";

/// Reads the list of treatments; of `none` it is empty.
pub fn choices(
    reader: &mut Reader<'_>,
    node: &Node,
    environment: &Environment<'_>,
) -> Option<Vec<TreatmentChoice>> {
    if node.text() == Some(NONE) {
        return Some(Vec::new());
    }
    let Yaml::List(items) = &node.value else {
        reader.unexpected(
            node,
            "a list of treatments, each with `channel` and `template`, or `none`",
        );
        return None;
    };
    if items.is_empty() || items.len() > limits::TREATMENTS {
        reader.unexpected(node, format!("1 to {} treatments", limits::TREATMENTS));
        return None;
    }
    let choices: Vec<_> = items
        .iter()
        .map(|item| choice(reader, item, environment))
        .collect();
    for (i, item) in items.iter().enumerate().skip(1) {
        let always = |choice: &Option<TreatmentChoice>| {
            choice
                .as_ref()
                .is_some_and(|choice| choice.condition.is_none())
        };
        if always(&choices[i - 1]) && has_no_condition(&items[i - 1]) {
            let message = "this treatment is never reached: the one before it has no `if`";
            reader.fails(
                &item.span,
                message,
                "an `if` on all treatments but the last".to_owned(),
            );
        }
    }
    choices.into_iter().collect()
}

/// Without `if`, rather than with one that could not be read.
fn has_no_condition(node: &Node) -> bool {
    matches!(&node.value, Yaml::Map(entries) if !entries.iter().any(|(key, _)| key.text == "if"))
}

/// Reads one treatment.
pub fn choice(
    reader: &mut Reader<'_>,
    node: &Node,
    environment: &Environment<'_>,
) -> Option<TreatmentChoice> {
    let fields = reader.fields(node, KEYS)?;
    let condition = fields
        .get("if")
        .map(|node| read::condition(reader, node, environment));
    let channel = reader.required(
        &fields,
        "channel",
        "email, push, sms, onsite, print, phone or another of yours",
    );
    let channel = channel.and_then(|node| channel_of(reader, node));
    let template = reader.required(
        &fields,
        "template",
        "the name of the campaign tool's template",
    );
    let template =
        template.and_then(|node| reader.short_text(node, "a template's name", limits::TEXT_BYTES));
    let offer = fields.get("offer").map_or(Some(Vec::new()), |node| {
        fills(reader, node, "an offer", environment)
    });
    let data = fields.get("data").map_or(Some(Vec::new()), |node| {
        fills(reader, node, "data", environment)
    });
    let cost = fields.get("cost").map_or(Some(Amount::ZERO), |node| {
        let cost = reader.number(node, "what one costs, such as 0.85")?;
        if !(0.0..=COST_MAX).contains(&cost) {
            reader.unexpected(node, "a number from 0 to 1000000");
            return None;
        }
        Some(Amount::of(cost))
    });
    let code = fields.get("code");
    let code = code.map_or(Some(None), |node| coded(reader, node, &offer).map(Some));
    Some(TreatmentChoice {
        code: code?,
        cost: cost?,
        condition: condition.flatten(),
        channel: channel?,
        template: template?.into(),
        offer: offer?,
        data: data?,
    })
}

/// Reads which code commands have.
fn coded(reader: &mut Reader<'_>, node: &Node, offer: &Option<Vec<(Text, Fill)>>) -> Option<Coded> {
    let fields = reader.fields(node, CODE)?;
    if offer.iter().flatten().any(|(name, _)| name == code::FIELD) {
        let expected = "either `code`, or `offer: { code: ... }` with one for all".to_owned();
        reader.fails(&node.span, "the offer has a code already", expected);
        return None;
    }
    let Some(referral) = fields.get("referral") else {
        return form(reader, &fields).map(Coded::Own);
    };
    if let Some((key, _)) = fields.entry("prefix").or_else(|| fields.entry("length")) {
        let message = format!("`{}` is said by the referral", key.text);
        reader.fails(&key.span, message, "`referral` alone".to_owned());
        return None;
    }
    let name = reader.name(referral, ("a referral", "bring-a-friend"), NAME_BYTES)?;
    Some(Coded::Referral(name.into()))
}

/// Reads what codes look like, under the keys [`PREFIX`] and [`LENGTH`].
pub fn form(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Option<code::Form> {
    let prefix = fields.get("prefix").map_or(Some(""), |node| {
        let text = node.text().filter(|text| {
            let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
            text.len() <= code::limits::PREFIX_BYTES && text.chars().all(fits)
        });
        if text.is_none() {
            let most = code::limits::PREFIX_BYTES;
            let expected =
                format!("at most {most} capital letters, digits and `-`, such as HELLO-");
            reader.unexpected(node, expected);
        }
        text
    });
    let length = fields
        .get("length")
        .map_or(Some(code::LENGTH), |node| length(reader, node));
    Some(code::Form {
        prefix: prefix?.into(),
        length: length?,
    })
}

fn length(reader: &mut Reader<'_>, node: &Node) -> Option<u32> {
    let bounds = code::limits::LENGTH_MIN..=code::limits::LENGTH_MAX;
    let number = node.json().as_u64().and_then(|it| u32::try_from(it).ok());
    if let Some(short) = number.filter(|it| it < bounds.start()) {
        let chance = 100.0 * code::collision(1e5, short);
        let message = format!(
            "codes of {short} characters are too short: of 100,000 two are the same with a probability of {chance:.0} %"
        );
        let expected = format!("from {} to {}", bounds.start(), bounds.end());
        reader.fails(&node.span, message, expected);
        return None;
    }
    reader.whole(node, bounds)
}

fn channel_of(reader: &mut Reader<'_>, node: &Node) -> Option<Text> {
    let text = reader.text(node, "a channel such as email")?;
    if !is_channel(text) {
        let expected = format!(
            "lower-case letters, digits, `-` and `_`, at most {CHANNEL_BYTES} of them: it is the end of a topic's name"
        );
        reader.fails(&node.span, format!("`{text}` is not a channel"), expected);
        return None;
    }
    Some(text.into())
}

fn fills(
    reader: &mut Reader<'_>,
    node: &Node,
    what: &str,
    environment: &Environment<'_>,
) -> Option<Vec<(Text, Fill)>> {
    let Yaml::Map(entries) = &node.value else {
        reader.unexpected(node, format!("{what} as a mapping of names to values"));
        return None;
    };
    if entries.len() > limits::FILLS {
        reader.fails(
            &node.span,
            format!("{what} has {} entries", entries.len()),
            format!("at most {}", limits::FILLS),
        );
        return None;
    }
    let filled: Vec<_> = entries
        .iter()
        .map(|(key, value)| fill(reader, key, value, environment))
        .collect();
    filled.into_iter().collect()
}

fn fill(
    reader: &mut Reader<'_>,
    key: &Key,
    value: &Node,
    environment: &Environment<'_>,
) -> Option<(Text, Fill)> {
    if key.text.is_empty() || key.text.len() > limits::TEXT_BYTES {
        reader.fails(
            &key.span,
            "this is no name",
            format!("a name of 1 to {} bytes", limits::TEXT_BYTES),
        );
        return None;
    }
    let name = Text::from(key.text.as_str());
    if key.text == "valid_for" {
        if value
            .text()
            .is_none_or(|text| parse_duration(text).is_err())
        {
            reader.unexpected(value, "a duration such as 3d");
            return None;
        }
        return Some((name, Fill::Constant(value.json())));
    }
    let Some(part) = expression_part(value) else {
        return constant(reader, value, true).map(|()| (name, Fill::Constant(value.json())));
    };
    let text = value.text().unwrap_or_default();
    let compiled = Expression::compile(&text[part.clone()], environment);
    let expression = read::compiled(reader, value, part.start, compiled)?;
    Some((name, Fill::Expression(expression)))
}

/// The part of a value that is an expression.
fn expression_part(value: &Node) -> Option<std::ops::Range<usize>> {
    let Yaml::Scalar { text, plain } = &value.value else {
        return None;
    };
    if let Some(inner) = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
    {
        let lead = inner.len() - inner.trim_start().len();
        return Some(2 + lead..2 + lead + inner.trim().len());
    }
    let path = text == "now"
        || ["profile.", "event.", "previous."]
            .iter()
            .any(|root| text.starts_with(root));
    (*plain && path).then_some(0..text.len())
}

/// Whether a text names a path somewhere, as `size(profile.viewed)` does.
fn names_a_path(text: &str) -> bool {
    let named = |root: &str| {
        text.match_indices(root).any(|(at, _)| {
            let goes_on = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
            let field = &text[at + root.len()..];
            !text[..at].ends_with(goes_on) && field.starts_with(|c: char| c.is_ascii_lowercase())
        })
    };
    ["profile.", "event.", "previous."].into_iter().any(named)
}

/// Refuses what looks like an expression where none is computed.
fn constant(reader: &mut Reader<'_>, value: &Node, top: bool) -> Option<()> {
    match &value.value {
        Yaml::Scalar { text, plain: true } if top && !text.contains("${") && names_a_path(text) => {
            reader.fails(
                &value.span,
                "this is an expression, and would be sent as the text it is",
                format!("`\"${{ {text} }}\"`, or plain quotes where the text is meant"),
            );
            None
        }
        Yaml::Scalar { text, .. }
            if text.contains("${") || (!top && expression_part(value).is_some()) =>
        {
            let message =
                "an expression is the whole of a value that stands directly under its name";
            reader.fails(
                &value.span,
                message,
                "`name: profile.country` or `name: ${ size(profile.viewed) }`".to_owned(),
            );
            None
        }
        Yaml::Scalar { .. } => Some(()),
        Yaml::List(items) => items
            .iter()
            .map(|item| constant(reader, item, false))
            .collect(),
        Yaml::Map(entries) => entries
            .iter()
            .map(|(_, item)| constant(reader, item, false))
            .collect(),
    }
}

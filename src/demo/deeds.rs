//! What customers do, in the words of whoever tells their story.

use serde_json::Value;

use super::call::Call;
use crate::event::Text;
use crate::time::Timestamp;

/// Views further apart belong to two visits.
const VISIT_GAP_MS: i64 = 30 * 60_000;

/// One call, told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Whose.
    pub customer: Text,
    /// When.
    pub at: Timestamp,
    /// What.
    pub deed: Option<Deed>,
}

/// What somebody did.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// The shop knows her, and where she may be written to.
    Known(Vec<Text>),
    /// Came by: looked at things, and perhaps put some into the basket.
    Shopped {
        /// In so many visits.
        visits: u32,
        /// Looked at so many things.
        looked: u32,
        /// The last of them.
        last: Text,
        /// Put into the basket.
        added: Vec<Text>,
    },
    /// Ordered.
    Ordered {
        /// In euros.
        total: f64,
        /// So many things.
        things: usize,
    },
    /// Anything else, in words.
    Other(Text),
}

impl Told {
    /// What a call says; a call that nobody would tell of says nothing.
    #[must_use]
    pub fn of(call: &Call) -> Self {
        Self {
            customer: call.customer.clone(),
            at: call.at,
            // What is no JSON has nothing to tell.
            deed: serde_json::from_slice(&call.value)
                .ok()
                .and_then(|value| deed(&value)),
        }
    }

    /// Takes in what she did next, where it is more of the same: the same visit, or another that led to nothing.
    pub fn goes_on(&mut self, next: &Self) -> bool {
        let same_visit = next.at.0 - self.at.0 < VISIT_GAP_MS;
        let (
            Some(Deed::Shopped {
                visits,
                looked,
                last,
                added,
            }),
            Some(Deed::Shopped {
                looked: more,
                last: newest,
                added: also,
                ..
            }),
        ) = (&mut self.deed, &next.deed)
        else {
            return false;
        };
        let fruitless = added.is_empty() && also.is_empty();
        if !(fruitless || same_visit && *visits == 1) {
            return false;
        }
        *visits += u32::from(!same_visit);
        *looked += more;
        if *more > 0 {
            last.clone_from(newest);
        }
        added.extend(also.iter().cloned());
        self.at = next.at;
        true
    }
}

fn deed(value: &Value) -> Option<Deed> {
    let of = &value["properties"];
    let text = |name: &str| of[name].as_str().unwrap_or("?");
    let other = |words: &str| Some(Deed::Other(words.into()));
    Some(match value["event"].as_str() {
        None => {
            let consent = value["traits"]["consent"].as_object()?;
            let given = consent
                .iter()
                .filter(|(_, given)| **given == Value::Bool(true));
            Deed::Known(given.map(|(channel, _)| channel.as_str().into()).collect())
        }
        Some("Product Viewed") => Deed::Shopped {
            visits: 1,
            looked: 1,
            last: text("name").into(),
            added: Vec::new(),
        },
        Some("Product Added") => Deed::Shopped {
            visits: 1,
            looked: 0,
            last: Text::default(),
            added: vec![text("name").into()],
        },
        Some("Order Completed") => Deed::Ordered {
            total: of["total"].as_f64().unwrap_or_default(),
            things: of["products"].as_array().map_or(0, Vec::len),
        },
        Some("Signed Up") => return other("signs up"),
        Some("Order Delivered") => {
            let late = text("delivered_at") > text("promised_at");
            return other(if late {
                "gets her parcel, later than promised"
            } else {
                "gets her parcel"
            });
        }
        Some("Delivery Failed") => return other("does not get her parcel: nobody at home"),
        Some("NPS Answered") => Deed::Other(compact_str::format_compact!(
            "answers the survey: {} of 10",
            of["score"]
        )),
        Some("Support Ticket Opened") => Deed::Other(compact_str::format_compact!(
            "calls: \"{}\"",
            text("subject")
        )),
        Some("Unsubscribed") => Deed::Other(compact_str::format_compact!(
            "wants no more {}",
            text("channel")
        )),
        Some(_) => return None,
    })
}

impl Deed {
    /// In words, as what she does.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Known(channels) if channels.is_empty() => {
                "is known, and wants no messages".to_owned()
            }
            Self::Known(channels) => format!("is known, and said yes to {}", channels.join(", ")),
            Self::Shopped {
                looked: 0, added, ..
            } => format!("puts in her basket: {}", named(added)),
            Self::Shopped {
                visits: 1,
                looked,
                last,
                added,
            } if added.is_empty() => match looked {
                1 => format!("looks at {last}"),
                _ => format!("looks at {looked} things, {last} last"),
            },
            Self::Shopped {
                visits,
                looked,
                last,
                added,
            } if added.is_empty() => {
                format!("comes {visits} times, looks at {looked} things, {last} last")
            }
            Self::Shopped { looked, added, .. } => {
                let things = if *looked == 1 { "thing" } else { "things" };
                format!(
                    "looks at {looked} {things}, puts in her basket: {}",
                    named(added)
                )
            }
            Self::Ordered { total, things: 1 } => format!("orders for {total:.2} EUR"),
            Self::Ordered { total, things } => format!("orders {things} things for {total:.2} EUR"),
            Self::Other(words) => words.to_string(),
        }
    }
}

/// The first few by name.
fn named(things: &[Text]) -> String {
    match things {
        [] | [_] | [_, _] | [_, _, _] => things.join(", "),
        [first, second, rest @ ..] => format!("{first}, {second} and {} more", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::InputKind;

    #[test]
    fn views_become_visits_and_baskets() {
        let told = |minute: i64, event: &str, name: &str| {
            let value = json!({ "event": event, "properties": { "name": name } });
            Told::of(&Call {
                at: Timestamp(minute * 60_000),
                topic: InputKind::Clickstream,
                customer: "ana-1".into(),
                value: value.to_string().into_bytes(),
            })
        };
        let words = |told: &Told| told.deed.as_ref().expect("a deed").words();
        let mut first = told(0, "Product Viewed", "Globe");
        assert!(first.goes_on(&told(5, "Product Viewed", "Desk lamp")));
        assert_eq!(words(&first), "looks at 2 things, Desk lamp last");
        assert!(first.goes_on(&told(600, "Product Viewed", "Notebook")));
        assert_eq!(
            words(&first),
            "comes 2 times, looks at 3 things, Notebook last"
        );
        // A basket is a chapter of its own, unless it is what a single visit came to.
        let mut basket = told(601, "Product Added", "Notebook");
        assert!(!first.goes_on(&basket));
        assert!(basket.goes_on(&told(602, "Product Added", "Globe")));
        assert_eq!(words(&basket), "puts in her basket: Notebook, Globe");
        assert!(basket.goes_on(&told(603, "Product Viewed", "Candle")));
        assert_eq!(
            words(&basket),
            "looks at 1 thing, puts in her basket: Notebook, Globe"
        );
        assert!(!basket.goes_on(&told(700, "Product Viewed", "Candle")));
        assert_eq!(told(700, "Cart Viewed", "").deed, None);
    }
}

//! A postal address, whole: Segment's object, one of another shop, or a line of text.

use serde_json::Value as Json;

use super::Defect;
use super::scalar::{Scalar, cut};
use crate::event::record::ADDRESS;
use crate::event::{Text, Traits};

/// Segment's address object, one of another shop, or one line of text.
pub(super) fn take(traits: &mut Traits, defects: &mut Vec<Defect>, address: &Json) {
    let mut parts = AddressParts::default();
    match address {
        Json::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| parts.field(name, value)),
        Json::Array(lines) => lines.iter().for_each(|line| parts.field("street", line)),
        other => parts.field("street", other),
    }
    if parts.is_empty() && !matches!(address, Json::Null | Json::Object(_) | Json::Array(_)) {
        let expected = "an address: text, or an object of its parts";
        let found = Scalar::of_json(address);
        if !found.is_empty() {
            defects.push(Defect::new("address", expected, &found));
        }
    }
    parts.tell(traits);
}

/// The parts of an address, in the order in which they make a line.
const PLACES: [(&str, &[&str]); 6] = [
    (
        "street",
        &[
            "street",
            "streetaddress",
            "address",
            "address1",
            "addressline1",
            "line1",
        ],
    ),
    // What else is said of it: a house number, a floor, another line.
    ("", &[]),
    ("postalCode", &["postalcode", "postcode", "zip", "zipcode"]),
    ("city", &["city", "town", "locality"]),
    ("state", &["state", "province", "region", "county"]),
    ("country", &["country", "countryname"]),
];
/// The place of what has no place of its own.
const ELSEWHERE: usize = 1;
/// What is told beside an address and is no part of it.
const BESIDE: [&str; 14] = [
    "id",
    "customerid",
    "default",
    "type",
    "latitude",
    "longitude",
    "lat",
    "lng",
    "lon",
    "phone",
    "email",
    "countrycode",
    "provincecode",
    "statecode",
];
/// Whose address it is, which a campaign tool knows.
const PERSON: [&str; 5] = ["name", "firstname", "lastname", "fullname", "company"];
/// Parts of an address: beyond this it is none.
const PARTS_MAX: usize = 16;

/// An address by its parts, whatever they are called.
#[derive(Default)]
struct AddressParts {
    parts: Vec<(usize, Text)>,
    country_code: Option<Text>,
}

impl AddressParts {
    /// A part, whole: an object within it by its own parts, at its place.
    fn field(&mut self, name: &str, value: &Json) {
        if PERSON.contains(&&*counted(name)) {
            return;
        }
        let place = place_of(name);
        self.within(name, place, value, 0);
    }

    fn within(&mut self, name: &str, place: Option<usize>, value: &Json, depth: usize) {
        match value {
            Json::Object(fields) if depth < 2 => {
                for (inner, value) in fields {
                    let own = place_of(inner).filter(|own| *own != ELSEWHERE);
                    let beside = place_of(inner).is_none();
                    let place = if beside { None } else { own.or(place) };
                    self.within(inner, place, value, depth + 1);
                }
            }
            Json::Array(items) if depth < 2 => {
                for item in items {
                    self.within(name, place, item, depth + 1);
                }
            }
            Json::Bool(_) => {}
            scalar => self.part(name, place, &Scalar::of_json(scalar)),
        }
    }

    fn part(&mut self, name: &str, place: Option<usize>, value: &Scalar<'_>) {
        let Some(text) = value.text() else { return };
        match place {
            Some(place) if self.parts.len() < PARTS_MAX => self.parts.push((place, text)),
            Some(_) => {}
            None if counted(name) == "countrycode" => self.country_code = Some(text),
            None => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// One line of it, and the country, which is a trait of its own too.
    fn tell(mut self, traits: &mut Traits) {
        self.parts.sort_by_key(|(place, _)| *place);
        if !self.is_empty() {
            let shown: Vec<&str> = self.parts.iter().map(|(_, text)| text.trim()).collect();
            traits.address = Some(cut(shown.join(", ").into()));
        }
        let country = self.parts.pop_if(|(place, _)| *place == PLACES.len() - 1);
        if let Some(country) = country.map(|(_, text)| text).or(self.country_code) {
            traits.country = Some(cut(country));
        }
    }
}

/// Where a part stands; none where it is no part.
fn place_of(name: &str) -> Option<usize> {
    let name = counted(name);
    if BESIDE.contains(&&*name) {
        return None;
    }
    let place = PLACES.iter().position(|(_, names)| names.contains(&&*name));
    Some(place.unwrap_or(ELSEWHERE))
}

/// A name by its letters and digits.
fn counted(name: &str) -> String {
    let kept = name.chars().filter(|c| c.is_alphanumeric());
    kept.flat_map(char::to_lowercase).collect()
}

/// An address by its parts, which are those of [`ADDRESS`]; the last of them is a trait of its own too.
pub(in crate::decode) fn set_parts(traits: &mut Traits, parts: [Option<&str>; ADDRESS.len()]) {
    let shown = parts.iter().flatten().copied();
    let shown: Vec<_> = shown.filter(|part| !part.is_empty()).collect();
    if !shown.is_empty() {
        traits.address = Some(cut(shown.join(", ").into()));
    }
    if let [.., Some(country)] = parts {
        traits.country = Some(cut(country.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_address_is_taken_whole() {
        for (address, line, country) in [
            (json!("Gran Via 1, Madrid"), "Gran Via 1, Madrid", ""),
            (
                json!({"street": "Gran Via 1", "postalCode": 28013, "city": "Madrid", "state": null, "country": "ES"}),
                "Gran Via 1, 28013, Madrid, ES",
                "ES",
            ),
            (
                json!({"street": "Gran Via", "number": 1, "floor": "3B", "city": "Madrid"}),
                "Gran Via, 3B, 1, Madrid",
                "",
            ),
            (
                json!({"id": 7, "address1": "Gran Via 1", "address2": "3B", "zip": "28013", "city": "Madrid", "province": "Madrid",
                    "country": "Spain", "country_code": "ES", "phone": "+34600", "default": true, "latitude": 40.4}),
                "Gran Via 1, 3B, 28013, Madrid, Madrid, Spain",
                "Spain",
            ),
            (
                json!({"street": {"name": "Gran Via", "number": 1}, "city": {"name": "Madrid", "code": 28}, "country_code": "ES"}),
                "Gran Via, 1, 28, Madrid",
                "ES",
            ),
            (
                json!(["Gran Via 1", "28013 Madrid"]),
                "Gran Via 1, 28013 Madrid",
                "",
            ),
            (json!(28013), "28013", ""),
            (json!({}), "", ""),
            (json!([]), "", ""),
            (json!(null), "", ""),
            (json!(""), "", ""),
            (json!(true), "!", ""),
        ] {
            let (mut traits, mut defects) = (Traits::default(), Vec::new());
            take(&mut traits, &mut defects, &address);
            let said = match defects.len() {
                0 => traits.address.as_deref().unwrap_or_default(),
                _ => "!",
            };
            assert_eq!(
                (said, traits.country.as_deref().unwrap_or_default()),
                (line, country),
                "{address}"
            );
        }
    }
}

//! What the shop sells: a made-up range of things for the home, popular as things are, a few very and most hardly
//! (Zipf's law).

use rand_distr::Zipf;

use super::dice::Dice;
use crate::event::Text;

/// Something for sale.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Product {
    /// As events name it.
    pub id: Text,
    /// As people name it.
    pub name: Text,
    /// Where it stands in the shop.
    pub category: &'static str,
    /// Hundredths of a euro.
    pub price: u32,
}

/// A name, the kinds of thing in it with the price of a plain one in hundredths, and what they are made of.
type Category = (&'static str, [(&'static str, u32); 6], [&'static str; 6]);

const CATEGORIES: [Category; 10] = [
    (
        "kitchen",
        [
            ("spoon", 450),
            ("salad bowl", 1_890),
            ("paring knife", 2_450),
            ("moka pot", 3_290),
            ("frying pan", 4_900),
            ("teapot", 2_990),
        ],
        ["Olive-wood", "Steel", "Enamel", "Copper", "Plain", "Black"],
    ),
    (
        "lighting",
        [
            ("candle holder", 1_250),
            ("fairy lights", 1_690),
            ("desk lamp", 3_990),
            ("lantern", 2_290),
            ("floor lamp", 8_900),
            ("night light", 1_490),
        ],
        ["Brass", "Paper", "Glass", "Oak", "White", "Small"],
    ),
    (
        "garden",
        [
            ("herb seeds", 290),
            ("plant pot", 790),
            ("secateurs", 1_990),
            ("watering can", 2_450),
            ("bird house", 2_790),
            ("olive tree", 5_400),
        ],
        ["Green", "Clay", "Zinc", "Large", "Little", "Hardy"],
    ),
    (
        "bath",
        [
            ("hand soap", 590),
            ("wash cloths", 850),
            ("bath mat", 1_990),
            ("hand towels", 2_290),
            ("bath robe", 4_900),
            ("laundry basket", 3_500),
        ],
        ["Linen", "Cotton", "Bamboo", "Blue", "White", "Lavender"],
    ),
    (
        "study",
        [
            ("notebook", 690),
            ("pencil case", 1_150),
            ("bookends", 2_190),
            ("wall clock", 2_990),
            ("globe", 4_500),
            ("reading chair", 14_900),
        ],
        ["Leather", "Oak", "Canvas", "Red", "Plain", "Antique"],
    ),
    (
        "bedroom",
        [
            ("pillow case", 990),
            ("hot-water bottle", 1_590),
            ("cushion", 1_990),
            ("slippers", 2_690),
            ("blanket", 5_900),
            ("duvet", 11_900),
        ],
        ["Wool", "Down", "Linen", "Grey", "Striped", "Soft"],
    ),
    (
        "pantry",
        [
            ("coffee", 890),
            ("tea", 620),
            ("olive oil", 1_290),
            ("honey", 790),
            ("pasta", 340),
            ("chocolate", 480),
        ],
        [
            "Organic",
            "House",
            "Single-origin",
            "Mild",
            "Strong",
            "Family-size",
        ],
    ),
    (
        "cleaning",
        [
            ("dish soap", 390),
            ("brush", 690),
            ("washing powder", 1_190),
            ("broom", 1_690),
            ("bucket", 990),
            ("cloths", 450),
        ],
        [
            "Unscented",
            "Citrus",
            "Natural",
            "Strong",
            "Refill",
            "Compact",
        ],
    ),
    (
        "children",
        [
            ("building blocks", 2_490),
            ("picture book", 1_290),
            ("bear", 1_990),
            ("puzzle", 1_490),
            ("train", 3_490),
            ("kite", 1_790),
        ],
        ["Wooden", "Little", "Big", "Rainbow", "Classic", "First"],
    ),
    (
        "pets",
        [
            ("dog food", 1_890),
            ("cat litter", 990),
            ("dog bed", 4_900),
            ("scratching post", 3_900),
            ("lead", 1_290),
            ("food bowl", 890),
        ],
        ["Large", "Small", "Natural", "Sturdy", "Soft", "Senior"],
    ),
];
/// Things of one category.
const IN_CATEGORY: usize = 36;
/// Ranks are dealt over a category in steps of this, which has no divisor in common with [`IN_CATEGORY`].
const STEP: usize = 23;
/// The exponent of Zipf's law; near 1 for the sales of shops.
const POPULARITY: f64 = 1.07;

/// The range.
#[derive(Debug)]
pub(super) struct Catalogue {
    products: Vec<Product>,
    in_category: Zipf<f64>,
    categories: Zipf<f64>,
}

impl Catalogue {
    /// All of it; always the same.
    pub fn new() -> Self {
        let mut products = Vec::with_capacity(CATEGORIES.len() * IN_CATEGORY);
        for (c, (category, things, makes)) in CATEGORIES.iter().enumerate() {
            for (t, (thing, price)) in things.iter().enumerate() {
                for (m, make) in (0_u32..).zip(makes) {
                    products.push(Product {
                        id: compact_str::format_compact!("p{c}{t}{m}"),
                        name: compact_str::format_compact!("{make} {thing}"),
                        category,
                        // From 80 to 130 % of the plain one, to the ten cents.
                        price: price * (80 + 10 * m) / 100 / 10 * 10,
                    });
                }
            }
        }
        let zipf = |n: usize| {
            #[expect(clippy::cast_precision_loss, reason = "some dozens")]
            let n = n as f64;
            Zipf::new(n, POPULARITY).expect("both are above 0")
        };
        Self {
            products,
            in_category: zipf(IN_CATEGORY),
            categories: zipf(CATEGORIES.len()),
        }
    }

    /// A category, the popular ones more often.
    pub fn category(&self, dice: &mut Dice) -> u8 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank from 1 to 10"
        )]
        let rank = dice.draw(self.categories) as u8;
        rank - 1
    }

    /// A product of a category, the popular ones more often.
    pub fn product(&self, category: u8, dice: &mut Dice) -> &Product {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank from 1 to 36"
        )]
        let rank = dice.draw(self.in_category) as usize;
        let place = rank * STEP % IN_CATEGORY;
        &self.products[usize::from(category) * IN_CATEGORY + place]
    }

    /// The name of a category.
    pub fn category_name(category: u8) -> &'static str {
        CATEGORIES[usize::from(category)].0
    }
}

/// Hundredths as an amount.
pub(super) fn euros(hundredths: u32) -> f64 {
    f64::from(hundredths) / 100.0
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn every_product_has_an_id_of_its_own_and_some_are_popular() {
        let catalogue = Catalogue::new();
        let ids: BTreeSet<_> = catalogue.products.iter().map(|p| &p.id).collect();
        assert_eq!(ids.len(), CATEGORIES.len() * IN_CATEGORY);
        let mut dice = Dice::new(1, 1);
        let mut sold: BTreeMap<&str, u32> = BTreeMap::new();
        for _ in 0..20_000 {
            let product = catalogue.product(3, &mut dice);
            assert_eq!(product.category, "bath");
            *sold.entry(&product.id).or_default() += 1;
        }
        assert_eq!(sold.len(), IN_CATEGORY, "everything is sold now and then");
        let mut counts: Vec<_> = sold.into_values().collect();
        counts.sort_unstable();
        // By Zipf's law the first of 36 sells 2^1.07 times what the second does.
        let ratio = f64::from(counts[35]) / f64::from(counts[34]);
        assert!((1.9..2.4).contains(&ratio), "{ratio}");
    }
}

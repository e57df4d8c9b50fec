//! What the generated shop sells: a made-up range of things for the home.

/// Something for sale.
#[derive(Debug, PartialEq)]
pub struct Article {
    /// As events name it.
    pub id: &'static str,
    /// As people name it.
    pub name: &'static str,
    /// Where it stands in the shop.
    pub category: &'static str,
    /// Hundredths of a euro.
    pub price: u32,
}

const fn article(
    id: &'static str,
    name: &'static str,
    category: &'static str,
    price: u32,
) -> Article {
    Article {
        id,
        name,
        category,
        price,
    }
}

/// The range, by category, cheap before dear.
pub const ARTICLES: [Article; 36] = [
    article("k1", "Wooden spoon", "kitchen", 450),
    article("k2", "Tea towels", "kitchen", 990),
    article("k3", "Salad bowl", "kitchen", 1_890),
    article("k4", "Paring knife", "kitchen", 2_450),
    article("k5", "Moka pot", "kitchen", 3_290),
    article("k6", "Cast-iron pan", "kitchen", 6_900),
    article("l1", "Tea lights", "lighting", 390),
    article("l2", "Candle holder", "lighting", 1_250),
    article("l3", "Fairy lights", "lighting", 1_690),
    article("l4", "Desk lamp", "lighting", 3_990),
    article("l5", "Paper lantern", "lighting", 2_290),
    article("l6", "Floor lamp", "lighting", 8_900),
    article("g1", "Herb seeds", "garden", 290),
    article("g2", "Clay pot", "garden", 790),
    article("g3", "Secateurs", "garden", 1_990),
    article("g4", "Watering can", "garden", 2_450),
    article("g5", "Bird house", "garden", 2_790),
    article("g6", "Olive tree", "garden", 5_400),
    article("b1", "Hand soap", "bath", 590),
    article("b2", "Wash cloths", "bath", 850),
    article("b3", "Bath mat", "bath", 1_990),
    article("b4", "Hand towels", "bath", 2_290),
    article("b5", "Bath robe", "bath", 4_900),
    article("b6", "Laundry basket", "bath", 3_500),
    article("s1", "Notebook", "study", 690),
    article("s2", "Pencil case", "study", 1_150),
    article("s3", "Bookends", "study", 2_190),
    article("s4", "Wall clock", "study", 2_990),
    article("s5", "Globe", "study", 4_500),
    article("s6", "Reading chair", "study", 14_900),
    article("w1", "Wool socks", "warm things", 1_290),
    article("w2", "Hot-water bottle", "warm things", 1_590),
    article("w3", "Cushion", "warm things", 1_990),
    article("w4", "Slippers", "warm things", 2_690),
    article("w5", "Wool blanket", "warm things", 5_900),
    article("w6", "Down duvet", "warm things", 11_900),
];

/// What there is of a category, cheap before dear.
#[must_use]
pub fn category_of(article: &Article) -> &'static [Article] {
    let first = ARTICLES
        .iter()
        .position(|other| other.category == article.category)
        .unwrap_or(0);
    let last = ARTICLES
        .iter()
        .rposition(|other| other.category == article.category)
        .unwrap_or(0);
    &ARTICLES[first..=last]
}

/// The article of an id.
#[must_use]
pub fn article_of(id: &str) -> Option<&'static Article> {
    ARTICLES.iter().find(|article| article.id == id)
}

/// Hundredths as an amount.
#[must_use]
pub fn euros(hundredths: u32) -> f64 {
    f64::from(hundredths) / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_stands_together() {
        for article in &ARTICLES {
            let category = category_of(article);
            assert_eq!(category.len(), 6);
            assert!(category.iter().all(|a| a.category == article.category));
            assert_eq!(article_of(article.id), Some(article));
        }
    }
}

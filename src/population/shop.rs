//! What kind of shop it is: how often people come, buy and leave.

/// Parameters of a shop. Rates are drawn for each customer; these say from what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shop {
    /// As the command line names it.
    pub name: &'static str,
    /// Shape r of the gamma distribution of order rates.
    pub order_shape: f64,
    /// Its rate alpha, in days: r / alpha orders a day is the mean of all customers.
    pub order_days: f64,
    /// First parameter a of the beta distribution of the chance to leave for good after an order.
    pub leave_a: f64,
    /// Its second parameter b.
    pub leave_b: f64,
    /// How regular people are: times between orders follow an Erlang distribution of this shape, one of these by chance. 1 is
    /// the exponential distribution, as in the original model.
    pub regularity: [u8; 4],
    /// Mean days between visits of the customer in the middle.
    pub visit_days: f64,
    /// How many of those who sign up order soon after.
    pub first_order: f64,
    /// Days between two newsletters.
    pub letter_days: i64,
    /// New customers a year, as a share of those at the beginning.
    pub newcomers_a_year: f64,
}

/// A shop in which most buy once and few often, with the parameters that the model's authors estimated from CDNOW's
/// customers: r 0.243, alpha 4.414 weeks, a 0.793, b 2.426 (Fader, Hardie and Lee 2005, table 2).
pub const OCCASIONAL: Shop = Shop {
    name: "occasional",
    order_shape: 0.243,
    order_days: 4.414 * 7.0,
    leave_a: 0.793,
    leave_b: 2.426,
    regularity: [1, 1, 1, 1],
    visit_days: 60.0,
    first_order: 0.6,
    letter_days: 30,
    newcomers_a_year: 0.3,
};

/// A shop for every day, in which people buy every week or two and many have a rhythm: more happens, so that a few hundred
/// customers are enough to see every programme at work. Its parameters are made up.
pub const EVERYDAY: Shop = Shop {
    name: "everyday",
    order_shape: 1.6,
    order_days: 22.0,
    leave_a: 0.7,
    leave_b: 13.0,
    regularity: [2, 6, 12, 40],
    visit_days: 4.5,
    first_order: 0.65,
    letter_days: 14,
    newcomers_a_year: 0.8,
};

/// Every shop there is.
pub const SHOPS: [Shop; 2] = [OCCASIONAL, EVERYDAY];

impl Shop {
    /// The shop of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        SHOPS.into_iter().find(|shop| shop.name == name)
    }
}

//! The events of a shop that never closes, for the benches: 85 % views, carts, orders, sign-ups and a few complaints, in visits of
//! ten events.

use moments::time::Timestamp;

const START: i64 = 1_772_000_000_000;
/// Visits go on side by side, each of so many events: at 20 ms between events, one every 30 s of a
/// visitor who stays for five minutes.
const VISITS: usize = 1500;
const VISIT_EVENTS: usize = 10;

/// When the i-th event is, where they are so far apart.
pub fn time(i: usize, apart_ms: i64) -> Timestamp {
    Timestamp(START + i64::try_from(i).unwrap_or_default() * apart_ms)
}

/// The i-th event, which is at `time`: its topic, its customer and its JSON. A stable hash of the number decides what it is and
/// whose.
pub fn event(i: usize, customers: u64, time: Timestamp) -> (&'static str, String, String) {
    let roll = mix(i as u64);
    let customer = visitor(i, customers);
    let product = mix(roll ^ 0xb0) % 5000;
    let category = product % 40;
    let price = 5 + product % 90;
    let head =
        format!(r#""messageId":"{roll:016x}","userId":"c{customer:07}","timestamp":"{time}""#);
    let product_properties = format!(
        r#""product_id":"p{product:05}","category":"cat{category}","price":{price}.95,"currency":"EUR""#
    );
    let (topic, json) = match roll % 1000 {
        0..850 => (
            "clickstream",
            format!(
                r#"{{"type":"track","event":"Product Viewed",{head},"properties":{{{product_properties},"url":"https://shop.example/p/{product}"}}}}"#
            ),
        ),
        850..930 => (
            "cart",
            format!(
                r#"{{"type":"track","event":"Product Added",{head},"properties":{{{product_properties},"quantity":1,"cart_id":"k{customer}"}}}}"#
            ),
        ),
        930..980 => (
            "purchase",
            format!(
                r#"{{"type":"track","event":"Order Completed",{head},"properties":{{"order_id":"o{i}","total":{price}.95,"currency":"EUR","products":[{{"product_id":"p{product:05}","price":{price}.95,"quantity":1}}]}}}}"#
            ),
        ),
        980..990 => (
            "purchase",
            format!(
                r#"{{"type":"track","event":"Order Delivered",{head},"properties":{{"order_id":"o{i}"}}}}"#
            ),
        ),
        990..993 => (
            "profile",
            format!(
                r#"{{"type":"track","event":"NPS Answered",{head},"properties":{{"score":{}}}}}"#,
                roll % 11
            ),
        ),
        _ => (
            "profile",
            format!(
                r#"{{"type":"identify",{head},"traits":{{"email":"c{customer}@example.com","consent":{{"email":true}}}}}}"#
            ),
        ),
    };
    (topic, format!("c{customer:07}"), json)
}

/// Whose the i-th event is.
pub fn visitor(i: usize, customers: u64) -> u64 {
    let visit = i / (VISITS * VISIT_EVENTS) * VISITS + i % VISITS;
    mix(visit as u64 ^ 0xc0_0000) % customers
}

/// Splitmix64's finaliser.
pub fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

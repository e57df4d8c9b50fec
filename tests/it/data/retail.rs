//! Online Retail invoice lines (CSV) as `Order Completed` events, one an invoice.
//!
//! An order is an invoice that does not start with C and has a customer, over its lines with quantity > 0 and unit
//! price > 0. Its time is the earliest such line's (taken as UTC), its total the sum of quantity x price, summed in
//! ten-thousandths so that it is exact.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use jiff::Timestamp;

use super::{Product, Properties, Track, write_line};

/// The full file, beside the checkout.
pub const FILE: &str = "online-retail-2011.csv.gz";

/// The fixture: all lines of 40 customers and 20 lines without one.
pub const SAMPLE: &str = "online-retail-sample.csv.gz";

/// Prices and totals are summed in this part of a pound; the data has at most three decimals.
const PARTS: i64 = 10_000;

struct Order {
    customer: String,
    /// As written, `2010-12-01T08:26`, whose order as text is the order of time.
    time: String,
    total_parts: i64,
    products: Vec<Product>,
}

/// Writes every order as a track line, by time over all customers, then by invoice. Returns how many.
///
/// # Panics
///
/// On a line that is not in the format of the data set.
pub fn convert(raw: impl BufRead, mut out: impl Write) -> io::Result<usize> {
    let mut orders: BTreeMap<String, Order> = BTreeMap::new();
    for line in raw.lines().skip(1) {
        take(&mut orders, &line?);
    }
    let mut orders: Vec<(String, Order)> = orders.into_iter().collect();
    orders.sort_by(|a, b| (&a.1.time, &a.0).cmp(&(&b.1.time, &b.0)));
    let count = orders.len();
    for (invoice, order) in orders {
        write_line(&mut out, &track(invoice, order))?;
    }
    out.flush()?;
    Ok(count)
}

fn take(orders: &mut BTreeMap<String, Order>, line: &str) {
    let fields: Vec<&str> = line.splitn(7, ',').collect();
    let &[
        invoice,
        stock_code,
        quantity,
        time,
        price,
        customer,
        _country,
    ] = &fields[..]
    else {
        panic!("not a line of Online Retail: {line}");
    };
    let (quantity, price_parts) = (parts(quantity) / PARTS, parts(price));
    if invoice.starts_with('C') || customer.is_empty() || quantity <= 0 || price_parts <= 0 {
        return;
    }
    let order = orders.entry(invoice.to_owned()).or_insert_with(|| Order {
        customer: customer.to_owned(),
        time: time.to_owned(),
        total_parts: 0,
        products: Vec::new(),
    });
    assert_eq!(
        order.customer, customer,
        "invoice {invoice} of two customers"
    );
    if time < order.time.as_str() {
        time.clone_into(&mut order.time);
    }
    order.total_parts += quantity * price_parts;
    order.products.push(Product {
        product_id: stock_code.to_owned(),
        price: Some(pounds(price_parts)),
        quantity: Some(quantity),
    });
}

fn track(invoice: String, order: Order) -> Track {
    let time: Timestamp = format!("{}:00Z", order.time)
        .parse()
        .expect("a time of the data set");
    Track::new(
        format!("retail-{invoice}"),
        order.customer,
        "Order Completed",
        time.as_millisecond(),
        Properties {
            order_id: Some(invoice),
            total: Some(pounds(order.total_parts)),
            currency: Some("GBP".to_owned()),
            products: order.products,
            ..Properties::default()
        },
    )
}

/// Reads a decimal number exactly.
fn parts(decimal: &str) -> i64 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    assert!(fraction.len() <= 4, "more than four decimals: {decimal}");
    let digits = format!("{whole}{fraction:0<4}");
    digits.parse().expect("a number of the data set")
}

fn pounds(parts: i64) -> f64 {
    parts as f64 / PARTS as f64
}

#[cfg(test)]
mod tests {
    use super::super::{fixture, open};
    use super::*;

    #[test]
    fn an_order_is_the_good_lines_of_an_invoice() {
        let raw = "invoice,stock_code,quantity,invoice_date,unit_price,customer_id,country\n\
                   2,A,6.0,2010-12-01T08:26,2.55,17850,United Kingdom\n\
                   2,B,1.0,2010-12-01T08:25,0.001,17850,United Kingdom\n\
                   2,C,1.0,2010-12-01T08:24,0.0,17850,United Kingdom\n\
                   2,D,-1.0,2010-12-01T08:24,1.0,17850,United Kingdom\n\
                   C3,A,1.0,2010-12-01T08:24,1.0,17850,United Kingdom\n\
                   4,A,1.0,2010-12-01T08:24,1.0,,United Kingdom\n\
                   1,A,1.0,2010-12-01T08:25,1.0,17851,United Kingdom\n";
        let mut out = Vec::new();
        assert_eq!(convert(raw.as_bytes(), &mut out).expect("retail"), 2);
        assert_eq!(
            String::from_utf8(out).expect("text"),
            concat!(
                r#"{"type":"track","messageId":"retail-1","userId":"17851","event":"Order Completed","#,
                r#""timestamp":"2010-12-01T08:25:00.000Z","properties":{"order_id":"1","total":1.0,"currency":"GBP","#,
                r#""products":[{"product_id":"A","price":1.0,"quantity":1}]}}"#,
                "\n",
                r#"{"type":"track","messageId":"retail-2","userId":"17850","event":"Order Completed","#,
                r#""timestamp":"2010-12-01T08:25:00.000Z","properties":{"order_id":"2","total":15.301,"currency":"GBP","#,
                r#""products":[{"product_id":"A","price":2.55,"quantity":6},{"product_id":"B","price":0.001,"quantity":1}]}}"#,
                "\n",
            )
        );
    }

    #[test]
    fn the_sample_has_its_orders() {
        let raw = open(&fixture(SAMPLE)).expect("fixture");
        assert_eq!(convert(raw, io::sink()).expect("retail"), 266);
    }
}

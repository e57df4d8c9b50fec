//! Segment's e-commerce spec v2, event by event, in the words of its page: each property is read, and as what it is there.

use moments::event::{Type, Vocabulary};

/// Event, and its properties with the type that the spec gives: `s`tring, `n`umber. `products` are in every event.
#[rustfmt::skip]
const SPEC: &[(&str, &str)] = &[
    ("Products Searched", "s:query"),
    ("Product List Viewed", "s:list_id s:category"),
    ("Product List Filtered", "s:list_id s:category"),
    ("Promotion Viewed", "s:promotion_id s:creative s:name s:position"),
    ("Promotion Clicked", "s:promotion_id s:creative s:name s:position"),
    ("Product Clicked", "s:product_id s:sku s:category s:name s:brand s:variant n:price n:quantity s:coupon n:position s:url s:image_url"),
    ("Product Viewed", "s:product_id s:sku s:category s:name s:brand s:variant n:price n:quantity s:coupon s:currency n:position n:value s:url s:image_url"),
    ("Product Added", "s:cart_id s:product_id s:sku s:category s:name s:brand s:variant n:price n:quantity s:coupon n:position s:url s:image_url"),
    ("Product Removed", "s:cart_id s:product_id s:sku s:category s:name s:brand s:variant n:price n:quantity s:coupon n:position s:url s:image_url"),
    ("Cart Viewed", "s:cart_id"),
    ("Checkout Started", "s:order_id s:affiliation n:value n:revenue n:shipping n:tax n:discount s:coupon s:currency"),
    ("Checkout Step Viewed", "s:checkout_id n:step s:shipping_method s:payment_method"),
    ("Checkout Step Completed", "s:checkout_id n:step s:shipping_method s:payment_method"),
    ("Payment Info Entered", "s:checkout_id s:order_id n:step s:shipping_method s:payment_method"),
    ("Order Updated", "s:order_id s:affiliation n:total n:revenue n:shipping n:tax n:discount s:coupon s:currency"),
    ("Order Completed", "s:checkout_id s:order_id s:affiliation n:subtotal n:total n:revenue n:shipping n:tax n:discount s:coupon s:currency"),
    ("Order Refunded", "s:order_id n:total s:currency"),
    ("Order Cancelled", "s:order_id s:affiliation n:total n:revenue n:shipping n:tax n:discount s:coupon s:currency"),
    ("Coupon Entered", "s:order_id s:cart_id s:coupon_id"),
    ("Coupon Applied", "s:order_id s:cart_id s:coupon_id s:coupon_name n:discount"),
    ("Coupon Denied", "s:order_id s:cart_id s:coupon_id s:coupon_name s:reason"),
    ("Coupon Removed", "s:order_id s:cart_id s:coupon_id s:coupon_name n:discount"),
    ("Product Added to Wishlist", "s:wishlist_id s:wishlist_name s:product_id s:sku s:category s:name s:brand s:variant n:price n:quantity s:coupon n:position s:url s:image_url"),
    ("Product Removed from Wishlist", "s:wishlist_id s:wishlist_name s:product_id s:sku s:category s:name s:brand s:variant n:price n:quantity s:coupon n:position s:url s:image_url"),
    ("Wishlist Product Added to Cart", "s:wishlist_id s:wishlist_name s:cart_id s:product_id s:sku s:category s:name s:brand s:variant n:price n:quantity s:coupon n:position s:url s:image_url"),
    ("Product Shared", "s:share_via s:share_message s:recipient s:product_id s:sku s:category s:name s:brand s:variant n:price s:url s:image_url"),
    ("Cart Shared", "s:share_via s:share_message s:recipient s:cart_id"),
    ("Product Reviewed", "s:product_id s:review_id s:review_body s:rating"),
];

/// Said to be text there, and a number everywhere: `4`, or `"4"`.
const NUMBERS_IN_TEXT: [(&str, &str); 1] = [("Product Reviewed", "rating")];

#[test]
fn every_property_of_segments_spec_is_read() {
    let vocabulary = Vocabulary::standard();
    for (event, properties) in SPEC {
        let spec = vocabulary
            .event_named(event)
            .and_then(|name| vocabulary.event(name));
        let spec = spec.unwrap_or_else(|| panic!("no event `{event}`"));
        for property in properties.split(' ') {
            let (kind, name) = property.split_once(':').expect("a type and a name");
            let carried = spec.properties.iter().map(|id| vocabulary.property(*id));
            let found = carried.into_iter().find(|it| it.name == name);
            let found = found.unwrap_or_else(|| panic!("{event} has no `{name}`"));
            let expected = match kind {
                _ if NUMBERS_IN_TEXT.contains(&(*event, name)) => Type::Number,
                "n" => Type::Number,
                _ => Type::Text,
            };
            assert_eq!(found.kind, expected, "{event}: {name}");
        }
    }
}

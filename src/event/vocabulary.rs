//! The names of events and of their properties, with types and where they come from.
//!
//! Names are Segment's: its e-commerce spec v2, e-mail spec, live-chat spec and mobile spec. Our own
//! words stand only where it has none (support tickets, NPS answers, deliveries, downloads, stores, calls). A company adds
//! its own events and properties in the configuration (`[events]`).
//!
//! Packed profiles hold places in the vocabulary. So a new word stands at the end of its list, and a company's own have
//! places from [`OWN`] on, which new words of ours do not move.
//!
//! A property name means the same, and has the same type, in every event that carries it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

/// An event name, as an index into the [`Vocabulary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventName(pub u16);

/// A property name, as an index into the [`Vocabulary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PropertyId(pub u16);

/// The types of the trigger language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// true or false
    Bool,
    /// any number; there is no difference between whole numbers and others
    Number,
    /// text
    Text,
    /// an instant
    Time,
    /// a length of time
    Duration,
    /// a list of values of one type
    List(Item),
    /// a day in the customer's zone; expressions ask for its end, as a time
    Date,
}

/// What stands in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// true or false
    Bool,
    /// any number
    Number,
    /// text
    Text,
    /// an instant
    Time,
    /// a day in the customer's zone
    Date,
}

impl Item {
    /// Its type by itself.
    #[must_use]
    pub fn kind(self) -> Type {
        match self {
            Self::Bool => Type::Bool,
            Self::Number => Type::Number,
            Self::Text => Type::Text,
            Self::Time => Type::Time,
            Self::Date => Type::Date,
        }
    }
}

impl Type {
    /// The names of those that may be declared.
    pub const NAMES: [&str; 11] = [
        "bool",
        "number",
        "text",
        "time",
        "date",
        "list",
        "list of bool",
        "list of number",
        "list of text",
        "list of time",
        "list of date",
    ];

    /// A list of texts.
    pub const TEXTS: Self = Self::List(Item::Text);

    /// Its type in expressions: that of a date is the time at which it ends.
    #[must_use]
    pub fn in_expressions(self) -> Self {
        match self {
            Self::Date => Self::Time,
            Self::List(Item::Date) => Self::List(Item::Time),
            other => other,
        }
    }

    /// That of a list of such values; none where there is none.
    #[must_use]
    pub fn listed(self) -> Option<Self> {
        Some(Self::List(match self {
            Self::Bool => Item::Bool,
            Self::Number => Item::Number,
            Self::Text => Item::Text,
            Self::Time => Item::Time,
            Self::Date => Item::Date,
            Self::Duration | Self::List(_) => return None,
        }))
    }

    /// The word for it in messages, with its article.
    #[must_use]
    pub fn described(self) -> &'static str {
        match self {
            Self::Bool => "a bool",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Time => "a time",
            Self::Duration => "a duration",
            Self::List(Item::Bool) => "a list of bools",
            Self::List(Item::Number) => "a list of numbers",
            Self::List(Item::Text) => "a list of texts",
            Self::List(Item::Time) => "a list of times",
            Self::List(Item::Date) => "a list of dates",
            Self::Date => "a date",
        }
    }

    /// Reads the name of a type as the configuration writes it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Self::Bool,
            "number" => Self::Number,
            "text" => Self::Text,
            "time" => Self::Time,
            "list" => Self::TEXTS,
            "date" => Self::Date,
            _ => return Self::named(name.strip_prefix("list of ")?)?.listed(),
        })
    }
}

/// One property of the vocabulary.
#[derive(Clone, Debug)]
pub struct PropertySpec {
    /// As producers write it.
    pub name: String,
    /// Its type in every event.
    pub kind: Type,
}

/// One event of the vocabulary.
#[derive(Clone, Debug)]
pub struct EventSpec {
    /// As producers write it.
    pub name: String,
    /// The properties it may carry.
    pub properties: Vec<PropertyId>,
}

/// The first place of a company's own events and properties; those before are ours.
pub const OWN: u16 = 1024;

/// Every event and property that triggers may name.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    events: Words<EventSpec>,
    properties: Words<PropertySpec>,
    event_ids: HashMap<String, EventName, foldhash::fast::FixedState>,
    property_ids: HashMap<String, PropertyId, foldhash::fast::FixedState>,
    /// Properties that are objects, of which what stands in them is declared: `guest`, where `guest.country` is.
    objects: BTreeSet<String>,
    /// Whether `event.name` is what happened, as sets of triggers meant it that were published before a property could be called so.
    name_is_own: bool,
}

/// Words by their places: ours, and a company's own from [`OWN`] on.
#[derive(Clone, Debug)]
struct Words<T> {
    standard: Vec<T>,
    own: Vec<T>,
}

impl<T> Words<T> {
    fn standard(words: impl Iterator<Item = T>) -> Self {
        Self {
            standard: words.collect(),
            own: Vec::new(),
        }
    }

    fn get(&self, place: u16) -> Option<&T> {
        match place.checked_sub(OWN) {
            None => self.standard.get(usize::from(place)),
            Some(place) => self.own.get(usize::from(place)),
        }
    }

    fn get_mut(&mut self, place: u16) -> Option<&mut T> {
        match place.checked_sub(OWN) {
            None => self.standard.get_mut(usize::from(place)),
            Some(place) => self.own.get_mut(usize::from(place)),
        }
    }

    /// Adds one of the company's own.
    fn push(&mut self, word: T) -> Result<u16, DeclareError> {
        let place = self.end();
        if place == u16::MAX {
            return Err(DeclareError::TooMany);
        }
        self.own.push(word);
        Ok(place)
    }

    /// The place behind the last.
    fn end(&self) -> u16 {
        u16::try_from(self.own.len()).map_or(u16::MAX, |own| OWN.saturating_add(own))
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.standard.iter().chain(&self.own)
    }
}

macro_rules! standard_properties {
    ($($id:ident = $name:literal: $kind:ident,)*) => {
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "positions for the constants below")]
        enum PropertyIndex { $($id,)* }
        impl PropertyId {
            $(#[doc = concat!("`", $name, "`")] pub const $id: Self = Self(PropertyIndex::$id as u16);)*
        }
        const PROPERTIES: &[(&str, Type)] = &[$(($name, Type::$kind),)*];
    };
}

macro_rules! standard_events {
    ($($id:ident = $name:literal: [$($property:ident),*],)*) => {
        #[expect(
            non_camel_case_types,
            clippy::upper_case_acronyms, reason = "positions for the constants below")]
        enum EventIndex { $($id,)* }
        impl EventName {
            $(#[doc = concat!("`", $name, "`")] pub const $id: Self = Self(EventIndex::$id as u16);)*
        }
        const EVENTS: &[(&str, &[PropertyId])] = &[$(($name, &[$(PropertyId::$property),*]),)*];
    };
}

standard_properties! {
    ORDER_ID = "order_id": Text,
    CART_ID = "cart_id": Text,
    CHECKOUT_ID = "checkout_id": Text,
    PRODUCT_ID = "product_id": Text,
    SKU = "sku": Text,
    CATEGORY = "category": Text,
    NAME = "name": Text,
    BRAND = "brand": Text,
    VARIANT = "variant": Text,
    PRICE = "price": Number,
    QUANTITY = "quantity": Number,
    COUPON = "coupon": Text,
    POSITION = "position": Number,
    URL = "url": Text,
    CURRENCY = "currency": Text,
    VALUE = "value": Number,
    TOTAL = "total": Number,
    SUBTOTAL = "subtotal": Number,
    REVENUE = "revenue": Number,
    SHIPPING = "shipping": Number,
    TAX = "tax": Number,
    DISCOUNT = "discount": Number,
    AFFILIATION = "affiliation": Text,
    QUERY = "query": Text,
    LIST_ID = "list_id": Text,
    PROMOTION_ID = "promotion_id": Text,
    CREATIVE = "creative": Text,
    STEP = "step": Number,
    SHIPPING_METHOD = "shipping_method": Text,
    PAYMENT_METHOD = "payment_method": Text,
    WISHLIST_ID = "wishlist_id": Text,
    WISHLIST_NAME = "wishlist_name": Text,
    REVIEW_ID = "review_id": Text,
    REVIEW_BODY = "review_body": Text,
    RATING = "rating": Number,
    SHARE_VIA = "share_via": Text,
    SHARE_MESSAGE = "share_message": Text,
    RECIPIENT = "recipient": Text,
    REASON = "reason": Text,
    EMAIL_ID = "email_id": Text,
    EMAIL_SUBJECT = "email_subject": Text,
    CAMPAIGN_ID = "campaign_id": Text,
    CAMPAIGN_NAME = "campaign_name": Text,
    LINK_ID = "link_id": Text,
    LINK_URL = "link_url": Text,
    CONVERSATION_ID = "conversation_id": Text,
    AGENT_ID = "agent_id": Text,
    AGENT_NAME = "agent_name": Text,
    MESSAGE_ID = "message_id": Text,
    CONVERSATION_DURATION = "conversation_duration": Number,
    TITLE = "title": Text,
    PATH = "path": Text,
    REFERRER = "referrer": Text,
    SEARCH = "search": Text,
    TICKET_ID = "ticket_id": Text,
    SUBJECT = "subject": Text,
    PRIORITY = "priority": Text,
    TOPIC = "topic": Text,
    SCORE = "score": Number,
    COMMENT = "comment": Text,
    SURVEY_ID = "survey_id": Text,
    CARRIER = "carrier": Text,
    PROMISED_AT = "promised_at": Time,
    DELIVERED_AT = "delivered_at": Time,
    CHANNEL = "channel": Text,
    TREATMENT_ID = "treatment_id": Text,
    TYPE = "type": Text,
    USERNAME = "username": Text,
    PLAN = "plan": Text,
    FROM_BACKGROUND = "from_background": Bool,
    VERSION = "version": Text,
    FORM_ID = "form_id": Text,
    STORE_ID = "store_id": Text,
    CALL_ID = "call_id": Text,
    CALL_DURATION = "call_duration": Number,
    REFUND_ID = "refund_id": Text,
    STATUS = "status": Text,
    PARCEL_ID = "parcel_id": Text,
    IMAGE_URL = "image_url": Text,
    COUPON_ID = "coupon_id": Text,
    COUPON_NAME = "coupon_name": Text,
    // Of a promotion: a name, where that of a product is a number.
    PROMOTION_POSITION = "position": Text,
    QUESTION = "question": Text,
    ANSWER = "answer": Text,
    TRIP_ID = "trip_id": Text,
    DESTINATION = "destination": Text,
    TRANSPORT = "transport": Text,
    DEPARTS_AT = "departs_at": Time,
    POINTS = "points": Number,
}

const _: () = assert!(PROPERTIES.len() <= OWN as usize && EVENTS.len() <= OWN as usize);

standard_events! {
    // Segment e-commerce spec v2: browsing.
    PRODUCTS_SEARCHED = "Products Searched": [QUERY],
    PRODUCT_LIST_VIEWED = "Product List Viewed": [LIST_ID, CATEGORY],
    PRODUCT_LIST_FILTERED = "Product List Filtered": [LIST_ID, CATEGORY],
    PROMOTION_VIEWED = "Promotion Viewed": [PROMOTION_ID, CREATIVE, NAME, PROMOTION_POSITION],
    PROMOTION_CLICKED = "Promotion Clicked": [PROMOTION_ID, CREATIVE, NAME, PROMOTION_POSITION],
    PRODUCT_CLICKED = "Product Clicked": [PRODUCT_ID, SKU, CATEGORY, NAME, BRAND, VARIANT, PRICE, QUANTITY, COUPON, POSITION, URL, CURRENCY, IMAGE_URL],
    PRODUCT_VIEWED = "Product Viewed": [PRODUCT_ID, SKU, CATEGORY, NAME, BRAND, VARIANT, PRICE, QUANTITY, COUPON, CURRENCY, POSITION, VALUE, URL, IMAGE_URL],
    // Cart and checkout.
    PRODUCT_ADDED = "Product Added": [CART_ID, PRODUCT_ID, SKU, CATEGORY, NAME, BRAND, VARIANT, PRICE, QUANTITY, COUPON, CURRENCY, POSITION, URL, IMAGE_URL],
    PRODUCT_REMOVED = "Product Removed": [CART_ID, PRODUCT_ID, SKU, CATEGORY, NAME, BRAND, VARIANT, PRICE, QUANTITY, COUPON, CURRENCY, POSITION, URL, IMAGE_URL],
    CART_VIEWED = "Cart Viewed": [CART_ID, CURRENCY, VALUE],
    CHECKOUT_STARTED = "Checkout Started": [ORDER_ID, CART_ID, CHECKOUT_ID, AFFILIATION, VALUE, REVENUE, TOTAL, SHIPPING, TAX, DISCOUNT, COUPON, CURRENCY],
    CHECKOUT_STEP_VIEWED = "Checkout Step Viewed": [CHECKOUT_ID, STEP, SHIPPING_METHOD, PAYMENT_METHOD],
    CHECKOUT_STEP_COMPLETED = "Checkout Step Completed": [CHECKOUT_ID, STEP, SHIPPING_METHOD, PAYMENT_METHOD],
    PAYMENT_INFO_ENTERED = "Payment Info Entered": [CHECKOUT_ID, ORDER_ID, STEP, SHIPPING_METHOD, PAYMENT_METHOD],
    COUPON_ENTERED = "Coupon Entered": [ORDER_ID, CART_ID, COUPON, COUPON_ID, COUPON_NAME],
    COUPON_APPLIED = "Coupon Applied": [ORDER_ID, CART_ID, COUPON, NAME, DISCOUNT, COUPON_ID, COUPON_NAME],
    COUPON_DENIED = "Coupon Denied": [ORDER_ID, CART_ID, COUPON, REASON, COUPON_ID, COUPON_NAME],
    COUPON_REMOVED = "Coupon Removed": [ORDER_ID, CART_ID, COUPON, NAME, DISCOUNT, COUPON_ID, COUPON_NAME],
    // Orders.
    ORDER_COMPLETED = "Order Completed": [ORDER_ID, CHECKOUT_ID, CART_ID, AFFILIATION, TOTAL, SUBTOTAL, REVENUE, VALUE, SHIPPING, TAX, DISCOUNT, COUPON, CURRENCY, CHANNEL, PAYMENT_METHOD, SHIPPING_METHOD],
    ORDER_UPDATED = "Order Updated": [ORDER_ID, AFFILIATION, TOTAL, SUBTOTAL, REVENUE, SHIPPING, TAX, DISCOUNT, COUPON, CURRENCY],
    ORDER_REFUNDED = "Order Refunded": [ORDER_ID, TOTAL, CURRENCY, REFUND_ID, STATUS, REVENUE, VALUE, REASON, AFFILIATION],
    ORDER_CANCELLED = "Order Cancelled": [ORDER_ID, AFFILIATION, TOTAL, SUBTOTAL, REVENUE, SHIPPING, TAX, DISCOUNT, COUPON, CURRENCY, REASON],
    // Wish list, sharing, reviewing.
    PRODUCT_ADDED_TO_WISHLIST = "Product Added to Wishlist": [WISHLIST_ID, WISHLIST_NAME, PRODUCT_ID, SKU, CATEGORY, NAME, BRAND, VARIANT, PRICE, QUANTITY, COUPON, POSITION, URL, IMAGE_URL],
    PRODUCT_REMOVED_FROM_WISHLIST = "Product Removed from Wishlist": [WISHLIST_ID, WISHLIST_NAME, PRODUCT_ID, SKU, CATEGORY, NAME, BRAND, VARIANT, PRICE, QUANTITY, COUPON, POSITION, URL, IMAGE_URL],
    WISHLIST_PRODUCT_ADDED_TO_CART = "Wishlist Product Added to Cart": [WISHLIST_ID, WISHLIST_NAME, CART_ID, PRODUCT_ID, SKU, CATEGORY, NAME, BRAND, VARIANT, PRICE, QUANTITY, COUPON, POSITION, URL, IMAGE_URL],
    PRODUCT_SHARED = "Product Shared": [SHARE_VIA, SHARE_MESSAGE, RECIPIENT, PRODUCT_ID, SKU, CATEGORY, NAME, BRAND, VARIANT, PRICE, URL, IMAGE_URL],
    CART_SHARED = "Cart Shared": [SHARE_VIA, SHARE_MESSAGE, RECIPIENT, CART_ID],
    PRODUCT_REVIEWED = "Product Reviewed": [PRODUCT_ID, REVIEW_ID, REVIEW_BODY, RATING],
    // Segment e-mail spec; push from its mobile spec.
    EMAIL_DELIVERED = "Email Delivered": [EMAIL_ID, EMAIL_SUBJECT, CAMPAIGN_ID, CAMPAIGN_NAME, TREATMENT_ID],
    EMAIL_OPENED = "Email Opened": [EMAIL_ID, EMAIL_SUBJECT, CAMPAIGN_ID, CAMPAIGN_NAME, TREATMENT_ID],
    EMAIL_LINK_CLICKED = "Email Link Clicked": [EMAIL_ID, EMAIL_SUBJECT, CAMPAIGN_ID, CAMPAIGN_NAME, LINK_ID, LINK_URL, TREATMENT_ID],
    EMAIL_BOUNCED = "Email Bounced": [EMAIL_ID, EMAIL_SUBJECT, CAMPAIGN_ID, CAMPAIGN_NAME, TREATMENT_ID],
    EMAIL_MARKED_AS_SPAM = "Email Marked as Spam": [EMAIL_ID, EMAIL_SUBJECT, CAMPAIGN_ID, CAMPAIGN_NAME, TREATMENT_ID],
    UNSUBSCRIBED = "Unsubscribed": [EMAIL_ID, EMAIL_SUBJECT, CAMPAIGN_ID, CAMPAIGN_NAME, CHANNEL, LIST_ID, TREATMENT_ID],
    PUSH_NOTIFICATION_RECEIVED = "Push Notification Received": [CAMPAIGN_ID, CAMPAIGN_NAME, TREATMENT_ID],
    PUSH_NOTIFICATION_TAPPED = "Push Notification Tapped": [CAMPAIGN_ID, CAMPAIGN_NAME, TREATMENT_ID],
    PUSH_NOTIFICATION_BOUNCED = "Push Notification Bounced": [CAMPAIGN_ID, CAMPAIGN_NAME, TREATMENT_ID],
    APPLICATION_OPENED = "Application Opened": [FROM_BACKGROUND, URL, VERSION],
    // Segment live-chat spec.
    LIVE_CHAT_CONVERSATION_STARTED = "Live Chat Conversation Started": [AGENT_ID, AGENT_NAME, CONVERSATION_ID, MESSAGE_ID],
    LIVE_CHAT_MESSAGE_SENT = "Live Chat Message Sent": [AGENT_ID, AGENT_NAME, CONVERSATION_ID, MESSAGE_ID],
    LIVE_CHAT_MESSAGE_RECEIVED = "Live Chat Message Received": [AGENT_ID, AGENT_NAME, CONVERSATION_ID, MESSAGE_ID],
    LIVE_CHAT_CONVERSATION_ENDED = "Live Chat Conversation Ended": [AGENT_ID, AGENT_NAME, CONVERSATION_ID, CONVERSATION_DURATION],
    // Segment B2B SaaS spec.
    SIGNED_UP = "Signed Up": [TYPE, USERNAME, NAME, PLAN, CHANNEL],
    // Segment page and screen calls, and identify, as events of their own.
    PAGE_VIEWED = "Page Viewed": [NAME, CATEGORY, TITLE, PATH, URL, REFERRER, SEARCH],
    SCREEN_VIEWED = "Screen Viewed": [NAME, CATEGORY],
    IDENTIFY = "Identify": [],
    // Ours: no public spec names these.
    SUPPORT_TICKET_OPENED = "Support Ticket Opened": [TICKET_ID, ORDER_ID, SUBJECT, PRIORITY, TOPIC, CHANNEL],
    SUPPORT_TICKET_SOLVED = "Support Ticket Solved": [TICKET_ID, ORDER_ID, SUBJECT, PRIORITY, TOPIC, CHANNEL],
    NPS_ANSWERED = "NPS Answered": [SCORE, COMMENT, SURVEY_ID, ORDER_ID, CHANNEL, TREATMENT_ID],
    ORDER_SHIPPED = "Order Shipped": [ORDER_ID, CARRIER, PROMISED_AT, PARCEL_ID],
    ORDER_DELIVERED = "Order Delivered": [ORDER_ID, CARRIER, PROMISED_AT, DELIVERED_AT, PARCEL_ID],
    DELIVERY_FAILED = "Delivery Failed": [ORDER_ID, CARRIER, PROMISED_AT, REASON, PARCEL_ID],
    // Removes the customer.
    CUSTOMER_ERASED = "Customer Erased": [],
    CONTENT_SHARED = "Content Shared": [SHARE_VIA, SHARE_MESSAGE, RECIPIENT, NAME, CATEGORY, URL],
    FILE_DOWNLOADED = "File Downloaded": [NAME, CATEGORY, URL],
    FORM_SUBMITTED = "Form Submitted": [FORM_ID, NAME, CATEGORY, URL, TREATMENT_ID],
    CALCULATOR_USED = "Calculator Used": [NAME, CATEGORY, VALUE, URL],
    QUIZ_COMPLETED = "Quiz Completed": [NAME, CATEGORY, SCORE, URL, TREATMENT_ID],
    STORE_VISITED = "Store Visited": [STORE_ID, NAME],
    CALL_ENDED = "Call Ended": [CALL_ID, AGENT_ID, AGENT_NAME, TOPIC, ORDER_ID, CALL_DURATION],
    // What happens to everybody.
    PRODUCT_RESTOCKED = "Product Restocked": [PRODUCT_ID, SKU, CATEGORY, NAME, BRAND, VARIANT, PRICE, CURRENCY, URL],
    PRICE_DROPPED = "Price Dropped": [PRODUCT_ID, SKU, CATEGORY, NAME, BRAND, VARIANT, PRICE, DISCOUNT, CURRENCY, URL],
    SPOT_AIRED = "Spot Aired": [NAME, CATEGORY, CHANNEL, CAMPAIGN_ID, CAMPAIGN_NAME],
    // Segment's alias call: another id of hers.
    ALIAS = "Alias": [],
    // Her telephone says that she is near a point of sale.
    STORE_REGION_ENTERED = "Store Region Entered": [STORE_ID, NAME],
    // On a page or in an app, as Braze and OneSignal name them.
    IN_APP_MESSAGE_VIEWED = "In-App Message Viewed": [CAMPAIGN_ID, CAMPAIGN_NAME, TREATMENT_ID],
    IN_APP_MESSAGE_CLICKED = "In-App Message Clicked": [CAMPAIGN_ID, CAMPAIGN_NAME, LINK_ID, LINK_URL, TREATMENT_ID],
    IN_APP_MESSAGE_DISMISSED = "In-App Message Dismissed": [CAMPAIGN_ID, CAMPAIGN_NAME, TREATMENT_ID],
    // One question of a pop-up, a poll or an agent, and what she said.
    QUESTION_ANSWERED = "Question Answered": [QUESTION, ANSWER],
    TRIP_PLANNED = "Trip Planned": [TRIP_ID, DESTINATION, TRANSPORT, DEPARTS_AT],
    // The loyalty account: what came in, and what she spent of it.
    POINTS_EARNED = "Points Earned": [POINTS, REASON, ORDER_ID],
    POINTS_REDEEMED = "Points Redeemed": [POINTS, ORDER_ID],
    // Ours, made here of an event that brings a code (`src/engine/referral.rs`): to whose code it is, and to who brought it.
    FRIEND_REFERRED = "Friend Referred": [NAME, COUPON],
    REFERRAL_ACCEPTED = "Referral Accepted": [NAME, COUPON],
    REFERRAL_REFUSED = "Referral Refused": [NAME, COUPON, REASON],
}

/// Other names under which properties come. A company that declares one of them has its own.
const OTHER_NAMES: [(&str, PropertyId); 1] = [("estimated_delivery", PropertyId::PROMISED_AT)];

/// Attributes that are known without being declared, as customers have them whatever the trade. A company adds its own in the
/// configuration (`[attributes]`), and may give these another type there.
const ATTRIBUTES: [(&str, Type); 2] = [("birthday", Type::Date), ("region", Type::Text)];

/// What is known of customers beside the fields of the profile: a company's own attributes, and those that it need not declare. No set
/// is another by these.
pub fn attributes(own: &BTreeMap<String, Type>) -> impl Iterator<Item = (&str, Type)> {
    let standard = ATTRIBUTES.iter().copied();
    let standard = standard.filter(|(name, _)| !own.contains_key(*name));
    standard.chain(own.iter().map(|(name, kind)| (name.as_str(), *kind)))
}

/// The type of one of these [`attributes`].
#[must_use]
pub fn attribute(own: &BTreeMap<String, Type>, name: &str) -> Option<Type> {
    let mut standard = ATTRIBUTES.iter();
    let standard = || standard.find_map(|(known, kind)| (*known == name).then_some(*kind));
    own.get(name).copied().or_else(standard)
}

/// Whether an attribute is an object of which what stands in it is declared.
#[must_use]
pub fn attribute_is_object(own: &BTreeMap<String, Type>, name: &str) -> bool {
    let mut own = own.keys();
    own.any(|own| {
        own.split_once('.')
            .is_some_and(|(object, _)| object == name)
    })
}

/// Why an event or property of the configuration cannot join the vocabulary.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DeclareError {
    /// The name has another type already.
    #[error(
        "property `{property}` of event `{event}` is declared as {wanted} but is {known} in every event that carries it"
    )]
    OtherType {
        /// The event being declared.
        event: String,
        /// Its property.
        property: String,
        /// What was asked for.
        wanted: &'static str,
        /// What it is.
        known: &'static str,
    },
    /// There are more names than an index can hold.
    #[error("too many events or properties of your own: at most {} of each", u16::MAX - OWN)]
    TooMany,
}

impl EventName {
    /// An event whose name the vocabulary does not have: the customer was seen, no more.
    pub const OTHER: Self = Self(u16::MAX);
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self::standard()
    }
}

impl Vocabulary {
    /// The names above.
    #[must_use]
    pub fn standard() -> Self {
        let properties = Words::standard(PROPERTIES.iter().map(|(name, kind)| PropertySpec {
            name: (*name).to_owned(),
            kind: *kind,
        }));
        let events = Words::standard(EVENTS.iter().map(|(name, properties)| EventSpec {
            name: (*name).to_owned(),
            properties: properties.to_vec(),
        }));
        let mut vocabulary = Self {
            events,
            properties,
            event_ids: HashMap::default(),
            property_ids: HashMap::default(),
            objects: BTreeSet::new(),
            name_is_own: false,
        };
        vocabulary.event_ids = (0u16..)
            .zip(vocabulary.events.iter())
            .map(|(i, event)| (event.name.clone(), EventName(i)))
            .collect();
        // Of two with one name, the first is that of most events.
        for (i, property) in (0u16..).zip(vocabulary.properties.iter()) {
            let ids = &mut vocabulary.property_ids;
            ids.entry(property.name.clone()).or_insert(PropertyId(i));
        }
        vocabulary
    }

    /// The same, for triggers to which `event.name` is what happened, whatever properties it has.
    #[must_use]
    pub fn with_own_names(self) -> Self {
        Self {
            name_is_own: true,
            ..self
        }
    }

    /// Whether `event.name` is the property in these events.
    #[must_use]
    pub fn name_is_property(&self, events: &[EventName]) -> bool {
        let mut specs = events.iter().filter_map(|event| self.event(*event));
        !self.name_is_own && specs.any(|spec| spec.properties.contains(&PropertyId::NAME))
    }

    /// The events that tell revisions of a set apart: a company's own, or with properties of its own; and of ours those that were
    /// there when revisions were first kept. A word that a later build adds changes no set from before it.
    pub fn digested(&self) -> impl Iterator<Item = &EventSpec> {
        let first = usize::from(EventName::CALL_ENDED.0) + 1;
        let ours = self.events.standard.iter().zip(EVENTS).enumerate();
        let ours = ours.filter(move |(place, (event, (_, standard)))| {
            *place < first || event.properties.len() > standard.len()
        });
        ours.map(|(_, (event, _))| event).chain(&self.events.own)
    }

    /// Those of an event's properties that tell revisions apart, too: a company's own; and of ours those that it had when revisions
    /// were first kept, which stand before the first that is younger.
    pub fn digested_properties(event: &EventSpec) -> impl Iterator<Item = PropertyId> {
        let mut is_younger = false;
        let properties = event.properties.iter().map(|id| match *id {
            // That of a promotion was a number, too.
            PropertyId::PROMOTION_POSITION => PropertyId::POSITION,
            id => id,
        });
        let answers = ["NPS Answered", "Form Submitted", "Quiz Completed"];
        let is_answer = answers.contains(&event.name.as_str());
        properties.filter(move |id| {
            // An answer to a treatment is younger than the property.
            is_younger |= is_answer && *id == PropertyId::TREATMENT_ID;
            is_younger |= id.0 < OWN && *id > PropertyId::CALL_DURATION;
            id.0 >= OWN || !is_younger
        })
    }

    /// Adds a company's own event, or properties to an event that exists.
    ///
    /// # Errors
    /// Where a property already has another type, or there are too many names.
    pub fn declare(
        &mut self,
        event: &str,
        properties: &[(String, Type)],
    ) -> Result<EventName, DeclareError> {
        let mut ids = Vec::with_capacity(properties.len());
        for (name, kind) in properties {
            ids.push(self.declare_property(event, name, *kind)?);
        }
        let name = match self.event_ids.get(event) {
            Some(name) => *name,
            None => {
                let name = EventName(self.events.push(EventSpec {
                    name: event.to_owned(),
                    properties: Vec::new(),
                })?);
                self.event_ids.insert(event.to_owned(), name);
                name
            }
        };
        if let Some(event) = self.events.get_mut(name.0) {
            ids.retain(|id| !event.properties.contains(id));
            event.properties.extend(ids);
        }
        Ok(name)
    }

    fn declare_property(
        &mut self,
        event: &str,
        name: &str,
        kind: Type,
    ) -> Result<PropertyId, DeclareError> {
        if let Some(id) = self.property_ids.get(name) {
            let known = self.property(*id).kind;
            if known != kind {
                return Err(DeclareError::OtherType {
                    event: event.to_owned(),
                    property: name.to_owned(),
                    wanted: kind.described(),
                    known: known.described(),
                });
            }
            return Ok(*id);
        }
        let id = PropertyId(self.properties.push(PropertySpec {
            name: name.to_owned(),
            kind,
        })?);
        self.property_ids.insert(name.to_owned(), id);
        if let Some((object, _)) = name.split_once('.') {
            self.objects.insert(object.to_owned());
        }
        Ok(id)
    }

    /// The index of an event name.
    #[must_use]
    pub fn event_named(&self, name: &str) -> Option<EventName> {
        self.event_ids.get(name).copied()
    }

    /// The index of a property name, or of another name that it has.
    #[must_use]
    pub fn property_named(&self, name: &str) -> Option<PropertyId> {
        let mut others = OTHER_NAMES.iter();
        let other = || others.find_map(|(other, id)| (*other == name).then_some(*id));
        self.property_ids.get(name).copied().or_else(other)
    }

    /// Whether a property is called so by another name: where both are said, its own counts.
    #[must_use]
    pub fn is_other_name(&self, name: &str, id: PropertyId) -> bool {
        self.property(id).name != name
    }

    /// Whether a property is an object of which what stands in it is declared.
    #[must_use]
    pub fn is_object(&self, name: &str) -> bool {
        self.objects.contains(name)
    }

    /// The index of a property name in an event: of two with one name, that which the event carries.
    #[must_use]
    pub fn property_of(&self, event: &EventSpec, name: &str) -> Option<PropertyId> {
        let mut carried = event.properties.iter().copied();
        let carried = carried.find(|id| self.property(*id).name == name);
        carried.or_else(|| self.property_named(name))
    }

    /// What an event name stands for; for [`EventName::OTHER`], an event without properties.
    #[must_use]
    pub fn event(&self, name: EventName) -> Option<&EventSpec> {
        self.events.get(name.0)
    }

    /// What a property id stands for. Ids come from this vocabulary, so there always is one.
    #[must_use]
    pub fn property(&self, id: PropertyId) -> &PropertySpec {
        #[expect(
            clippy::expect_used,
            reason = "ids are given out with their properties"
        )]
        self.properties.get(id.0).expect("an id of this vocabulary")
    }

    /// All properties, in order.
    pub fn properties(&self) -> impl Iterator<Item = &PropertySpec> {
        self.properties.iter()
    }

    /// All events, in order.
    pub fn events(&self) -> impl Iterator<Item = &EventSpec> {
        self.events.iter()
    }

    /// The place behind that of the last event, for tables by event.
    #[must_use]
    pub fn events_end(&self) -> usize {
        usize::from(self.events.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_stand_for_their_names() {
        let vocabulary = Vocabulary::standard();
        assert_eq!(
            vocabulary.event_named("Order Completed"),
            Some(EventName::ORDER_COMPLETED)
        );
        assert_eq!(
            vocabulary.property_named("version"),
            Some(PropertyId::VERSION)
        );
        assert_eq!(vocabulary.property(PropertyId::TOTAL).kind, Type::Number);
        assert_eq!(
            vocabulary.event(EventName::DELIVERY_FAILED).unwrap().name,
            "Delivery Failed"
        );
        assert!(vocabulary.event(EventName::OTHER).is_none());
    }

    #[test]
    fn a_company_adds_its_own_but_cannot_change_a_type() {
        let mut vocabulary = Vocabulary::standard();
        let own = [
            ("showroom".to_owned(), Type::Text),
            ("price".to_owned(), Type::Number),
        ];
        let name = vocabulary.declare("Test Drive Booked", &own).unwrap();
        assert_eq!(vocabulary.event(name).unwrap().properties.len(), 2);
        assert_eq!(name, EventName(OWN));
        assert_eq!(vocabulary.events_end(), usize::from(OWN) + 1);
        assert_eq!(vocabulary.event_named("Test Drive Booked"), Some(name));
        let showroom = vocabulary.property_named("showroom");
        assert_eq!(showroom, Some(PropertyId(OWN)));
        let wrong = vocabulary.declare("Test Drive Booked", &[("price".to_owned(), Type::Text)]);
        assert!(
            wrong
                .unwrap_err()
                .to_string()
                .contains("is declared as a text but is a number")
        );
    }

    #[test]
    fn another_name_stands_for_a_property_until_a_company_declares_it() {
        let mut vocabulary = Vocabulary::standard();
        let named = |vocabulary: &Vocabulary| vocabulary.property_named("estimated_delivery");
        assert_eq!(named(&vocabulary), Some(PropertyId::PROMISED_AT));
        let own = [("estimated_delivery".to_owned(), Type::Text)];
        vocabulary.declare("Order Shipped", &own).unwrap();
        assert_eq!(named(&vocabulary), Some(PropertyId(OWN)));
        let promised = vocabulary.property_named("promised_at");
        assert_eq!(promised, Some(PropertyId::PROMISED_AT));
    }

    #[test]
    fn an_attribute_of_the_companys_stands_before_the_one_that_need_not_be_declared() {
        let own = BTreeMap::from([
            ("birthday".to_owned(), Type::Text),
            ("tier".to_owned(), Type::Text),
        ]);
        let of = |name| attribute(&own, name);
        assert_eq!(
            ["birthday", "region", "tier", "vip"].map(of),
            [Some(Type::Text), Some(Type::Text), Some(Type::Text), None]
        );
        assert_eq!(attribute(&BTreeMap::new(), "birthday"), Some(Type::Date));
        let all: Vec<_> = attributes(&own).map(|(name, _)| name).collect();
        assert_eq!(all, ["region", "birthday", "tier"]);
    }
}

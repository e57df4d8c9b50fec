//! How decisions and treatments are written for their topics: as JSON, or as Avro with the id that the registry gave our schema;
//! and either as a CloudEvent where asked ([`cloud_event`]).

pub mod avro;
pub mod cloud_event;
pub mod figures;

use std::sync::Arc;

use self::cloud_event::{Published, Publishing};
use crate::avro::local::Version;
use crate::event::record::SchemaId;
use crate::treatment::{CommandOf, Decision, Order, WithdrawalOf, json};

/// Writes decisions and treatments.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    publishing: Arc<Publishing>,
    treatments: Form,
    decisions: Form,
}

/// How records of a topic are written.
#[derive(Clone, Debug, Default)]
pub enum Form {
    /// As JSON.
    #[default]
    Json,
    /// As Avro, headed by the id of its schema.
    Avro(Arc<avro::Writer>),
}

impl Form {
    /// Avro by one of our schemas, which the registry knows by this id.
    #[must_use]
    pub fn avro(version: &Version, id: SchemaId) -> Self {
        Self::Avro(Arc::new(avro::Writer::new(version, id)))
    }

    /// The media type of what it writes.
    fn media_type(&self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Avro(_) => "application/avro",
        }
    }
}

impl Encoder {
    /// Writes treatments and decisions in these forms, wrapped as `publishing` says.
    #[must_use]
    pub fn new(publishing: Publishing, treatments: Form, decisions: Form) -> Self {
        Self {
            publishing: Arc::new(publishing),
            treatments,
            decisions,
        }
    }

    /// In JSON, whatever is configured.
    #[must_use]
    pub fn json(publishing: Publishing) -> Self {
        Self {
            publishing: Arc::new(publishing),
            ..Self::default()
        }
    }

    /// What goes to the decisions topic.
    #[must_use]
    pub fn decision(&self, decision: &Decision) -> Published {
        let value = match &self.decisions {
            Form::Json => decision.to_json(),
            Form::Avro(writer) => writer.decision(decision),
        };
        let media_type = self.decisions.media_type();
        self.publishing.decision(decision, value, media_type)
    }

    /// What goes to the treatments topic: a command, or one that takes one back, where there is any.
    #[must_use]
    pub fn treatment(&self, decision: &Decision) -> Option<Published> {
        let order = decision.order()?;
        let value = match (&self.treatments, order) {
            (Form::Json, Order::Treatment(command)) => json(&CommandOf { decision, command }),
            (Form::Json, Order::Withdrawal(withdrawal)) => json(&WithdrawalOf {
                decision,
                withdrawal,
            }),
            (Form::Avro(writer), order) => writer.treatment(decision, order),
        };
        let media_type = self.treatments.media_type();
        Some(
            self.publishing
                .treatment(decision, order, value, media_type),
        )
    }
}

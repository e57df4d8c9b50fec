//! Traces, where they are asked for: from a record to the commands it caused, sent by OTLP over HTTP.
//!
//! A command that goes on with the trace of a record brings two spans: `process TOPIC`, a child of the span that the
//! record's producer named, from the append of the record to the commit; and below it `send TOPIC`, which has the id that
//! stands in the command's own `traceparent`, so that what the campaign tool does hangs below it. Any other command brings
//! the second alone, as the root of a trace of its own. Ids are derived, so what is decided again has the same.
//!
//! Spans are made when their transaction is committed. Whether a trace is recorded is said by its producer, in the flags.
//! They wait in a bounded queue for a thread that sends them; where it is full, they are dropped. Nothing waits for them.
//! Deliberately absent: who the customer is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _,
};
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use xxhash_rust::xxh3::xxh3_64;

use crate::task::transaction::{Cause, Out, Sink, Traced, Transaction, context};
use crate::time::Timestamp;
use crate::treatment::TraceContext;

/// Spans that wait: ten seconds of a hundred commands a second, in about a megabyte.
const QUEUE_SPANS: usize = 2_048;
/// How long a span waits for others.
const DELAY: Duration = Duration::from_secs(1);
/// How long one attempt to send may take, and stopping at the end.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Where a collector takes traces.
const PATH: &str = "/v1/traces";

/// Sends spans to a collector.
#[derive(Debug)]
pub struct Traces {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
}

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error(
    "telemetry.otlp_endpoint = {endpoint:?}: {source}; expected a collector's address, such as http://127.0.0.1:4318"
)]
pub struct TracesError {
    endpoint: String,
    source: ExporterBuildError,
}

impl Traces {
    /// Starts the thread that sends to a collector at `endpoint`, in the name of the application.
    ///
    /// # Errors
    /// Where the endpoint is no address.
    pub fn start(endpoint: &str, application: &str) -> Result<Self, TracesError> {
        let base = endpoint.trim_end_matches('/');
        let address = format!("{}{PATH}", base.trim_end_matches(PATH));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(address)
            .with_timeout(TIMEOUT)
            .with_http_client(Http::new())
            .build()
            .map_err(|source| TracesError {
                endpoint: endpoint.to_owned(),
                source,
            })?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE_SPANS)
            .with_scheduled_delay(DELAY)
            .build();
        let mut processor = BatchSpanProcessor::builder(exporter)
            .with_batch_config(config)
            .build();
        let resource = Resource::builder_empty()
            .with_service_name(application.to_owned())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        processor.set_resource(&resource);
        let scope = InstrumentationScope::builder("moments").build();
        Ok(Self { processor, scope })
    }

    /// A transaction was committed at `now`; `topic` names where a record went.
    pub fn committed<'a>(
        &self,
        transaction: &'a Transaction,
        topic: impl Fn(&'a Sink) -> String,
        now: Timestamp,
    ) {
        let commands = transaction
            .records
            .iter()
            .filter(|record| matches!(record.sink, Sink::Treatments(_)));
        let mut processed = SpanId::INVALID;
        for (command, cause) in commands.zip(&transaction.causes) {
            let Some(context) = context(&command.headers).filter(|found| found.is_sampled()) else {
                continue;
            };
            let parent = cause
                .traced
                .as_ref()
                .map(|traced| self.process(traced, now));
            let span = SpanData {
                parent_span_id: parent.as_ref().map_or(SpanId::INVALID, id),
                ..self.send(command, &topic(&command.sink), cause, context, now)
            };
            self.processor.on_end(span);
            // Several commands of one record stand below one span.
            if let Some(parent) = parent.filter(|parent| id(parent) != processed) {
                processed = id(&parent);
                self.processor.on_end(parent);
            }
        }
    }

    /// Sends what waits, and ends the thread.
    pub fn stop(&self) {
        if let Err(error) = self.processor.shutdown_with_timeout(TIMEOUT) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }

    /// What was made of a record.
    fn process(&self, traced: &Traced, now: Timestamp) -> SpanData {
        let place = format!("{}/{}/{}", traced.topic, traced.partition, traced.offset);
        let context = TraceContext {
            span_id: xxh3_64(place.as_bytes()).max(1),
            ..traced.context
        };
        SpanData {
            parent_span_id: SpanId::from(traced.context.span_id),
            parent_span_is_remote: true,
            span_kind: SpanKind::Consumer,
            attributes: vec![
                KeyValue::new("messaging.system", "kafka"),
                KeyValue::new("messaging.operation.type", "process"),
                KeyValue::new("messaging.destination.name", traced.topic.clone()),
                KeyValue::new(
                    "messaging.destination.partition.id",
                    traced.partition.to_string(),
                ),
                KeyValue::new("messaging.kafka.offset", traced.offset),
            ],
            ..self.span(
                format!("process {}", traced.topic),
                context,
                traced.appended,
                now,
            )
        }
    }

    /// A command that was sent.
    fn send(
        &self,
        command: &Out,
        topic: &str,
        cause: &Cause,
        context: TraceContext,
        now: Timestamp,
    ) -> SpanData {
        let header = |name: &str| {
            let value = command.headers.iter().find(|(found, _)| found == name);
            let value = value
                .and_then(|(_, value)| value.as_deref())
                .unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        SpanData {
            span_kind: SpanKind::Producer,
            attributes: vec![
                KeyValue::new("messaging.system", "kafka"),
                KeyValue::new("messaging.operation.type", "send"),
                KeyValue::new("messaging.destination.name", topic.to_owned()),
                KeyValue::new("messaging.message.id", header("id")),
                KeyValue::new("moments.trigger", header("trigger")),
            ],
            ..self.span(format!("send {topic}"), context, cause.arrived, now)
        }
    }

    /// A span without a parent.
    fn span(
        &self,
        name: String,
        context: TraceContext,
        from: Timestamp,
        to: Timestamp,
    ) -> SpanData {
        SpanData {
            span_context: SpanContext::new(
                TraceId::from(context.trace_id),
                SpanId::from(context.span_id),
                TraceFlags::new(context.flags),
                false,
                TraceState::NONE,
            ),
            parent_span_id: SpanId::INVALID,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: instant(from.min(to)),
            end_time: instant(to),
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

/// What is sent with, on the thread of the queue.
#[derive(Debug)]
struct Http(ureq::Agent);

impl Http {
    fn new() -> Self {
        let tls = TlsConfig::builder()
            .provider(TlsProvider::NativeTls)
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let config = ureq::Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            // What a status means is known to who asks.
            .http_status_as_error(false)
            .build();
        Self(config.into())
    }
}

#[async_trait]
impl HttpClient for Http {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let request = Request::from_parts(parts, body.to_vec());
        let (parts, mut body) = self.0.run(request)?.into_parts();
        Ok(Response::from_parts(parts, body.read_to_vec()?.into()))
    }
}

fn id(span: &SpanData) -> SpanId {
    span.span_context.span_id()
}

fn instant(time: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(time.0).unwrap_or(0))
}

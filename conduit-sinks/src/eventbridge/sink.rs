//! The EventBridge sink.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_eventbridge::Client;
use conduit_core::{Delivery, Record, RecordBatch, Sink, SinkError, SinkErrorKind, SinkLimits, Tested};
use tokio::sync::OnceCell;
use tokio::time::{self, Instant};
use url::Url;

use super::bus::Bus;
use super::bus_check::{self, BusCheck, CheckOnce};
use super::entry::{self, Template};
use super::outgoing::Outgoing;
use super::{EventBridgeClient, EventBridgeConfig, answer, error};
use crate::{ConfigFault, InvalidConfig};

/// How many deliveries one destination gets at the same time: at 30 ms a call, as many events a second as the largest
/// regions allow by default.
pub const CONCURRENCY: usize = 32;

/// Most entries in one call.
pub const MAX_ENTRIES: usize = 10;

/// How much longer the engine waits than a delivery takes, so that it hears what became of the calls that were answered.
const GRACE: Duration = Duration::from_secs(1);

/// Puts each record as an event on one bus, up to ten a call.
///
/// The event: `detail` is the record's JSON, `detail-type` its type (`INSERT`, `MODIFY`, `REMOVE`) unless configured,
/// `source` as configured, `time` the record's timestamp, of which EventBridge keeps the seconds, `resources` the
/// collection's name. EventBridge gives each event an id of its own; a repeat is told by `detail.eventID`.
///
/// **Size.** AWS counts 14 bytes for an entry's time and the bytes of its source, detail type, detail and resource, and
/// limits the sum over a call. [`max_request_bytes`](EventBridgeConfig::max_request_bytes) is never exceeded: a delivery
/// whose entries do not fit together becomes several calls, in order. [`SinkLimits::max_bytes`] cannot do it alone, since
/// what counts besides the record depends on the collection. A record that does not fit by itself is a dead letter at once.
///
/// **Order.** Records of one key leave in order, one delivery after the other, and never two in one call, where the second
/// could be accepted without the first. The bus promises no order to what reads from it.
///
/// **The bus** is asked for (`DescribeEventBus`) before the first delivery, since AWS can drop events to one that does not
/// exist without an error. Without the permission to ask, a warning is logged and deliveries go on; without an answer, they
/// go on and it is asked again after 30 seconds.
///
/// | answer | outcome |
/// |---|---|
/// | an entry with an event id | delivered |
/// | throttling, of an entry or the call; 429 | `Throttled`, at most [`MAX_RETRY_AFTER`](super::MAX_RETRY_AFTER) if the answer says how long |
/// | access denied, not authorized for the source, refused or missing credentials, no such bus; 3xx, 401, 403, 404, 407 | `Unauthorized` |
/// | no answer within the time-out; 408 | `Timeout` |
/// | an internal failure, of an entry or the call; 5xx; no connection, or one that breaks; an answer that does not fit the call | `Unavailable` |
/// | `MalformedDetail` of an entry; an entry over the size limit | `Undeliverable` |
/// | `InvalidArgument` and whatever else of an entry; a call that is not valid; other 4xx | `Rejected` |
///
/// Entries fail alone: the others of the call are delivered. The SDK does not retry. Messages quote at most 200 characters
/// of what AWS said, without the session token.
pub struct EventBridgeSink {
    bus: Bus,
    template: Template,
    max_request_bytes: usize,
    timeout: Duration,
    client: EventBridgeClient,
    connected: OnceCell<Client>,
    checked: CheckOnce,
}

impl EventBridgeSink {
    /// Makes a sink with connections of its own. Nothing is read or asked before the first delivery.
    ///
    /// # Errors
    /// With every fault of the configuration.
    pub fn new(config: EventBridgeConfig) -> Result<Self, InvalidConfig> {
        Self::with_client(config, EventBridgeClient::new())
    }

    /// Makes a sink that shares the connections and the credentials of `client`.
    ///
    /// # Errors
    /// With every fault of the configuration.
    pub fn with_client(config: EventBridgeConfig, client: EventBridgeClient) -> Result<Self, InvalidConfig> {
        let bus = config.check()?;
        let endpoint = bus.endpoint().and_then(|endpoint| Url::parse(endpoint).ok());
        if let Some(Err(refused)) = endpoint.map(|url| client.egress().check_url(&url)) {
            return Err(InvalidConfig::new(vec![ConfigFault::new(
                "endpoint",
                refused.to_string(),
            )]));
        }
        Ok(Self {
            template: Template {
                event_bus_name: bus.name().to_owned(),
                source: config.source,
                detail_type: config.detail_type,
                format: config.format,
            },
            bus,
            max_request_bytes: config.max_request_bytes,
            timeout: config.timeout,
            client,
            connected: OnceCell::new(),
            checked: CheckOnce::default(),
        })
    }

    /// Asks whether the bus exists, as deliveries do before the first of them. Dropping the future changes nothing.
    ///
    /// # Errors
    /// If there is no answer to that: as a delivery that failed as a whole.
    pub async fn check_bus(&self) -> Result<BusCheck, SinkError> {
        let asking = async {
            let client = self.connected().await?;
            bus_check::ask(client, &self.bus).await
        };
        match time::timeout(self.timeout, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(self.no_answer()),
        }
    }

    async fn connected(&self) -> Result<&Client, SinkError> {
        self.connected
            .get_or_try_init(|| Box::pin(self.client.connect(&self.bus)))
            .await
    }

    /// Makes one call and returns which of its records failed, by their index in the batch.
    async fn put(
        &self,
        client: &Client,
        batch: &RecordBatch,
        indexes: &[usize],
    ) -> Result<Vec<(usize, SinkError)>, SinkError> {
        let records = indexes.iter().filter_map(|index| batch.records().get(*index));
        let entries: Option<Vec<_>> = records.map(|record| self.template.entry(record)).collect();
        let Some(entries) = entries.filter(|entries| entries.len() == indexes.len()) else {
            return Err(SinkError::undeliverable("a record's JSON is not UTF-8"));
        };
        let outgoing = Outgoing::new(batch);
        let request = client.put_events().set_entries(Some(entries));
        let request = request.customize().interceptor(outgoing.clone());
        let answer = match Box::pin(request.send()).await {
            Ok(answer) => answer,
            Err(refusal) => return Err(error::of_call(refusal, &self.bus, outgoing.token())),
        };
        let failures = answer::failures(&answer, indexes.len(), &self.bus, outgoing.token())?;
        Ok(failures
            .into_iter()
            .filter_map(|(place, error)| Some((*indexes.get(place)?, error.with_status(200))))
            .collect())
    }

    /// Makes the calls of a delivery one after the other.
    async fn put_all(
        &self,
        client: &Client,
        batch: &RecordBatch,
        plan: Plan,
        deadline: Instant,
    ) -> Result<Delivery, SinkError> {
        let Plan {
            indexes,
            calls,
            mut failed,
        } = plan;
        let is_one_call = calls.len() == 1 && failed.is_empty();
        let mut fault: Option<SinkError> = None;
        for call in calls {
            let indexes = &indexes[call];
            if fault.is_none() {
                let put = self.put(client, batch, indexes);
                match time::timeout_at(deadline, put).await {
                    Ok(Ok(failures)) => {
                        failed.extend(failures);
                        continue;
                    }
                    Ok(Err(error)) => fault = Some(error),
                    Err(_) => fault = Some(self.no_answer()),
                }
            }
            let Some(error) = fault.take() else { continue };
            if is_one_call {
                return Err(error);
            }
            failed.extend(indexes.iter().map(|index| (*index, error.clone())));
            // What speaks of these records says nothing of the others; else they would fare no better.
            let speaks_of_records = matches!(
                error.kind(),
                SinkErrorKind::Rejected | SinkErrorKind::Undeliverable
            );
            fault = (!speaks_of_records).then_some(error);
        }
        Ok(Delivery { failed })
    }

    fn plan(&self, records: &[Arc<Record>]) -> Plan {
        let mut plan = Plan::default();
        let mut sizes = Vec::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            let size = self.template.size(record);
            if size > self.max_request_bytes {
                let most = self.max_request_bytes;
                let message = format!("the record's event has {size} bytes, the event bus takes {most}");
                plan.failed.push((index, SinkError::undeliverable(message)));
            } else {
                plan.indexes.push(index);
                sizes.push(size);
            }
        }
        plan.calls = entry::calls(&sizes, MAX_ENTRIES, self.max_request_bytes);
        plan
    }

    fn no_answer(&self) -> SinkError {
        SinkError::timeout(format!(
            "no answer from EventBridge at {} within {:?}",
            self.bus.shown(),
            self.timeout
        ))
    }
}

/// What a delivery comes to: the records that can be sent, by index, cut into calls, and those that cannot.
#[derive(Default)]
struct Plan {
    indexes: Vec<usize>,
    calls: Vec<Range<usize>>,
    failed: Vec<(usize, SinkError)>,
}

#[async_trait]
impl Sink for EventBridgeSink {
    /// Up to ten records of a key each, and no more bytes than one call can hold without any resource.
    fn limits(&self) -> SinkLimits {
        SinkLimits {
            max_records: MAX_ENTRIES,
            max_bytes: self.template.most_record_bytes(self.max_request_bytes),
            concurrency: CONCURRENCY,
            timeout: self.timeout + GRACE,
            ..SinkLimits::default()
        }
    }

    /// The bus, after its region or endpoint, and the role that is assumed for it.
    fn endpoint(&self) -> Option<String> {
        Some(self.bus.identity())
    }

    async fn deliver(&self, batch: &RecordBatch) -> Result<Delivery, SinkError> {
        let plan = self.plan(batch.records());
        if plan.calls.is_empty() {
            return Ok(Delivery { failed: plan.failed });
        }
        let deadline = Instant::now() + self.timeout;
        let readying = async {
            let client = self.connected().await?;
            self.checked.pass(client, &self.bus, self.timeout / 3).await?;
            Ok(client)
        };
        let client = match time::timeout_at(deadline, readying).await {
            Ok(ready) => ready?,
            Err(_) => return Err(self.no_answer()),
        };
        self.put_all(client, batch, plan, deadline).await
    }

    /// Puts one event, with the source and the detail type of any other: a rule that takes them takes it too.
    async fn test(&self, record: Arc<Record>) -> Result<Tested, SinkError> {
        let delivery = self.deliver(&RecordBatch::new(vec![record])).await?;
        delivery.into_tested(Some(200))
    }
}

impl fmt::Debug for EventBridgeSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBridgeSink")
            .field("bus", &self.bus)
            .field("template", &self.template)
            .field("max_request_bytes", &self.max_request_bytes)
            .field("timeout", &self.timeout)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

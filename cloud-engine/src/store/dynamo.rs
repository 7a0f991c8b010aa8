//! The store of many machines: one DynamoDB table. Knows DynamoDB; not what the items mean.
//!
//! Every write is a `TransactWriteItems` call, whose token makes the SDK's own retries harmless; reads are consistent. The
//! table's keys are `pk` and `sk`, its time to live is `expires`.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, CancellationReason, Delete, KeySchemaElement, KeyType,
    Put, PutRequest, ScalarAttributeType, TimeToLiveSpecification, TransactWriteItem, Update, WriteRequest,
};

use super::{Field, Fields, Item, Key, Query, Store, StoreError, When, Write};

/// How often a transaction that met another one is tried again.
const CONFLICTS: u32 = 12;
/// Items of one `BatchWriteItem` call.
const PUTS: usize = 25;

/// A DynamoDB table.
#[derive(Clone, Debug)]
pub struct Dynamo {
    client: Client,
    table: String,
}

type Attributes = HashMap<String, AttributeValue>;

impl Dynamo {
    /// A table that is there already.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Makes the table where it is missing, for tests and first trials; the template makes it otherwise.
    ///
    /// # Errors
    /// When it can neither be made nor is there.
    pub async fn create(&self) -> Result<(), StoreError> {
        let mut request =
            self.client.create_table().table_name(&self.table).billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in [("pk", KeyType::Hash), ("sk", KeyType::Range)] {
            let attribute = AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .map_err(broken)?;
            let element =
                KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(broken)?;
            request = request.attribute_definitions(attribute).key_schema(element);
        }
        match request.send().await {
            Ok(_created) => {}
            Err(error) if error.code() == Some("ResourceInUseException") => return Ok(()),
            Err(error) => return Err(failed(&error)),
        }
        let expiry = TimeToLiveSpecification::builder()
            .enabled(true)
            .attribute_name("expires")
            .build()
            .map_err(broken)?;
        let enabled = self.client.update_time_to_live().table_name(&self.table);
        enabled.time_to_live_specification(expiry).send().await.map(drop).map_err(|error| failed(&error))
    }

    async fn transact(&self, writes: &[Write]) -> Result<(), Refused> {
        let mut request = self.client.transact_write_items();
        for write in writes {
            let item = self.transaction_part(write).map_err(Refused::Error)?;
            request = request.transact_items(item);
        }
        match request.send().await {
            Ok(_written) => Ok(()),
            Err(error) => Err(refused(&error)),
        }
    }

    fn transaction_part(&self, write: &Write) -> Result<TransactWriteItem, StoreError> {
        let part = TransactWriteItem::builder();
        Ok(match write {
            Write::Put(item, when) => {
                let mut names = Names::default();
                let condition = condition(when, &mut names);
                let put = Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(attributes(item)))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(names.names())
                    .set_expression_attribute_values(names.values());
                part.put(put.build().map_err(broken)?).build()
            }
            Write::Delete(key, when) => {
                let mut names = Names::default();
                let condition = condition(when, &mut names);
                let delete = Delete::builder()
                    .table_name(&self.table)
                    .set_key(Some(key_attributes(key)))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(names.names())
                    .set_expression_attribute_values(names.values());
                part.delete(delete.build().map_err(broken)?).build()
            }
            Write::Add(item, when) => {
                let mut names = Names::default();
                let condition = condition(when, &mut names);
                let update = Update::builder()
                    .table_name(&self.table)
                    .set_key(Some(key_attributes(&item.key)))
                    .update_expression(update_expression(item, &mut names))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(names.names())
                    .set_expression_attribute_values(names.values());
                part.update(update.build().map_err(broken)?).build()
            }
        })
    }
}

/// Names and values of an expression under placeholders, because field names are words that DynamoDB reserves.
#[derive(Default)]
struct Names {
    names: HashMap<String, String>,
    values: Attributes,
}

impl Names {
    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#n{}", self.names.len());
        self.names.insert(placeholder.clone(), name.to_owned());
        placeholder
    }

    fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    fn values(&self) -> Option<Attributes> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

fn condition(when: &When, names: &mut Names) -> Option<String> {
    Some(match when {
        When::Always => return None,
        When::Absent => format!("attribute_not_exists({})", names.name("pk")),
        When::Present => format!("attribute_exists({})", names.name("pk")),
        When::Equals(name, value) => {
            format!("{} = {}", names.name(name), names.value(AttributeValue::N(value.to_string())))
        }
        When::Below(name, value) => {
            let name = names.name(name);
            let value = names.value(AttributeValue::N(value.to_string()));
            format!("attribute_not_exists({name}) OR {name} < {value}")
        }
    })
}

fn update_expression(item: &Item, names: &mut Names) -> String {
    let (mut added, mut replaced) = (Vec::new(), Vec::new());
    for (name, field) in &item.fields {
        let Some(value) = attribute(field) else { continue };
        let is_text = matches!(field, Field::Text(_));
        let (name, value) = (names.name(name), names.value(value));
        if is_text {
            replaced.push(format!("{name} = {value}"));
        } else {
            added.push(format!("{name} {value}"));
        }
    }
    if let Some(expires) = item.expires {
        let value = names.value(AttributeValue::N(expires.to_string()));
        replaced.push(format!("{} = {value}", names.name("expires")));
    }
    let mut expression = String::new();
    for (verb, parts) in [("ADD", added), ("SET", replaced)] {
        if !parts.is_empty() {
            expression.push_str(&format!("{verb} {} ", parts.join(", ")));
        }
    }
    expression
}

fn key_attributes(key: &Key) -> Attributes {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(key.pk.clone())),
        ("sk".to_owned(), AttributeValue::S(key.sk.clone())),
    ])
}

fn attributes(item: &Item) -> Attributes {
    let mut attributes = key_attributes(&item.key);
    for (name, field) in &item.fields {
        if let Some(value) = attribute(field) {
            attributes.insert(name.clone(), value);
        }
    }
    if let Some(expires) = item.expires {
        attributes.insert("expires".to_owned(), AttributeValue::N(expires.to_string()));
    }
    attributes
}

/// DynamoDB has no empty set.
fn attribute(field: &Field) -> Option<AttributeValue> {
    match field {
        Field::Int(value) => Some(AttributeValue::N(value.to_string())),
        Field::Text(value) => Some(AttributeValue::S(value.clone())),
        Field::Set(members) if members.is_empty() => None,
        Field::Set(members) => Some(AttributeValue::Ss(members.iter().cloned().collect())),
    }
}

fn item_of(mut attributes: Attributes) -> Option<Item> {
    let mut part = |name: &str| match attributes.remove(name) {
        Some(AttributeValue::S(text)) => Some(text),
        _ => None,
    };
    let key = Key::new(part("pk")?, part("sk")?);
    let expires = match attributes.remove("expires") {
        Some(AttributeValue::N(number)) => number.parse().ok(),
        _ => None,
    };
    let field = |value| match value {
        AttributeValue::N(number) => number.parse().ok().map(Field::Int),
        AttributeValue::S(text) => Some(Field::Text(text)),
        AttributeValue::Ss(members) => Some(Field::Set(members.into_iter().collect::<BTreeSet<_>>())),
        _ => None,
    };
    let fields: Fields =
        attributes.into_iter().filter_map(|(name, value)| Some((name, field(value)?))).collect();
    Some(Item { key, fields, expires })
}

/// Why a transaction was not written.
enum Refused {
    /// Another transaction held one of the items. It may be tried again.
    Conflict,
    Error(StoreError),
}

fn refused<R: std::fmt::Debug>(error: &SdkError<TransactWriteItemsError, R>) -> Refused {
    if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error.as_service_error() {
        let reasons = canceled.cancellation_reasons();
        let is = |code: &'static str| move |reason: &CancellationReason| reason.code() == Some(code);
        // A condition that fails is final, also where another item was contended at the same time.
        if let Some(index) = reasons.iter().position(is("ConditionalCheckFailed")) {
            return Refused::Error(StoreError::Condition(index));
        }
        let passing = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
        if passing.iter().any(|code| reasons.iter().any(is(code))) {
            return Refused::Conflict;
        }
        let codes: Vec<&str> = reasons.iter().filter_map(CancellationReason::code).collect();
        return Refused::Error(StoreError::Failed(format!("transaction canceled: {codes:?}")));
    }
    if error.code() == Some("TransactionInProgressException") {
        return Refused::Conflict;
    }
    Refused::Error(failed(error))
}

/// What went wrong, without what was sent.
fn failed<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> StoreError {
    let busy = [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TransactionConflictException",
    ];
    match error.code() {
        Some(code) if busy.contains(&code) => StoreError::Busy,
        Some(code) => StoreError::Failed(format!("{code}: {}", error.message().unwrap_or_default())),
        None => StoreError::Failed(
            match error {
                SdkError::TimeoutError(_) => "no answer in time",
                SdkError::DispatchFailure(_) => "no connection",
                SdkError::ResponseError(_) => "an answer that cannot be read",
                _ => "a request that cannot be made",
            }
            .to_owned(),
        ),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn broken(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Failed(error.to_string())
}

/// Waits longer each time, and not as long as others that met the same conflict.
async fn pause(attempt: u32) {
    let most = 10_u64 << attempt.min(6);
    let share = u64::from(crate::random::byte());
    tokio::time::sleep(Duration::from_millis(1 + most * share / 256)).await;
}

impl Store for Dynamo {
    async fn get(&self, key: Key) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true);
        let found = request.set_key(Some(key_attributes(&key))).send().await;
        Ok(found.map_err(|error| failed(&error))?.item.and_then(item_of))
    }

    async fn query(&self, query: Query) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let left = query.limit.saturating_sub(items.len());
            if left == 0 {
                return Ok(items);
            }
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                .expression_attribute_values(":pk", AttributeValue::S(query.pk.clone()))
                .expression_attribute_values(":from", AttributeValue::S(query.from.clone()))
                .expression_attribute_values(":to", AttributeValue::S(query.to.clone()))
                .scan_index_forward(!query.backwards)
                .limit(i32::try_from(left).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| failed(&error))?;
            items.extend(page.items.into_iter().flatten().filter_map(item_of));
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }

    async fn write(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        for attempt in 0..CONFLICTS {
            match self.transact(&writes).await {
                Ok(()) => return Ok(()),
                Err(Refused::Error(error)) => return Err(error),
                Err(Refused::Conflict) => pause(attempt).await,
            }
        }
        Err(StoreError::Busy)
    }

    async fn put_all(&self, items: Vec<Item>) -> Result<(), StoreError> {
        for part in items.chunks(PUTS) {
            let mut requests = Vec::with_capacity(part.len());
            for item in part {
                let put = PutRequest::builder().set_item(Some(attributes(item))).build().map_err(broken)?;
                requests.push(WriteRequest::builder().put_request(put).build());
            }
            let mut attempt = 0;
            while !requests.is_empty() {
                if attempt == CONFLICTS {
                    return Err(StoreError::Busy);
                }
                let put = self.client.batch_write_item().request_items(&self.table, requests).send().await;
                let left = put.map_err(|error| failed(&error))?.unprocessed_items;
                requests = left.and_then(|mut left| left.remove(&self.table)).unwrap_or_default();
                if !requests.is_empty() {
                    pause(attempt).await;
                }
                attempt += 1;
            }
        }
        Ok(())
    }

    /// DynamoDB itself deletes what has expired, some hours later.
    async fn purge(&self, _now: u64) -> Result<u64, StoreError> {
        Ok(0)
    }
}

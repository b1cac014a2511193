//! A batch of records of one shard, and what becomes of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lambda_events::kinesis::KinesisEventRecord;
use aws_lambda_events::streams::KinesisEventResponse;
use serde::Serialize;

use crate::apply::stream::{Selection, by_table};
use crate::error::{Error, Result};
use crate::name::TableKey;
use crate::sink::any_order::{Delivered, Rejects};
use crate::sink::kinesis::kpl::deaggregate;

/// Records of one shard, in their order.
pub(super) struct Batch<'e> {
    records: &'e [KinesisEventRecord],
    /// The place of each in the batch, by its origin.
    places: BTreeMap<Arc<str>, usize>,
    /// The first record that has to be delivered again.
    failed: Option<usize>,
    /// What is wrong with records that cannot be applied, by their places.
    rejected: BTreeMap<usize, String>,
}

/// The place of a record that cannot be applied. It stays on the stream, so its values do not have to be here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeadLetter<'e> {
    stream_arn: &'e str,
    shard_id: &'e str,
    sequence_number: &'e str,
    problem: &'e str,
}

/// Records that cannot be applied, each with the reason.
#[derive(Debug, Default)]
pub(super) struct Unreadable(Vec<(Arc<str>, String)>);

impl Rejects for Unreadable {
    fn reject(&mut self, record: &Delivered, error: Error) -> Result<()> {
        self.0.push((Arc::clone(&record.origin), error.to_string()));
        Ok(())
    }

    /// They are sent once the batch is done.
    fn keep(&mut self) -> Result<()> {
        Ok(())
    }
}

impl<'e> Batch<'e> {
    pub(super) fn new(records: &'e [KinesisEventRecord]) -> Self {
        let places = records.iter().enumerate().map(|(place, record)| (origin(record), place)).collect();
        Self { records, places, failed: None, rejected: BTreeMap::new() }
    }

    /// The records of each table, which can be several in one of Kinesis.
    pub(super) fn by_table(&mut self) -> Result<BTreeMap<TableKey, Vec<Delivered>>> {
        let delivered = self.records.iter().flat_map(|record| {
            let origin = origin(record);
            let lines = deaggregate(&record.kinesis.data).into_iter();
            lines.map(move |line| Delivered { line, origin: Arc::clone(&origin) })
        });
        let mut unreadable = Unreadable::default();
        let by_table = by_table(delivered.collect(), Selection::default(), &mut unreadable)?;
        self.reject(unreadable);
        Ok(by_table)
    }

    /// Adds records that cannot be applied.
    pub(super) fn reject(&mut self, unreadable: Unreadable) {
        for (origin, problem) in unreadable.0 {
            if let Some(place) = self.places.get(&origin) {
                self.rejected.entry(*place).or_insert(problem);
            }
        }
    }

    /// Has the batch delivered again from the first of these records, or from an earlier one.
    pub(super) fn failed(&mut self, records: &[Delivered]) {
        let places = records.iter().filter_map(|record| self.places.get(&record.origin).copied());
        self.failed = places.chain(self.failed).min();
    }

    /// Sends what cannot be applied, and returns what is to be delivered again. What comes again is sent then.
    pub(super) fn finish(mut self, send: &dyn Fn(&DeadLetter<'_>) -> Result<()>) -> KinesisEventResponse {
        for (place, problem) in &self.rejected {
            if self.failed.is_some_and(|failed| failed <= *place) {
                break;
            }
            let letter = dead_letter(&self.records[*place], problem);
            let DeadLetter { shard_id, sequence_number, .. } = letter;
            tracing::error!(shard = shard_id, number = sequence_number, problem, "A record cannot be applied.");
            if let Err(error) = send(&letter) {
                tracing::error!(help = error.next_step(), "{error}");
                self.failed = Some(*place);
            }
        }
        let mut response = KinesisEventResponse::default();
        if let Some(place) = self.failed {
            response.add_failure(&*self.records[place].kinesis.sequence_number);
        }
        response
    }
}

fn dead_letter<'r>(record: &'r KinesisEventRecord, problem: &'r str) -> DeadLetter<'r> {
    // `shardId-000000000006:49590338271490256608559692538361571095921575989136588898`
    let id = record.event_id.as_deref().unwrap_or_default();
    DeadLetter {
        stream_arn: record.event_source_arn.as_deref().unwrap_or_default(),
        shard_id: id.split_once(':').map_or(id, |(shard, _)| shard),
        sequence_number: &record.kinesis.sequence_number,
        problem,
    }
}

/// Where in the stream a record is.
fn origin(record: &KinesisEventRecord) -> Arc<str> {
    let letter = dead_letter(record, "");
    format!("{} {}", letter.shard_id, letter.sequence_number).into()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use aws_lambda_events::kinesis::KinesisEvent;
    use serde_json::json;

    use super::*;

    /// Records `A` to `E` of a shard, of which these cannot be read.
    fn event(unreadable: &[&str]) -> KinesisEvent {
        use base64::Engine as _;
        let records = ["A", "B", "C", "D", "E"].map(|number| {
            let line = if unreadable.contains(&number) {
                "nothing".to_owned()
            } else {
                json!({ "op": "INSERT", "tenant": "acme", "table": number.to_lowercase(), "sequence": 1, "schema": "s" })
                    .to_string()
            };
            json!({
                "eventID": format!("shard-1:{number}"), "eventSourceARN": "arn:stream",
                "kinesis": { "sequenceNumber": number, "partitionKey": "k", "approximateArrivalTimestamp": 1.0,
                    "data": base64::prelude::BASE64_STANDARD.encode(line) },
            })
        });
        serde_json::from_value(json!({ "Records": records })).unwrap()
    }

    /// What is sent and what is delivered again, if these tables fail, and sending fails for a record.
    fn outcome(unreadable: &[&str], failing: &[&str], unsent: &str) -> (Vec<String>, Option<String>) {
        let event = event(unreadable);
        let mut batch = Batch::new(&event.records);
        for (key, records) in batch.by_table().unwrap() {
            if failing.contains(&&*key.table) {
                batch.failed(&records);
            }
        }
        let sent = RefCell::new(Vec::new());
        let response = batch.finish(&|letter| {
            let letter = serde_json::to_value(letter).unwrap();
            assert_eq!((&letter["streamArn"], &letter["shardId"]), (&json!("arn:stream"), &json!("shard-1")));
            assert!(letter["problem"].as_str().unwrap().contains("not a record of a published version"));
            let number = letter["sequenceNumber"].as_str().unwrap().to_owned();
            if number == unsent {
                return Err(Error::aws("test", "no answer"));
            }
            sent.borrow_mut().push(number);
            Ok(())
        });
        let mut failures = response.batch_item_failures.into_iter();
        (sent.into_inner(), failures.next().and_then(|failure| failure.item_identifier))
    }

    #[test]
    fn what_cannot_be_read_is_sent_once_and_what_fails_is_delivered_again_from_there() {
        for (unreadable, failing, unsent, sent, again) in [
            (&[][..], &[][..], "", &[][..], None),
            (&["B", "D"], &[], "", &["B", "D"], None),
            (&["B", "D"], &["c"], "", &["B"], Some("C")),
            (&["B"], &["e", "a"], "", &[], Some("A")),
            (&["B", "D"], &[], "D", &["B"], Some("D")),
            (&["B", "C"], &["e"], "B", &[], Some("B")),
        ] {
            let expected = (sent.iter().map(|number| (*number).to_owned()).collect(), again.map(str::to_owned));
            assert_eq!(outcome(unreadable, failing, unsent), expected, "{unreadable:?} {failing:?} {unsent}");
        }
    }
}

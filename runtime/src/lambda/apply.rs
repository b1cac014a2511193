//! Applies the operations on the stream to PostgreSQL: those of every table that can be there, in any order.
//!
//! What is applied, and by which rules, is the same as for [`tidemark apply`](crate::apply::stream). Lambda remembers
//! how far each shard was read. A record that cannot be read goes to the queue of failures, and the others go on; while
//! the database takes nothing, Lambda delivers the same records again and again.

mod batch;
mod secret;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lambda_events::kinesis::KinesisEvent;
use aws_lambda_events::streams::KinesisEventResponse;
use serde_json::{Value as Json, json};

use self::batch::{Batch, DeadLetter, Unreadable};
use crate::apply::stream::{Applier, refusal};
use crate::aws::{Aws, error_chain};
use crate::error::{Error, Fault, Result};
use crate::lambda::environment::{optional, variable};
use crate::lambda::metrics;
use crate::lambda::tables::Tables;
use crate::name::TableKey;
use crate::sink::any_order::State;
use crate::sink::database::postgres::{Postgres, PostgresAddress};
use crate::sink::database::{Database, DatabaseOptions};
use crate::table::Table;

/// The file with the authorities that the server's certificate may be from, in the archive of the function.
const ROOTS: &str = "roots.pem";

/// The database, and a connection to it.
pub(super) struct Target {
    tables: &'static Tables,
    database: Database<Postgres>,
    aws: Arc<Aws>,
    /// The URL of the queue of failures.
    failures: String,
    /// The connection of this process, once there is one: Lambda gives a process one batch at a time.
    applier: Mutex<Option<Applier>>,
    /// The tables that are not applied, of which the log says so once.
    left_out: Mutex<BTreeSet<TableKey>>,
}

impl Target {
    /// Reads the environment variables, which the template sets.
    pub(super) fn from_environment(tables: &'static Tables) -> Result<Self> {
        let aws = Arc::new(Aws::from_environment()?);
        let address = PostgresAddress::parse(&encrypted(variable("TIDEMARK_APPLY_TO")?))?;
        let address = match optional("TIDEMARK_APPLY_SECRET") {
            Some(secret) => address.with_password(secret::password(Arc::clone(&aws), secret)),
            None => address,
        };
        let create = variable("TIDEMARK_APPLY_CREATE")? == "on";
        Ok(Self {
            tables,
            database: Database::new(address, DatabaseOptions { create, recompute: false }),
            aws,
            failures: variable("TIDEMARK_APPLY_FAILURES")?,
            applier: Mutex::default(),
            left_out: Mutex::default(),
        })
    }

    /// Applies a batch of one shard, and reports the first record that could not be applied: Lambda delivers the batch
    /// again from there.
    pub(super) fn apply(&self, event: &KinesisEvent) -> Result<KinesisEventResponse> {
        let mut batch = Batch::new(&event.records);
        let mut is_down = false;
        for (key, records) in batch.by_table()? {
            let Some(table) = self.table(&key)? else { continue };
            if is_down {
                batch.failed(&records);
                continue;
            }
            let applied = self.with_connection(|applier| {
                let mut unreadable = Unreadable::default();
                let received = applier.apply(table, &key, &records, &mut unreadable)?;
                Ok((received, unreadable))
            });
            match applied {
                Ok((received, unreadable)) => {
                    report_skipped(&key, received.other_schema);
                    batch.reject(unreadable);
                }
                Err(error) => {
                    is_down = error.fault() == Fault::Machine;
                    report(&key, &error);
                    batch.failed(&records);
                }
            }
        }
        Ok(batch.finish(&|letter| self.send(letter)))
    }

    /// Reports how many tables hold rows that are not those of their newest version.
    pub(super) fn check(&self) -> Result<Json> {
        let standings = self.with_connection(Applier::standings)?;
        let differing: Vec<_> = standings.iter().filter(|standing| standing.state == State::Differs).collect();
        for standing in &differing {
            let TableKey { tenant, table } = &standing.key;
            let version = standing.version.as_deref().unwrap_or_default();
            tracing::warn!(tenant, table, version, "The rows are not those of the version.");
        }
        metrics::report_total(&[("DifferingTables", "Count", differing.len() as f64)]);
        Ok(json!({ "tables": standings.len(), "differing": differing.len() }))
    }

    /// Works with the connection of this process. One that was there already may have been closed meanwhile, so what
    /// fails is tried once more with a new one.
    fn with_connection<T>(&self, work: impl Fn(&mut Applier) -> Result<T>) -> Result<T> {
        let mut known = self.applier.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut applier) = known.take()
            && let Ok(done) = work(&mut applier)
        {
            *known = Some(applier);
            return Ok(done);
        }
        let mut applier = Applier::new(&self.database)?;
        let done = work(&mut applier)?;
        *known = Some(applier);
        Ok(done)
    }

    /// The definition of a table; `None` if the table is not applied.
    fn table(&self, key: &TableKey) -> Result<Option<&'static Table>> {
        let problem = match self.tables.find(&key.table)? {
            None => "no schema of it is deployed".to_owned(),
            Some(table) => match (refusal(table), self.database.definition(table, &key.tenant)) {
                (None, Ok(_)) => return Ok(Some(table)),
                (Some(problem), _) => problem.into(),
                (None, Err(error)) => error.to_string(),
            },
        };
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        if left_out.insert(key.clone()) {
            tracing::warn!(tenant = key.tenant, table = key.table, problem, "The table is not applied.");
        }
        Ok(None)
    }

    /// Sends the place of a record that cannot be applied to the queue of failures.
    fn send(&self, letter: &DeadLetter<'_>) -> Result<()> {
        let body = serde_json::to_string(letter).expect("texts and numbers are valid JSON");
        let call = self.aws.sqs.send_message().queue_url(&self.failures).message_body(body).send();
        let sent = self.aws.wait(call).map_err(|error| {
            Error::aws("cannot send to the queue of failures", error_chain(&error))
                .help("check that the function reaches SQS: subnets without a way out need an endpoint for it")
                .caused_by(error)
        });
        sent.map(|_| ())
    }
}

fn report(TableKey { tenant, table }: &TableKey, error: &Error) {
    let (help, statements) = (error.next_step().unwrap_or_default(), error.needed_statements().concat());
    tracing::error!(tenant, table, help, statements, "{error}");
}

fn report_skipped(TableKey { tenant, table }: &TableKey, operations: u64) {
    if operations > 0 {
        tracing::warn!(
            tenant,
            table,
            operations,
            "Operations of another schema were skipped, which the deployed one cannot read."
        );
    }
}

/// The address with an encrypted connection to a server that is who it says, unless it asks for something else.
fn encrypted(mut address: String) -> String {
    let folder = optional("LAMBDA_TASK_ROOT").unwrap_or_else(|| ".".into());
    for (option, value) in [("sslmode", "verify-full".to_owned()), ("sslrootcert", format!("{folder}/{ROOTS}"))] {
        if !address.contains(&format!("{option}=")) {
            let separator = if address.contains('?') { '&' } else { '?' };
            address += &format!("{separator}{option}={value}");
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::encrypted;

    #[test]
    fn a_connection_is_encrypted_and_verified_unless_the_address_says_otherwise() {
        let folder = std::env::var("LAMBDA_TASK_ROOT").unwrap_or_else(|_| ".".into());
        assert_eq!(
            encrypted("postgres://me@db/shop".into()),
            format!("postgres://me@db/shop?sslmode=verify-full&sslrootcert={folder}/roots.pem")
        );
        assert_eq!(
            encrypted("postgres://me@db/shop?sslrootcert=/opt/own.pem".into()),
            "postgres://me@db/shop?sslrootcert=/opt/own.pem&sslmode=verify-full"
        );
    }
}

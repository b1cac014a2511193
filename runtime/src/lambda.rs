//! The way in on AWS: one function for each step of the flow, all of them this one program.
//!
//! The state machine in `infra/flow.asl.json` goes from step to step; what is decided is decided by the code that
//! [`run`](crate::run) goes through on one machine. Every step may be done again: what is written is conditional on the
//! lease, what is published has the same ids, and what was done is recognised.

mod deployment;
mod metrics;
mod register;
mod step;
mod sweep;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::clock;
use crate::engine::athena::Statements;
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::table::Table;
use crate::telemetry;
use deployment::Deployment;

/// How long before its end a function stops to begin anything: what is in flight then still ends.
const MARGIN: Duration = Duration::from_secs(20);

/// What a function does, by the name of its handler.
type Handler = fn(&Deployment, Json, Deadline) -> Result<Json>;

/// The handlers, by the names that the templates know.
const HANDLERS: &[(&str, Handler)] = &[
    ("register", |account, event, deadline| answer(event, |event| register::register(account, event, deadline))),
    ("sweep", |account, event, deadline| answer(event, |event| sweep::sweep(account, event, deadline))),
    ("lock", |account, event, _| answer(event, |event| step::lock(account, event))),
    ("next", |account, event, _| answer(event, |event| step::next(account, event))),
    ("plan", |account, event, deadline| answer(event, |event| step::plan(account, event, deadline))),
    ("athena", |account, event, deadline| answer(event, |event| step::plan(account, event, deadline))),
    ("begin", |account, event, _| answer(event, |event| step::begin(account, event))),
    ("publish", |account, event, deadline| answer(event, |event| step::publish(account, event, deadline))),
    ("record", |account, event, _| answer(event, |event| step::record(account, event))),
    ("unlock", |account, event, _| answer(event, |event| step::unlock(account, event))),
];

/// When a function is ended, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Deadline(i64);

impl Deadline {
    /// Whether there is time to begin something.
    fn is_far(self) -> bool {
        self.left() > MARGIN
    }

    /// How much time is left.
    fn left(self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - clock::now_ms()).unwrap_or_default())
    }
}

/// Reads an event, and writes what was answered to it.
fn answer<E: DeserializeOwned, A: Serialize>(event: Json, handle: impl FnOnce(E) -> Result<A>) -> Result<Json> {
    let event = serde_json::from_value(event)
        .map_err(|error| Error::refused("the event", format!("is not what this step is given: {error}")))?;
    serde_json::to_value(handle(event)?).map_err(|error| Error::aws("cannot write the answer", error))
}

/// Runs the function that the environment names, for these tables and what Athena is told of them.
pub fn main(tables: &'static [&'static Table], statements: &'static [Statements]) -> ExitCode {
    telemetry::init_function_logs();
    match serve(tables, statements) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(help = error.next_step(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(tables: &'static [&'static Table], statements: &'static [Statements]) -> Result<()> {
    let name = std::env::var("_HANDLER").unwrap_or_default();
    let Some((_, handler)) = HANDLERS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = HANDLERS.iter().map(|(known, _)| *known).collect();
        return Err(Error::refused("", format!("`{name}` is no handler; there are {}", known.join(", ")))
            .help("this program is a Lambda function; the command line is `tidemark`"));
    };
    let account = Arc::new(Deployment::from_environment(tables, statements)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::aws("cannot begin to take events", error))?;
    let served = runtime.block_on(lambda_runtime::run(service_fn(move |event: LambdaEvent<Json>| {
        let account = Arc::clone(&account);
        async move {
            let deadline = Deadline(event.context.deadline as i64);
            let of = Subject::of(&event.payload);
            // A step waits for its calls, and must not do so on the thread that takes events.
            let done = tokio::task::spawn_blocking(move || handler(&account, event.payload, deadline)).await;
            done.unwrap_or_else(|panic| Err(Error::aws("the step broke", panic))).map_err(|error| of.failed(error))
        }
    })));
    served.map_err(|error| Error::aws("cannot take events", error))
}

/// What a step is about, for its log.
#[derive(Debug)]
struct Subject {
    tenant: String,
    table: String,
    version: String,
}

impl Subject {
    fn of(event: &Json) -> Self {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        Self { tenant: text("tenant"), table: text("table"), version: text("version") }
    }

    /// A step that failed, in words that the state machine decides by: `Input` fails again, whatever is done; `LeaseLost` is
    /// another run's business now; `Machine` may go well next time.
    fn failed(self, error: Error) -> Diagnostic {
        let Self { tenant, table, version } = self;
        let help = error.next_step().map(|help| format!(" ({help})")).unwrap_or_default();
        let kind = match (error.kind(), error.fault()) {
            (ErrorKind::LeaseLost, _) => "LeaseLost",
            (ErrorKind::OutOfTime, _) | (_, Fault::Input) => "Input",
            (_, Fault::Machine) => "Machine",
        };
        tracing::error!(tenant, table, version, kind, "{error}{help}");
        Diagnostic { error_type: kind.into(), error_message: format!("{error}{help}") }
    }
}

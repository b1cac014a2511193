//! The entry point on AWS: one program with one function for each step of the flow.
//!
//! The state machine in `infra/flow.asl.json` goes from step to step; the code that [`run`](crate::run) uses on one
//! machine makes the decisions. Every step may be repeated: writes are conditional on the lease, published operations
//! keep their ids, and a step recognises work that is already done.

#[cfg(feature = "postgres")]
mod apply;
mod deadline;
mod deployment;
mod environment;
mod expire;
mod find;
mod messages;
mod metrics;
mod output;
mod overdue;
mod register;
mod secrets;
mod step;
mod sweep;
mod table_clients;
mod tables;

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::error::{Error, ErrorKind, Fault, Result};
use crate::telemetry;
use deadline::Deadline;
use deployment::Deployment;
use tables::Tables;

/// A function: handles an event within a deadline and returns the answer.
type Handler = fn(&Deployment, Json, Deadline) -> Result<Json>;

/// The handlers, by the names that the templates use.
const HANDLERS: &[(&str, Handler)] = &[
    ("register", |deployment, event, deadline| handle(event, |event| register::register(deployment, event, deadline))),
    ("sweep", |deployment, event, deadline| handle(event, |event| sweep::sweep(deployment, event, deadline))),
    ("find", |deployment, event, deadline| handle(event, |event| find::find(deployment, event, deadline))),
    ("lock", |deployment, event, _| handle(event, |event| step::lock(deployment, event))),
    ("next", |deployment, event, _| handle(event, |event| step::next(deployment, event))),
    ("plan", |deployment, event, deadline| handle(event, |event| step::plan(deployment, event, deadline))),
    ("athena", |deployment, event, deadline| handle(event, |event| step::plan(deployment, event, deadline))),
    ("begin", |deployment, event, _| handle(event, |event| step::begin(deployment, event))),
    ("publish", |deployment, event, deadline| handle(event, |event| step::publish(deployment, event, deadline))),
    ("record", |deployment, event, _| handle(event, |event| step::record(deployment, event))),
    ("unlock", |deployment, event, _| handle(event, |event| step::unlock(deployment, event))),
];

/// The handler of the function that applies operations to PostgreSQL. It belongs to no step, and needs nothing but the
/// stream and the database.
const APPLY: &str = "apply";

/// Deserialises an event, handles it and serialises the answer.
fn handle<E: DeserializeOwned, A: Serialize>(event: Json, handler: impl FnOnce(E) -> Result<A>) -> Result<Json> {
    let event = serde_json::from_value(event)
        .map_err(|error| Error::refused("the event", format!("not what this step expects: {error}")))?;
    serde_json::to_value(handler(event)?).map_err(|error| Error::aws("cannot write the answer", error))
}

/// Runs the function that the environment names, for the tables whose schemas are next to the program.
pub fn main() -> ExitCode {
    telemetry::init_function_logs();
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(help = error.next_step(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// What answers events.
type Answering = Arc<dyn Fn(Json, Deadline) -> Result<Json> + Send + Sync>;

/// What answers the events of a function.
fn answering(name: &str) -> Result<Answering> {
    if name == APPLY {
        return apply_function(Tables::deployed()?);
    }
    let Some((_, handler)) = HANDLERS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = HANDLERS.iter().map(|(known, _)| *known).chain([APPLY]).collect();
        return Err(Error::refused("", format!("unknown handler `{name}`; expected {}", known.join(", ")))
            .help("this program runs as a Lambda function; the command line is `tidemark`"));
    };
    let deployment = Deployment::from_environment(Tables::deployed()?)?;
    Ok(Arc::new(move |event, deadline| handler(&deployment, event, deadline)))
}

#[cfg(feature = "postgres")]
fn apply_function(tables: &'static Tables) -> Result<Answering> {
    let target = apply::Target::from_environment(tables)?;
    Ok(Arc::new(move |event, _| match event.get("Records").is_some() {
        true => handle(event, |event| target.apply(&event)),
        // The schedule asks for a check.
        false => target.check(),
    }))
}

#[cfg(not(feature = "postgres"))]
fn apply_function(_: &'static Tables) -> Result<Answering> {
    Err(Error::without_postgres()
        .help("build the functions with the features `lambda,postgres`, as `infra/deploy` does"))
}

fn serve() -> Result<()> {
    let name = std::env::var("_HANDLER").unwrap_or_default();
    let answer = answering(&name)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::aws("cannot start the runtime", error))?;
    let served = runtime.block_on(lambda_runtime::run(service_fn(move |event: LambdaEvent<Json>| {
        let answer = Arc::clone(&answer);
        async move {
            let deadline = Deadline(event.context.deadline as i64);
            let subject = Subject::from_event(&event.payload);
            // A step blocks while it waits for its calls, so it must not run on the thread that receives events.
            let result = tokio::task::spawn_blocking(move || answer(event.payload, deadline)).await;
            result
                .unwrap_or_else(|panic| Err(Error::aws("the step panicked", panic)))
                .map_err(|error| subject.report(error))
        }
    })));
    served.map_err(|error| Error::aws("cannot receive events", error))
}

/// The subject of a step, for its log.
#[derive(Debug)]
struct Subject {
    tenant: String,
    table: String,
    version: String,
}

impl Subject {
    fn from_event(event: &Json) -> Self {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        Self { tenant: text("tenant"), table: text("table"), version: text("version") }
    }

    /// Logs an error, and gives it a type that the state machine decides by: `Input` would fail again, `LeaseLost` is
    /// handled by another run, `Machine` may succeed next time.
    fn report(self, error: Error) -> Diagnostic {
        let Self { tenant, table, version } = self;
        let help = error.next_step().map(|help| format!(" ({help})")).unwrap_or_default();
        let kind = match (error.kind(), error.fault()) {
            (ErrorKind::LeaseLost, _) => "LeaseLost",
            (ErrorKind::OutOfTime, _) | (_, Fault::Input | Fault::Usage) => "Input",
            (_, Fault::Machine) => "Machine",
        };
        tracing::error!(tenant, table, version, kind, "{error}{help}");
        Diagnostic { error_type: kind.into(), error_message: format!("{error}{help}") }
    }
}

//! The state machine that runs the flow on AWS.

use super::{Aws, why};
use crate::canonical::row_bytes::hash_texts;
use crate::error::{Error, Result};
use crate::name::TableKey;

/// Starts an execution of the flow for a table. For the same reason, such as a version and its attempt, it is started once; a
/// registry that is made anew has reasons of its own.
pub(crate) fn start_execution(
    aws: &Aws,
    machine: &str,
    registry: &str,
    key: &TableKey,
    reason: [&str; 2],
) -> Result<()> {
    let name = hash_texts(&[registry, &key.tenant, &key.table, reason[0], reason[1]]);
    let input = serde_json::json!({ "tenant": key.tenant, "table": key.table });
    let call = aws.sfn.start_execution().state_machine_arn(machine).name(name).input(input.to_string());
    match aws.wait(call.send()) {
        Ok(_) => Ok(()),
        // It runs, or ran: what it was to do, it does or did.
        Err(error) if error.as_service_error().is_some_and(|error| error.is_execution_already_exists()) => Ok(()),
        Err(error) => Err(Error::aws(format!("cannot start the flow of {key}"), why(&error))
            .help("look at the state machine and the right to start it; the sweeper tries again")),
    }
}

//! Changes functions of a deployment for a test.

use serde_json::{Value as Json, json};

use super::Deployment;

impl Deployment {
    /// Makes the flow call its functions as they are, instead of the versions that were deployed, so that a test can
    /// change them.
    fn unpin(&self) {
        let describe = self.aws.sfn.describe_state_machine().state_machine_arn(&self.state_machine);
        let definition = self.aws.wait(describe.send()).unwrap().definition;
        let unpinned = without_versions(&definition);
        if unpinned != definition {
            let update = self.aws.sfn.update_state_machine().state_machine_arn(&self.state_machine);
            self.aws.wait(update.definition(unpinned).send()).unwrap();
        }
    }

    /// Sets the timeout of a function.
    pub(crate) fn set_timeout(&self, function: &str, seconds: u32) {
        self.unpin();
        let (name, seconds) = (format!("{}-{function}", self.name), seconds.to_string());
        self.aws_command(&["lambda", "update-function-configuration", "--function-name", &name, "--timeout", &seconds]);
    }

    /// Sets environment variables of a function, until the returned value is dropped.
    pub(crate) fn with_environment(&self, function: &str, variables: &[(&str, &str)]) -> Variables<'_> {
        self.unpin();
        let name = format!("{}-{function}", self.name);
        let output = self.aws_command(&["lambda", "get-function-configuration", "--function-name", &name]);
        let before: Json = serde_json::from_str(&output).unwrap();
        let before = before["Environment"]["Variables"].clone();
        let mut changed = before.clone();
        variables.iter().for_each(|(name, value)| changed[*name] = json!(value));
        let guard = Variables { deployment: self, function: name, before };
        guard.set(&changed);
        guard
    }
}

/// A definition of the flow in which the ARNs of functions name no version.
fn without_versions(definition: &str) -> String {
    let mut parts = definition.split(":function:");
    let mut unpinned = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (arn, rest) = part.split_once('"').expect("an ARN ends with its string");
        let name = arn.split(':').next().unwrap_or_default();
        unpinned += &format!(":function:{name}\"{rest}");
    }
    unpinned
}

/// Changed environment variables of a function, restored on drop.
pub(crate) struct Variables<'a> {
    deployment: &'a Deployment,
    function: String,
    before: Json,
}

impl Variables<'_> {
    fn set(&self, variables: &Json) {
        let environment = json!({ "Variables": variables }).to_string();
        let words = ["lambda", "update-function-configuration", "--function-name", &self.function];
        self.deployment.aws_command(&[&words[..], &["--environment", &environment]].concat());
    }
}

impl Drop for Variables<'_> {
    fn drop(&mut self) {
        self.set(&self.before);
    }
}

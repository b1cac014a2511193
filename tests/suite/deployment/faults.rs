//! Injected failures, and the log of the functions' calls.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::stack::Stack;

/// Injected failures of the functions' calls, removed on drop.
pub(crate) struct Faults;

impl Faults {
    /// Injects failures by these rules from now on.
    pub(crate) fn new(rules: &Json) -> Self {
        let (status, output) = Stack::get().proxy_request("POST", "/_rules", &rules.to_string());
        assert_eq!(status, 200, "{output}");
        Self
    }

    /// The number of failed calls since the log was cleared, by kind of fault.
    pub(crate) fn counts() -> BTreeMap<String, usize> {
        let mut struck = BTreeMap::new();
        for call in calls() {
            if let Some(fault) = call["fault"].as_str() {
                *struck.entry(fault.to_owned()).or_default() += 1;
            }
        }
        struck
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        Stack::get().proxy_request("POST", "/_rules", &json!([]).to_string());
    }
}

/// Every call that the functions made since the log was cleared.
pub(crate) fn calls() -> Vec<Json> {
    serde_json::from_str(&Stack::get().proxy_request("GET", "/_log", "").1).unwrap()
}

/// Clears the log of calls.
pub(crate) fn clear_calls() {
    Stack::get().proxy_request("DELETE", "/_rules", "");
}

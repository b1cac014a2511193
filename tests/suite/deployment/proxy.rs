//! The proxy in front of a deployment's functions.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::stack::{Stack, request};

/// The proxy between the functions of one deployment and the emulator. It logs their calls and makes some of them fail.
pub(crate) struct Proxy {
    address: String,
}

impl Proxy {
    pub(super) fn start() -> Self {
        Self { address: Stack::get().start_proxy() }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Makes calls fail by these rules, until the guard is dropped.
    pub(crate) fn inject(&self, rules: &Json) -> Faults<'_> {
        let (status, output) = request(&self.address, "POST", "/_rules", &rules.to_string());
        assert_eq!(status, 200, "{output}");
        Faults(self)
    }

    /// The number of failed calls since the log was cleared, by kind of fault.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut struck = BTreeMap::new();
        for call in self.calls() {
            if let Some(fault) = call["fault"].as_str() {
                *struck.entry(fault.to_owned()).or_default() += 1;
            }
        }
        struck
    }

    /// Every call that the functions made since the log was cleared.
    pub(crate) fn calls(&self) -> Vec<Json> {
        serde_json::from_str(&request(&self.address, "GET", "/_log", "").1).unwrap()
    }

    /// Clears the log of calls.
    pub(crate) fn clear_calls(&self) {
        request(&self.address, "DELETE", "/_rules", "");
    }
}

/// Injected failures of the functions' calls, removed on drop.
pub(crate) struct Faults<'a>(&'a Proxy);

impl Drop for Faults<'_> {
    fn drop(&mut self) {
        request(&self.0.address, "POST", "/_rules", &json!([]).to_string());
    }
}

//! Two versions on their way through the pipeline.

use runtime::name::TableKey;

use super::{HEADER, orders};
use crate::deployment::{Deployment, LinesByTable, published_to_files, wait};
use crate::workspace::{Workspace, gzip};

/// Two versions of a tenant to send through the pipeline, and what a local run publishes of them.
pub(super) struct Journey {
    tenant: String,
    pub(super) expected: LinesByTable,
    texts: [String; 2],
}

impl Journey {
    pub(super) fn new(tenant: &str) -> Self {
        // Changes of every kind, too few to break a guard: 5 deleted, 5 inserted, 30 updated.
        let second = orders(5, 90, "open") + orders(90, 125, "paid").strip_prefix(HEADER).unwrap();
        Self::from_texts(tenant, [orders(0, 120, "open"), second])
    }

    /// A journey of these two versions.
    pub(super) fn from_texts(tenant: &str, texts: [String; 2]) -> Self {
        let workspace = Workspace::new();
        for (text, version) in texts.iter().zip(["V1", "V2"]) {
            workspace.export(&format!("{tenant}/orders/{version}"), text);
        }
        let output = workspace.run();
        assert_eq!(output.status, 0, "{}", output.stdout);
        Self { tenant: tenant.into(), expected: published_to_files(&workspace), texts }
    }

    pub(super) fn path(&self, version: &str) -> String {
        format!("{}/orders/{version}", self.tenant)
    }

    pub(super) fn deliver(&self, deployment: &Deployment, version: usize) {
        deployment.deliver(&self.path(["V1", "V2"][version]), &self.texts[version]);
    }

    /// The compressed size of a version, in bytes.
    pub(super) fn size(&self, version: usize) -> usize {
        gzip(self.texts[version].as_bytes()).len()
    }

    /// No operation was lost or invented, and the table's lease is free.
    pub(super) fn check(&self, deployment: &Deployment) {
        wait("no execution is running", || deployment.running() == 0);
        let (published, _) = deployment.published(&self.tenant);
        assert_eq!(published, self.expected);
        let key = TableKey { tenant: self.tenant.clone(), table: "orders".into() };
        assert_eq!(deployment.registry.state(&key).unwrap().owner, None);
    }
}

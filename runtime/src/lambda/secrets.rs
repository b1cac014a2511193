//! The keys of pseudonyms, in Secrets Manager: a secret for each tenant, whose text is the key.

use std::sync::Arc;

use crate::aws::{Aws, error_chain};
use crate::error::{Error, Result};
use crate::keys::KeySource;

/// The secrets of a deployment, as a table's role may read them.
#[derive(Debug)]
pub(super) struct Secrets {
    aws: Arc<Aws>,
    /// What their names begin with; the name of the tenant follows.
    prefix: String,
}

impl Secrets {
    pub(super) fn new(aws: Arc<Aws>, prefix: String) -> Self {
        Self { aws, prefix }
    }
}

impl KeySource for Secrets {
    fn find(&self, tenant: &str) -> Result<Option<Vec<u8>>> {
        let name = format!("{}{tenant}", self.prefix);
        match self.aws.wait(self.aws.secrets.get_secret_value().secret_id(&name).send()) {
            Ok(value) => Ok(value.secret_string.map(String::into_bytes)),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
                Ok(None)
            }
            Err(error) => Err(Error::aws(format!("cannot read the secret {name}"), error_chain(&error))
                .help("check that the table was deployed since it has pseudonyms, that AWS's own key encrypts the secret, and that the function reaches Secrets Manager: subnets without a way out need an endpoint for it")
                .caused_by(error)),
        }
    }

    fn how_to_set(&self, tenant: &str) -> String {
        format!("create the secret {}{tenant} in Secrets Manager, with the key as its text", self.prefix)
    }
}

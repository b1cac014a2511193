//! Clients that may read the exports of one tenant's table, and nothing else.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use crate::aws::s3::S3Uri;
use crate::aws::{Aws, RoleSession};
use crate::name::TableKey;

/// How many clients are kept. A process works on one table at a time, and comes back to few of them.
const MAX_CLIENTS: usize = 32;

/// The longest name of a session. <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
const MAX_SESSION_NAME: usize = 64;

/// The clients with the roles of tables.
#[derive(Debug)]
pub(super) struct TableClients {
    own: Arc<Aws>,
    /// The prefix of the ARNs of the tables' roles.
    role_prefix: String,
    places: Places,
    /// The most recently used last.
    recent: Mutex<VecDeque<(RoleSession, Arc<Aws>)>>,
}

/// What belongs to tenants and tables.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) exports: S3Uri,
    /// Where Athena leaves its results, below a key for each table.
    pub(super) results: S3Uri,
    /// What the names of secrets with the keys of pseudonyms begin with.
    pub(super) secrets: String,
}

impl TableClients {
    pub(super) fn new(own: Arc<Aws>, role_prefix: String, places: Places) -> Self {
        Self { own, role_prefix, places, recent: Mutex::default() }
    }

    /// The client for a tenant's table, whose role has this name. `who` is what uses it: the ARN of an execution, or a
    /// function.
    pub(super) fn get(&self, role: &str, key: &TableKey, who: &str) -> Arc<Aws> {
        let session = RoleSession {
            role: format!("{}{role}", self.role_prefix),
            name: session_name(who),
            policy: Some(self.policy(key)),
        };
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = recent.iter().position(|(known, _)| *known == session).and_then(|index| recent.remove(index));
        let (session, aws) = match known {
            Some(known) => known,
            None => {
                let aws = Arc::new(self.own.under_role(session.clone()));
                (session, aws)
            }
        };
        recent.push_back((session, Arc::clone(&aws)));
        if recent.len() > MAX_CLIENTS {
            recent.pop_front();
        }
        aws
    }

    /// Narrows the role of a table, which covers all tenants, to one of them. Besides objects and secrets, it leaves
    /// everything to the role.
    fn policy(&self, key: &TableKey) -> String {
        let partition = self.role_prefix.split(':').nth(1).unwrap_or("aws");
        let arn = |uri: &S3Uri| format!("arn:{partition}:s3:::{}/{}", uri.bucket, uri.key);
        let Places { exports, results, secrets } = &self.places;
        let exports = exports.join(&key.to_string()).join("*");
        let results = results.join(&key.table).join("*");
        // Secrets Manager adds a hyphen and six characters to the name of a secret.
        let secret = format!("arn:{partition}:secretsmanager:*:*:secret:{secrets}{}-??????", key.tenant);
        let prefixes = [&exports.key, &results.key];
        let policy = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "s3:*", "Resource": [arn(&exports), arn(&results)] },
            { "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": { "StringLike": { "s3:prefix": prefixes } } },
            { "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret },
            { "Effect": "Allow", "NotAction": ["s3:*Object*", "s3:ListBucket", "secretsmanager:*"], "Resource": "*" },
        ] });
        policy.to_string()
    }
}

/// The name of an execution, the last part of its ARN; or of a function.
fn session_name(who: &str) -> String {
    let name = who.rsplit(':').next().unwrap_or_default().chars();
    let name: String =
        name.filter(|c| c.is_ascii_alphanumeric() || "_=,.@-".contains(*c)).take(MAX_SESSION_NAME).collect();
    if name.len() < 2 { "tidemark".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> TableClients {
        let own = Aws::at("http://localhost:1", "http://localhost:1", "us-east-1", ("key", "secret")).unwrap();
        let uri = |text: &str| S3Uri::parse(text).unwrap();
        let role = "arn:aws-cn:iam::1:role/tidemark-table-".into();
        let (exports, results) = (uri("s3://exports"), uri("s3://work/athena"));
        TableClients::new(Arc::new(own), role, Places { exports, results, secrets: "tidemark/hmac/".into() })
    }

    fn key(tenant: &str) -> TableKey {
        TableKey { tenant: tenant.into(), table: "test_table".into() }
    }

    #[test]
    fn a_client_is_narrowed_to_one_tenant_and_named_after_its_execution() {
        let clients = clients();
        let execution = "arn:aws:states:us-east-1:1:execution:tidemark:0123456789abcdef";
        clients.get("test_table", &key("acme"), execution);
        let (session, _) = clients.recent.lock().unwrap().back().cloned().unwrap();
        assert_eq!(
            (session.role.as_str(), session.name.as_str()),
            ("arn:aws-cn:iam::1:role/tidemark-table-test_table", "0123456789abcdef")
        );
        let policy: serde_json::Value = serde_json::from_str(&session.policy.unwrap()).unwrap();
        let statements = &policy["Statement"];
        assert_eq!(
            statements[0]["Resource"],
            json!(["arn:aws-cn:s3:::exports/acme/test_table/*", "arn:aws-cn:s3:::work/athena/test_table/*"])
        );
        assert_eq!(
            statements[1]["Condition"]["StringLike"]["s3:prefix"],
            json!(["acme/test_table/*", "athena/test_table/*"])
        );
        assert_eq!(statements[2]["Resource"], "arn:aws-cn:secretsmanager:*:*:secret:tidemark/hmac/acme-??????");
        assert!(policy.to_string().len() < 1024);
    }

    #[test]
    fn few_clients_are_kept_and_those_in_use_longest() {
        let clients = clients();
        let first = clients.get("test_table", &key("first"), "register");
        for number in 0..100 {
            clients.get("test_table", &key(&format!("tenant{number}")), "register");
            let again = clients.get("test_table", &key("first"), "register");
            assert!(Arc::ptr_eq(&first, &again));
        }
        assert_eq!(clients.recent.lock().unwrap().len(), MAX_CLIENTS);
    }

    #[test]
    fn the_name_of_a_session_is_one_that_sts_accepts() {
        assert_eq!(session_name("arn:aws:states:::execution:m:a b/ü#c"), "abc");
        assert_eq!(session_name("x"), "tidemark");
        assert_eq!(session_name(&"n".repeat(80)).len(), MAX_SESSION_NAME);
    }
}

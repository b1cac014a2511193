//! The keys of pseudonyms: each tenant has one, in an environment variable or in a file.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use crate::canonical::pseudonym::{HmacKey, MIN_KEY};
use crate::error::{Error, IoContext as _, Result};
use crate::table::Table;

/// What the name of a variable begins with. The name of the tenant follows, as it is.
const VARIABLE: &str = "TIDEMARK_HMAC_KEY_";

/// The variable with the folder of files that are named after tenants.
const FOLDER: &str = "TIDEMARK_HMAC_KEYS";

/// How to make a key that nobody can guess.
pub(crate) const MAKE: &str = "make one with: openssl rand -hex 32";

/// Where the keys of tenants are.
pub trait KeySource: fmt::Debug + Send + Sync {
    /// The bytes of a tenant's key, with or without a line end; `None` if there is none.
    fn find(&self, tenant: &str) -> Result<Option<Vec<u8>>>;

    /// How to give a key to a tenant, for errors.
    fn how_to_set(&self, tenant: &str) -> String;
}

/// The environment of this process, and the folder that it names.
#[derive(Debug, Clone, Copy)]
pub struct Environment;

impl KeySource for Environment {
    fn find(&self, tenant: &str) -> Result<Option<Vec<u8>>> {
        let variable = set(&format!("{VARIABLE}{tenant}")).map(OsString::into_vec);
        let Some(folder) = set(FOLDER) else { return Ok(variable) };
        let path = PathBuf::from(folder).join(tenant);
        let file = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            read => Some(read.at("cannot read the HMAC key", &path)?),
        };
        match (variable, file) {
            (Some(_), Some(_)) => {
                let problem = format!("{VARIABLE}{tenant} and the file {} both have its HMAC key", path.display());
                Err(Error::refused(format!("tenant {tenant}"), problem).help("remove one of the two"))
            }
            (variable, file) => Ok(variable.or(file)),
        }
    }

    fn how_to_set(&self, tenant: &str) -> String {
        format!("set {VARIABLE}{tenant}, or write it to the file `{tenant}` of a folder that {FOLDER} names")
    }
}

fn set(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The key of a tenant's pseudonyms, if the table has any. Fails if the tenant has no key, or a short one.
pub fn find(source: &dyn KeySource, table: &Table, tenant: &str) -> Result<Option<HmacKey>> {
    let Some(column) = table.columns.iter().find(|column| column.hmac.is_some()) else { return Ok(None) };
    let subject = format!("tenant {tenant}");
    let Some(bytes) = source.find(tenant)? else {
        let problem = format!("there is no HMAC key for the pseudonyms of `{}`", column.name);
        return Err(Error::refused(subject, problem).help(format!("{}; {MAKE}", source.how_to_set(tenant))));
    };
    let bytes = without_line_end(&bytes);
    match HmacKey::new(bytes) {
        Some(key) => Ok(Some(key)),
        None => {
            let problem = format!("its HMAC key has {} bytes, and needs at least {MIN_KEY}", bytes.len());
            Err(Error::refused(subject, problem).help(MAKE))
        }
    }
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

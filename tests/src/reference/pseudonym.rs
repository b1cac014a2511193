//! Pseudonyms: HMAC-SHA256 as RFC 2104 defines it, in hex.

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::value::Value;

/// The key of the tenant, in tests.
pub const HMAC_KEY: &[u8] = b"the key of acme, which has more than 32 bytes";

/// How many bytes SHA-256 takes at once.
const BLOCK: usize = 64;

/// The pseudonym of a value; NULL stays NULL.
pub fn pseudonym(value: &Value) -> Value {
    let Some(text) = &value.text else { return Value::NULL };
    let pad =
        |byte: u8| -> Vec<u8> { (0..BLOCK).map(|at| HMAC_KEY.get(at).copied().unwrap_or_default() ^ byte).collect() };
    let inner = Sha256::digest([pad(0x36), text.as_bytes().to_vec()].concat());
    let outer = Sha256::digest([pad(0x5c), inner.to_vec()].concat());
    let hex: String = outer.iter().map(|byte| format!("{byte:02x}")).collect();
    Value::new(hex.clone(), Json::from(hex))
}

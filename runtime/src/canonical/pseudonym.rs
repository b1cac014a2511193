//! Pseudonyms: in place of a value, the HMAC-SHA256 of its canonical text under a key that each tenant has for itself.
//!
//! Equal values have equal pseudonyms wherever a tenant's tables have them, so that consumers can still join, count and
//! compare. Without the key, nobody can find out the value by trying.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::canonical::value::hex_digits;

/// The least number of bytes of a key: as many as the HMAC has (RFC 2104, section 3).
pub const MIN_KEY: usize = 32;

/// The text whose HMAC tells keys apart.
const ID_TEXT: &[u8] = b"tidemark key id";

/// The registry records this many hex digits of it.
const ID_DIGITS: usize = 8;

/// The key of a tenant's pseudonyms. Nothing prints it.
#[derive(Clone)]
pub struct HmacKey {
    keyed: Hmac<Sha256>,
    id: String,
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HmacKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl HmacKey {
    /// The key with these bytes; `None` if they are fewer than [`MIN_KEY`].
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let keyed = Hmac::new_from_slice(bytes).ok().filter(|_| bytes.len() >= MIN_KEY)?;
        let mut key = Self { keyed, id: String::new() };
        let mut digits = ID_TEXT.to_vec();
        key.replace(&mut digits, 0);
        digits.truncate(ID_DIGITS);
        key.id = digits.into_iter().map(char::from).collect();
        Some(key)
    }

    /// Tells keys apart, and says nothing else about them: eight hex digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Replaces the text from `start` on by its pseudonym.
    pub(crate) fn replace(&self, text: &mut Vec<u8>, start: usize) {
        let mut hmac = self.keyed.clone();
        hmac.update(&text[start..]);
        text.truncate(start);
        text.extend(hmac.finalize().into_bytes().into_iter().flat_map(hex_digits));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        crate::canonical::value::from_hex(text.as_bytes()).unwrap()
    }

    /// RFC 4231, the cases whose keys are long enough here.
    #[test]
    fn pseudonyms_are_those_of_rfc_4231() {
        for (key, text, expected) in [
            (
                "aa".repeat(131),
                b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                "aa".repeat(131),
                b"This is a test using a larger than block-size key and a larger than block-size data. The key needs \
                to be hashed before being used by the HMAC algorithm."
                    .to_vec(),
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ] {
            let mut pseudonym = text;
            HmacKey::new(&hex(&key)).unwrap().replace(&mut pseudonym, 0);
            assert_eq!(String::from_utf8(pseudonym).unwrap(), expected);
        }
        // Those with shorter keys, which HMAC fills with zeros.
        for (key, text, expected) in [
            ("0b".repeat(20), "4869205468657265", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                "4a656665".to_owned(),
                "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            ("aa".repeat(20), &"dd".repeat(50), "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        ] {
            let mut key = hex(&key);
            key.resize(MIN_KEY, 0);
            let mut pseudonym = hex(text);
            HmacKey::new(&key).unwrap().replace(&mut pseudonym, 0);
            assert_eq!(String::from_utf8(pseudonym).unwrap(), expected);
        }
    }

    #[test]
    fn a_key_has_at_least_32_bytes_and_shows_only_its_id() {
        assert!(HmacKey::new(&[b'k'; MIN_KEY - 1]).is_none());
        let key = HmacKey::new(&[b'k'; MIN_KEY]).unwrap();
        assert_eq!(format!("{key:?}"), format!("HmacKey {{ id: {:?}, .. }}", key.id()));
        assert!(key.id().len() == ID_DIGITS && key.id() != HmacKey::new(&[b'l'; MIN_KEY]).unwrap().id());
    }
}

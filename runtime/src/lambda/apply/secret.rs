//! The password of a database, in Secrets Manager.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::aws::{Aws, error_chain};
use crate::error::Error;
use crate::sink::database::postgres::Password;

/// Reads the password from a secret for each connection, so that it may rotate.
pub(super) fn password(aws: Arc<Aws>, secret: String) -> Password {
    Arc::new(move || {
        let call = aws.secrets.get_secret_value().secret_id(&secret).send();
        let value = aws.wait(call).map_err(|error| {
            Error::aws(format!("cannot read the secret {secret}"), error_chain(&error))
                .help("check that it exists, that its key may be used, and that the function reaches Secrets Manager: subnets without a way out need an endpoint for it")
                .caused_by(error)
        })?;
        let found = value.secret_string.as_deref().and_then(password_in);
        found.map(Some).ok_or_else(|| {
            Error::refused(&secret, "the secret has no password")
                .help("write it as a text, or as JSON with the field `password`, as RDS does")
        })
    })
}

/// The password in a secret: the field of an object, or all of a text.
fn password_in(secret: &str) -> Option<String> {
    match serde_json::from_str(secret) {
        Ok(Json::Object(fields)) => fields.get("password").and_then(Json::as_str).map(str::to_owned),
        _ => Some(secret.to_owned()),
    }
    .filter(|password| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::password_in;

    #[test]
    fn a_password_is_a_field_of_an_object_or_the_whole_text() {
        for (secret, password) in [
            (r#"{"username":"me","password":"p\"w"}"#, Some("p\"w")),
            (r#"{"username":"me"}"#, None),
            (r#"{"password":7}"#, None),
            ("plain {text", Some("plain {text")),
            ("1234", Some("1234")),
            ("", None),
        ] {
            assert_eq!(password_in(secret).as_deref(), password, "{secret}");
        }
    }
}

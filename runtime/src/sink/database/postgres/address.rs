//! Where a server is: the text of `--sink`, completed by libpq's variables.
//! <https://www.postgresql.org/docs/current/libpq-connect.html>,
//! <https://www.postgresql.org/docs/current/libpq-envars.html>

use std::env;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::{Uid, User};
use postgres::config::{Host, SslMode};
use postgres::{Client, Config};

use super::failure::{bad_address, failed};
use super::tls::{self, Verification};
use crate::error::Result;
use crate::name::printable;

/// Where servers on this machine listen, if no host is named.
const SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// A database of a server.
#[derive(Clone)]
pub(crate) struct PostgresAddress {
    /// The text without the password.
    name: String,
    config: Config,
    verification: Verification,
    /// Where the password comes from, if it is not in the text.
    password: Password,
}

/// Finds a password; `None` if there is none.
pub(crate) type Password = Arc<dyn Fn() -> Result<Option<String>> + Send + Sync>;

impl PostgresAddress {
    /// Parses an address.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let name = without_password(text);
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let mut options: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let mut take = |name: &str| {
            let value = options.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            options.retain(|(key, _)| *key != name);
            value
        };
        let mode = take("sslmode").or_else(|| variable("PGSSLMODE"));
        let root = take("sslrootcert").or_else(|| variable("PGSSLROOTCERT"));
        let rest: Vec<String> = options.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let url = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
        let Ok(mut config) = url.parse::<Config>() else {
            let help = "write it as postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full&application_name=NAME";
            return bad_address(&name, "this is not an address of PostgreSQL", help);
        };
        let verification = verification(&name, mode.as_deref(), root.map(PathBuf::from), &mut config)?;
        complete(&mut config);
        let of_libpq = config.clone();
        let password = Arc::new(move || Ok(variable("PGPASSWORD").or_else(|| password_from_file(&of_libpq))));
        Ok(Self { name, config, verification, password })
    }

    /// The same address with a password from elsewhere, which every connection asks for.
    #[cfg(feature = "aws")]
    pub(crate) fn with_password(self, password: Password) -> Self {
        Self { password, ..self }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn display_name(&self) -> String {
        printable(self.name.split('?').next().unwrap_or_default())
    }

    pub(super) fn connect(&self) -> Result<Client> {
        let mut config = self.config.clone();
        if config.get_password().is_none()
            && let Some(password) = (self.password)()?
        {
            config.password(password);
        }
        let connected = config.connect(tls::connector(&self.verification));
        connected.map_err(|error| failed(&self.display_name(), error))
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresAddress").field(&self.name).finish()
    }
}

/// An address without its password, as the registry remembers it.
pub(crate) fn without_password(text: &str) -> String {
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    let (scheme, rest) = base.split_once("://").unwrap_or(("postgres", base));
    let rest = match rest.rsplit_once('@') {
        Some((user, host)) => format!("{}@{host}", user.split(':').next().unwrap_or_default()),
        None => rest.to_owned(),
    };
    let options: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("password=")).collect();
    let query = if options.is_empty() { String::new() } else { format!("?{}", options.join("&")) };
    format!("{scheme}://{rest}{query}")
}

/// What is checked of the server, as `sslmode` says. A server in a socket is on this machine.
fn verification(name: &str, mode: Option<&str>, root: Option<PathBuf>, config: &mut Config) -> Result<Verification> {
    let (ssl_mode, verification) = match mode.unwrap_or("prefer") {
        "disable" => (SslMode::Disable, Verification::None),
        "prefer" | "allow" => (SslMode::Prefer, Verification::None),
        "require" if root.is_none() => (SslMode::Require, Verification::None),
        "require" | "verify-full" => (SslMode::Require, tls::verification(name, root.as_deref())?),
        "verify-ca" => return bad_address(name, "sslmode=verify-ca is not supported", "use sslmode=verify-full"),
        other => {
            let problem = format!("unknown sslmode `{other}`");
            return bad_address(name, &problem, "use disable, prefer, require or verify-full");
        }
    };
    config.ssl_mode(ssl_mode);
    Ok(verification)
}

/// Adds what the address leaves open, as libpq does.
fn complete(config: &mut Config) {
    if config.get_user().is_none() {
        let user = User::from_uid(Uid::current()).ok().flatten().map(|user| user.name);
        config.user(&variable("PGUSER").or(user).unwrap_or_default());
    }
    if config.get_dbname().is_none() {
        let database = variable("PGDATABASE").or_else(|| config.get_user().map(Into::into));
        config.dbname(&database.unwrap_or_default());
    }
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        let exists = |folder: &&str| Path::new(folder).is_dir();
        let socket = SOCKETS.iter().copied().find(exists).unwrap_or("localhost");
        config.host(&variable("PGHOST").unwrap_or_else(|| socket.into()));
    }
    if config.get_ports().is_empty()
        && let Some(port) = variable("PGPORT").and_then(|port| port.parse().ok())
    {
        config.port(port);
    }
    if config.get_application_name().is_none() {
        config.application_name(&variable("PGAPPNAME").unwrap_or_else(|| "tidemark".into()));
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The password in the file of passwords, which only its owner may read.
/// <https://www.postgresql.org/docs/current/libpq-pgpass.html>
fn password_from_file(config: &Config) -> Option<String> {
    let in_home = || env::home_dir().map(|home| home.join(".pgpass"));
    let path = variable("PGPASSFILE").map(PathBuf::from).or_else(in_home)?;
    let is_private = fs::metadata(&path).ok()?.permissions().mode() & 0o077 == 0;
    if !is_private {
        tracing::warn!(path = %path.display(), "The file of passwords is ignored, because others may read it.");
        return None;
    }
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        _ => "localhost".into(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let wanted = [&*host, &*port, config.get_dbname()?, config.get_user()?];
    fs::read_to_string(&path).ok()?.lines().find_map(|line| password_in(line, wanted))
}

/// The password in a line `HOST:PORT:DATABASE:USER:PASSWORD`, if the line is about this connection. `*` matches
/// anything, and a backslash escapes a colon or a backslash.
fn password_in(line: &str, wanted: [&str; 4]) -> Option<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' if fields.len() < 5 => fields.push(String::new()),
            character => {
                let escaped = if character == '\\' { characters.next() } else { None };
                fields.last_mut()?.push(escaped.unwrap_or(character));
            }
        }
    }
    let is_about = |(field, wanted): (&String, &str)| field == "*" || field == wanted;
    let matches = !line.starts_with('#') && fields.len() == 5 && fields.iter().zip(wanted).all(is_about);
    matches.then(|| fields.swap_remove(4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_no_name() {
        for (text, name) in [
            ("postgres://me:secret@db:5433/shop?sslmode=require", "postgres://me@db:5433/shop?sslmode=require"),
            ("postgresql://me:se:c@ret@db/shop", "postgresql://me@db/shop"),
            ("postgres://me@db/shop?password=secret&application_name=x", "postgres://me@db/shop?application_name=x"),
            ("postgres:///shop?password=secret", "postgres:///shop"),
        ] {
            assert_eq!(without_password(text), name);
            assert!(!format!("{:?}", PostgresAddress::parse(text)).contains("secret"));
        }
    }

    #[test]
    fn the_file_of_passwords_is_read_like_libpq() {
        let wanted = ["db", "5432", "shop", "me"];
        for (line, password) in [
            ("db:5432:shop:me:pass", Some("pass")),
            ("*:*:*:*:a:b", Some("a:b")),
            (r"*:*:*:me:a\:b\\c", Some(r"a:b\c")),
            ("other:5432:shop:me:pass", None),
            ("#db:5432:shop:me:pass", None),
            ("db:5432:shop:me", None),
            ("", None),
        ] {
            assert_eq!(password_in(line, wanted).as_deref(), password, "{line}");
        }
    }
}

//! How this program was called, so that a command in a message can be pasted as it is.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::name::is_visible_text;

/// The crate that cargo runs for `cargo tidemark`.
const CRATE: &str = "generated";

/// How this process was called.
static INVOCATION: OnceLock<Invocation> = OnceLock::new();

/// How a program was called, quoted for a shell.
#[derive(Debug)]
struct Invocation {
    program: String,
    /// What every command needs to find the registry.
    options: String,
    /// The words after the program.
    words: Vec<OsString>,
    version: &'static str,
    schemas: Option<PathBuf>,
}

/// Remembers how this process was called, the options that every command in a message repeats, the version of the
/// program, and the folder of its schemas, if it reads any.
pub(crate) fn remember(options: &[(&str, &OsStr)], version: &'static str, schemas: Option<&Path>) {
    let program = match std::env::args_os().next() {
        Some(program) if !is_run_by_cargo() => quoted(&program),
        _ => by_name().into(),
    };
    let options = options.iter().map(|(name, value)| format!(" {name} {}", quoted(value))).collect();
    let words = std::env::args_os().skip(1).collect();
    // A second call, as in tests, has no effect.
    let _ = INVOCATION.set(Invocation { program, options, words, version, schemas: schemas.map(Path::to_path_buf) });
}

/// Returns whether cargo runs this process, as `cargo tidemark` does.
pub(crate) fn is_run_by_cargo() -> bool {
    std::env::var_os("CARGO_PKG_NAME").is_some_and(|name| name == CRATE)
}

/// How this program was called.
pub(crate) fn program() -> String {
    INVOCATION.get().map_or_else(|| by_name().into(), |invocation| invocation.program.clone())
}

/// The version of this program.
pub(crate) fn version() -> &'static str {
    INVOCATION.get().map_or(env!("CARGO_PKG_VERSION"), |invocation| invocation.version)
}

/// The folder from which this program read its tables; `None` if they were compiled into it.
pub(crate) fn schemas() -> Option<&'static Path> {
    INVOCATION.get()?.schemas.as_deref()
}

/// A command of this program, to be pasted into a shell.
pub(crate) fn command(words: &[&dyn AsRef<OsStr>]) -> String {
    let (program, options) = match INVOCATION.get() {
        Some(Invocation { program, options, .. }) => (program.as_str(), options.as_str()),
        None => (by_name(), ""),
    };
    let words: Vec<String> = words.iter().map(|word| quoted((*word).as_ref())).collect();
    format!("{program} {}{options}", words.join(" "))
}

/// The command of this call once more, with one of its words replaced, and with more options than it has.
pub(crate) fn repeated(replaced: (&OsStr, &OsStr), options: &[(&str, Option<&str>)]) -> String {
    let (old, new) = replaced;
    let Some(Invocation { program, words, .. }) = INVOCATION.get() else { return command(&[&"run", &new]) };
    let mut words: Vec<OsString> = words.clone();
    if let Some(word) = words.iter_mut().find(|word| *word == old) {
        *word = new.to_owned();
    }
    for (name, value) in options.iter().filter(|(name, _)| !words.iter().any(|word| word == name)).collect::<Vec<_>>() {
        words.push(name.into());
        words.extend(value.map(OsString::from));
    }
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("{program} {}", words.join(" "))
}

/// The program's name in a checkout.
fn by_name() -> &'static str {
    if cfg!(feature = "aws") { "cargo tidemark-aws" } else { "cargo tidemark" }
}

/// A word as a shell reads it. Whatever is not visible is escaped, which bash, zsh and ksh read.
pub(crate) fn quoted(word: &OsStr) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(byte);
    match word.to_str() {
        Some(text) if !text.is_empty() && text.bytes().all(|byte| is_plain(&byte)) => text.into(),
        Some(text) if is_visible_text(text) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            let mut escaped = String::new();
            for byte in word.as_bytes() {
                match byte {
                    b'\'' | b'\\' => escaped.extend(['\\', char::from(*byte)]),
                    b' '..=b'~' => escaped.push(char::from(*byte)),
                    _ => write!(escaped, "\\x{byte:02x}").expect("a text can be written"),
                }
            }
            format!("$'{escaped}'")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        for word in [
            &b"plain/path-1.0"[..],
            b"",
            b"with space",
            b"it's \"here\" $HOME `x` \\n !",
            b"-dash",
            b"~",
            b"a\nb\t\x1b[0m",
            b"\xff\xfe'\\",
            "Ünï".as_bytes(),
        ] {
            let script = format!("printf %s {}", quoted(OsStr::from_bytes(word)));
            let output = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
            assert_eq!(output.stdout, word, "{script}");
            assert!(is_visible_text(&script), "{script}");
        }
    }
}

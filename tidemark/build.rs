//! Gives the program its version: with the commit, if the sources are a checkout.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the commit where the sources are not a checkout, as in a container.
const COMMIT: &str = "TIDEMARK_COMMIT";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={COMMIT}");
    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets it");
    let version = match named_commit().or_else(checked_out_commit) {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    };
    println!("cargo:rustc-env=TIDEMARK_VERSION={version}");
}

fn named_commit() -> Option<String> {
    env::var(COMMIT).ok().filter(|commit| !commit.is_empty())
}

/// The commit of the checkout that this package belongs to. Without git, or in a copy of the sources inside of another
/// repository, it is unknown.
fn checked_out_commit() -> Option<String> {
    let workspace = Path::new(&env::var_os("CARGO_MANIFEST_DIR")?).parent()?.canonicalize().ok()?;
    if PathBuf::from(git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()? != workspace {
        return None;
    }
    // The log of HEAD grows with each commit and each checkout.
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

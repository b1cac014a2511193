//! What a run reads and writes: the registry, the exports, and where operations go.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::check::{Check, State};
use crate::cli::args::{ExportsArgs, OutArgs, StateArgs};
use crate::cli::resolve;
use crate::engine::Limits;
use crate::error::{Error, Result};
use crate::invocation::command;
use crate::name::printable_path;
use crate::sink::Sink;
use crate::store::Registry;
use crate::store::sqlite::Sqlite;
use crate::wording::plural;

/// The checks, and the registry, if it can be opened without changing it.
pub(super) fn checks(state: &StateArgs) -> (Vec<Check>, Option<Registry>) {
    let mut checks = Vec::new();
    if state.store.is_none() {
        checks.push(writable_folder("state", &state.folder()));
        if let Some(check) = unopened(&state.registry_path()) {
            checks.push(check);
            return (checks, None);
        }
    }
    let registry = match state.registry() {
        Ok(registry) => registry,
        Err(error) => {
            checks.push(Check::error("registry", &error));
            return (checks, None);
        }
    };
    checks.push(identity(state, &registry).unwrap_or_else(|error| Check::error("registry", &error)));
    checks.push(exports(&registry).unwrap_or_else(|error| Check::error("exports", &error)));
    checks.extend(outputs(&registry));
    (checks, Some(registry))
}

/// Why a registry on this machine is not opened: there is none, or opening it would change it.
fn unopened(path: &Path) -> Option<Check> {
    const CHECK: &str = "registry";
    let shown = printable_path(path);
    match Sqlite::layout(path) {
        Err(error) => Some(Check::error(CHECK, &error)),
        Ok(None) if path.parent().is_some_and(|folder| folder.join("changes").exists()) => None,
        Ok(None) => {
            let help = format!("the first run creates it: {}", command(&[&"run", &"DIR"]));
            Some(Check::note(CHECK, format!("there is no {shown} yet"), help))
        }
        Ok(Some((layout, own))) if layout < own => {
            let found = format!("{shown}: layout {layout}");
            Some(Check::note(
                CHECK,
                found,
                format!("the next command makes layout {own} of it; older programs cannot read that"),
            ))
        }
        Ok(Some(_)) => None,
    }
}

fn identity(state: &StateArgs, registry: &Registry) -> Result<Check> {
    let tables = plural(registry.tables()?.len() as u64, "table");
    let place = match &state.store {
        Some(store) => store.clone(),
        None => {
            let path = state.registry_path();
            let layout = Sqlite::layout(&path)?.map_or(0, |(layout, _)| layout);
            format!("{}, layout {layout}", printable_path(&path))
        }
    };
    Ok(Check::ok("registry", format!("{place}, identity {}, {tables}", registry.id())))
}

fn exports(registry: &Registry) -> Result<Check> {
    const CHECK: &str = "exports";
    let args = ExportsArgs::from_registry();
    let Some(root) = registry.exports_root()? else {
        let help = "the first run that finds an export remembers them";
        return Ok(Check::note(CHECK, "the registry does not know where they are", help));
    };
    // Fails if they cannot be listed.
    let (exports, mut tenants) = (args.open(registry)?, 0);
    exports.list(&[], None, &mut |_| tenants += 1)?;
    let path = Path::new(&root);
    if path.is_absolute() && !path.is_dir() {
        let error = Error::missing_exports(printable_path(path), "there is no such folder");
        return Ok(Check::error(CHECK, &error.help("check that its disk is mounted")));
    }
    Ok(Check::ok(CHECK, format!("{} with {}", printable_path(path), plural(tenants, "name"))))
}

fn outputs(registry: &Registry) -> Vec<Check> {
    const CHECK: &str = "output";
    match OutArgs::from_registry().sinks(registry, Limits::default()) {
        Err(error) => vec![Check::error(CHECK, &error)],
        Ok(sinks) => sinks
            .iter()
            .map(|sink| output(sink, registry).unwrap_or_else(|error| Check::error(CHECK, &error)))
            .collect(),
    }
}

fn output(sink: &dyn Sink, registry: &Registry) -> Result<Check> {
    const CHECK: &str = "output";
    let name = sink.name();
    let path = resolve::sink_path(&name);
    if path.is_absolute() {
        let check = if resolve::is_folder(&name) { writable_folder(CHECK, path) } else { writable(CHECK, path) };
        if check.state == State::Problem {
            return Ok(check);
        }
    }
    // Whatever is elsewhere is asked for something, so that it answers.
    sink.max_operation_bytes()?;
    if let (true, Some(table)) = (sink.holds_marks(), registry.tables()?.first()) {
        sink.mark(table)?;
    }
    Ok(Check::ok(CHECK, sink.display_name()))
}

/// Whether a folder can be written; if it does not exist, whether it can be created.
fn writable_folder(check: &'static str, path: &Path) -> Check {
    if path.exists() && !path.is_dir() {
        let found = format!("{} is not a folder", printable_path(path));
        return Check::problem(check, found, "move it away, or name another place");
    }
    writable(check, path)
}

/// Whether a folder or file can be written; if it does not exist, whether it can be created.
fn writable(check: &'static str, path: &Path) -> Check {
    let nearest = existing(path);
    let shown = printable_path(path);
    let flags = if nearest.is_dir() { AccessFlags::W_OK | AccessFlags::X_OK } else { AccessFlags::W_OK };
    match access(&nearest, flags) {
        Ok(()) if nearest == path => Check::ok(check, format!("{shown} is writable")),
        Ok(()) if nearest.is_dir() => Check::ok(check, format!("{shown} does not exist yet, and can be created")),
        Ok(()) => Check::problem(check, format!("{shown} is below a file"), "name another place"),
        Err(error) => {
            let help = "give this user the right to write there, or name another place";
            Check::problem(check, format!("cannot write to {}: {error}", printable_path(&nearest)), help)
        }
    }
}

/// The path, or the nearest one above it that exists.
pub(super) fn existing(path: &Path) -> PathBuf {
    let above = path.ancestors().find(|path| path.as_os_str().is_empty() || path.exists());
    above.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf()
}

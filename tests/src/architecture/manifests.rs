//! Members of the workspace depend on each other as the rulebook says.

use std::collections::BTreeSet;

use super::rulebook::Rulebook;
use super::sources::Sources;
use super::violation::Violation;

/// The member whose modules the generator writes: they have no layers.
const GENERATED: &str = "generated";

/// A member of the workspace.
#[derive(Debug)]
struct Member {
    manifest: String,
    name: String,
    dependencies: Vec<(String, usize)>,
}

/// Returns every dependency on a member that the `crates` block does not allow, and every member that is only in one of
/// the two.
pub fn check(sources: &Sources, rulebook: &Rulebook) -> Vec<Violation> {
    let members: Vec<Member> =
        sources.matching("", "/Cargo.toml").filter_map(|(path, text)| Member::parse(path, text)).collect();
    let names: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let mut violations = Vec::new();
    for member in &members {
        let Some(allowed) = rulebook.crates.get(&member.name) else {
            violations.push(Violation::new(
                &member.manifest,
                0,
                format!("{} is not in the `crates` block", member.name),
            ));
            continue;
        };
        for (dependency, line) in &member.dependencies {
            if names.contains(dependency.as_str()) && !allowed.contains(dependency) {
                let message = format!("{} must not depend on {dependency}", member.name);
                violations.push(Violation::new(&member.manifest, *line, message));
            }
        }
    }
    let with_modules = members.iter().filter(|member| member.name != GENERATED);
    let without_layers = with_modules.filter(|member| !rulebook.layers.contains_key(member.folder()));
    violations.extend(without_layers.map(|member| {
        Violation::new(&member.manifest, 0, format!("add a `layers {}` block to ARCHITECTURE.md", member.folder()))
    }));
    let unknown = rulebook.crates.keys().filter(|name| !names.contains(name.as_str()));
    violations.extend(
        unknown.map(|name| {
            Violation::new("Cargo.toml", 0, format!("the `crates` block lists {name}, which does not exist"))
        }),
    );
    violations
}

impl Member {
    fn folder(&self) -> &str {
        self.manifest.strip_suffix("/Cargo.toml").unwrap_or_default()
    }

    /// Reads a manifest line by line: each key of a table whose name ends in `dependencies` is a dependency.
    fn parse(manifest: &str, text: &str) -> Option<Self> {
        let mut name = None;
        let mut table = "";
        let mut dependencies = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if let Some(header) = line.strip_prefix('[') {
                table = header.trim_end().trim_end_matches(']');
                if let Some((parent, dependency)) = table.rsplit_once('.')
                    && parent.ends_with("dependencies")
                {
                    dependencies.push((dependency.to_owned(), index + 1));
                }
            } else if let Some((key, value)) = line.split_once('=') {
                if table == "package" && key.trim() == "name" {
                    name = Some(value.trim().trim_matches('"').to_owned());
                } else if table.ends_with("dependencies") {
                    let dependency = key.split('.').next().unwrap_or(key).trim();
                    dependencies.push((dependency.to_owned(), index + 1));
                }
            }
        }
        name.map(|name| Self { manifest: manifest.to_owned(), name, dependencies })
    }
}

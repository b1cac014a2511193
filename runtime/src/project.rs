//! A new project: a folder for schemas and one for exports, and what a repository has around them. With a workspace, it
//! also has what the generator makes of the schemas, in crates that depend on a clone of Tidemark.

use std::collections::BTreeMap;

use generator::source::{SCHEMAS, Source as Schema};

use crate::error::{Error, Result};

/// The folder of the exports.
pub const EXPORTS: &str = "exports";

/// What a project's continuous integration calls. It is the only file that is executable.
pub const CHECK: &str = ".ci/check";

/// The name that the workspace of a project gives its generator.
const GENERATE: &str = "cargo run -p generate";

/// What a project consists of.
#[derive(Debug)]
pub struct Project {
    /// Its name, for people.
    pub name: String,
    /// The tenant of the first exports.
    pub tenant: String,
    /// Its first tables, each with its schema.
    pub tables: Vec<(String, String)>,
    /// Where the crates of its workspace come from, if it has one.
    pub workspace: Option<Crates>,
}

/// Where the crates of Tidemark come from.
#[derive(Debug)]
pub enum Crates {
    /// A clone, by its absolute path, with the text of its `Cargo.lock`.
    Clone(String, Option<String>),
    /// A repository, by its address.
    Git(String),
}

/// The files of a project, by their paths in it.
///
/// # Errors
/// Fails if the schemas contradict each other.
pub fn files(project: &Project) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut add = |path: &str, text: String| files.insert(path.to_owned(), text);
    let [mut readme, mut check] =
        [include_str!("../project/README.md"), include_str!("../project/check")].map(str::to_owned);
    if project.workspace.is_some() {
        readme.push_str(include_str!("../project/README.rust.md"));
        check.push_str(include_str!("../project/check.rust"));
    }
    let table = project.tables.first().map_or("TABLE", |(table, _)| table);
    let example = format!("{}/{table}", project.tenant);
    add("README.md", readme.replace("{name}", &project.name).replace("{example}", &example));
    add(".gitignore", include_str!("../project/gitignore").into());
    add(CHECK, check);
    add(&format!("{EXPORTS}/.gitignore"), include_str!("../project/exports.gitignore").into());
    add(&format!("{SCHEMAS}/table.schema.json"), generator::schema_for_editors(GENERATE));
    for (table, yaml) in &project.tables {
        add(&format!("{SCHEMAS}/{table}.yaml"), yaml.clone());
    }
    if let Some(crates) = &project.workspace {
        files.extend(workspace(crates));
        files.extend(generated(&project.tables)?);
    }
    Ok(files)
}

/// The manifests of a workspace, and its generator.
fn workspace(crates: &Crates) -> BTreeMap<String, String> {
    let [generator, runtime] = ["generator", "runtime"].map(|name| match crates {
        Crates::Clone(path, _) => format!("path = {}", quoted(&format!("{path}/{name}"))),
        Crates::Git(address) => format!("git = {}", quoted(address)),
    });
    let manifest = include_str!("../project/workspace.toml")
        .replace("{generator}", &format!("{{ {generator} }}"))
        .replace("{runtime}", &format!("{{ {runtime}, default-features = false }}"));
    let mut files: BTreeMap<String, String> = [
        ("Cargo.toml", manifest.as_str()),
        ("generate/Cargo.toml", include_str!("../project/generate.toml")),
        ("generate/src/main.rs", include_str!("../project/generate.rs.txt")),
        ("generated/Cargo.toml", include_str!("../project/generated.toml")),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()))
    .into();
    // The versions that Tidemark is tested with. Cargo removes what the project does not need.
    if let Crates::Clone(_, Some(lock)) = crates {
        files.insert("Cargo.lock".into(), lock.clone());
    }
    files
}

/// What the generator makes of the schemas.
fn generated(tables: &[(String, String)]) -> Result<BTreeMap<String, String>> {
    if tables.is_empty() {
        return Ok(BTreeMap::new());
    }
    let schemas: Vec<Schema> =
        tables.iter().map(|(table, yaml)| Schema::new(format!("{SCHEMAS}/{table}.yaml"), yaml.as_str())).collect();
    let read = generator::read(&schemas).map_err(|mistakes| {
        let mistakes: Vec<&str> = mistakes.iter().map(|mistake| mistake.message.as_str()).collect();
        Error::refused("", format!("the schemas of these files cannot be in one project: {}", mistakes.join("; ")))
            .help("make the project with one of them, and add the others with `tidemark infer`")
    })?;
    Ok(generator::emit_by(GENERATE, &read.tables))
}

/// A text in TOML, which reads the escapes of JSON.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is valid JSON")
}

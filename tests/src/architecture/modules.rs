//! The modules of a package, and how a path in one of them is resolved.

use std::collections::{BTreeMap, BTreeSet};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Item, ItemUse, UseTree, Visibility};

use super::sources::Sources;
use super::syntax;

/// A package of the workspace.
pub(super) struct Package {
    pub(super) modules: Vec<Module>,
    /// Its programs use its library by this name.
    name: String,
    library: Option<usize>,
}

/// A module: a file, or a `mod` with braces.
pub(super) struct Module {
    /// The file, from the root of the repository.
    pub(super) file: String,
    /// The file's path below `src` without its extension; `a/mod.rs` is `a`.
    pub(super) id: String,
    /// Its items, except those compiled for tests only.
    pub(super) items: Vec<Item>,
    /// The module of its file: itself, unless it has braces.
    pub(super) owner: usize,
    /// Every name that a `use` in it declares.
    pub(super) uses: Vec<Use>,
    parent: Option<usize>,
    root: usize,
    children: BTreeMap<String, usize>,
    names: BTreeSet<String>,
}

/// One name of a `use` declaration.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub(super) path: Vec<String>,
    /// The name in this module; none for `*` and `_`.
    name: Option<String>,
    glob: bool,
    pub(super) public: bool,
    pub(super) line: usize,
}

/// What a path resolves to: a name in a module. The name is empty when the path names the module itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) module: usize,
    pub(super) name: String,
}

impl Package {
    /// Reads the package in a folder: `src/lib.rs`, `src/main.rs`, and the programs in `src/bin`.
    pub(super) fn read(sources: &Sources, folder: &str) -> Self {
        let manifest = sources.files.get(&format!("{folder}/Cargo.toml")).map_or("", String::as_str);
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = ")).unwrap_or_default();
        let name = name.trim_matches('"').replace('-', "_");
        let mut package = Self { modules: Vec::new(), name, library: None };
        let src = format!("{folder}/src/");
        if sources.files.contains_key(&format!("{src}lib.rs")) {
            package.library = Some(package.add_file(sources, &src, "lib.rs", None));
        }
        let bin = format!("{src}bin/");
        for (path, _) in sources.matching(&src, ".rs") {
            let is_program = path.strip_prefix(&bin).is_some_and(|rest| !rest.contains('/'));
            if is_program || path == format!("{src}main.rs") {
                package.add_file(sources, &src, &path[src.len()..], None);
            }
        }
        package
    }

    /// Adds a file's module and its descendants. `path` is relative to `src`.
    fn add_file(&mut self, sources: &Sources, src: &str, path: &str, parent: Option<usize>) -> usize {
        let file = format!("{src}{path}");
        let syntax = syntax::parse(&file, &sources.files[&file]);
        let stem = path.strip_suffix(".rs").unwrap_or(path);
        let id = stem.strip_suffix("/mod").unwrap_or(stem);
        let index = self.add_module(Module::new(file, id, parent), syntax.items);
        let folder = if parent.is_none() { stem.rsplit_once('/').map_or("", |(folder, _)| folder) } else { id };
        self.add_children(sources, src, folder, index);
        index
    }

    fn add_module(&mut self, mut module: Module, items: Vec<Item>) -> usize {
        let index = self.modules.len();
        module.items = items.into_iter().filter(|item| !syntax::is_test(syntax::attributes(item))).collect();
        module.names = module.items.iter().filter_map(syntax::name).collect();
        let mut collector = UseCollector::default();
        module.items.iter().for_each(|item| collector.visit_item(item));
        module.uses = collector.uses;
        module.root = module.parent.map_or(index, |parent| self.modules[parent].root);
        if module.owner == usize::MAX {
            module.owner = index;
        }
        self.modules.push(module);
        index
    }

    /// Adds the modules that a module declares, whose files are in `folder`.
    fn add_children(&mut self, sources: &Sources, src: &str, folder: &str, index: usize) {
        let declared: Vec<syn::ItemMod> = self.modules[index]
            .items
            .iter()
            .filter_map(|item| if let Item::Mod(item) = item { Some(item.clone()) } else { None })
            .collect();
        for item in declared {
            let name = item.ident.to_string();
            let below = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let child = if let Some((_, items)) = item.content {
                let parent = &self.modules[index];
                let mut module = Module::new(parent.file.clone(), &parent.id, Some(index));
                module.owner = parent.owner;
                let child = self.add_module(module, items);
                self.add_children(sources, src, &below, child);
                child
            } else {
                let paths = [format!("{below}.rs"), format!("{below}/mod.rs")];
                let Some(path) = paths.iter().find(|path| sources.files.contains_key(&format!("{src}{path}"))) else {
                    continue;
                };
                self.add_file(sources, src, path, Some(index))
            };
            self.modules[index].children.insert(name, child);
        }
    }

    /// Resolves a path in a module. Returns none if it leaves the package, or starts with a name that is neither
    /// declared nor imported, such as a local variable.
    pub(super) fn resolve(&self, module: usize, path: &[String]) -> Option<Target> {
        self.resolve_within(module, path, 0)
    }

    fn resolve_within(&self, module: usize, path: &[String], depth: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        // Two modules can import each other with `*`.
        if depth > 16 {
            return None;
        }
        match first.as_str() {
            "crate" => self.walk(self.modules[module].root, rest, depth),
            "self" => self.walk(module, rest, depth),
            "super" => self.walk(self.modules[module].parent?, rest, depth),
            name if *name == self.name && self.library.is_some_and(|library| library != self.modules[module].root) => {
                self.walk(self.library?, rest, depth)
            }
            _ => self.walk_name(module, first, rest, depth),
        }
    }

    /// Resolves the rest of a path, relative to a module.
    fn walk(&self, module: usize, path: &[String], depth: usize) -> Option<Target> {
        match path.split_first() {
            None => Some(Target { module, name: String::new() }),
            Some((first, rest)) if first == "super" => self.walk(self.modules[module].parent?, rest, depth),
            Some((first, rest)) => {
                self.walk_name(module, first, rest, depth).or_else(|| Some(Target { module, name: first.clone() }))
            }
        }
    }

    fn walk_name(&self, module: usize, name: &str, rest: &[String], depth: usize) -> Option<Target> {
        let here = &self.modules[module];
        if let Some(child) = here.children.get(name) {
            return self.walk(*child, rest, depth);
        }
        if here.names.contains(name) {
            return Some(Target { module, name: name.to_owned() });
        }
        if let Some(found) = here.uses.iter().find(|found| found.name.as_deref() == Some(name)) {
            let path: Vec<String> = found.path.iter().chain(rest).cloned().collect();
            return self.resolve_within(module, &path, depth + 1);
        }
        here.uses.iter().filter(|found| found.glob).find_map(|glob| {
            let source = self.resolve_within(module, &glob.path, depth + 1)?;
            // `use Enum::*` imports variants, not names of the enum's module.
            if source.name.is_empty() { self.walk_name(source.module, name, rest, depth + 1) } else { None }
        })
    }

    /// Returns whether a module is a descendant of another.
    pub(super) fn is_below(&self, module: usize, ancestor: usize) -> bool {
        let mut parent = self.modules[module].parent;
        while let Some(index) = parent {
            if index == ancestor {
                return true;
            }
            parent = self.modules[index].parent;
        }
        false
    }
}

impl Module {
    fn new(file: String, id: &str, parent: Option<usize>) -> Self {
        Self {
            file,
            id: id.to_owned(),
            items: Vec::new(),
            owner: usize::MAX,
            uses: Vec::new(),
            parent,
            root: 0,
            children: BTreeMap::new(),
            names: BTreeSet::new(),
        }
    }
}

/// Collects the `use` declarations of a module, including those in functions, without its child modules.
#[derive(Default)]
struct UseCollector {
    uses: Vec<Use>,
}

impl<'ast> Visit<'ast> for UseCollector {
    fn visit_item(&mut self, item: &'ast Item) {
        if !matches!(item, Item::Mod(_)) && !syntax::is_test(syntax::attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let public = !matches!(item.vis, Visibility::Inherited);
        self.add(&item.tree, &mut Vec::new(), public);
    }
}

impl UseCollector {
    fn add(&mut self, tree: &UseTree, prefix: &mut Vec<String>, public: bool) {
        let line = tree.span().start().line;
        let mut push = |path: Vec<String>, name: Option<String>, glob| {
            self.uses.push(Use { path, name, glob, public, line });
        };
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.add(&path.tree, prefix, public);
                prefix.pop();
            }
            UseTree::Name(name) if name.ident == "self" => push(prefix.clone(), prefix.last().cloned(), false),
            UseTree::Name(name) => push(joined(prefix, &name.ident), Some(name.ident.to_string()), false),
            UseTree::Rename(rename) => {
                let path = if rename.ident == "self" { prefix.clone() } else { joined(prefix, &rename.ident) };
                let name = rename.rename.to_string();
                push(path, Some(name).filter(|name| name != "_"), false);
            }
            UseTree::Glob(_) => push(prefix.clone(), None, true),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add(tree, prefix, public)),
        }
    }
}

fn joined(prefix: &[String], last: &syn::Ident) -> Vec<String> {
    prefix.iter().cloned().chain([last.to_string()]).collect()
}

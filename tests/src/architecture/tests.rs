//! Each rule on trees of a few lines.

use super::imports::Imports;
use super::rulebook::Rulebook;
use super::sources::Sources;
use super::violation::Violation;
use super::{cycles, layers, manifests, message_text, sizes, vocabulary};

/// The imports of a package in `p`, as `from -> to: names`.
fn arrows(files: &[(&str, &str)]) -> Vec<String> {
    let arrows = imports(files).arrows.into_iter();
    arrows.map(|((from, to), arrow)| format!("{from} -> {to}: {}", joined(arrow.names))).collect()
}

fn imports(files: &[(&str, &str)]) -> Imports {
    Imports::from_package(&Sources::from_texts(files.iter().copied()), "p")
}

fn joined(names: impl IntoIterator<Item = String>) -> String {
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn rulebook(markdown: &str) -> Rulebook {
    let mut rulebook = Rulebook::default();
    rulebook.add("RULES.md", markdown);
    rulebook
}

fn shown(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(Violation::to_string).collect()
}

#[test]
fn every_form_of_use_is_an_import() {
    let found = arrows(&[
        ("p/src/lib.rs", "mod a; mod b; mod c; mod d; mod e;"),
        ("p/src/a.rs", "use crate::b::{self, B, inner::{Deep as Other}}; use super::c::*; pub use crate::d::D;"),
        ("p/src/b.rs", "pub struct B; pub mod inner { pub struct Deep; use super::super::e::E; }"),
        ("p/src/c.rs", "pub struct C;"),
        ("p/src/d.rs", "pub struct D;"),
        ("p/src/e.rs", "pub struct E; fn f() { use self::super::c::C; }"),
    ]);
    assert_eq!(found, ["a -> b: B, Deep", "a -> c: (the module)", "a -> d: D", "b -> e: E", "e -> c: C"]);
}

#[test]
fn paths_in_code_macros_and_attributes_are_imports() {
    let found = arrows(&[
        ("p/src/lib.rs", "mod a; mod b; mod c; mod d; mod e;"),
        ("p/src/a.rs", "fn f(x: crate::b::B) -> usize { super::c::count() }"),
        ("p/src/b.rs", r#"pub struct B { #[serde(with = "crate::d")] x: f64, }"#),
        ("p/src/c.rs", r#"pub fn count() -> usize { format!("{}", 1 + crate::e::SIZE).len() }"#),
        ("p/src/d.rs", "pub(crate) struct D; pub(in crate::a) struct E;"),
        ("p/src/e.rs", "pub const SIZE: usize = 1;"),
    ]);
    assert_eq!(found, ["a -> b: B", "a -> c: count", "b -> d: (the module)", "c -> e: SIZE"]);
}

#[test]
fn a_module_that_is_imported_leads_to_its_children() {
    let found = arrows(&[
        ("p/src/main.rs", "mod a; mod b;"),
        ("p/src/a.rs", "use crate::b; fn f() { b::c::g(); b::h() }"),
        ("p/src/b/mod.rs", "pub mod c; pub fn h() {}"),
        ("p/src/b/c.rs", "pub fn g() {}"),
    ]);
    assert_eq!(found, ["a -> b: h", "a -> b/c: g"]);
}

#[test]
fn a_reexport_is_resolved_to_the_child() {
    let found = arrows(&[
        ("p/src/lib.rs", "mod other; mod store; pub use store::TableKey;"),
        ("p/src/store/mod.rs", "mod key; mod sqlite; pub use key::TableKey;"),
        ("p/src/store/key.rs", "pub struct TableKey;"),
        ("p/src/store/sqlite.rs", "use super::TableKey;"),
        ("p/src/other.rs", "use crate::{store::TableKey as Key, TableKey};"),
    ]);
    assert_eq!(found, ["other -> store/key: TableKey", "store/sqlite -> store/key: TableKey"]);
}

#[test]
fn a_parent_that_uses_what_it_reexports_imports_the_child() {
    let found = arrows(&[
        ("p/src/lib.rs", "mod a;"),
        ("p/src/a.rs", "mod b; pub use b::B; fn f(b: B) {}"),
        ("p/src/a/b.rs", "pub struct B;"),
    ]);
    assert_eq!(found, ["a -> a/b: B"]);
}

#[test]
fn programs_import_the_library_by_its_name() {
    let found = arrows(&[
        ("p/Cargo.toml", "[package]\nname = \"the-crate\"\n"),
        ("p/src/lib.rs", "pub mod a; fn f() { a::g() }"),
        ("p/src/a.rs", "pub fn g() {}"),
        ("p/src/main.rs", "fn main() { the_crate::a::g() }"),
        ("p/src/bin/tool.rs", "use the_crate::a; fn main() { a::g() }"),
    ]);
    assert_eq!(found, ["bin/tool -> a: g", "lib -> a: g", "main -> a: g"]);
}

#[test]
fn code_for_tests_is_ignored() {
    let found = arrows(&[
        ("p/src/lib.rs", "mod a; mod b;"),
        (
            "p/src/a.rs",
            "#[cfg(test)] mod tests { use crate::b::B; } #[cfg(all(test, unix))] use crate::b::B;
             #[test] fn f() { crate::b::g() } #[cfg(not(test))] use crate::b::C;",
        ),
        ("p/src/b.rs", "pub struct B; pub struct C;"),
    ]);
    assert_eq!(found, ["a -> b: C"]);
}

#[test]
fn cycles_are_reported_with_their_names() {
    let found = cycles::check(&imports(&[
        ("p/src/lib.rs", "mod a; mod b; mod c; mod d;"),
        ("p/src/a.rs", "use crate::b::{X, Y};\nuse crate::d::D;"),
        ("p/src/b.rs", "\nuse crate::c::Z;\npub struct X; pub struct Y;"),
        ("p/src/c.rs", "use crate::{a, d::D}; pub struct Z;"),
        ("p/src/d.rs", "pub struct D;"),
    ]));
    assert_eq!(
        shown(&found),
        ["p/src/a.rs:1: modules import each other in a circle; move the shared names into a module that both can import
    a:1 -> b: X, Y
    b:2 -> c: Z
    c:1 -> a: (the module)"]
    );
}

#[test]
fn a_parent_and_its_child_can_form_a_cycle() {
    let found = cycles::check(&imports(&[
        ("p/src/lib.rs", "mod a;"),
        ("p/src/a.rs", "mod b; pub struct A; fn f() { b::g() }"),
        ("p/src/a/b.rs", "use super::A; pub fn g() {}"),
    ]));
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn imports_point_to_lower_layers() {
    let imports = imports(&[
        ("p/src/lib.rs", "mod a; mod b; mod c; mod new;"),
        ("p/src/a.rs", "use crate::b::B;"),
        ("p/src/b/mod.rs", "pub mod x; pub mod y; pub struct B;"),
        ("p/src/b/x.rs", "use super::y::Y; use crate::c::C;"),
        ("p/src/b/y.rs", "use crate::a; pub struct Y;"),
        ("p/src/c.rs", "use crate::b::B; pub struct C;"),
        ("p/src/new.rs", ""),
    ]);
    let rules = rulebook("```layers p\nlib\na\nb/ c old\n```\n");
    assert_eq!(
        shown(&layers::check(&imports, &rules.layers["p"])),
        [
            "p/src/new.rs: new is not on a layer; list it in RULES.md",
            "RULES.md: the layers list old, which does not exist",
            "p/src/b/x.rs:1: b/x imports c, which is on the same layer: C",
            "p/src/b/y.rs:1: b/y imports a, which is on a higher layer: (the module)",
            "p/src/c.rs:1: c imports b, which is on the same layer: B",
        ]
    );
}

#[test]
fn layers_expand_braces_and_prefer_the_longest_word() {
    let imports = imports(&[
        ("p/src/lib.rs", "mod a;"),
        ("p/src/a/mod.rs", "mod b; mod c; fn f() { c::f() }"),
        ("p/src/a/b/mod.rs", "mod d; mod e; use super::f;"),
        ("p/src/a/b/d.rs", "use super::e;"),
        ("p/src/a/b/e.rs", ""),
        ("p/src/a/c.rs", "pub fn f() {}"),
    ]);
    let good = rulebook("```layers p\nlib\na/b/{d, e}\na/{b/mod}\na/\n```\n");
    assert_eq!(shown(&layers::check(&imports, &good.layers["p"])), Vec::<String>::new());
    let twice = rulebook("```layers p\nlib\na/{b/{mod,d,e},c}\na/mod a\n```\n");
    assert_eq!(
        shown(&layers::check(&imports, &twice.layers["p"])),
        ["RULES.md: the layers list a twice", "p/src/a/mod.rs:1: a imports a/c, which is on a higher layer: f"]
    );
}

#[test]
fn long_functions_files_and_comments_are_reported() {
    let body = "    f();\n".repeat(39);
    let long = format!("struct S;\nimpl S {{\n    fn long() {{\n{body}    }}\n}}\nfn listed() {{\n{body}}}\n");
    let short = format!("fn short() {{\n{}}}\n//{}\n", "    f();\n".repeat(38), "é".repeat(119));
    let lines = "x = 1\n".repeat(401);
    let files = [("a.rs", long.as_str()), ("b.rs", short.as_str()), ("c.py", lines.as_str()), ("d.rs", "fn f() {}")];
    let rules = rulebook("```exceptions sizes\na.rs::listed a flat list\nd.rs::f another\n```\n");
    assert_eq!(
        shown(&sizes::check(&Sources::from_texts(files), &rules)),
        [
            "a.rs:3: fn S::long has 41 lines; split it, so that it has at most 40",
            "b.rs:41: comment line of 121 characters; wrap it at 120",
            "c.py: 401 lines; split it, so that it has at most 400",
            "d.rs::f another: this exception to `sizes` is not needed, or has no reason",
        ]
    );
}

#[test]
fn private_language_is_reported() {
    let rust = "enum E { Waiting, Irregular }\nstruct Waiting;\nfn of_text() {}\nfn offer(room: Room) { let side_by_side_again = 1; }\n// breathe\nfn f() { \"wake\"; at_most(most) }\n";
    let python = "\"\"\"desk\nwake up\n\"\"\"\ndef wake():  # told\n    return 'told'\nx.mended_flow = f\"look\"\n";
    let leftovers = "fn remove_leftovers() {}";
    let files = [
        ("a.rs", rust),
        ("b/places.rs", ""),
        ("c.py", python),
        ("runtime/src/engine/a.rs", leftovers),
        ("runtime/src/gc.rs", leftovers),
    ];
    let found =
        vocabulary::check(&Sources::from_texts(files), &rulebook("```exceptions vocabulary\na.rs::of_text why\n```"));
    assert_eq!(
        shown(&found),
        [
            "a.rs:1: `Irregular` is private language; say Fallback (ARCHITECTURE.md, glossary)",
            "a.rs:2: `Waiting` is private language; say WaitMode (ARCHITECTURE.md, glossary)",
            "a.rs:4: side_by_side_again: `side_by_side` is private language; say merge_join (ARCHITECTURE.md, glossary)",
            "a.rs:6: `most` is private language; say max_… (ARCHITECTURE.md, glossary)",
            "b/places.rs: `places` is private language; say field_map or args (ARCHITECTURE.md, glossary)",
            "c.py:4: `wake` is private language; say start_execution (ARCHITECTURE.md, glossary)",
            "c.py:6: mended_flow: `mended` is private language; say patches (ARCHITECTURE.md, glossary)",
            "runtime/src/engine/a.rs:1: remove_leftovers: `leftovers` is private language; say unmatched (ARCHITECTURE.md, glossary)",
        ]
    );
}

#[test]
fn searches_of_messages_are_reported() {
    let text = r#"
fn kind(error: &Error, names: &[String]) -> bool {
    let text = error.to_string();
    text.contains("credentials")
        || error.message().trim().starts_with("cannot")
        || names.iter().any(|reason| reason == "updates")
        || format!("{names:?}").to_lowercase() == names[0]
}
fn shown(refused: &str) -> String {
    format!("{:?}", refused.rfind("is not a"))
}
fn allowed(message: &str, name: &str, kind: Kind) -> bool {
    message.ends_with('.') && name.contains('a') && kind == Kind::A
}
#[cfg(test)]
mod tests {
    fn f(error: Error) {
        assert!(error.to_string().contains("x"));
    }
}
"#;
    let sources = Sources::from_texts([("runtime/src/a.rs", text), ("tests/src/b.rs", text)]);
    let rules = rulebook("```exceptions message-text\nruntime/src/a.rs::allowed it checks the punctuation\n```\n");
    let found = shown(&message_text::check(&sources, &rules));
    let places: Vec<&str> =
        found.iter().filter_map(|line| line.split_once(" the text").map(|(place, _)| place)).collect();
    assert_eq!(
        places,
        [
            "runtime/src/a.rs:4: `contains` searches",
            "runtime/src/a.rs:5: `starts_with` searches",
            "runtime/src/a.rs:6: `==` compares",
            "runtime/src/a.rs:7: `==` compares",
            "runtime/src/a.rs:10: `rfind` searches",
        ]
    );
}

#[test]
fn crates_depend_on_listed_members_only() {
    let sources = Sources::from_texts([
        ("Cargo.toml", "[workspace.dependencies]\na = { path = \"a\" }\n"),
        (
            "a/Cargo.toml",
            "[package]\nname = \"a\"\n[dependencies]\nserde = \"1\"\nb.workspace = true\n[dev-dependencies.c]\n",
        ),
        ("b/Cargo.toml", "[package]\nname = \"b\"\n[dev-dependencies]\na = { workspace = true }\n"),
        ("c/Cargo.toml", "[package]\nname = \"c\"\n"),
    ]);
    let rules = rulebook("```crates\na -> b\nb ->\nd -> a\n```\n```layers a\nlib\n```\n```layers b\nlib\n```\n");
    assert_eq!(
        shown(&manifests::check(&sources, &rules)),
        [
            "a/Cargo.toml:6: a must not depend on c",
            "b/Cargo.toml:4: b must not depend on a",
            "c/Cargo.toml: c is not in the `crates` block",
            "c/Cargo.toml: add a `layers c` block to ARCHITECTURE.md",
            "Cargo.toml: the `crates` block lists d, which does not exist",
        ]
    );
}

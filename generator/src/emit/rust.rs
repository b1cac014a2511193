//! `generated/src/<table>.rs`: the key, the values, the operation and the definition of one table.

mod expect;
mod source;
mod structs;
mod tokens;

use std::collections::BTreeSet;
use std::iter;

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

use super::artifact::{Files, Origin};
use super::{rustdoc, target};
use crate::model::{Column, ColumnType, Encoding, Guards, Numbers, Publish, Sign, Source, Table, Tenant};
use crate::names;
use expect::expect_definition;
use source::source_definition;
use structs::{deserialize, runtime_type, structure};
use tokens::{optional, with_defaults};

pub(super) fn emit(table: &Table, origin: Origin<'_>, files: &mut Files) {
    files.insert(format!("generated/src/{}.rs", table.module), module(table, origin));
}

fn module(table: &Table, origin: Origin<'_>) -> String {
    let name = &table.name;
    let docs = match &table.description {
        Some(description) => rustdoc::lines(description),
        None => vec![format!("The table `{name}`.")],
    };
    let docs: String = docs.iter().map(|line| format!("//! {line}").trim_end().to_owned() + "\n").collect();
    let imports: String = imports(table).into_iter().map(item).collect();
    let mut items = vec![
        structure("Key", &format!("Identifies one row of `{name}`."), table.key_columns(), true),
        deserialize("Key", table.key_columns()),
        structure("Values", &values_doc(table), table.value_columns(), false),
        deserialize("Values", table.value_columns()),
        operation(table),
    ];
    items.extend(definitions(table));
    let items: Vec<String> = items.into_iter().map(item).collect();
    let items = items.join("\n");
    format!("// {}\n\n{docs}\n{imports}\n{items}", origin.table_header(table))
}

fn values_doc(table: &Table) -> String {
    let published = if table.unpublished_columns().next().is_some() { "published " } else { "" };
    format!("The {published}columns of `{}` outside its key.", table.name)
}

/// One item as formatted source text.
fn item(tokens: TokenStream) -> String {
    let item = syn::parse2(tokens).expect("an emitted item is valid Rust");
    prettyplease::unparse(&syn::File { shebang: None, frontmatter: None, attrs: Vec::new(), items: vec![item] })
}

/// The `use` declarations that the module needs.
fn imports(table: &Table) -> Vec<TokenStream> {
    let published = table.columns.iter().filter(|column| column.is_published());
    let types: BTreeSet<&str> = published.filter_map(|column| runtime_type(column.published_type())).collect();
    let mut contract = BTreeSet::from(["Column", "Guards", "Source", "Table", "Target", "Type"]);
    contract.extend((!table.tenants.is_empty()).then_some("Tenant"));
    for table in iter::once(table).chain(table.tenants.iter().map(|tenant| &tenant.table)) {
        contract.extend(used_types(table));
    }
    let identifiers = |names: BTreeSet<&str>| names.into_iter().map(names::identifier).collect::<Vec<_>>();
    let contract = identifiers(contract);
    let mut imports = vec![quote! { use runtime::table::{#(#contract),*}; }];
    if !types.is_empty() {
        let types = identifiers(types);
        imports.push(quote! { use runtime::{#(#types),*}; });
    }
    imports.push(quote! { use serde::Serialize; });
    imports
}

/// The types of the contract that the definition of a table needs only sometimes.
fn used_types(table: &Table) -> impl Iterator<Item = &'static str> {
    let default = Source::default();
    let has_binary = table.columns.iter().any(|column| matches!(column.ty, ColumnType::Binary(_)));
    let has_numbers = table.columns.iter().any(|column| column.numbers.is_some());
    let used = [
        (table.source.compression != default.compression, "Compression"),
        (table.source.complete != default.complete, "Completeness"),
        (table.source.escape.is_some(), "Escape"),
        (table.expect.is_some(), "Expect"),
        (has_binary, "Encoding"),
        (has_numbers, "Numbers"),
        (has_numbers, "Sign"),
    ];
    used.into_iter().filter(|(is_used, _)| *is_used).map(|(_, name)| name)
}

fn operation(table: &Table) -> TokenStream {
    let doc = rustdoc::attributes(&[format!("A change to one row of `{}`.", table.name)]);
    quote! { #doc pub type Operation = runtime::Operation<Key, Values>; }
}

/// The definition; for tenants that differ, the fields in which they do.
fn definitions(table: &Table) -> Vec<TokenStream> {
    let doc = rustdoc::attributes(&[format!("The definition of `{}`.", table.name)]);
    let definition = definition(table);
    if table.tenants.is_empty() {
        return vec![quote! { #doc pub static TABLE: Table = #definition; }];
    }
    let tenants = table.tenants.iter().map(|tenant| tenant_definition(table, tenant));
    let common = rustdoc::attributes(&["For tenants that are not named.".to_owned()]);
    vec![
        quote! { #common const COMMON: Table = #definition; },
        quote! { #doc pub static TABLE: Table = Table { tenants: &[#(#tenants),*], ..COMMON }; },
    ]
}

fn definition(table: &Table) -> TokenStream {
    let Table { name, athena, before_image, .. } = table;
    let (role, schema) = (table.role(), table.schema_hash());
    let key = table.key_columns().map(|column| &column.name);
    let columns = table.columns.iter().map(column_definition);
    let source = source_definition(&table.source);
    let guards = guards_definition(&table.guards);
    let expect = expect_definition(table.expect.as_ref());
    let target = target_definition(table);
    let description = optional(table.description.as_deref().map(Literal::string));
    quote! {
        Table {
            name: #name,
            description: #description,
            role: #role,
            schema: #schema,
            primary_key: &[#(#key),*],
            columns: &[#(#columns),*],
            source: #source,
            before_image: #before_image,
            athena: #athena,
            guards: #guards,
            expect: #expect,
            target: #target,
            tenants: &[],
        }
    }
}

/// A tenant's definition: only the fields that differ from the table's.
fn tenant_definition(common: &Table, Tenant { name, table }: &Tenant) -> TokenStream {
    let schema = table.schema_hash();
    let columns = table.columns.iter().map(column_definition);
    let (source, guards) = (source_definition(&table.source), guards_definition(&table.guards));
    let fields = [
        (schema != common.schema_hash(), quote! { schema: #schema }),
        (table.columns != common.columns, quote! { columns: &[#(#columns),*] }),
        (table.source != common.source, quote! { source: #source }),
        (table.guards != common.guards, quote! { guards: #guards }),
    ];
    let fields = fields.into_iter().filter(|(differs, _)| *differs).map(|(_, field)| field);
    quote! { Tenant { name: #name, table: Table { #(#fields,)* ..COMMON } } }
}

/// The table in a database, whose statements are files next to the module.
fn target_definition(table: &Table) -> TokenStream {
    let name = &table.name;
    // `include_str!` takes a path relative to the generated file.
    let included = |folder: &str, file: &str| {
        let path = format!("{}/{name}{file}.sql", folder.replace("generated/", "../"));
        quote! { include_str!(#path) }
    };
    let (sqlite, postgres) = (target::check_sqlite(table), target::check_postgres(table));
    let statements = |folder: &str, checked: &Result<(), String>| match checked {
        Ok(()) => {
            let included = included(folder, "");
            quote! { Ok(#included) }
        }
        Err(problem) => quote! { Err(#problem) },
    };
    let in_sqlite = statements(target::SQLITE, &sqlite);
    let in_postgres = statements(target::POSTGRES, &postgres);
    let history = table.target.history.then(|| {
        let parts = |folder: &str, exists: bool| match exists {
            true => [included(folder, ".history"), included(folder, ".as_of")],
            false => [quote! { "" }, quote! { "" }],
        };
        let in_sqlite = parts(target::SQLITE, sqlite.is_ok());
        let in_postgres = parts(target::POSTGRES, postgres.is_ok());
        let time = match &table.target.version_time {
            Some(format) => quote! { Some(#format) },
            None => quote! { None },
        };
        quote! { .with_history([#(#in_sqlite),*], [#(#in_postgres),*], #time) }
    });
    let name = &table.target.name;
    let schemas = table.target.tenant_schemas.then(|| quote! { .with_tenant_schemas() });
    quote! { Target::new(#name, #in_sqlite, #in_postgres)#history #schemas }
}

/// `Column::new("amount", Type::Double).nullable()`
fn column_definition(column: &Column) -> TokenStream {
    let name = &column.name;
    let ty = type_definition(&column.ty);
    let mut tokens = quote! { Column::new(#name, #ty) };
    let mut switch = |is_on: bool, method: TokenStream| {
        if is_on {
            tokens.extend(method);
        }
    };
    switch(column.nullable, quote! { .nullable() });
    switch(!column.compare && column.is_published(), quote! { .not_compared() });
    switch(column.pii, quote! { .pii() });
    switch(column.trim, quote! { .trim() });
    tokens.extend(publish_method(column.publish));
    if let Some(nulls) = &column.nulls {
        tokens.extend(quote! { .nulls(&[#(#nulls),*]) });
    }
    for (method, text) in [
        ("description", column.description.as_deref()),
        ("header", column.header.as_deref()),
        ("format", column.ty.format()),
        ("default", column.default.as_deref()),
        ("formerly", column.formerly.as_deref()),
        ("prefix", column.prefix.as_deref()),
    ] {
        if let Some(text) = text {
            let method = format_ident!("{method}");
            tokens.extend(quote! { .#method(#text) });
        }
    }
    if let Some(numbers) = &column.numbers {
        let numbers = numbers_definition(numbers);
        tokens.extend(quote! { .numbers(#numbers) });
    }
    if let ColumnType::Boolean { words: Some(words) } = &column.ty {
        let (yes, no) = (&words.true_values, &words.false_values);
        tokens.extend(quote! { .words(&[#(#yes),*], &[#(#no),*]) });
    }
    tokens
}

fn publish_method(publish: Publish) -> TokenStream {
    match publish {
        Publish::Clear => quote! {},
        Publish::Hmac => quote! { .hmac() },
        Publish::Never => quote! { .unpublished() },
    }
}

fn numbers_definition(numbers: &Numbers) -> TokenStream {
    let Numbers { decimal_mark, group_mark, strip, sign } = numbers;
    let group_mark = optional(group_mark.map(Literal::character));
    let sign = match sign {
        Sign::Leading => quote! { Sign::Leading },
        Sign::Trailing => quote! { Sign::Trailing },
        Sign::Parentheses => quote! { Sign::Parentheses },
    };
    quote! {
        Numbers { decimal_mark: #decimal_mark, group_mark: #group_mark, sign: #sign, strip: &[#(#strip),*] }
    }
}

fn type_definition(ty: &ColumnType) -> TokenStream {
    match ty {
        ColumnType::Boolean { .. } => quote! { Type::Boolean },
        ColumnType::Tinyint => quote! { Type::Tinyint },
        ColumnType::Smallint => quote! { Type::Smallint },
        ColumnType::Int => quote! { Type::Int },
        ColumnType::Bigint => quote! { Type::Bigint },
        ColumnType::Float => quote! { Type::Float },
        ColumnType::Double => quote! { Type::Double },
        ColumnType::Decimal { precision, scale } => {
            let (precision, scale) = (Literal::u8_unsuffixed(*precision), Literal::u8_unsuffixed(*scale));
            quote! { Type::decimal(#precision, #scale) }
        }
        ColumnType::Char(length) => {
            let length = Literal::u32_unsuffixed(*length);
            quote! { Type::Char(#length) }
        }
        ColumnType::Varchar(length) => {
            let length = Literal::u32_unsuffixed(*length);
            quote! { Type::Varchar(#length) }
        }
        ColumnType::String => quote! { Type::String },
        ColumnType::Binary(Encoding::Base64) => quote! { Type::Binary(Encoding::Base64) },
        ColumnType::Binary(Encoding::Hex) => quote! { Type::Binary(Encoding::Hex) },
        ColumnType::Date { .. } => quote! { Type::Date },
        ColumnType::Timestamp { .. } => quote! { Type::Timestamp },
        ColumnType::Timestamptz { .. } => quote! { Type::Timestamptz },
    }
}

/// `Guards::DEFAULT`, with the fields that differ from it.
fn guards_definition(guards: &Guards) -> TokenStream {
    let default = Guards::default();
    let ratio = |value: Option<f64>| optional(value.map(Literal::f64_unsuffixed));
    let whole = |value: Option<u64>| optional(value.map(Literal::u64_unsuffixed));
    let (delete, update) = (ratio(guards.max_delete_ratio), ratio(guards.max_update_ratio));
    let insert = ratio(guards.max_insert_ratio);
    let (deletes, updates, inserts) = (whole(guards.max_deletes), whole(guards.max_updates), whole(guards.max_inserts));
    let min_rows = Literal::u64_unsuffixed(guards.min_rows);
    let min_baseline_rows = Literal::u64_unsuffixed(guards.min_baseline_rows);
    let jump = whole(guards.max_version_jump_days);
    let fields = [
        (guards.max_delete_ratio != default.max_delete_ratio, quote! { max_delete_ratio: #delete }),
        (guards.max_update_ratio != default.max_update_ratio, quote! { max_update_ratio: #update }),
        (guards.max_insert_ratio != default.max_insert_ratio, quote! { max_insert_ratio: #insert }),
        (guards.max_deletes != default.max_deletes, quote! { max_deletes: #deletes }),
        (guards.max_updates != default.max_updates, quote! { max_updates: #updates }),
        (guards.max_inserts != default.max_inserts, quote! { max_inserts: #inserts }),
        (guards.min_rows != default.min_rows, quote! { min_rows: #min_rows }),
        (guards.min_baseline_rows != default.min_baseline_rows, quote! { min_baseline_rows: #min_baseline_rows }),
        (guards.max_version_jump_days != default.max_version_jump_days, quote! { max_version_jump_days: #jump }),
    ];
    with_defaults("Guards", &fields)
}

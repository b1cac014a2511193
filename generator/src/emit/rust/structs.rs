//! The structs of a table: its key, and its other columns.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use crate::emit::rustdoc;
use crate::model::{Column, ColumnType, Publish};
use crate::names;

/// The struct of some columns.
pub(super) fn structure<'a>(
    name: &str,
    doc: &str,
    columns: impl Iterator<Item = &'a Column>,
    is_key: bool,
) -> TokenStream {
    let name = names::identifier(name);
    let doc = rustdoc::attributes(&[doc.to_owned()]);
    let derives = if is_key {
        quote! { Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize }
    } else {
        quote! { Debug, Clone, PartialEq, Serialize }
    };
    let fields = columns.map(field);
    quote! {
        #doc
        #[derive(#derives)]
        pub struct #name {
            #(#fields)*
        }
    }
}

/// The reader of a structure, which is shared: what serde derives takes the compiler far longer.
pub(super) fn deserialize<'a>(name: &str, columns: impl Iterator<Item = &'a Column>) -> TokenStream {
    let name = names::identifier(name);
    let fields = columns.map(|column| {
        let field = names::identifier(&column.field);
        // The text of a raw identifier is not the name, either.
        let renamed = (field != column.name).then(|| {
            let name = &column.name;
            quote! { as #name }
        });
        quote! { #field #renamed }
    });
    quote! { runtime::deserialize!(#name { #(#fields),* }); }
}

fn field(column: &Column) -> TokenStream {
    let mut docs = column.description.as_deref().map(rustdoc::lines).unwrap_or_default();
    let ty = match column.publish {
        Publish::Hmac => format!("HMAC of `{}`", column.ty.name()),
        Publish::Clear | Publish::Never => format!("`{}`", column.ty.name()),
    };
    match docs.last_mut() {
        Some(last) => {
            let stop = if last.ends_with(|c: char| c.is_alphanumeric() || c == '`' || c == ')') { "." } else { "" };
            *last = format!("{last}{stop} {ty}");
        }
        None => docs.push(ty),
    }
    let docs = rustdoc::attributes(&docs);
    let name = names::identifier(&column.field);
    let mut serde = Vec::new();
    if column.field != column.name {
        let name = &column.name;
        serde.push(quote! { rename = #name });
    }
    if column.published_type().is_float() {
        // In JSON, floats that are not finite are strings.
        serde.push(quote! { with = "runtime::float" });
    }
    let serde = (!serde.is_empty()).then(|| quote! { #[serde(#(#serde),*)] });
    let ty = field_type(column);
    quote! { #docs #serde pub #name: #ty, }
}

fn field_type(column: &Column) -> TokenStream {
    let ty = match column.published_type() {
        ColumnType::Boolean { .. } => quote! { bool },
        ColumnType::Tinyint => quote! { i8 },
        ColumnType::Smallint => quote! { i16 },
        ColumnType::Int => quote! { i32 },
        ColumnType::Bigint => quote! { i64 },
        ColumnType::Float => quote! { f32 },
        ColumnType::Double => quote! { f64 },
        ColumnType::Decimal { scale, .. } => {
            let scale = Literal::u8_unsuffixed(*scale);
            quote! { Decimal<#scale> }
        }
        ColumnType::Char(_) | ColumnType::Varchar(_) | ColumnType::String => quote! { String },
        ColumnType::Binary(_) => quote! { Binary },
        ColumnType::Date { .. } => quote! { Date },
        ColumnType::Timestamp { .. } => quote! { Timestamp },
        ColumnType::Timestamptz { .. } => quote! { Timestamptz },
    };
    if column.nullable {
        quote! { Option<#ty> }
    } else {
        ty
    }
}

/// The runtime type that a field needs, if any.
pub(super) fn runtime_type(ty: &ColumnType) -> Option<&'static str> {
    match ty {
        ColumnType::Decimal { .. } => Some("Decimal"),
        ColumnType::Binary(_) => Some("Binary"),
        ColumnType::Date { .. } => Some("Date"),
        ColumnType::Timestamp { .. } => Some("Timestamp"),
        ColumnType::Timestamptz { .. } => Some("Timestamptz"),
        _ => None,
    }
}

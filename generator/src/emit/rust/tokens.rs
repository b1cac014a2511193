//! Expressions that several definitions share.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use crate::names;

/// A struct with the fields that differ from its default. Clippy warns about a base from which no field is taken.
pub(super) fn with_defaults(name: &str, fields: &[(bool, TokenStream)]) -> TokenStream {
    let name = names::identifier(name);
    let kept: Vec<&TokenStream> = fields.iter().filter(|(differs, _)| *differs).map(|(_, field)| field).collect();
    if kept.is_empty() {
        quote! { #name::DEFAULT }
    } else if kept.len() == fields.len() {
        quote! { #name { #(#kept),* } }
    } else {
        quote! { #name { #(#kept,)* ..#name::DEFAULT } }
    }
}

pub(super) fn optional(value: Option<Literal>) -> TokenStream {
    match value {
        Some(value) => quote! { Some(#value) },
        None => quote! { None },
    }
}

//! The definition of how exports are written.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::tokens::{optional, with_defaults};
use crate::model::{Completeness, Compression, Escape, Source};

/// `Source::DEFAULT`, with the fields that differ from it.
pub(super) fn source_definition(source: &Source) -> TokenStream {
    let default = Source::default();
    let Source { nulls, quoted_nulls, multiline, .. } = source;
    let complete = completeness(&source.complete);
    let mut fields = separators(source, &default);
    fields.extend(lines(source, &default));
    fields.extend([
        (source.nulls != default.nulls, quote! { nulls: &[#(#nulls),*] }),
        (source.quoted_nulls != default.quoted_nulls, quote! { quoted_nulls: #quoted_nulls }),
        (source.multiline != default.multiline, quote! { multiline: #multiline }),
        (source.complete != default.complete, quote! { complete: #complete }),
        (source.skip_unlisted, quote! { skip_unlisted: true }),
        (source.refuse_duplicates, quote! { refuse_duplicates: true }),
    ]);
    with_defaults("Source", &fields)
}

/// Bytes, fields and records.
fn separators(source: &Source, default: &Source) -> Vec<(bool, TokenStream)> {
    let compression = match source.compression {
        Compression::Gzip => quote! { Compression::Gzip },
        Compression::Zstd => quote! { Compression::Zstd },
        Compression::None => quote! { Compression::None },
    };
    let [encoding, long_delimiter, record_end] =
        [&source.encoding, &source.long_delimiter, &source.record_end].map(text);
    let delimiter = Literal::byte_character(source.delimiter);
    let quote = optional(source.quote.map(Literal::byte_character));
    let escape = source.escape.map(escape_definition);
    vec![
        (source.compression != default.compression, quote! { compression: #compression }),
        (source.encoding != default.encoding, quote! { encoding: #encoding }),
        (source.delimiter != default.delimiter, quote! { delimiter: #delimiter }),
        (source.long_delimiter.is_some(), quote! { long_delimiter: #long_delimiter }),
        (source.trailing_delimiter, quote! { trailing_delimiter: true }),
        (source.record_end.is_some(), quote! { record_end: #record_end }),
        (source.final_newline, quote! { final_newline: true }),
        (source.escape.is_some(), quote! { escape: #escape }),
        (source.quote != default.quote, quote! { quote: #quote }),
    ]
}

/// Headers, and lines that are not rows.
fn lines(source: &Source, default: &Source) -> Vec<(bool, TokenStream)> {
    let header = source.header;
    let [skip_first, skip_last] = [source.skip_first, source.skip_last].map(Literal::u32_unsuffixed);
    let [comment, trailer] = [&source.comment, &source.trailer].map(text);
    vec![
        (source.header != default.header, quote! { header: #header }),
        (source.first_part_header, quote! { first_part_header: true }),
        (source.any_header_case, quote! { any_header_case: true }),
        (source.skip_first > 0, quote! { skip_first: #skip_first }),
        (source.skip_last > 0, quote! { skip_last: #skip_last }),
        (source.comment.is_some(), quote! { comment: #comment }),
        (source.trailer.is_some(), quote! { trailer: #trailer }),
        (source.skip_repeated_header, quote! { skip_repeated_header: true }),
    ]
}

fn text(text: &Option<String>) -> TokenStream {
    optional(text.as_deref().map(Literal::string))
}

fn escape_definition(escape: Escape) -> TokenStream {
    match escape {
        Escape::Char(byte) => {
            let byte = Literal::byte_character(byte);
            quote! { Some(Escape::Char(#byte)) }
        }
        Escape::Mysql => quote! { Some(Escape::Mysql) },
        Escape::Postgres => quote! { Some(Escape::Postgres) },
    }
}

fn completeness(complete: &Completeness) -> TokenStream {
    match complete {
        Completeness::Single => quote! { Completeness::Single },
        Completeness::Marker(name) => quote! { Completeness::Marker(#name) },
        Completeness::Manifest => quote! { Completeness::Manifest },
        Completeness::Count(count) => {
            let count = Literal::u32_unsuffixed(*count);
            quote! { Completeness::Count(#count) }
        }
    }
}

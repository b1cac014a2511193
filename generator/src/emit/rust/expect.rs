//! The definition of when exports should arrive.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::tokens::with_defaults;
use crate::model::Expect;
use crate::model::expect::DAY;

/// `Some(Expect { by: (6, 0), zone: "Europe/Vienna", ..Expect::DEFAULT })`
pub(super) fn expect_definition(expect: Option<&Expect>) -> TokenStream {
    let Some(Expect { every_minutes, by, zone, window_minutes, days, tenants }) = expect else {
        return quote! { None };
    };
    let [every, window] = [every_minutes, window_minutes].map(|minutes| Literal::u16_unsuffixed(*minutes));
    let [hour, minute] = [by.0, by.1].map(Literal::u8_unsuffixed);
    let fields = [
        (*every_minutes != DAY, quote! { every_minutes: #every }),
        (true, quote! { by: (#hour, #minute) }),
        (zone != "UTC", quote! { zone: #zone }),
        (*window_minutes != DAY / 2, quote! { window_minutes: #window }),
        (!days.is_empty(), quote! { days: &[#(#days),*] }),
        (!tenants.is_empty(), quote! { tenants: &[#(#tenants),*] }),
    ];
    let definition = with_defaults("Expect", &fields);
    quote! { Some(#definition) }
}

//! Checks what tenants override.

use super::table::table;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::model::{Table, Tenant};
use crate::names;
use crate::spec::{Spanned, Spec};
use crate::tenants::TenantSpec;
use crate::wording::excerpt;

/// The tenants with a definition of their own. Those with a mistake are missing.
pub(super) fn tenants(spec: &Spec, tenants: &[TenantSpec], diagnostics: &mut Vec<Diagnostic>) -> Vec<Tenant> {
    let mut tenants: Vec<Tenant> = tenants.iter().filter_map(|tenant| model(spec, tenant, diagnostics)).collect();
    tenants.sort_by(|a, b| a.name.cmp(&b.name));
    tenants
}

fn model(spec: &Spec, tenant: &TenantSpec, diagnostics: &mut Vec<Diagnostic>) -> Option<Tenant> {
    invalid_tenant_name(&tenant.name, diagnostics);
    nothing_overridden(tenant, diagnostics);
    not_for_athena(spec, tenant, diagnostics);
    let mut of_tenant = Vec::new();
    let own = table(&tenant.spec, &mut of_tenant);
    // What is wrong with the table was reported for the table, and one note on Athena is enough.
    of_tenant.retain(|mistake| mistake.code != Code::NotForAthena && !diagnostics.contains(mistake));
    diagnostics.extend(of_tenant);
    let table = own?;
    same_as_table(tenant, &table, diagnostics);
    Some(Tenant { name: tenant.name.value.clone(), table })
}

fn invalid_tenant_name(name: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) {
    if !names::is_tenant_name(name) {
        let message = format!("`{}` cannot be the name of a tenant", excerpt(name));
        diagnostics.push(Diagnostic::new(Code::InvalidName, &name.span, message).help(format!(
            "use a letter or digit followed by letters, digits, `_`, `-` and `.`, up to {} characters",
            names::MAX_NAME_LEN
        )));
    }
}

fn nothing_overridden(tenant: &TenantSpec, diagnostics: &mut Vec<Diagnostic>) {
    let mut report = |span: &Span, message: String| {
        diagnostics.push(
            Diagnostic::new(Code::IneffectiveOverride, span, message)
                .help("declare what is different under `source` or `guards`, or remove it"),
        );
    };
    if tenant.sections.is_empty() {
        report(&tenant.name.span, format!("the tenant `{}` overrides nothing", excerpt(&tenant.name)));
    }
    for section in tenant.sections.iter().filter(|section| section.is_empty) {
        report(
            &section.span,
            format!("`{}` of the tenant `{}` overrides nothing", section.name, excerpt(&tenant.name)),
        );
    }
}

/// Athena reads the exports of all tenants through one table in Glue.
fn not_for_athena(spec: &Spec, tenant: &TenantSpec, diagnostics: &mut Vec<Diagnostic>) {
    let is_on_athena = spec.athena.as_ref().is_none_or(|flag| flag.value);
    let source = tenant.sections.iter().find(|section| section.name == "source" && !section.is_empty);
    let Some(source) = source.filter(|_| is_on_athena) else { return };
    diagnostics.push(
        Diagnostic::new(Code::NotForAthena, &source.span, "Athena reads the exports of all tenants alike")
            .label("native engine only")
            .help("add `engine: { athena: false }` to keep the table off Athena"),
    );
}

/// Reports each option without which the tenant's table would be the same.
fn same_as_table(tenant: &TenantSpec, own: &Table, diagnostics: &mut Vec<Diagnostic>) {
    for option in &tenant.overrides {
        if table(&option.without, &mut Vec::new()).as_ref() != Some(own) {
            continue;
        }
        let message = format!("`{}` is the same without this override", excerpt(&option.field));
        diagnostics.push(
            Diagnostic::new(Code::IneffectiveOverride, &option.field.span, message)
                .label("the table has the same value, or nothing uses it")
                .help("remove it, so that the tenant follows the table when that changes"),
        );
    }
}

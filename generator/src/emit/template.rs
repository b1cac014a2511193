//! The templates in `generator/templates`. They contain loops and conditions only; every decision is a field of the
//! view.

use std::sync::LazyLock;

use serde::Serialize;
use tera::{Context, Tera};

const TEMPLATES: &[(&str, &str)] = &[
    ("as_of.postgres.sql", include_str!("../../templates/as_of.postgres.sql.tera")),
    ("as_of.sqlite.sql", include_str!("../../templates/as_of.sqlite.sql.tera")),
    ("delta.sql", include_str!("../../templates/delta.sql.tera")),
    ("group.yaml", include_str!("../../templates/group.yaml.tera")),
    ("history.postgres.sql", include_str!("../../templates/history.postgres.sql.tera")),
    ("history.sqlite.sql", include_str!("../../templates/history.sqlite.sql.tera")),
    ("postgres.sql", include_str!("../../templates/postgres.sql.tera")),
    ("root.yaml", include_str!("../../templates/root.yaml.tera")),
    ("shared.yaml", include_str!("../../templates/shared.yaml.tera")),
    ("sqlite.sql", include_str!("../../templates/sqlite.sql.tera")),
    ("table.sql", include_str!("../../templates/table.sql.tera")),
    ("table.yaml", include_str!("../../templates/table.yaml.tera")),
];

static TERA: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::default();
    tera.add_raw_templates(TEMPLATES.to_vec()).expect("the templates are valid");
    tera.autoescape_on(Vec::<&str>::new());
    tera
});

/// Renders a template with its view.
pub(super) fn render(template: &str, view: &impl Serialize) -> String {
    let context = Context::from_serialize(view).expect("a view is an object");
    TERA.render(template, &context).expect("the template fits its view")
}

//! The templates in `generator/templates`. They contain loops and conditions only; every decision is a field of the
//! view.

use std::sync::LazyLock;

use serde::Serialize;
use tera::{Context, Tera};

/// A template. Each is parsed when it is first rendered: whoever reads schemas when a program starts needs few of them.
pub(super) struct Template(LazyLock<Tera>);

macro_rules! templates {
    ($($name:ident = $file:literal;)*) => {
        $(pub(super) static $name: Template =
            Template(LazyLock::new(|| parse(include_str!(concat!("../../templates/", $file)))));)*
    };
}

templates! {
    DELTA_SQL = "delta.sql.tera";
    GROUP_YAML = "group.yaml.tera";
    POSTGRES_SQL = "postgres.sql.tera";
    ROOT_YAML = "root.yaml.tera";
    SHARED_YAML = "shared.yaml.tera";
    SQLITE_SQL = "sqlite.sql.tera";
    TABLE_SQL = "table.sql.tera";
    TABLE_YAML = "table.yaml.tera";
}

/// The only template of each `Tera`.
const NAME: &str = "template";

fn parse(text: &str) -> Tera {
    let mut tera = Tera::default();
    tera.add_raw_templates([(NAME, text)]).expect("the template is valid");
    tera.autoescape_on(Vec::<&str>::new());
    tera
}

impl Template {
    /// Renders the template with its view.
    pub(super) fn render(&self, view: &impl Serialize) -> String {
        let context = Context::from_serialize(view).expect("a view is an object");
        self.0.render(NAME, &context).expect("the template fits its view")
    }
}

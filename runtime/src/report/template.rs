//! The templates of the pages. Every value is escaped, except for pictures, which are drawn here.

use std::sync::LazyLock;

use serde::Serialize;
use tera::{Context, Tera};

/// A page.
#[derive(Debug, Clone, Copy)]
pub(super) enum Template {
    Front,
    Table,
    Version,
}

/// What the frame of every page needs.
#[derive(Debug, Serialize)]
pub(super) struct Frame {
    /// The way from the page to the folder of the report, empty or with a slash at its end.
    pub(super) root: &'static str,
    pub(super) title: String,
    /// When the page was made.
    pub(super) made: String,
}

/// Names end with `.html`, which turns escaping on.
static PAGES: LazyLock<Tera> = LazyLock::new(|| {
    let mut tera = Tera::default();
    tera.add_raw_templates([
        ("frame.html", include_str!("../../templates/report/frame.html.tera")),
        ("front.html", include_str!("../../templates/report/front.html.tera")),
        ("table.html", include_str!("../../templates/report/table.html.tera")),
        ("version.html", include_str!("../../templates/report/version.html.tera")),
    ])
    .expect("the templates are valid");
    tera
});

impl Template {
    /// Renders the page with its view.
    pub(super) fn render(self, view: &impl Serialize) -> String {
        let name = match self {
            Self::Front => "front.html",
            Self::Table => "table.html",
            Self::Version => "version.html",
        };
        let context = Context::from_serialize(view).expect("a view is an object");
        PAGES.render(name, &context).expect("the template fits its view")
    }
}

//! Tables read from schema files when the program starts, without compiling generated code.
//!
//! They are the same as the generated ones: both are made from the generator's model of a schema.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use generator::diagnostic::Diagnostic;
use generator::model;
use generator::source::{self, SCHEMAS, Source as SchemaFile};

use crate::engine::athena::{StatementSource, Statements};
use crate::table::{
    Column, Completeness, Compression, Encoding, Escape, Expect, Guards, Numbers, Sign, Source, Table, Target, Tenant,
    Type,
};

/// The tables of a folder of schemas. They are never freed, as generated tables are not.
#[derive(Debug, Clone)]
pub struct Schemas {
    /// All tables, sorted by name.
    pub tables: &'static [&'static Table],
    /// The statements of those that Athena can read, written when they are first needed.
    pub statements: Arc<dyn StatementSource>,
    /// The files, and what is probably wrong in them.
    pub warnings: (&'static [SchemaFile], &'static [Diagnostic]),
}

/// The reason why a folder has no tables.
#[derive(Debug)]
pub enum Problem {
    /// The folder or one of its files cannot be read.
    Unreadable(generator::Error),
    /// There is no schema in the folder.
    Empty,
    /// The schemas have mistakes, all of which are listed.
    Mistakes(Vec<SchemaFile>, Vec<Diagnostic>),
}

/// Reads every `*.yaml` of a folder.
///
/// # Errors
/// Returns an error if a file cannot be read, or every mistake in the schemas.
pub fn read(folder: &Path) -> Result<Schemas, Problem> {
    let files = source::read_folder(folder).map_err(Problem::Unreadable)?;
    if files.is_empty() {
        return Err(Problem::Empty);
    }
    let schemas = match generator::read(&files) {
        Ok(schemas) => schemas,
        Err(mistakes) => return Err(Problem::Mistakes(files, mistakes)),
    };
    let tables: Vec<&'static Table> = schemas.tables.iter().map(table).collect();
    let models = schemas.tables.into_iter().filter(|model| model.athena);
    let statements = Models(models.map(|model| (model.name.clone(), (model, OnceLock::new()))).collect());
    let warnings = (&*files.leak(), &*schemas.warnings.leak());
    Ok(Schemas { tables: tables.leak(), statements: Arc::new(statements), warnings })
}

/// The tables that Athena can read, by name, and the statements of those that were needed: most commands need none.
#[derive(Debug)]
struct Models(BTreeMap<String, (model::Table, OnceLock<Statements>)>);

impl StatementSource for Models {
    fn statements(&self, table: &str) -> Option<Statements> {
        let (model, written) = self.0.get(table)?;
        Some(*written.get_or_init(|| statements(model)))
    }
}

/// Reads one table of a folder of schemas, from the file that is named after it.
///
/// # Errors
/// Returns an error if the file cannot be read, or every mistake in it.
pub fn read_one(folder: &Path, table: &str) -> Result<model::Table, Problem> {
    let file = source::read_file(&folder.join(format!("{table}.yaml"))).map_err(Problem::Unreadable)?;
    let file = SchemaFile { path: format!("{SCHEMAS}/{table}.yaml"), ..file };
    match generator::read(std::slice::from_ref(&file)) {
        Ok(schemas) => schemas.tables.into_iter().next().ok_or(Problem::Empty),
        Err(mistakes) => Err(Problem::Mistakes(vec![file], mistakes)),
    }
}

/// The table of a model.
pub fn table(model: &model::Table) -> &'static Table {
    Box::leak(Box::new(definition(model)))
}

fn definition(model: &model::Table) -> Table {
    let tenant = |tenant: &model::Tenant| Tenant { name: text(&tenant.name), table: definition(&tenant.table) };
    Table {
        name: text(&model.name),
        description: model.description.as_deref().map(text),
        role: text(&model.role()),
        schema: text(&model.schema_hash()),
        primary_key: texts(model.key_columns().map(|column| &column.name)),
        columns: Vec::leak(model.columns.iter().map(column).collect()),
        source: source(&model.source),
        before_image: model.before_image,
        athena: model.athena,
        guards: guards(&model.guards),
        expect: model.expect.as_ref().map(expect),
        target: target(model),
        tenants: Vec::leak(model.tenants.iter().map(tenant).collect()),
    }
}

/// The Athena statements of a model.
pub fn statements(model: &model::Table) -> Statements {
    let generated = generator::statements(model);
    Statements {
        table: text(&model.name),
        first_import: text(&generated.first_import),
        delta: text(&generated.delta),
        glue: text(&generated.glue),
        max_scan: model.max_scan,
    }
}

fn column(column: &model::Column) -> Column {
    let (true_values, false_values): (&'static [&'static str], &'static [&'static str]) = match &column.ty {
        model::ColumnType::Boolean { words: Some(words) } => (texts(&words.true_values), texts(&words.false_values)),
        _ => (&[], &[]),
    };
    Column {
        name: text(&column.name),
        description: column.description.as_deref().map(text),
        header: column.header.as_deref().map(text),
        ty: column_type(column.published_type()),
        hmac: (column.publish == model::Publish::Hmac).then(|| column_type(&column.ty)),
        nullable: column.nullable,
        nulls: column.nulls.as_ref().map(texts),
        compare: column.compare,
        pii: column.pii,
        trim: column.trim,
        format: column.ty.format().map(text),
        default: column.default.as_deref().map(text),
        formerly: column.formerly.as_deref().map(text),
        prefix: column.prefix.as_deref().map(text),
        numbers: column.numbers.as_ref().map(numbers),
        publish: column.is_published(),
        true_values,
        false_values,
    }
}

fn numbers(numbers: &model::Numbers) -> Numbers {
    Numbers {
        decimal_mark: numbers.decimal_mark,
        group_mark: numbers.group_mark,
        sign: match numbers.sign {
            model::Sign::Leading => Sign::Leading,
            model::Sign::Trailing => Sign::Trailing,
            model::Sign::Parentheses => Sign::Parentheses,
        },
        strip: texts(&numbers.strip),
    }
}

fn column_type(ty: &model::ColumnType) -> Type {
    use model::ColumnType as Model;
    match ty {
        Model::Boolean { .. } => Type::Boolean,
        Model::Tinyint => Type::Tinyint,
        Model::Smallint => Type::Smallint,
        Model::Int => Type::Int,
        Model::Bigint => Type::Bigint,
        Model::Float => Type::Float,
        Model::Double => Type::Double,
        Model::Decimal { precision, scale } => Type::Decimal { precision: *precision, scale: *scale },
        Model::Char(length) => Type::Char(*length),
        Model::Varchar(length) => Type::Varchar(*length),
        Model::String => Type::String,
        Model::Binary(model::Encoding::Base64) => Type::Binary(Encoding::Base64),
        Model::Binary(model::Encoding::Hex) => Type::Binary(Encoding::Hex),
        Model::Date { .. } => Type::Date,
        Model::Timestamp { .. } => Type::Timestamp,
        Model::Timestamptz { .. } => Type::Timestamptz,
    }
}

fn source(source: &model::Source) -> Source {
    Source {
        compression: match source.compression {
            model::Compression::Gzip => Compression::Gzip,
            model::Compression::Zstd => Compression::Zstd,
            model::Compression::None => Compression::None,
        },
        encoding: source.encoding.as_deref().map(text),
        delimiter: source.delimiter,
        long_delimiter: source.long_delimiter.as_deref().map(text),
        trailing_delimiter: source.trailing_delimiter,
        record_end: source.record_end.as_deref().map(text),
        final_newline: source.final_newline,
        escape: source.escape.map(escape),
        quote: source.quote,
        header: source.header,
        first_part_header: source.first_part_header,
        any_header_case: source.any_header_case,
        skip_repeated_header: source.skip_repeated_header,
        skip_first: source.skip_first,
        skip_last: source.skip_last,
        comment: source.comment.as_deref().map(text),
        trailer: source.trailer.as_deref().map(text),
        nulls: texts(&source.nulls),
        quoted_nulls: source.quoted_nulls,
        multiline: source.multiline,
        complete: match &source.complete {
            model::Completeness::Single => Completeness::Single,
            model::Completeness::Marker(name) => Completeness::Marker(text(name)),
            model::Completeness::Manifest => Completeness::Manifest,
            model::Completeness::RedshiftManifest(name) => Completeness::RedshiftManifest(text(name)),
            model::Completeness::Count(count) => Completeness::Count(*count),
        },
        skip_unlisted: source.skip_unlisted,
        refuse_duplicates: source.refuse_duplicates,
        parts: source.parts.as_deref().map(text),
    }
}

fn escape(escape: model::Escape) -> Escape {
    match escape {
        model::Escape::Char(byte) => Escape::Char(byte),
        model::Escape::Mysql => Escape::Mysql,
        model::Escape::Postgres => Escape::Postgres,
    }
}

fn guards(guards: &model::Guards) -> Guards {
    Guards {
        max_delete_ratio: guards.max_delete_ratio,
        max_update_ratio: guards.max_update_ratio,
        max_insert_ratio: guards.max_insert_ratio,
        max_deletes: guards.max_deletes,
        max_updates: guards.max_updates,
        max_inserts: guards.max_inserts,
        min_rows: guards.min_rows,
        min_baseline_rows: guards.min_baseline_rows,
        max_version_jump_days: guards.max_version_jump_days,
    }
}

fn expect(expect: &model::Expect) -> Expect {
    Expect {
        every_minutes: expect.every_minutes,
        by: expect.by,
        zone: text(&expect.zone),
        window_minutes: expect.window_minutes,
        days: texts(&expect.days),
        tenants: texts(&expect.tenants),
    }
}

fn target(model: &model::Table) -> Target {
    let leaked = |statements: Result<String, String>| match statements {
        Ok(statements) => Ok(text(&statements)),
        Err(problem) => Err(text(&problem)),
    };
    let generated = generator::target(model);
    let target = Target::new(text(&model.target.name), leaked(generated.sqlite), leaked(generated.postgres));
    let target = if model.target.tenant_schemas { target.with_tenant_schemas() } else { target };
    match generated.history {
        None => target,
        Some([sqlite, postgres]) => {
            let texts = |[table, view]: [String; 2]| [text(&table), text(&view)];
            target.with_history(texts(sqlite), texts(postgres), model.target.version_time.as_deref().map(text))
        }
    }
}

fn text(text: &str) -> &'static str {
    String::leak(text.to_owned())
}

fn texts<'a>(list: impl IntoIterator<Item = &'a String>) -> &'static [&'static str] {
    Vec::leak(list.into_iter().map(|item| text(item)).collect())
}

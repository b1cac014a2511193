//! What is generated for columns with `publish: hmac`.

use generator::source::Source;

#[test]
fn pseudonyms_are_texts_in_every_artifact_and_the_role_may_read_their_keys() {
    let schema = "table: t\nprimary_key: [id]\ncolumns:\n  - { name: id, type: bigint, publish: hmac }\n  - { name: paid, type: \"decimal(9,2)\", nullable: true, publish: hmac }\nengine: { athena: false }\n";
    let files = generator::generate(&[Source::new("schemas/t.yaml", schema)]).unwrap();
    for (file, expected) in [
        (
            "generated/src/t.rs",
            &["pub id: String", "pub paid: Option<String>", "Type::Bigint).hmac()", ".nullable().hmac()"][..],
        ),
        ("generated/sqlite/t.sql", &[r#""id" TEXT NOT NULL"#, r#""paid" TEXT"#, "HMAC of decimal(9,2)"]),
        ("generated/postgres/t.sql", &[r#""id" character varying(64) NOT NULL"#, r#""paid" character varying(64)"#]),
        ("infra/tables/t.yaml", &["secretsmanager:GetSecretValue", ":secret:${Name}/hmac/*"]),
    ] {
        for text in expected {
            assert!(files[file].contains(text), "{file} lacks {text}:\n{}", files[file]);
        }
    }
    let clear = schema.replace(", publish: hmac", "");
    let files = generator::generate(&[Source::new("schemas/t.yaml", clear)]).unwrap();
    assert!(!files["infra/tables/t.yaml"].contains("secretsmanager"));
}

//! Connecting to PostgreSQL: passwords, encryption, rights.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use super::postgres::Target;
use super::server::SERVER;
use super::sqlite::{expect, text};
use crate::workspace::{Workspace, files};

#[test]
fn passwords_come_from_libpqs_places_and_are_written_nowhere() {
    let target = Target::new("passwords", Workspace::new());
    target.workspace.export("acme/test_table/V1", &text(&[("a", 1)]));
    target.execute("CREATE ROLE writer LOGIN PASSWORD 'pa:ss word'; GRANT ALL ON SCHEMA public TO writer");
    let address = SERVER.tcp("writer", "passwords");
    let run = ["run", "exports", "--sink", &address, "--create"];
    let nothing = [("HOME", "/nowhere")];
    expect(&target.workspace.tidemark_with_env(&run, &nothing), 2, "password");
    expect(&target.workspace.tidemark_with_env(&run, &[("PGPASSWORD", "wrong")]), 2, "(28P01)");
    expect(&target.workspace.tidemark_with_env(&run, &[("PGPASSWORD", "pa:ss word")]), 0, "SUCCEEDED");
    let line = format!("127.0.0.1:{}:*:writer:pa\\:ss word\n", SERVER.port());
    let file = target.workspace.write("pgpass", line.as_bytes());
    let from_file = [("HOME", "/nowhere"), ("PGPASSFILE", "pgpass")];
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    target.workspace.export("acme/test_table/V2", &text(&[("a", 2)]));
    expect(&target.workspace.tidemark_with_env(&run, &from_file), 2, "others may read it");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    expect(&target.workspace.tidemark_with_env(&run, &from_file), 0, "SUCCEEDED");
    fs::remove_file(file).unwrap();
    target.workspace.export("acme/test_table/V3", &text(&[("a", 3)]));
    let typed = address.replace("writer@", "writer:pa%3Ass%20word@");
    let typed = ["run", "exports", "--sink", &typed];
    let output = target.workspace.tidemark_with_env(&typed, &[("HOME", "/nowhere"), ("RUST_LOG", "debug")]);
    expect(&output, 0, "SUCCEEDED");
    target.check();
    assert!(!output.transcript().contains("ss%20word") && !output.transcript().contains("ss word"));
    for (path, bytes) in files(&target.workspace.path(".tidemark")) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("ss%20word") && !text.contains("ss word"), "{}", path.display());
    }
}

#[test]
fn a_connection_is_encrypted_and_verified_as_sslmode_says() {
    let target = Target::new("encrypted", Workspace::new());
    target.workspace.export("acme/test_table/V1", &text(&[("a", 1)]));
    target.execute("CREATE ROLE secured LOGIN PASSWORD 'x'; GRANT ALL ON SCHEMA public TO secured");
    let address = SERVER.tcp("secured", "encrypted").replace("127.0.0.1", "localhost");
    let certificate = SERVER.certificate();
    let certificate = certificate.to_str().unwrap();
    let run = |options: &str, name: &str| {
        let address = format!("{address}?{options}&application_name={name}");
        let arguments = ["run", "exports", "--sink", &address, "--create"];
        target.workspace.tidemark_with_env(&arguments, &[("PGPASSWORD", "x")])
    };
    expect(&run("sslmode=verify-full", "system"), 2, "certificate");
    expect(&run("sslmode=verify-full&sslrootcert=/nowhere", "missing"), 2, "there is no certificate of an authority");
    expect(&run("sslmode=verify-ca", "ca"), 2, "sslmode=verify-ca is not supported");
    expect(&run("sslmode=sometimes", "unknown"), 2, "unknown sslmode `sometimes`");
    expect(&run("colour=blue", "option"), 2, "this is not an address of PostgreSQL");
    expect(&run(&format!("sslmode=verify-full&sslrootcert={certificate}"), "full"), 0, "SUCCEEDED");
    target.workspace.export("acme/test_table/V2", &text(&[("a", 2)]));
    expect(&run("sslmode=require", "require"), 0, "SUCCEEDED");
    target.check();
}

#[test]
fn a_database_that_cannot_hold_every_text_is_refused() {
    let create = "CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0";
    SERVER.client("postgres").batch_execute(create).unwrap();
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", &text(&[("a", 1)]));
    let address = SERVER.socket("postgres", "ascii");
    let run = ["run", "exports", "--sink", &address, "--create"];
    expect(&workspace.tidemark(&run), 1, "its encoding is SQL_ASCII, which cannot hold every text");
    let address = SERVER.socket("postgres", "not_there");
    expect(&workspace.tidemark(&["run", "exports", "--sink", &address]), 2, "(3D000)");
}

#[test]
fn a_role_without_rights_is_refused_before_anything_is_planned() {
    let target = Target::with_one_version_applied("rights");
    target.execute("CREATE ROLE reader LOGIN; GRANT SELECT ON test_table, _tidemark, _tidemark_tables TO reader");
    let address = SERVER.socket("reader", "rights");
    let run = ["run", "exports", "--sink", &address];
    expect(&target.workspace.tidemark(&run), 1, "the role may not INSERT in `_tidemark`");
    assert_eq!(target.workspace.statuses("acme/test_table")["V2"], "REGISTERED");
    target.execute("GRANT INSERT, UPDATE, DELETE ON test_table, _tidemark, _tidemark_tables TO reader");
    expect(&target.workspace.tidemark(&run), 0, "SUCCEEDED");
    target.check();
    let address = SERVER.socket("nobody_there", "rights");
    expect(&target.workspace.tidemark(&["run", "exports", "--sink", &address]), 2, "(28000)");
}

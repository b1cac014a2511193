//! Bad input and a machine that fails: a clear error, nothing published, the baseline as before.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::world::{World, gzip};

const GOOD: &str = "PK1;1;a;x\nPK2;2;b;y\n";

/// A world whose table has a good first version.
fn world() -> World {
    let world = World::new();
    world.export("acme/test_table/V1", GOOD);
    assert_eq!(world.run().status, 0);
    world
}

/// Runs with V2 in place; it must fail, publish nothing, and leave V1 the baseline. Gives what the user saw.
fn refused(world: &World, status_of_v2: &str) -> String {
    let said = world.run();
    assert_ne!(said.status, 0, "{}", said.stdout);
    assert!(world.published("acme/test_table/V2").is_empty());
    let statuses = world.statuses("acme/test_table");
    assert_eq!((statuses["V1"].as_str(), statuses["V2"].as_str()), ("SUCCEEDED", status_of_v2));
    said.transcript()
}

#[test]
fn every_kind_of_bad_row_is_reported_with_its_location() {
    let world = world();
    world.export(
        "acme/test_table/V2",
        "PK1;one;a;x\n;2;b;y\nPK3;3\nPK4;4;\"a\"b;x\nPK5;5;a\"b;x\nPK6;6;\"open;x\nPK7;99999999999;a;x\nPK8;8;a\0b;x\nPK9;9;a\rb;x\n",
    );
    insta::assert_snapshot!("bad_rows", refused(&world, "FAILED"));
}

#[test]
fn twenty_bad_rows_are_shown_and_all_are_counted() {
    let world = world();
    world.export("acme/test_table/V2", &(0..30).map(|n| format!("PK{n};x;;\n")).collect::<String>());
    let said = refused(&world, "FAILED");
    assert_eq!(said.matches("is not an int").count(), 20, "{said}");
    assert!(said.contains("unreadable-value 30"), "{said}");
}

#[test]
fn conflicting_rows_of_a_key_are_rejected_even_if_one_is_unchanged() {
    let world = world();
    world.export("acme/test_table/V2", "PK1;1;a;x\nPK2;2;b;y\nPK2;3;b;y\n");
    insta::assert_snapshot!("conflicting_duplicate", refused(&world, "FAILED"));
}

#[test]
fn identical_rows_count_once() {
    let world = world();
    world.export("acme/test_table/V2", "PK1;1;a;x\nPK2;2;b;y\nPK3;3;;\nPK3;3;;\nPK2;02;b;y\n");
    let (status, report) = world.run_json();
    assert_eq!(status, 0, "{report:#}");
    let counts = &report["outcomes"][0]["counts"];
    assert_eq!([&counts["rows"], &counts["inserted"], &counts["updated"], &counts["duplicates"]], [3, 1, 0, 2]);
    assert_eq!(world.published("acme/test_table/V2").len(), 3);
}

#[test]
fn pii_values_are_masked_in_messages() {
    let world = World::new();
    let header = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";
    world.export(
        "acme/orders/V1",
        &format!("{header}eu,1,\u{FFFD}secret@example.com,open,1.00,,2026-01-01 00:00:00,job\n"),
    );
    let said = world.run();
    assert_eq!(said.status, 1);
    assert!(said.stderr.contains("a masked value"), "{}", said.stderr);
    assert!(!said.stderr.contains("secret"), "{}", said.stderr);
}

#[test]
fn headers_must_match_the_schema() {
    for (name, header) in [
        ("unknown_column", "region,order_id,customer_email,status,ammount,note,updated_at,exported_by"),
        ("missing_column", "region,order_id,status,amount,note,updated_at,exported_by"),
        ("repeated_column", "region,order_id,customer_email,status,amount,note,note,exported_by"),
        ("no_header", "eu-west,1,a@example.com,open,1.00,,2026-01-01 00:00:00,job"),
        ("empty_part", ""),
    ] {
        let world = World::new();
        world.export("acme/orders/V1", &format!("{header}{}", if header.is_empty() { "" } else { "\n" }));
        let said = world.run();
        insta::assert_snapshot!(name, said.transcript());
        assert_eq!(world.statuses("acme/orders")["V1"], "FAILED", "{name}");
    }
}

#[test]
fn corrupt_files_are_rejected_and_read_again_once_replaced() {
    let whole = gzip(GOOD.repeat(1000).as_bytes());
    let corrupt = {
        let mut bytes = whole.clone();
        let crc = bytes.len() - 8;
        bytes[crc] ^= 1;
        bytes
    };
    let junk_behind = [&whole[..], b"what does not belong here"].concat();
    for (name, bytes) in [
        ("truncated", &whole[..whole.len() / 2]),
        ("no_trailer", &whole[..whole.len() - 4]),
        ("bad_crc", &corrupt),
        ("junk_behind", &junk_behind),
        ("empty_file", b""),
        ("not_gzip", b"PK1;1;a;x\n"),
    ] {
        let world = world();
        world.write("exports/acme/test_table/V2/part.csv.gz", bytes);
        insta::assert_snapshot!(name, refused(&world, "FAILED"));
        assert!(world.run().stdout.contains("none is new (1 FAILED, see: cargo tidemark status)"), "{name}");
        world.write("exports/acme/test_table/V2/part.csv.gz", &gzip(b"PK1;1;a;x\n"));
        assert_eq!(world.run().status, 0, "{name}");
        assert_eq!(world.statuses("acme/test_table")["V2"], "SUCCEEDED");
    }
}

#[test]
fn a_part_may_have_several_gzip_members() {
    let world = world();
    let members = [gzip(b"PK1;1;a;x\nPK2;"), gzip(b"2;b;y\nPK3;3;;\n")].concat();
    world.write("exports/acme/test_table/V2/part.csv.gz", &members);
    let (status, report) = world.run_json();
    assert_eq!((status, &report["outcomes"][0]["counts"]["inserted"]), (0, &1.into()), "{report:#}");
}

#[test]
fn a_part_must_have_the_extension_of_its_compression() {
    let world = world();
    world.write("exports/acme/test_table/V2/part.csv", GOOD.as_bytes());
    insta::assert_snapshot!("wrong_extension", refused(&world, "FAILED"));
}

#[test]
fn a_failed_version_does_not_block_the_next() {
    let world = world();
    world.export("acme/test_table/V2", "PK1;one;a;x\n");
    world.export("acme/test_table/V3", "PK1;1;a;x\n");
    let said = world.run();
    assert_eq!(said.status, 1);
    let third = world.published("acme/test_table/V3");
    assert_eq!(third[0]["previous"], "V1");
}

#[test]
fn retry_registers_a_failed_version_again() {
    let world = world();
    world.export("acme/test_table/V2", "PK1;one;a;x\n");
    world.run();
    let said = world.tidemark(&["retry", "acme/test_table/V2"]);
    insta::assert_snapshot!("retry", said.transcript());
    assert_eq!(world.statuses("acme/test_table")["V2"], "REGISTERED");
    refused(&world, "FAILED");
    insta::assert_snapshot!("retry_of_what_succeeded", world.tidemark(&["retry", "acme/test_table/V1"]).transcript());
    insta::assert_snapshot!("retry_of_nothing", world.tidemark(&["retry", "acme/test_table/V7"]).transcript());
}

#[test]
fn stray_files_are_reported_and_the_run_continues() {
    let world = World::new();
    world.export("acme/test_table/V1", GOOD);
    world.export("acme/test_tabel/V1", GOOD);
    world.export("acme/test_table/bad name", GOOD);
    world.write("exports/stray.txt", b"");
    world.write("exports/acme/test_table/V2/inner/part.csv.gz", &gzip(GOOD.as_bytes()));
    world.write("exports/_tmp/whatever", b"");
    insta::assert_snapshot!("strays", world.run().transcript());
    assert_eq!(world.statuses("acme/test_table")["V1"], "SUCCEEDED");
}

#[test]
fn command_line_mistakes_are_explained() {
    let world = world();
    for (name, arguments) in [
        ("no_such_folder", &["run", "nowhere"][..]),
        ("a_file_as_folder", &["run", "exports/acme/test_table/V1/part.csv.gz"]),
        ("unknown_table_option", &["run", "exports", "--table", "test_tabel"]),
        ("bad_tenant_option", &["run", "exports", "--tenant", "../acme"]),
        ("delta_unknown_table", &["delta", "ordres", "none", "x.csv.gz"]),
        ("delta_no_such_file", &["delta", "orders", "none", "x.csv.gz"]),
        ("history_unknown", &["history", "acme/orders"]),
        ("history_malformed", &["history", "acme"]),
        ("status_without_registry", &["status", "--state", "elsewhere"]),
        ("error_as_json", &["history", "acme", "--format", "json"]),
    ] {
        insta::assert_snapshot!(name, world.tidemark(arguments).transcript());
    }
}

#[test]
fn an_unreadable_part_is_a_machine_fault() {
    let world = world();
    let path = world.export("acme/test_table/V2", GOOD);
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    world.give_up_root();
    let said = refused(&world, "REGISTERED");
    assert!(said.contains("Permission denied") && said.starts_with("exit status 2"), "{said}");
    assert!(said.contains("check the permissions"), "{said}");
}

#[test]
fn an_unwritable_output_is_a_machine_fault_and_the_next_run_resumes() {
    let world = World::new();
    world.export("acme/test_table/V1", GOOD);
    // A file stands where the folder of the tenant must be.
    world.write("out/acme", b"");
    let said = world.run();
    assert_eq!(said.status, 2, "{}", said.stderr);
    assert!(
        said.stderr.contains("cannot create ~/out/acme") || said.stderr.contains("cannot create out/acme"),
        "{}",
        said.stderr
    );
    assert_eq!(world.statuses("acme/test_table")["V1"], "PUBLISHING");
    fs::remove_file(world.path("out/acme")).unwrap();
    assert_eq!(world.run().status, 0);
    assert_eq!(world.published("acme/test_table/V1").len(), 4);
}

#[test]
fn a_full_disk_is_a_machine_fault_and_the_next_run_resumes() {
    let world = World::new();
    // Random enough to be larger than the disk once it is compressed.
    let rows: String =
        (0..20_000u64).map(|n| format!("{:016x};1;;\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    world.export("acme/test_table/V1", &rows);
    let Some(_disk) = SmallDisk::mount(&world) else { return };
    let said = world.tidemark(&["run", "exports", "--state", "disk/state", "--out", "disk/out"]);
    assert_eq!(said.status, 2, "{}", said.stderr);
    assert!(said.stderr.contains("No space left on device") || said.stderr.contains("full"), "{}", said.stderr);
    assert!(said.stderr.contains("free some space"), "{}", said.stderr);
    // Room again: the state moves to a larger disk, and the run goes on from it.
    let copied = Command::new("cp").args(["-r", "disk/state", "state"]).current_dir(world.path("")).status().unwrap();
    assert!(copied.success());
    // A registry that cannot be written to cannot give the lease back either; it would expire by itself.
    let registry = rusqlite::Connection::open(world.path("state/registry.sqlite")).unwrap();
    registry.execute("UPDATE tables SET expires_at = 1", []).unwrap();
    let said = world.tidemark(&["run", "exports", "--state", "state"]);
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert_eq!(world.published("acme/test_table/V1").len(), 20_002);
}

/// A disk of 320 KiB; it goes away with its value.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// Needs the right to mount; without it there is nothing to test here.
    fn mount(world: &World) -> Option<Self> {
        let path = world.path("disk");
        fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=320k", "tmpfs"]).arg(&path).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(path));
        }
        assert!(std::env::var_os("CI").is_none(), "CI must be able to mount a small disk");
        eprintln!("skipped: no right to mount a small disk here");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "the small disk stays mounted at {}", self.0.display());
    }
}

//! Bad input and machine failures: a clear error, nothing published, and the baseline unchanged.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::limits::command;
use crate::workspace::{Workspace, gzip};

const GOOD: &str = "PK1;1;a;x\nPK2;2;b;y\n";

/// A table whose first version is good and published.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    assert_eq!(workspace.run().status, 0);
    workspace
}

/// Asserts that a run fails, does not publish V2, and leaves V1 as the baseline. Returns what the user saw.
fn assert_refused(workspace: &Workspace, status_of_v2: &str) -> String {
    let output = workspace.run();
    assert_ne!(output.status, 0, "{}", output.stdout);
    assert!(workspace.published("acme/test_table/V2").is_empty());
    let statuses = workspace.statuses("acme/test_table");
    assert_eq!((statuses["V1"].as_str(), statuses["V2"].as_str()), ("SUCCEEDED", status_of_v2));
    output.transcript()
}

#[test]
fn every_kind_of_bad_row_is_reported_with_its_location() {
    let workspace = workspace();
    workspace.export(
        "acme/test_table/V2",
        "PK1;one;a;x\n;2;b;y\nPK3;3\nPK4;4;\"a\"b;x\nPK5;5;a\"b;x\nPK6;6;\"open;x\nPK7;99999999999;a;x\nPK8;8;a\0b;x\nPK9;9;a\rb;x\n",
    );
    insta::assert_snapshot!("bad_rows", assert_refused(&workspace, "FAILED"));
}

#[test]
fn twenty_bad_rows_are_shown_and_all_are_counted() {
    let workspace = workspace();
    workspace.export("acme/test_table/V2", &(0..30).map(|n| format!("PK{n};x;;\n")).collect::<String>());
    let output = assert_refused(&workspace, "FAILED");
    assert_eq!(output.matches("is not an int").count(), 20, "{output}");
    assert!(output.contains("unreadable-value 30"), "{output}");
}

#[test]
fn conflicting_rows_of_a_key_are_rejected_even_if_one_is_unchanged() {
    let workspace = workspace();
    workspace.export("acme/test_table/V2", "PK1;1;a;x\nPK2;2;b;y\nPK2;3;b;y\n");
    insta::assert_snapshot!("conflicting_duplicate", assert_refused(&workspace, "FAILED"));
}

#[test]
fn identical_rows_count_once() {
    let workspace = workspace();
    workspace.export("acme/test_table/V2", "PK1;1;a;x\nPK2;2;b;y\nPK3;3;;\nPK3;3;;\nPK2;02;b;y\n");
    let (status, report) = workspace.run_json();
    assert_eq!(status, 0, "{report:#}");
    let counts = &report["outcomes"][0]["counts"];
    assert_eq!([&counts["rows"], &counts["inserted"], &counts["updated"], &counts["duplicates"]], [3, 1, 0, 2]);
    assert_eq!(workspace.published("acme/test_table/V2").len(), 3);
}

#[test]
fn pii_values_are_masked_in_messages() {
    let workspace = Workspace::new();
    let header = "region,order_id,customer_email,status,amount,note,updated_at,exported_by\n";
    workspace.export(
        "acme/orders/V1",
        &format!("{header}eu,1,\u{FFFD}secret@example.com,open,1.00,,2026-01-01 00:00:00,job\n"),
    );
    let output = workspace.run();
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("a masked value"), "{}", output.stderr);
    assert!(!output.stderr.contains("secret"), "{}", output.stderr);
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
        let workspace = Workspace::new();
        workspace.export("acme/orders/V1", &format!("{header}{}", if header.is_empty() { "" } else { "\n" }));
        let output = workspace.run();
        insta::assert_snapshot!(name, output.transcript());
        assert_eq!(workspace.statuses("acme/orders")["V1"], "FAILED", "{name}");
    }
}

#[test]
fn corrupt_files_are_rejected_and_read_again_once_replaced() {
    let valid = gzip(GOOD.repeat(1000).as_bytes());
    let corrupt = {
        let mut bytes = valid.clone();
        let crc = bytes.len() - 8;
        bytes[crc] ^= 1;
        bytes
    };
    let trailing_junk = [&valid[..], b"what does not belong here"].concat();
    for (name, bytes) in [
        ("truncated", &valid[..valid.len() / 2]),
        ("no_trailer", &valid[..valid.len() - 4]),
        ("bad_crc", &corrupt),
        ("trailing_junk", &trailing_junk),
        ("empty_file", b""),
        ("not_gzip", b"PK1;1;a;x\n"),
    ] {
        let workspace = workspace();
        workspace.write("exports/acme/test_table/V2/part.csv.gz", bytes);
        insta::assert_snapshot!(name, assert_refused(&workspace, "FAILED"));
        assert!(workspace.run().stdout.contains("none is new (1 FAILED, see: tidemark status)"), "{name}");
        workspace.write("exports/acme/test_table/V2/part.csv.gz", &gzip(b"PK1;1;a;x\n"));
        assert_eq!(workspace.run().status, 0, "{name}");
        assert_eq!(workspace.statuses("acme/test_table")["V2"], "SUCCEEDED");
    }
}

#[test]
fn a_part_may_have_several_gzip_members() {
    let workspace = workspace();
    let members = [gzip(b"PK1;1;a;x\nPK2;"), gzip(b"2;b;y\nPK3;3;;\n")].concat();
    workspace.write("exports/acme/test_table/V2/part.csv.gz", &members);
    let (status, report) = workspace.run_json();
    assert_eq!((status, &report["outcomes"][0]["counts"]["inserted"]), (0, &1.into()), "{report:#}");
}

#[test]
fn a_part_must_have_the_extension_of_its_compression() {
    let workspace = workspace();
    workspace.write("exports/acme/test_table/V2/part.csv", GOOD.as_bytes());
    insta::assert_snapshot!("wrong_extension", assert_refused(&workspace, "FAILED"));
}

#[test]
fn a_failed_version_does_not_block_the_next() {
    let workspace = workspace();
    workspace.export("acme/test_table/V2", "PK1;one;a;x\n");
    workspace.export("acme/test_table/V3", "PK1;1;a;x\n");
    let output = workspace.run();
    assert_eq!(output.status, 1);
    let third = workspace.published("acme/test_table/V3");
    assert_eq!(third[0]["previous"], "V1");
}

#[test]
fn retry_registers_a_failed_version_again() {
    let workspace = workspace();
    workspace.export("acme/test_table/V2", "PK1;one;a;x\n");
    workspace.run();
    let output = workspace.tidemark(&["retry", "acme/test_table/V2"]);
    insta::assert_snapshot!("retry", output.transcript());
    assert_eq!(workspace.statuses("acme/test_table")["V2"], "REGISTERED");
    assert_refused(&workspace, "FAILED");
    insta::assert_snapshot!("retry_of_succeeded", workspace.tidemark(&["retry", "acme/test_table/V1"]).transcript());
    insta::assert_snapshot!("retry_of_unknown", workspace.tidemark(&["retry", "acme/test_table/V7"]).transcript());
}

#[test]
fn stray_files_are_reported_and_the_run_continues() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    workspace.export("acme/test_tabel/V1", GOOD);
    workspace.export("acme/test_table/bad name", GOOD);
    workspace.write("exports/stray.txt", b"");
    workspace.write("exports/acme/test_table/V2/inner/part.csv.gz", &gzip(GOOD.as_bytes()));
    workspace.write("exports/_tmp/whatever", b"");
    insta::assert_snapshot!("strays", workspace.run().transcript());
    assert_eq!(workspace.statuses("acme/test_table")["V1"], "SUCCEEDED");
}

#[test]
fn command_line_mistakes_are_explained() {
    let workspace = workspace();
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
        insta::assert_snapshot!(name, workspace.tidemark(arguments).transcript());
    }
}

#[test]
fn an_unreadable_part_is_a_machine_fault() {
    let workspace = workspace();
    let path = workspace.export("acme/test_table/V2", GOOD);
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    workspace.drop_root();
    let output = assert_refused(&workspace, "REGISTERED");
    assert!(output.contains("Permission denied") && output.starts_with("exit status 2"), "{output}");
    assert!(output.contains("check the permissions"), "{output}");
}

#[test]
fn an_unwritable_output_is_a_machine_fault_and_the_next_run_resumes() {
    let workspace = Workspace::new();
    workspace.export("acme/test_table/V1", GOOD);
    // A file is in the place of the tenant's folder.
    workspace.write("out/acme", b"");
    let output = workspace.run();
    assert_eq!(output.status, 2, "{}", output.stderr);
    assert!(
        output.stderr.contains("cannot create ~/out/acme") || output.stderr.contains("cannot create out/acme"),
        "{}",
        output.stderr
    );
    assert_eq!(workspace.statuses("acme/test_table")["V1"], "PUBLISHING");
    fs::remove_file(workspace.path("out/acme")).unwrap();
    assert_eq!(workspace.run().status, 0);
    assert_eq!(workspace.published("acme/test_table/V1").len(), 4);
}

#[test]
fn a_full_disk_is_a_machine_fault_and_the_next_run_resumes() {
    let workspace = Workspace::new();
    // Random enough to exceed the disk when compressed.
    let rows: String =
        (0..20_000u64).map(|n| format!("{:016x};1;;\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    workspace.export("acme/test_table/V1", &rows);
    let Some(_disk) = SmallDisk::mount(&workspace) else { return };
    let output = workspace.tidemark(&["run", "exports", "--state", "disk/state", "--out", "disk/out"]);
    assert_eq!(output.status, 2, "{}", output.stderr);
    assert!(output.stderr.contains("No space left on device") || output.stderr.contains("full"), "{}", output.stderr);
    assert!(output.stderr.contains("free some space"), "{}", output.stderr);
    // Move the state to a larger disk; the next run resumes from it.
    let copied = command("cp").args(["-r", "disk/state", "state"]).current_dir(workspace.path("")).status().unwrap();
    assert!(copied.success());
    // The run could not release its lease in a registry on a full disk, so the lease must expire.
    let registry = rusqlite::Connection::open(workspace.path("state/registry.sqlite")).unwrap();
    registry.execute("UPDATE tables SET expires_at = 1", []).unwrap();
    let output = workspace.tidemark(&["run", "exports", "--state", "state", "--out", "out"]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    assert_eq!(workspace.published("acme/test_table/V1").len(), 20_002);
}

/// A disk of 320 KiB, unmounted on drop.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// Returns `None` without permission to mount; CI must have it.
    fn mount(workspace: &Workspace) -> Option<Self> {
        let path = workspace.path("disk");
        fs::create_dir(&path).unwrap();
        let mounted = command("mount").args(["-t", "tmpfs", "-o", "size=320k", "tmpfs"]).arg(&path).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(path));
        }
        assert!(std::env::var_os("CI").is_none(), "CI must be able to mount a small disk");
        eprintln!("skipped: no permission to mount a small disk");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = command("umount").arg(&self.0).status();
        assert!(
            unmounted.is_ok_and(|status| status.success()),
            "cannot unmount the small disk at {}",
            self.0.display()
        );
    }
}

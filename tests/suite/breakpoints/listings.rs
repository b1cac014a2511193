//! Two processes that register the same export, of which one saw it before it was complete.

use std::fs;

use runtime::breakpoint::Breakpoint;

use super::StoppedProcess;
use crate::workspace::{CommandOutput, Workspace};

const FOLDER: &str = "exports/acme/products/V1";
const HEADER: &str = "sku,name,category,price,weight_kg,in_stock,tags,released_on,tax_class,note";

/// Why an export is not complete yet.
#[derive(Debug, Clone, Copy)]
enum Obstacle {
    APartIsMissing,
    AnotherPart,
    AFolder,
}

impl Obstacle {
    const ALL: [Obstacle; 3] = [Obstacle::APartIsMissing, Obstacle::AnotherPart, Obstacle::AFolder];

    fn create(self, workspace: &Workspace) {
        write_part(workspace, "1.csv");
        match self {
            Obstacle::APartIsMissing => return,
            Obstacle::AnotherPart => write_part(workspace, "3.csv"),
            Obstacle::AFolder => fs::create_dir(workspace.path(FOLDER).join("old")).unwrap(),
        }
        write_part(workspace, "2.csv");
    }

    fn remove(self, workspace: &Workspace) {
        match self {
            Obstacle::APartIsMissing => write_part(workspace, "2.csv"),
            Obstacle::AnotherPart => fs::remove_file(workspace.path(FOLDER).join("3.csv")).unwrap(),
            Obstacle::AFolder => fs::remove_dir(workspace.path(FOLDER).join("old")).unwrap(),
        }
    }
}

fn write_part(workspace: &Workspace, name: &str) {
    let row = format!("{HEADER}\n{name},cup,kitchen,1.50,,true,,,reduced,\n");
    workspace.write(&format!("{FOLDER}/{name}"), row.as_bytes());
}

/// A run that has listed the parts as they are now, and has not registered them.
fn run_that_has_listed(workspace: &Workspace) -> StoppedProcess {
    StoppedProcess::start(workspace, &["run", "exports"], Breakpoint::PartsListed, 1).unwrap()
}

fn assert_is_published(workspace: &Workspace, what: &str, outputs: &[CommandOutput]) {
    let transcripts: Vec<String> = outputs.iter().map(CommandOutput::transcript).collect();
    let what = format!("{what}: {}", transcripts.join("\n"));
    assert_eq!(workspace.statuses("acme/products")["V1"], "SUCCEEDED", "{what}");
    let published = workspace.published("acme/products/V1");
    assert_eq!(published.last().map(|end| &end["rows"]), Some(&2.into()), "{what}");
    assert!(!transcripts.concat().contains("refused"), "{what}");
    assert_eq!(workspace.tidemark(&["verify"]).status, 0, "{what}");
}

#[test]
fn an_export_that_is_complete_is_published_although_an_earlier_listing_is_registered_first() {
    for obstacle in Obstacle::ALL {
        let workspace = Workspace::new().in_memory();
        obstacle.create(&workspace);
        let earlier = run_that_has_listed(&workspace);
        obstacle.remove(&workspace);
        let later = run_that_has_listed(&workspace);
        let outputs = [earlier.resume(), later.resume()];
        assert_is_published(&workspace, &format!("{obstacle:?}"), &outputs);
    }
}

#[test]
fn an_earlier_listing_that_is_registered_last_changes_nothing() {
    for obstacle in Obstacle::ALL {
        let workspace = Workspace::new().in_memory();
        obstacle.create(&workspace);
        let earlier = run_that_has_listed(&workspace);
        obstacle.remove(&workspace);
        let later = workspace.run();
        assert_eq!(later.status, 0, "{}", later.transcript());
        let outputs = [later, earlier.resume()];
        assert_is_published(&workspace, &format!("{obstacle:?}"), &outputs);
    }
}

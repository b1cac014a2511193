//! Several registries, or copies of one, that adopt one output at once.

use std::process::{Child, Output, Stdio};

use super::*;

/// Two state folders, with other registries than the one that publishes; or with copies of an older state of it.
fn contenders(workspace: &Workspace, are_copies: bool) -> [&'static str; 2] {
    if are_copies {
        for state in ["first", "second"] {
            fs::create_dir(workspace.path(state)).unwrap();
            copy_registry(workspace, &format!("{state}/registry.sqlite"));
        }
        deliver(workspace, 4, &["a", "c"]);
        assert_eq!(workspace.run().status, 0);
    }
    ["first", "second"]
}

#[test]
fn two_that_adopt_an_output_at_once_have_one_winner() {
    for are_copies in [false, true] {
        let workspace = workspace();
        let mut consumer = Consumer::default();
        let [first, second] = contenders(&workspace, are_copies);
        consumer.read(&workspace);
        deliver(&workspace, 5, &["d", "e"]);
        let arguments = |state: &'static str| ["run", "exports", "--adopt", "--state", state];
        let stopped = StoppedProcess::start(&workspace, &arguments(first), Breakpoint::Adopting, 1).unwrap();
        adopt(&workspace, &["--state", second]);
        let published = snapshot(&workspace);
        let lost = stopped.resume();
        assert_eq!(lost.status, 1, "{}", lost.transcript());
        assert!(lost.stderr.contains("adopted it, or published there, in the meantime"), "{}", lost.stderr);
        assert!(!lost.stderr.contains(".writing"), "{}", lost.stderr);
        assert_eq!(snapshot(&workspace), published, "the loser changes nothing");
        check_consumers(&mut consumer, &workspace, &expected(&["d", "e"], 5));
        // The winner goes on.
        deliver(&workspace, 6, &["e", "f"]);
        assert_eq!(workspace.tidemark(&["run", "exports", "--state", second]).status, 0);
        check_refused(&workspace, &["--state", first], "");
        check_consumers(&mut consumer, &workspace, &expected(&["e", "f"], 6));
    }
}

#[test]
fn a_publisher_whose_output_is_adopted_is_asked_to_remove_nothing() {
    for breakpoint in [Breakpoint::Publishing, Breakpoint::Claimed, Breakpoint::Marked, Breakpoint::PartWritten] {
        let workspace = workspace();
        deliver(&workspace, 4, &["d", "e"]);
        let stopped = StoppedProcess::start(&workspace, &["run", "exports"], breakpoint, 1).unwrap();
        adopt(&workspace, &["--state", "other"]);
        let published = snapshot(&workspace);
        let output = stopped.resume();
        assert_ne!(output.status, 0, "{}: {}", breakpoint.name(), output.transcript());
        assert!(!output.stderr.contains(".writing/"), "{}: {}", breakpoint.name(), output.stderr);
        assert_eq!(snapshot(&workspace), published, "{}", breakpoint.name());
        check_refused(&workspace, &[], "another registry");
    }
}

#[test]
fn registries_that_race_for_an_output_never_overwrite_each_other() {
    for round in 0..5 {
        let workspace = workspace();
        let mut consumer = Consumer::default();
        consumer.read(&workspace);
        deliver(&workspace, 4, &["c", "d"]);
        let before = snapshot(&workspace);
        let start = |number: u32| {
            let state = format!("state-{number}");
            let mut command = workspace.command(&["run", "exports", "--adopt", "--state", &state]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let runs: Vec<Child> = (0..4).map(start).collect();
        let outputs: Vec<Output> = runs.into_iter().map(|run| run.wait_with_output().unwrap()).collect();
        check_only_added(&before);
        assert!(outputs.iter().any(|output| output.status.success()), "round {round}: nobody has won");
        for output in outputs {
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(!stderr.contains(".writing/"), "{stderr}");
        }
        // Whoever is the last to adopt has the output for itself.
        let goes_on =
            |number: u32| workspace.tidemark(&["run", "exports", "--state", &format!("state-{number}")]).status == 0;
        deliver(&workspace, 5, &["d", "e"]);
        assert_eq!((0..4).filter(|number| goes_on(*number)).count(), 1, "round {round}");
        consumer.read(&workspace);
        assert_eq!(consumer.table(), expected(&["d", "e"], 5), "round {round}");
    }
}

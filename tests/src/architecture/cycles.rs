//! No module may import itself through others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::imports::{Arrow, Imports};
use super::violation::Violation;

type Arrows = BTreeMap<(String, String), Arrow>;

/// Reports the shortest cycle, ignores its arrow with the fewest names from then on, and repeats until there is none.
/// So cutting one arrow per report is enough.
pub fn check(imports: &Imports) -> Vec<Violation> {
    let mut arrows = imports.arrows.clone();
    let mut violations = Vec::new();
    while let Some(cycle) = shortest(&arrows) {
        let steps: Vec<(String, String)> =
            cycle.iter().zip(cycle.iter().cycle().skip(1)).map(|(from, to)| (from.clone(), to.clone())).collect();
        violations.push(violation(imports, &arrows, &steps));
        if let Some(thinnest) = steps.iter().min_by_key(|step| arrows[*step].names.len()) {
            arrows.remove(thinnest);
        }
    }
    violations
}

fn violation(imports: &Imports, arrows: &Arrows, steps: &[(String, String)]) -> Violation {
    let mut message =
        "modules import each other in a circle; move the shared names into a module that both can import".to_owned();
    for (from, to) in steps {
        let arrow = &arrows[&(from.clone(), to.clone())];
        let names = arrow.names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        message.push_str(&format!("\n    {from}:{} -> {to}: {names}", arrow.line));
    }
    let first = &steps[0];
    Violation::new(imports.files[&first.0].clone(), arrows[first].line, message)
}

/// The shortest cycle; of several, the first by name.
fn shortest(arrows: &Arrows) -> Option<Vec<String>> {
    let mut targets: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in arrows.keys() {
        targets.entry(from).or_default().insert(to);
    }
    let cycles = targets.keys().filter_map(|start| path_back(&targets, start));
    cycles.min_by_key(Vec::len)
}

/// The shortest path from a module back to itself.
fn path_back(targets: &BTreeMap<&str, BTreeSet<&str>>, start: &str) -> Option<Vec<String>> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(module) = queue.pop_front() {
        for target in targets.get(module).into_iter().flatten() {
            if *target == start {
                let mut path = vec![module.to_owned()];
                while path.last().is_some_and(|last| last != start) {
                    let last = came_from[path[path.len() - 1].as_str()];
                    path.push(last.to_owned());
                }
                path.reverse();
                return Some(path);
            }
            if *target != start && !came_from.contains_key(target) {
                came_from.insert(target, module);
                queue.push_back(target);
            }
        }
    }
    None
}

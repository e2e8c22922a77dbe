//! Prints what is understood of the definitions in a tree, to compare it with one's own reading.
//!
//! The tree comes on standard input: for each file a line of its length in bytes, a space and its
//! path, and then its bytes. The argument is the name of the trunk.

use std::collections::BTreeMap;
use std::io::Read as _;

use evidence::{MemoryTree, Place, Value};

fn main() {
    let mut bytes = Vec::new();
    if std::io::stdin().read_to_end(&mut bytes).is_err() {
        return;
    }
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut rest = bytes.as_slice();
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 1..];
        let Some((length, path)) = head.split_once(' ') else {
            break;
        };
        let Ok(length) = length.parse::<usize>() else { break };
        let text = String::from_utf8_lossy(&rest[..length.min(rest.len())]).into_owned();
        rest = &rest[length.min(rest.len())..];
        files.insert(path.to_owned(), text);
    }
    let tree = MemoryTree::of(files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    let trunk = std::env::args().nth(1);
    let workflows = workflow::read(&tree, trunk.as_deref().filter(|name| !name.is_empty()));
    for one in &workflows.list {
        let occasions: Vec<String> = one.occasions.list().map(|(o, t)| format!("{o:?}={t:?}")).collect();
        println!("== {} [{}] {}", one.file, one.system.name(), occasions.join(" "));
        for job in &one.jobs {
            let occasions: Vec<String> = job.occasions.list().map(|(o, t)| format!("{o:?}={t:?}")).collect();
            println!(
                "  job {} ({}) needs {:?} env {:?} :: {}",
                job.id,
                job.at,
                job.needs,
                job.environments.iter().map(|e| &e.name).collect::<Vec<_>>(),
                occasions.join(" ")
            );
            for step in &job.steps {
                for doing in &step.doings {
                    println!(
                        "    {} {}={} {} {}{}",
                        doing.first(),
                        doing.purpose.word(),
                        doing.detail,
                        doing.way(),
                        if doing.by_name { "(by name) " } else { "" },
                        if doing.ignored || step.ignored { "IGNORED" } else { "" }
                    );
                }
            }
        }
    }
    for finding in &workflows.findings {
        println!("finding {finding:?}");
    }
    for at in &workflows.unread {
        println!("unread {at}");
    }
    for (name, measure) in workflow::measures(&workflows, None) {
        if measure.value == Value::Boolean(false) {
            continue;
        }
        let places: Vec<String> = measure
            .places
            .iter()
            .take(3)
            .map(|place| match place {
                Place::File { file, line, what } => {
                    format!("{file}:{} {}", line.unwrap_or(0), what.as_deref().unwrap_or(""))
                }
                other => format!("{other:?}"),
            })
            .collect();
        println!("{name} = {:?}   {}", measure.value, places.join(" | "));
    }
}

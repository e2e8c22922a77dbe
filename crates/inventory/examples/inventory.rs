//! Prints what the files of a repository's commit say.
//!
//! `cargo run -p inventory --example inventory -- REPOSITORY [REVISION] [--findings]`

use std::error::Error;
use std::time::Instant;

use evidence::{Entry, EntryKind, Place, Tree, TreeError, Value};
use gix::bstr::ByteSlice;

/// The tree of one commit, read through gix.
struct Commit {
    repository: String,
    entries: Vec<Entry>,
    ids: Vec<gix::ObjectId>,
}

thread_local! {
    static LOCAL: std::cell::RefCell<Option<gix::Repository>> = const { std::cell::RefCell::new(None) };
}

impl Tree for Commit {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, TreeError> {
        let Ok(index) = self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)) else {
            return Ok(None);
        };
        let unreadable = |reason: String| TreeError::Unreadable {
            path: path.to_owned(),
            reason,
        };
        LOCAL.with_borrow_mut(|local| {
            if local.is_none() {
                let mut opened = gix::open(&self.repository).map_err(|error| unreadable(error.to_string()))?;
                opened.object_cache_size(None);
                *local = Some(opened);
            }
            let Some(repository) = local.as_ref() else {
                return Err(unreadable("no repository".to_owned()));
            };
            let header = repository
                .find_header(self.ids[index])
                .map_err(|error| unreadable(error.to_string()))?;
            if header.size() > most {
                return Err(TreeError::TooLong {
                    path: path.to_owned(),
                    size: header.size(),
                    most,
                });
            }
            let object = repository
                .find_object(self.ids[index])
                .map_err(|error| unreadable(error.to_string()))?;
            Ok(Some(object.data.clone()))
        })
    }
}

fn open(path: &str, revision: &str) -> Result<Commit, Box<dyn Error>> {
    let repository = gix::open(path)?;
    let tree = repository.rev_parse_single(revision)?.object()?.peel_to_tree()?;
    let mut all: Vec<(Entry, gix::ObjectId)> = Vec::new();
    for entry in tree.traverse().breadthfirst.files()? {
        let kind = match entry.mode.kind() {
            gix::object::tree::EntryKind::Blob => EntryKind::File,
            gix::object::tree::EntryKind::BlobExecutable => EntryKind::Executable,
            gix::object::tree::EntryKind::Link => EntryKind::Link,
            gix::object::tree::EntryKind::Commit => EntryKind::Submodule,
            gix::object::tree::EntryKind::Tree => continue,
        };
        let path = entry.filepath.to_str_lossy().into_owned();
        all.push((Entry { path, kind }, entry.oid));
    }
    all.sort_by(|a, b| a.0.path.cmp(&b.0.path));
    let (entries, ids) = all.into_iter().unzip();
    Ok(Commit {
        repository: path.to_owned(),
        entries,
        ids,
    })
}

fn show(place: &Place) -> String {
    match place {
        Place::File { file, line, what } => format!(
            "{file}{}{}",
            line.map(|line| format!(":{line}")).unwrap_or_default(),
            what.as_ref().map(|what| format!(" [{what}]")).unwrap_or_default()
        ),
        other => format!("{other:?}"),
    }
}

fn print(measures: &evidence::Measures) {
    for (name, measure) in measures {
        let value = match &measure.value {
            Value::List(words) => words.join(", "),
            Value::Number(number) => format!("{number:.2}"),
            Value::Integer(number) => number.to_string(),
            Value::Boolean(yes) => yes.to_string(),
            Value::Text(text) => text.clone(),
        };
        let places: Vec<String> = measure.places.iter().take(4).map(show).collect();
        let against: Vec<String> = measure.against.iter().take(2).map(show).collect();
        println!(
            "{:<28} {value}{}{}",
            name.trim_start_matches("files."),
            if places.is_empty() {
                String::new()
            } else {
                format!("   <- {}", places.join("; "))
            },
            if against.is_empty() {
                String::new()
            } else {
                format!("   AGAINST {}", against.join("; "))
            },
        );
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("name a repository")?;
    let revision = arguments
        .get(1)
        .filter(|word| !word.starts_with("--"))
        .map_or("HEAD", String::as_str);
    let begun = Instant::now();
    let tree = open(path, revision)?;
    let opened = begun.elapsed();
    let begun = Instant::now();
    let inventory = inventory::read(&tree);
    let read = begun.elapsed();
    print(&inventory::measures(&inventory, None));
    for component in inventory::components(&inventory) {
        println!("component {} in {}", component.name, component.folder);
        if arguments.iter().any(|word| word == "--components") {
            print(&inventory::measures(&inventory, Some(&component)));
        }
    }
    for finding in inventory.findings().iter().take(12) {
        println!("finding {}: {}", show(&finding.place), finding.problem);
    }
    for limit in inventory.limits() {
        println!("limit {limit}");
    }
    eprintln!(
        "{} entries, listed in {opened:.0?}, read in {read:.0?}",
        tree.entries().len()
    );
    Ok(())
}

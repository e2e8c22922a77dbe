//! How long versions take: of the newest commit from the whole history, of that and the hundred first
//! parents before it one after the other from what is remembered, and of the same anew each time.
//!
//! `cargo run --release -p source --example versions -- path/to/repository.git`

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]
#![allow(clippy::disallowed_methods)] // reason: it measures time

use std::time::Instant;

use facts::ReleaseLine;
use source::Repository;
use source::version::{Graph, Scheme};

fn main() {
    let path = std::env::args().nth(1).unwrap();
    let repository = Repository::open(path).unwrap();
    let main = repository.head().unwrap_or_else(|| ReleaseLine::new("main").unwrap());
    let tip = repository.resolve(main.as_str()).unwrap();
    let mut commits = repository.first_parents(&tip, 101).unwrap();
    commits.reverse();
    let mut graph = Graph::default();
    let begun = Instant::now();
    repository.grow(&mut graph, [&commits[0]]).unwrap();
    let version = graph.version(&commits[0], Scheme::Semantic, &main, &main).unwrap();
    println!("{} commits: {version} after {:.1?}", graph.len(), begun.elapsed());
    let begun = Instant::now();
    for commit in &commits[1..] {
        repository.grow(&mut graph, [commit]).unwrap();
        graph.version(commit, Scheme::Semantic, &main, &main).unwrap();
    }
    println!("each of the next {}: {:.1?}", commits.len() - 1, begun.elapsed() / 100);
    let begun = Instant::now();
    for commit in &commits[91..] {
        repository.version(commit, Scheme::Semantic, &main, &main).unwrap();
    }
    println!("each from the whole history: {:.1?}", begun.elapsed() / 10);
}

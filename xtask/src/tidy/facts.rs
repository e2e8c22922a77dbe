//! SQL for facts stands in the ledger's store and nowhere else.

use super::{Finding, Project, lines};
use crate::rust;

const STORES: [&str; 2] = ["crates/ledger/src/sqlite/", "crates/ledger/src/postgres/"];

/// What reads or writes the table of facts, in any spelling of the keywords.
const STATEMENTS: [&str; 6] = [
    "from facts",
    "into facts",
    "update facts",
    "join facts",
    "table facts",
    "on facts",
];

/// Only the ledger's store holds SQL for facts. Tests tamper with them on purpose.
pub fn sql(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in project.tree.rust() {
        if STORES.iter().any(|store| file.path.starts_with(store)) || file.path.starts_with("xtask/") || file.is_test()
        {
            continue;
        }
        let capitals = ["SELECT", "INSERT", "DELETE", "UPDATE", "CREATE", "DROP"];
        if !capitals.iter().any(|word| file.layers().strings.contains(word)) {
            continue;
        }
        for (line, text) in lines(&file.layers().strings) {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
            if STATEMENTS.iter().any(|statement| rust::has_word(&text, statement)) {
                let message = "SQL for facts is only in the ledger's store, so that nothing can change a fact: read through `Ledger`";
                findings.push(Finding::new(&file.path, line, message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::tests::{expect, project};
    use super::*;

    #[test]
    fn sql_for_facts_outside_of_the_store_is_found_and_prose_is_not() {
        let statement = "//! Reads rows from facts.\nfn f() { query(\"DELETE  FROM facts WHERE seq = 1\"); }\n";
        let project = project(
            &[
                ("crates/ledger/src/sqlite/read.rs", statement),
                ("crates/ledger/tests/it/tampering.rs", statement),
                ("crates/server/src/cheat.rs", statement),
                (
                    "crates/server/src/prose.rs",
                    "fn f() { say(\"views are folded from facts\"); }\n",
                ),
            ],
            &[],
        );
        expect(&sql(&project), &[("crates/server/src/cheat.rs", 2, "ledger's store")]);
    }
}

//! Manifests, lock files and what else stands in a repository: its first line says the file's name.
#![no_main]

use evidence::MemoryTree;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (name, rest) = bytes.split_at(at);
    let Ok(name) = std::str::from_utf8(name) else { return };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    if name.is_empty() || name.len() > 100 || !name.chars().all(plain) {
        return;
    }
    let text = rest.strip_prefix(b"\n").unwrap_or(rest).to_vec();
    let tree = MemoryTree::of_bytes([(name, text)]);
    let inventory = inventory::read(&tree);
    let _ = inventory::measures(&inventory, None);
    for component in inventory::components(&inventory) {
        let _ = inventory::measures(&inventory, Some(&component));
    }
});

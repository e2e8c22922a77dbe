//! The pages of the documentation that the program makes say what it does.

use std::path::Path;

#[test]
fn pages_made_from_the_program_are_as_it_would_make_them_now() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let write = std::env::var_os("THROUGHLINE_WRITE_DOCS").is_some();
    for (name, text) in throughline::docs::pages() {
        let path = docs.join(name);
        if write {
            std::fs::create_dir_all(&docs).unwrap();
            std::fs::write(&path, text).unwrap();
        } else {
            let stored = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(
                stored, text,
                "docs/{name} is not up to date: THROUGHLINE_WRITE_DOCS=1 cargo nextest run -p throughline documents"
            );
        }
    }
}

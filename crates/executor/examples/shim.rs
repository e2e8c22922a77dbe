//! A shim and nothing else, for the tests: `shim --folder RUN_FOLDER`.

use std::path::PathBuf;

fn main() {
    let mut arguments = std::env::args_os()
        .skip_while(|argument| argument != "--folder")
        .skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_default());
    std::process::exit(executor::shim_main(&folder));
}

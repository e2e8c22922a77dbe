//! The pages of the documentation that are made from the program itself.
//!
//! A test compares them with the files; `THROUGHLINE_WRITE_DOCS=1 cargo nextest run -p throughline` writes
//! them anew.

use std::fmt::Write as _;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::settings::TABLE;

/// Each page's file below `docs/`, and its text.
pub fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("cli.md", command_line()),
        ("settings.md", settings()),
        ("exit-codes.md", exit_codes()),
    ]
}

const MADE: &str = "<!-- Made from the program by the tests of crates/throughline; do not edit. -->\n";

/// `docs/cli.md`.
pub fn command_line() -> String {
    let mut command = Cli::grouped().term_width(100);
    command.build();
    let mut text = format!(
        "# The command line\n\n{MADE}\nData goes to standard output, everything else to standard error. Every command that reads has `--json`, which prints\nthe document of the [API](../crates/server/src/wire) as it is. How commands end stands in [exit-codes.md](exit-codes.md),\nwhat can be set and where in [settings.md](settings.md).\n"
    );
    let _ = write!(text, "\n## throughline\n\n```text\n{}\n```\n", help(&mut command));
    let names: Vec<String> = command
        .get_subcommands()
        .filter(|each| !each.is_hide_set())
        .map(|each| each.get_name().to_owned())
        .collect();
    for name in names {
        if let Some(one) = command.find_subcommand_mut(&name) {
            page(one, &format!("throughline {name}"), 2, &mut text);
        }
    }
    text
}

fn page(command: &mut clap::Command, name: &str, depth: usize, text: &mut String) {
    let _ = write!(
        text,
        "\n{} {name}\n\n```text\n{}\n```\n",
        "#".repeat(depth),
        help(command)
    );
    let names: Vec<String> = command
        .get_subcommands()
        .map(|each| each.get_name().to_owned())
        .collect();
    for child in names {
        if let Some(one) = command.find_subcommand_mut(&child) {
            page(one, &format!("{name} {child}"), depth + 1, text);
        }
    }
}

/// The long help without the flags that every command has.
fn help(command: &mut clap::Command) -> String {
    let text = command.render_long_help().to_string();
    let text = text.split("\nGlobal options:").next().unwrap_or_default();
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
        .trim_end()
        .to_owned()
}

/// `docs/settings.md`.
pub fn settings() -> String {
    let mut text = format!(
        "# Settings\n\n{MADE}\nA setting is looked for in this order: the flag, the environment variable, the settings file, the default.\n`throughline settings` shows each one's value and where it came from.\n\nThe settings file is `$XDG_CONFIG_HOME/throughline/config.toml`, else `~/.config/throughline/config.toml`; another one is\nnamed with `--settings` or `THROUGHLINE_SETTINGS`. Paths in it are relative to it. The user's data folder is\n`$XDG_DATA_HOME`, else `~/.local/share`. An unknown key is an error that names the line.\n\n| meaning | flag | variable | key | default |\n|---|---|---|---|---|\n"
    );
    for setting in TABLE {
        let code = |text: Option<&str>| text.map_or_else(|| "–".to_owned(), |text| format!("`{text}`"));
        let _ = writeln!(
            text,
            "| {} | {} | `{}` | {} | {} |",
            setting.meaning.trim(),
            code(setting.flag),
            setting.variable,
            code(setting.key),
            setting.default
        );
    }
    text.push_str("\nColours are also off where `NO_COLOR` is set or `TERM` is `dumb`.\n\nThe token is never a flag: other programs could read it there.\n");
    text
}

/// `docs/exit-codes.md`.
pub fn exit_codes() -> String {
    let mut text = format!(
        "# Exit codes\n\n{MADE}\nThe numbers stay; a new way to end takes a new number.\n\n| code | meaning |\n|---|---|\n"
    );
    for (exit, meaning) in Exit::TABLE {
        let _ = writeln!(text, "| {} | {} |", exit.code(), meaning.trim());
    }
    text
}

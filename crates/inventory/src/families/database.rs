//! Database migrations of the common tools, and which of them have a way back.

use crate::catalogue::{Catalogue, FileFact, folder_of, name_of};
use crate::context::Context;
use crate::languages::in_test_folder;
use crate::manifests::Ecosystem::{self, Cargo, Java, Node};
use crate::observation::{At, Observations, at, at_line};
use crate::reading::{Reader, line_of};

/// Whether migrations of a tool can be undone, as far as its files tell.
enum Back {
    /// The tool knows no way back, or it is made from the way there.
    NotAsked,
    Yes,
    No,
}

/// The most migrations whose text is read.
const MOST: usize = 600;

/// A kind of migration: how its files are known.
struct Kind {
    word: &'static str,
    is: fn(&Setting<'_>, &FileFact) -> bool,
    back: fn(&Setting<'_>, &FileFact) -> Back,
}

/// What the recognition may ask.
struct Setting<'a> {
    catalogue: &'a Catalogue,
    reader: &'a Reader<'a>,
    packages: &'a dyn Fn(Ecosystem, &[&str]) -> bool,
}

impl Setting<'_> {
    fn contains(&self, path: &str, needles: &[&str]) -> bool {
        self.reader
            .glance(path)
            .is_some_and(|text| needles.iter().any(|needle| text.contains(needle)))
    }
}

fn has_digits(name: &str, count: usize) -> bool {
    name.bytes().take_while(u8::is_ascii_digit).count() >= count
}

fn parent(path: &str) -> &str {
    name_of(folder_of(path))
}

fn up_of_pair(path: &str) -> bool {
    path.ends_with(".up.sql")
}

const KINDS: &[Kind] = &[
    Kind {
        word: "rails",
        is: |_, file| {
            folder_of(&file.path).ends_with("db/migrate") && has_digits(file.name(), 3) && file.path.ends_with(".rb")
        },
        back: |setting, file| {
            if setting.contains(&file.path, &["def change", "def down", "def self.down"]) {
                if setting.contains(&file.path, &["IrreversibleMigration"]) {
                    Back::No
                } else {
                    Back::Yes
                }
            } else {
                Back::No
            }
        },
    },
    Kind {
        word: "django",
        is: |setting, file| {
            parent(&file.path) == "migrations"
                && file.path.ends_with(".py")
                && has_digits(file.name(), 4)
                && setting.contains(&file.path, &["migrations.Migration"])
        },
        back: |setting, file| {
            let text = setting.reader.glance(&file.path).unwrap_or_default();
            let forward = text.matches("RunPython(").count() + text.matches("RunSQL(").count();
            let backward = text.matches("reverse_code").count()
                + text.matches("reverse_sql").count()
                + text.matches("RunPython.noop").count()
                + text.matches("RunSQL.noop").count();
            if forward > 0 && backward == 0 && !text.contains("def reverse") {
                Back::No
            } else {
                Back::Yes
            }
        },
    },
    Kind {
        word: "alembic",
        is: |setting, file| {
            file.path.ends_with(".py")
                && parent(&file.path) == "versions"
                && setting.contains(&file.path, &["down_revision"])
        },
        back: |setting, file| {
            let text = setting.reader.glance(&file.path).unwrap_or_default();
            match text.split_once("def downgrade") {
                Some((_, body)) => {
                    let does = body.lines().skip(1).map(str::trim).any(|line| {
                        !line.is_empty()
                            && line != "pass"
                            && !line.starts_with('#')
                            && !line.starts_with("\"\"\"")
                            && !line.starts_with("raise")
                    });
                    if does { Back::Yes } else { Back::No }
                }
                None => Back::No,
            }
        },
    },
    Kind {
        word: "flyway",
        is: |setting, file| {
            let name = file.name();
            let versioned = name.starts_with(['V', 'R', 'U'])
                && name.contains("__")
                && (name.ends_with(".sql") || name.ends_with(".java") || name.ends_with(".kt"));
            versioned
                && !name.starts_with('U')
                && (file.path.contains("db/migration")
                    || file.path.contains("migration")
                    || (setting.packages)(Java, &["org.flywaydb:flyway-core", "org.flywaydb.flyway"]))
        },
        back: |setting, file| {
            let name = file.name();
            let undo = format!("{}/U{}", folder_of(&file.path), &name[1..]);
            if setting.catalogue.has(&undo) {
                Back::Yes
            } else {
                Back::NotAsked
            }
        },
    },
    Kind {
        word: "prisma",
        is: |_, file| {
            file.name() == "migration.sql" && file.path.contains("migrations/") && file.path.contains("prisma")
        },
        back: |setting, file| {
            if setting.catalogue.has(&format!("{}/down.sql", folder_of(&file.path))) {
                Back::Yes
            } else {
                Back::NotAsked
            }
        },
    },
    Kind {
        word: "diesel",
        is: |setting, file| {
            file.name() == "up.sql"
                && file.path.contains("migrations/")
                && ((setting.packages)(Cargo, &["diesel", "diesel_migrations", "diesel-async"])
                    || setting.catalogue.named("diesel.toml").next().is_some())
        },
        back: |setting, file| {
            let down = format!("{}/down.sql", folder_of(&file.path));
            let real =
                setting.catalogue.has(&down) && setting.reader.glance(&down).is_some_and(|text| has_statement(&text));
            if real { Back::Yes } else { Back::No }
        },
    },
    Kind {
        word: "ecto",
        is: |_, file| {
            file.path.contains("priv/")
                && parent(&file.path) == "migrations"
                && file.path.ends_with(".exs")
                && has_digits(file.name(), 8)
        },
        back: |setting, file| {
            if setting.contains(&file.path, &["def change", "def down"]) {
                Back::Yes
            } else {
                Back::No
            }
        },
    },
    Kind {
        word: "laravel",
        is: |setting, file| {
            folder_of(&file.path).ends_with("database/migrations")
                && file.path.ends_with(".php")
                && has_digits(file.name(), 4)
                && setting.contains(&file.path, &["extends Migration"])
        },
        back: |setting, file| {
            if setting.contains(&file.path, &["function down"]) {
                Back::Yes
            } else {
                Back::No
            }
        },
    },
    Kind {
        word: "doctrine",
        is: |setting, file| {
            file.path.ends_with(".php")
                && file.name().starts_with("Version")
                && setting.contains(
                    &file.path,
                    &[
                        "AbstractMigration",
                        "WallabagMigration",
                        "Doctrine\\Migrations",
                        "DoctrineMigrations",
                    ],
                )
        },
        back: |setting, file| {
            if setting.contains(&file.path, &["function down"])
                && !setting.contains(&file.path, &["throwIrreversibleMigration"])
            {
                Back::Yes
            } else {
                Back::No
            }
        },
    },
    Kind {
        word: "ef-core",
        is: |setting, file| {
            file.path.ends_with(".cs")
                && (parent(&file.path).eq_ignore_ascii_case("migrations") || file.path.contains("/Migrations/"))
                && has_digits(file.name(), 8)
                && setting.contains(&file.path, &[": Migration"])
        },
        back: |setting, file| {
            if setting.contains(&file.path, &["void Down("]) {
                Back::Yes
            } else {
                Back::No
            }
        },
    },
    Kind {
        word: "typeorm",
        is: |setting, file| {
            is_script(&file.path)
                && file.path.to_ascii_lowercase().contains("migration")
                && setting.contains(&file.path, &["implements MigrationInterface"])
        },
        back: |setting, file| {
            if setting.contains(&file.path, &["async down("]) {
                Back::Yes
            } else {
                Back::No
            }
        },
    },
    Kind {
        word: "knex",
        is: |setting, file| {
            is_script(&file.path)
                && parent(&file.path) == "migrations"
                && has_digits(file.name(), 8)
                && (setting.packages)(Node, &["knex", "objection"])
                && setting.contains(
                    &file.path,
                    &[
                        "exports.up",
                        "export async function up",
                        "export function up",
                        "up:",
                        "up(",
                    ],
                )
        },
        back: |setting, file| {
            if setting.contains(&file.path, &["exports.down", "function down", "down:", "down("]) {
                Back::Yes
            } else {
                Back::No
            }
        },
    },
    Kind {
        word: "sequelize",
        is: |setting, file| {
            is_script(&file.path)
                && parent(&file.path) == "migrations"
                && has_digits(file.name(), 8)
                && setting.contains(&file.path, &["queryInterface", "QueryInterface"])
        },
        back: |setting, file| {
            if setting.contains(&file.path, &["down"]) {
                Back::Yes
            } else {
                Back::No
            }
        },
    },
    Kind {
        word: "db-migrate",
        is: |setting, file| {
            is_script(&file.path)
                && parent(&file.path) == "migrations"
                && has_digits(file.name(), 8)
                && (setting.packages)(Node, &["db-migrate"])
        },
        back: |setting, file| {
            if setting.contains(&file.path, &["exports.down", "down ="]) {
                Back::Yes
            } else {
                Back::No
            }
        },
    },
    Kind {
        word: "drizzle",
        is: |setting, file| {
            file.path.ends_with(".sql")
                && has_digits(file.name(), 4)
                && (setting.packages)(Node, &["drizzle-kit", "drizzle-orm"])
                && setting
                    .catalogue
                    .has(&format!("{}/meta/_journal.json", folder_of(&file.path)))
        },
        back: |_, _| Back::NotAsked,
    },
    Kind {
        word: "goose",
        is: |setting, file| {
            file.path.ends_with(".sql")
                && has_digits(file.name(), 3)
                && setting.contains(&file.path, &["-- +goose Up", "-- +migrate Up", "--+goose Up"])
        },
        back: |setting, file| {
            if setting.contains(&file.path, &["+goose Down", "+migrate Down"]) {
                Back::Yes
            } else {
                Back::No
            }
        },
    },
    Kind {
        word: "dbmate",
        is: |setting, file| {
            file.path.ends_with(".sql")
                && has_digits(file.name(), 3)
                && setting.contains(&file.path, &["-- migrate:up"])
        },
        back: |setting, file| {
            let text = setting.reader.glance(&file.path).unwrap_or_default();
            let real = text
                .split_once("migrate:down")
                .is_some_and(|(_, down)| has_statement(down.split_once('\n').map_or("", |(_, rest)| rest)));
            if real { Back::Yes } else { Back::No }
        },
    },
    Kind {
        word: "liquibase",
        is: |setting, file| {
            let name = file.name().to_ascii_lowercase();
            let ending = ["xml", "yaml", "yml", "json", "sql"]
                .iter()
                .any(|ending| name.ends_with(ending));
            ending
                && (file.path.to_ascii_lowercase().contains("changelog") || file.path.contains("liquibase"))
                && setting.contains(
                    &file.path,
                    &[
                        "<databaseChangeLog",
                        "databaseChangeLog:",
                        "--liquibase formatted sql",
                        "\"databaseChangeLog\"",
                    ],
                )
        },
        back: |setting, file| {
            if setting.contains(&file.path, &["rollback"]) {
                Back::Yes
            } else {
                Back::NotAsked
            }
        },
    },
    Kind {
        word: "golang-migrate",
        is: |setting, file| {
            // Pairs of files; sqlx writes the same, and is told by the package.
            up_of_pair(&file.path) && has_digits(file.name(), 1) && !(setting.packages)(Cargo, &["sqlx"])
        },
        back: |setting, file| {
            if setting.catalogue.has(&file.path.replace(".up.sql", ".down.sql")) {
                Back::Yes
            } else {
                Back::No
            }
        },
    },
    Kind {
        word: "sqlx",
        is: |setting, file| {
            file.path.ends_with(".sql")
                && !file.path.ends_with(".down.sql")
                && has_digits(file.name(), 1)
                && file.path.contains("migrations/")
                && (setting.packages)(Cargo, &["sqlx", "refinery", "sqlx-cli"])
        },
        back: |setting, file| {
            if !up_of_pair(&file.path) {
                Back::NotAsked
            } else if setting.catalogue.has(&file.path.replace(".up.sql", ".down.sql")) {
                Back::Yes
            } else {
                Back::No
            }
        },
    },
    Kind {
        word: "xormigrate",
        is: |setting, file| {
            file.path.ends_with(".go")
                && !file.test
                && parent(&file.path).starts_with("migration")
                && setting.contains(
                    &file.path,
                    &[
                        "xormigrate.Migration{",
                        "gormigrate.Migration{",
                        "goose.AddMigration",
                        "migrations.Register(",
                    ],
                )
        },
        back: |setting, file| {
            if setting.contains(&file.path, &["Rollback:", "down"]) {
                Back::Yes
            } else {
                Back::No
            }
        },
    },
    Kind {
        word: "sql-files",
        is: |_, file| {
            // Numbered SQL files in a folder of migrations that some program of the product's own applies.
            file.path.ends_with(".sql")
                && !file.path.ends_with(".down.sql")
                && has_digits(file.name(), 1)
                && folder_of(&file.path)
                    .split('/')
                    .any(|part| matches!(part, "migrations" | "migration" | "migrate"))
        },
        back: |_, _| Back::NotAsked,
    },
];

fn is_script(path: &str) -> bool {
    [".ts", ".js", ".mjs", ".cjs"]
        .iter()
        .any(|ending| path.ends_with(ending))
}

/// Whether a text of SQL does something.
fn has_statement(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .any(|line| !line.is_empty() && !line.starts_with("--"))
}

pub(super) fn look(context: &mut Context<'_>) {
    let mut notes = std::mem::take(&mut context.notes);
    let manifests = &context.manifests.all;
    let packages = |ecosystem: Ecosystem, names: &[&str]| {
        manifests.iter().any(|manifest| {
            manifest.ecosystem == ecosystem
                && !manifest.is_of_tests()
                && manifest
                    .dependencies
                    .iter()
                    .any(|dependency| names.contains(&dependency.name.as_str()))
        })
    };
    let setting = Setting {
        catalogue: &context.catalogue,
        reader: &context.reader,
        packages: &packages,
    };
    let candidates: Vec<&FileFact> = context
        .catalogue
        .own()
        .filter(|file| may_be(&file.path) && !in_test_folder(&file.path))
        .collect();
    let (candidates, complete) = context.reader.within("migrations", candidates, MOST * 4);
    let mut read = 0usize;
    for file in candidates {
        let Some(kind) = KINDS.iter().find(|kind| (kind.is)(&setting, file)) else {
            continue;
        };
        notes.word("migrations", kind.word, at(&file.path));
        notes.yes("migrations_count", at(&file.path));
        if read < MOST {
            read += 1;
            back(&setting, kind, file, &mut notes);
        }
    }
    if !complete {
        notes.doubt(&["migrations", "migrations_count"], &at(""));
    }
    context.notes = notes;
    configured(context);
}

fn back(setting: &Setting<'_>, kind: &Kind, file: &FileFact, notes: &mut Observations) {
    let here = || -> At { at(&file.path) };
    match (kind.back)(setting, file) {
        Back::Yes => notes.yes("migrations_reversible_share", here()),
        Back::No => notes.no("migrations_reversible_share", here()),
        Back::NotAsked => {}
    }
}

/// Paths worth a closer look.
fn may_be(path: &str) -> bool {
    let small = path.to_ascii_lowercase();
    let folder = folder_of(&small);
    let place = folder.split('/').any(|part| {
        matches!(
            part,
            "migrate" | "versions" | "changelog" | "changelogs" | "changes" | "liquibase" | "drizzle" | "alembic"
        ) || part.contains("migration")
    });
    let name = name_of(&small);
    (place
        || name.contains("changelog.")
        || (name.starts_with('v') && name.contains("__"))
        || name.ends_with(".up.sql"))
        && [
            ".sql", ".rb", ".py", ".php", ".cs", ".ts", ".js", ".mjs", ".cjs", ".exs", ".xml", ".yaml", ".yml",
            ".json", ".java", ".kt", ".go",
        ]
        .iter()
        .any(|ending| name.ends_with(ending))
        && !name.ends_with(".designer.cs")
        && !name.contains("snapshot")
}

/// Tools that apply migrations at the start of the program or by a file of their own.
fn configured(context: &mut Context<'_>) {
    for name in ["atlas.hcl", "sqitch.conf", "sqitch.plan"] {
        for file in context.catalogue.named(name) {
            let word = if name == "atlas.hcl" { "atlas" } else { "sqitch" };
            let line = context.reader.text(&file.path).and_then(|text| line_of(&text, word));
            context.notes.word("migrations", word, at_line(&file.path, line, word));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{count, measure, words};

    #[test]
    fn migrations_are_known_by_tool_and_whether_they_have_a_way_back() {
        let files = [
            ("db/migrate/20200101000000_a.rb", "class A\n def change\n end\nend\n"),
            ("db/migrate/20200102000000_b.rb", "class B\n def up\n end\nend\n"),
            (
                "app/migrations/0001_initial.py",
                "from django.db import migrations\nclass Migration(migrations.Migration):\n pass\n",
            ),
            ("sql/migrations/1_x.up.sql", "create table a;\n"),
            ("sql/migrations/1_x.down.sql", "drop table a;\n"),
            ("src/main/resources/db/migration/V1__init.sql", "create table b;\n"),
        ];
        assert_eq!(
            words(&files, "migrations"),
            ["django", "flyway", "golang-migrate", "rails"]
        );
        assert_eq!(count(&files, "migrations_count"), 5);
        let share = measure(&files, "migrations_reversible_share").unwrap();
        assert_eq!(share.sample, Some(4));
        assert_eq!(share.value, evidence::Value::Number(0.75));
    }

    #[test]
    fn code_about_migrations_and_fixtures_are_none() {
        let files = [
            ("src/migrations/runner.py", "class Runner: pass\n"),
            ("docs/migration/v2.md", "# From 1 to 2\n"),
            ("testdata/db/migrations/1_x.up.sql", "create table a;\n"),
            ("db/migrate.rb", ""),
        ];
        assert!(words(&files, "migrations").is_empty());
        assert!(measure(&files, "migrations_reversible_share").is_none());
    }
}

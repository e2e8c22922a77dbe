//! Scripts cut into statements.

use proptest::prelude::*;

use super::*;

fn pieces(text: &str) -> Vec<(u32, String)> {
    split(Dialect::Sqlite, text)
        .unwrap()
        .into_iter()
        .map(|s| (s.line, s.sql))
        .collect()
}

#[test]
fn semicolons_in_quotes_and_comments_end_nothing() {
    let text =
        "-- a; b\nselect ';', \";\", `;`, [;] /* ; */ -- ;\n, 'it''s; fine';\n\n/* x;\n */ select 2 ;;; select 3";
    assert_eq!(
        pieces(text),
        [
            (
                2,
                "select ';', \";\", `;`, [;] /* ; */ -- ;\n, 'it''s; fine'".to_owned()
            ),
            (6, "select 2".to_owned()),
            (6, "select 3".to_owned()),
        ]
    );
}

#[test]
fn a_trigger_is_one_statement() {
    let text = "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN\n update a set x = case when 1 then 2 end; delete from b;\nEND;\nselect 1;";
    let cut = pieces(text);
    assert_eq!(cut.len(), 2, "{cut:?}");
    assert!(cut[0].1.ends_with("END"));
    assert_eq!(cut[1], (4, "select 1".to_owned()));
}

#[test]
fn an_empty_script_has_no_statements() {
    assert!(pieces("").is_empty());
    assert!(pieces("\n -- nothing\n/* at all */ ; ;").is_empty());
}

#[test]
fn what_is_never_closed_is_named_with_its_line() {
    assert_eq!(
        split(Dialect::Sqlite, "select 1;\nselect 'x").unwrap_err().to_string(),
        "a text in quotes that begins on line 2 is never closed"
    );
    assert!(split(Dialect::Sqlite, "/* x").is_err());
    assert!(split(Dialect::Sqlite, "create trigger t after insert on a begin select 1;").is_err());
}

#[test]
fn keywords_and_summaries() {
    let statement = &split(Dialect::Sqlite, "  Create table\n  t (a)").unwrap()[0];
    assert_eq!(statement.keyword(), "CREATE");
    assert_eq!(statement.summary(), "Create table t (a)");
}

/// Statements that SQLite takes, each whole, with every sign in it that could end one.
const WHOLE: [&str; 14] = [
    "select 1",
    "select ';', \";\", `;`, [;]",
    "select 'it''s; fine' /* ; */ , 2",
    "create table if not exists t (a, b)",
    "CREATE TEMP TRIGGER t1 AFTER INSERT ON t BEGIN update t set a = case when 1 then 2 end; delete from t; END",
    "create trigger\n t2 after delete on t begin select ';'; select \"end;\"; select 1 -- end;\n; end",
    "explain select 1",
    "explain query plan select 2",
    "insert into t values ('\u{e9};', x'00')",
    "drop trigger if exists t1",
    "drop trigger if exists t2",
    "with x(a) as (select 1) select a from x",
    "create index if not exists i on t (a)",
    "update t set a = '--', b = '/*' where a = \"b\"",
];
const BETWEEN: [&str; 9] = [
    ";",
    ";\n",
    " ;;\n",
    ";-- x; y\n",
    ";/* a; b */",
    "\n;\n\n",
    ";\u{feff}",
    ";\t\r\n",
    "; --\n;",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn statements_put_together_come_apart_again(
        parts in prop::collection::vec((0..WHOLE.len(), 0..BETWEEN.len()), 0..8),
        closed in any::<bool>(),
    ) {
        let mut text = String::new();
        let mut lines = Vec::new();
        for (place, (statement, between)) in parts.iter().enumerate() {
            lines.push(1 + text.matches('\n').count() as u32);
            text.push_str(WHOLE[*statement]);
            if closed || place + 1 < parts.len() {
                text.push_str(BETWEEN[*between]);
            }
        }
        let found = split(Dialect::Sqlite, &text).unwrap();
        let expected: Vec<&str> = parts.iter().map(|(statement, _)| WHOLE[*statement]).collect();
        let sql: Vec<&str> = found.iter().map(|statement| statement.sql.as_str()).collect();
        prop_assert_eq!(sql, expected);
        let at: Vec<u32> = found.iter().map(|statement| statement.line).collect();
        prop_assert_eq!(at, lines);
    }

    /// What SQLite itself takes for one statement after the other is what the text is cut into.
    #[test]
    fn sqlite_sees_the_same_statements(parts in prop::collection::vec((0..WHOLE.len(), 0..BETWEEN.len()), 1..6)) {
        use rusqlite::fallible_iterator::FallibleIterator as _;
        let database = rusqlite::Connection::open_in_memory().unwrap();
        database.execute_batch("create table t (a, b)").unwrap();
        // It knows names too: those that are made up end what it reads.
        let known = parts.iter().filter(|(statement, _)| database.prepare(WHOLE[*statement]).is_ok());
        let text: String = known.map(|(statement, between)| [WHOLE[*statement], BETWEEN[*between]].concat()).collect();
        let mut theirs = 0;
        let mut batch = rusqlite::Batch::new(&database, &text);
        while let Some(statement) = batch.next().unwrap_or(None) {
            theirs += usize::from(statement.expanded_sql().is_some());
        }
        prop_assert_eq!(split(Dialect::Sqlite, &text).unwrap().len(), theirs, "{}", text);
    }

    #[test]
    fn any_text_is_cut_or_refused(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "'", "\"", "`", "[", "]", ";", "--", "/*", "*/", "\n", " ", "create", "trigger", "temp", "begin", "end", "explain",
                "é", "\u{feff}", "\u{a0}", "\u{0}", "$a", "x'", "/", "-", "1",
                "$$", "$", "\\", "E'", "#", "delimiter ", "/*!50000", "(", ")", "copy",
            ]),
            0..30,
        ),
    ) {
        let text = parts.concat();
        for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
            for statement in split(dialect, &text).unwrap_or_default() {
                prop_assert!(text.contains(&statement.sql) && !statement.sql.is_empty());
                let _ = (statement.keyword(), statement.summary(), dialect.effect(&statement), dialect.refusal(&statement));
            }
        }
    }
}

#[test]
fn a_byte_order_mark_hides_no_word() {
    for (text, word) in [
        ("select 1;\u{feff}COMMIT;", "COMMIT"),
        ("\n\u{feff} attach 'x' as y", "ATTACH"),
    ] {
        let error = split(Dialect::Sqlite, text).unwrap_err();
        assert!(
            matches!(&error, SplitError::Refused { keyword, .. } if keyword == word),
            "{error}"
        );
    }
}

fn texts(dialect: Dialect, text: &str) -> Vec<String> {
    split(dialect, text)
        .unwrap()
        .into_iter()
        .map(|statement| statement.sql)
        .collect()
}

#[test]
fn a_script_for_postgres_is_cut_as_its_own_program_does() {
    let parts = [
        "select ';', E'a\\';b', 'c\\', \"d;\"\"\"",
        "create function f() returns int language plpgsql as $$ begin return 1; end; $$",
        "do $body$ begin execute $$ select ';' $$; end $body$",
        "select 1 /* a; /* b; */ c; */ + 2",
        "create rule r as on insert to t do (insert into u values (1); insert into v values (2))",
        "create or replace function g() returns int begin atomic select 1; select case when true then 2 end; end",
        "select a$b, $1",
        "insert into t values ('{\"a\": [1]}')",
        "select U&'d\\0061t;'",
    ];
    let script = parts.join(";\n-- c; d\n") + ";";
    assert_eq!(texts(Dialect::Postgres, &script), parts);
}

#[test]
fn a_script_for_mysql_is_cut_as_its_own_program_does() {
    let script = "select 'a\\';b', \"c;\\\"\", `d;`; # e; f\nselect 1 --2;\n-- g;\n/*!40101 SET x = 1 */;\n\
        DELIMITER $$\ncreate trigger t before insert on u for each row begin set new.a = 1; end$$\n\
        create procedure p() begin select 1; end $$\ndelimiter ;\nselect 2;";
    assert_eq!(
        texts(Dialect::Mysql, script),
        [
            "select 'a\\';b', \"c;\\\"\", `d;`",
            "select 1 --2",
            "/*!40101 SET x = 1 */",
            "create trigger t before insert on u for each row begin set new.a = 1; end",
            "create procedure p() begin select 1; end",
            "select 2",
        ]
    );
}

#[test]
fn what_follows_a_copy_is_not_looked_at() {
    let error = split(Dialect::Postgres, "select 1;\ncopy t from stdin;\n1\t'\n\\.\n").unwrap_err();
    assert!(
        error.to_string().starts_with("`COPY` on line 2 is not for a migration"),
        "{error}"
    );
    let error = split(Dialect::Postgres, "select $a$ x").unwrap_err();
    assert_eq!(
        error.to_string(),
        "a text between dollars that begins on line 1 is never closed"
    );
}

//! Cuts a script into statements, each with the line on which it begins.
//!
//! The states are those of SQLite's own `sqlite3_complete`: a semicolon ends a statement except
//! within quotes, comments, and the body of `CREATE TRIGGER ... END;`.

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The line of its first word, counted from 1.
    pub line: u32,
    /// Its text, without the closing semicolon and without comments before it.
    pub sql: String,
}

impl Statement {
    /// The first word, in upper case.
    pub fn keyword(&self) -> String {
        let word = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        self.sql
            .chars()
            .take_while(word)
            .collect::<String>()
            .to_ascii_uppercase()
    }

    /// The first few words on one line, for messages; at most 80 characters.
    pub fn summary(&self) -> String {
        let line = self.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut short: String = line.chars().take(80).collect();
        if short.len() < line.len() {
            short.push('…');
        }
        short
    }
}

/// A quote or comment that is never closed, or a trigger without its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} that begins on line {line} is never closed")]
pub struct Unclosed {
    /// What is open.
    pub what: &'static str,
    /// Where it begins, counted from 1.
    pub line: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Normal,
    Explain,
    Create,
    Trigger,
    TriggerSemicolon,
    TriggerEnd,
}

impl State {
    fn word(self, word: &str) -> Self {
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        match self {
            Self::Start if is("explain") => Self::Explain,
            Self::Start | Self::Explain if is("create") => Self::Create,
            Self::Start => Self::Normal,
            Self::Explain if is("query") || is("plan") => Self::Explain,
            Self::Explain => Self::Normal,
            Self::Create if is("temp") || is("temporary") => Self::Create,
            Self::Create if is("trigger") => Self::Trigger,
            Self::Create => Self::Normal,
            Self::TriggerSemicolon if is("end") => Self::TriggerEnd,
            Self::Trigger | Self::TriggerSemicolon | Self::TriggerEnd => Self::Trigger,
            Self::Normal => Self::Normal,
        }
    }

    /// After a semicolon; `Start` means that the statement is complete.
    fn semicolon(self) -> Self {
        match self {
            Self::Trigger | Self::TriggerSemicolon => Self::TriggerSemicolon,
            _ => Self::Start,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Trigger | Self::TriggerSemicolon | Self::TriggerEnd => Self::Trigger,
            _ => Self::Normal,
        }
    }
}

struct Cutter<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Cutter<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn advance(&mut self, bytes: usize) -> &'a str {
        let passed = &self.text[self.at..self.at + bytes];
        self.line += passed.bytes().filter(|byte| *byte == b'\n').count() as u32;
        self.at += bytes;
        passed
    }

    /// Passes something that begins with `open` bytes and ends with `close`.
    fn pass(&mut self, open: usize, close: &str, what: &'static str) -> Result<(), Unclosed> {
        let line = self.line;
        match self.rest()[open..].find(close) {
            Some(length) => {
                self.advance(open + length + close.len());
                Ok(())
            }
            None => Err(Unclosed { what, line }),
        }
    }
}

/// Cuts `text` into its statements.
///
/// # Errors
/// When a quote, a comment or a trigger is never closed.
pub fn split(text: &str) -> Result<Vec<Statement>, Unclosed> {
    let mut cutter = Cutter { text, at: 0, line: 1 };
    let mut statements = Vec::new();
    let mut state = State::Start;
    // Where the statement under way began: (byte, line).
    let mut begun: Option<(usize, u32)> = None;
    while let Some(first) = cutter.rest().chars().next() {
        let here = (cutter.at, cutter.line);
        let rest = cutter.rest();
        // A byte order mark is a space to SQLite wherever it stands, so it must not hide a word.
        if first.is_whitespace() || first == '\u{feff}' {
            cutter.advance(first.len_utf8());
            continue;
        }
        if rest.starts_with("--") {
            let length = rest.find('\n').map_or(rest.len(), |end| end + 1);
            cutter.advance(length);
            continue;
        }
        if rest.starts_with("/*") {
            cutter.pass(2, "*/", "a comment")?;
            continue;
        }
        if first == ';' {
            state = state.semicolon();
            if state == State::Start
                && let Some((start, line)) = begun.take()
            {
                statements.push(Statement {
                    line,
                    sql: text[start..cutter.at].trim_end().to_owned(),
                });
            }
            cutter.advance(1);
            continue;
        }
        begun.get_or_insert(here);
        match first {
            // A doubled quote inside closes and opens again at once, which comes to the same.
            '\'' => cutter.pass(1, "'", "a text in quotes")?,
            '"' => cutter.pass(1, "\"", "a name in quotes")?,
            '`' => cutter.pass(1, "`", "a name in quotes")?,
            '[' => cutter.pass(1, "]", "a name in brackets")?,
            _ => {
                let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
                if word(first) {
                    let length = rest.find(|c| !word(c)).unwrap_or(rest.len());
                    state = state.word(cutter.advance(length));
                    continue;
                }
                cutter.advance(first.len_utf8());
            }
        }
        state = state.other();
    }
    if let Some((start, line)) = begun {
        if matches!(state, State::Trigger | State::TriggerSemicolon) {
            return Err(Unclosed {
                what: "a trigger",
                line,
            });
        }
        statements.push(Statement {
            line,
            sql: text[start..].trim_end().to_owned(),
        });
    }
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str) -> Vec<(u32, String)> {
        split(text).unwrap().into_iter().map(|s| (s.line, s.sql)).collect()
    }

    #[test]
    fn semicolons_in_quotes_and_comments_end_nothing() {
        let text =
            "-- a; b\nselect ';', \";\", `;`, [;] /* ; */ -- ;\n, 'it''s; fine';\n\n/* x;\n */ select 2 ;;; select 3";
        assert_eq!(
            cut(text),
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
        let cut = cut(text);
        assert_eq!(cut.len(), 2, "{cut:?}");
        assert!(cut[0].1.ends_with("END"));
        assert_eq!(cut[1], (4, "select 1".to_owned()));
    }

    #[test]
    fn an_empty_script_has_no_statements() {
        assert!(cut("").is_empty());
        assert!(cut("\n -- nothing\n/* at all */ ; ;").is_empty());
    }

    #[test]
    fn what_is_never_closed_is_named_with_its_line() {
        assert_eq!(
            split("select 1;\nselect 'x").unwrap_err().to_string(),
            "a text in quotes that begins on line 2 is never closed"
        );
        assert!(split("/* x").is_err());
        assert!(split("create trigger t after insert on a begin select 1;").is_err());
    }

    #[test]
    fn keywords_and_summaries() {
        let statement = &split("  Create table\n  t (a)").unwrap()[0];
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
            let found = split(&text).unwrap();
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
            prop_assert_eq!(split(&text).unwrap().len(), theirs, "{}", text);
        }

        #[test]
        fn any_text_is_cut_or_refused(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "'", "\"", "`", "[", "]", ";", "--", "/*", "*/", "\n", " ", "create", "trigger", "temp", "begin", "end", "explain",
                    "é", "\u{feff}", "\u{a0}", "\u{0}", "$a", "x'", "/", "-", "1",
                ]),
                0..30,
            ),
        ) {
            let text = parts.concat();
            if let Ok(statements) = split(&text) {
                for statement in statements {
                    prop_assert!(text.contains(&statement.sql) && !statement.sql.is_empty());
                    let _ = (statement.keyword(), statement.summary());
                }
            }
        }
    }

    #[test]
    fn a_byte_order_mark_hides_no_word() {
        let text = "select 1;\u{feff}COMMIT;\n\u{feff} attach 'x' as y";
        let words: Vec<String> = split(text).unwrap().iter().map(Statement::keyword).collect();
        assert_eq!(words, ["SELECT", "COMMIT", "ATTACH"]);
    }
}

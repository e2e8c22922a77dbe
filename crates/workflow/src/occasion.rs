//! When something runs: occasions, and conditions on them.
//!
//! Each system says in its own words when a job runs. Its reader translates them into a
//! [`Condition`], which is then asked about each [`Occasion`].

use std::collections::BTreeMap;

use regex::RegexBuilder;

/// Something that can start a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Occasion {
    /// A change reaches the trunk.
    Trunk,
    /// A change reaches another branch.
    Branch,
    /// A change is proposed (pull request, merge request).
    Request,
    /// A tag is made.
    Tag,
    /// A release is published.
    Release,
    /// A time comes.
    Schedule,
    /// A person asks for it, or another program by name.
    Manual,
    /// Something else: a comment, a label, a message from elsewhere.
    Other,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Trunk,
        Self::Branch,
        Self::Request,
        Self::Tag,
        Self::Release,
        Self::Schedule,
        Self::Manual,
        Self::Other,
    ];
}

/// An answer that may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// No.
    No,
    /// It depends on what only a run knows.
    Perhaps,
    /// Yes.
    Yes,
}

impl Truth {
    /// The answer to both.
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// The answer to either.
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }

    /// The opposite.
    pub fn opposite(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Perhaps => Self::Perhaps,
            Self::Yes => Self::No,
        }
    }
}

impl From<bool> for Truth {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// The answers for all occasions; what is absent is no.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Occasions(BTreeMap<Occasion, Truth>);

impl Occasions {
    /// Those that a condition lets through.
    pub fn where_holds(condition: &Condition, names: &Names) -> Self {
        let mut all = Self::default();
        for occasion in Occasion::ALL {
            all.set(occasion, condition.holds(occasion, names));
        }
        all
    }

    /// All of these, for certain.
    pub fn of(occasions: impl IntoIterator<Item = Occasion>) -> Self {
        let mut all = Self::default();
        for occasion in occasions {
            all.set(occasion, Truth::Yes);
        }
        all
    }

    /// What follows when a change of any kind starts a build: the default of most systems.
    pub fn any_change() -> Self {
        Self::of([
            Occasion::Trunk,
            Occasion::Branch,
            Occasion::Request,
            Occasion::Tag,
            Occasion::Manual,
        ])
    }

    /// The answer for one.
    pub fn on(&self, occasion: Occasion) -> Truth {
        self.0.get(&occasion).copied().unwrap_or(Truth::No)
    }

    /// Whether it may run on one: yes or perhaps.
    pub fn may(&self, occasion: Occasion) -> bool {
        self.on(occasion) > Truth::No
    }

    /// Whether it runs at all.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Sets the answer for one.
    pub fn set(&mut self, occasion: Occasion, truth: Truth) {
        if truth == Truth::No {
            self.0.remove(&occasion);
        } else {
            self.0.insert(occasion, truth);
        }
    }

    /// Adds what another one has.
    pub fn add(&mut self, other: &Self) {
        for (occasion, truth) in &other.0 {
            self.set(*occasion, self.on(*occasion).or(*truth));
        }
    }

    /// What both have.
    pub fn and(&self, other: &Self) -> Self {
        let mut all = Self::default();
        for occasion in Occasion::ALL {
            all.set(occasion, self.on(occasion).and(other.on(occasion)));
        }
        all
    }

    /// The same as far as a condition lets it through.
    pub fn when(&self, condition: &Condition, names: &Names) -> Self {
        self.and(&Self::where_holds(condition, names))
    }

    /// The occasions, the uncertain ones too.
    pub fn list(&self) -> impl Iterator<Item = (Occasion, Truth)> + '_ {
        self.0.iter().map(|(occasion, truth)| (*occasion, *truth))
    }
}

/// What branches are called in the repository that is read.
#[derive(Debug, Clone)]
pub struct Names {
    trunk: Vec<String>,
}

impl Names {
    /// The names the trunk goes by: the one given, or those in common use.
    pub fn of(trunk: Option<&str>) -> Self {
        let usual = ["main", "master", "trunk", "develop", "dev", "development", "default"];
        let trunk = match trunk {
            None => usual.iter().map(|name| (*name).to_owned()).collect(),
            // Where work is gathered on a branch of its own, the one it is released from is trunk as well.
            Some(name) if matches!(name, "develop" | "dev" | "development" | "next" | "staging") => {
                vec![name.to_owned(), "main".to_owned(), "master".to_owned()]
            }
            Some(name) => vec![name.to_owned()],
        };
        Self { trunk }
    }

    /// Whether this is a name of the trunk.
    pub fn is_trunk(&self, name: &str) -> bool {
        self.trunk.iter().any(|trunk| trunk == name)
    }
}

/// A pattern of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Exactly this.
    Exact(String),
    /// With `*`, `**` and `?`.
    Glob(String),
    /// A regular expression that is found anywhere.
    Regex(String),
    /// The name of the trunk, whatever it is.
    Trunk,
    /// Something that is known only when it runs.
    Unknown,
}

impl Pattern {
    /// A pattern that may contain `*`, `?` or brackets.
    pub fn glob(text: &str) -> Self {
        if text.contains("${{") || text.contains("$(") || text.contains("<<") || text.contains("${") {
            return Self::Unknown;
        }
        if matches!(text, "$default-branch" | "$CI_DEFAULT_BRANCH") {
            return Self::Trunk;
        }
        if text.contains(['*', '?', '[', '{', '+']) {
            Self::Glob(text.to_owned())
        } else {
            Self::Exact(text.to_owned())
        }
    }

    /// `/expression/`, or a name.
    pub fn slashed(text: &str) -> Self {
        match text.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) {
            Some((inner, flags)) if flags.chars().all(|c| c.is_ascii_lowercase()) => Self::Regex(inner.to_owned()),
            _ => Self::glob(text),
        }
    }

    /// Whether a name fits.
    pub fn fits(&self, name: &str, names: &Names) -> Truth {
        match self {
            Self::Exact(text) => (text == name).into(),
            Self::Glob(glob) => glob_fits(glob, name).into(),
            Self::Regex(text) => match compile(text) {
                Some(expression) => expression.is_match(name).into(),
                None => Truth::Perhaps,
            },
            Self::Trunk => names.is_trunk(name).into(),
            Self::Unknown => Truth::Perhaps,
        }
    }
}

fn compile(text: &str) -> Option<regex::Regex> {
    // Lookahead and its like are not known here; what they say stays open.
    RegexBuilder::new(text).size_limit(1 << 18).nest_limit(40).build().ok()
}

/// `*` stops at `/`, `**` does not, `?` is one letter or makes the one before it optional.
fn glob_fits(glob: &str, name: &str) -> bool {
    let mut expression = String::from("^(?:");
    let mut letters = glob.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '*' if letters.peek() == Some(&'*') => {
                letters.next();
                expression.push_str(".*");
            }
            '*' => expression.push_str("[^/]*"),
            '?' => expression.push_str("[^/]?"),
            '[' | ']' | '+' => expression.push(letter),
            '{' => expression.push_str("(?:"),
            '}' => expression.push(')'),
            ',' => expression.push('|'),
            _ => expression.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    expression.push_str(")$");
    compile(&expression).is_some_and(|expression| expression.is_match(name))
}

/// Patterns that let names in and keep names out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// One of these must fit, where there is one.
    pub include: Vec<Pattern>,
    /// None of these may fit.
    pub exclude: Vec<Pattern>,
}

impl Filter {
    /// Patterns of which those with `!` keep names out.
    pub fn signed(patterns: impl IntoIterator<Item = String>) -> Self {
        let mut filter = Self::default();
        for pattern in patterns {
            match pattern.strip_prefix('!') {
                Some(not) => filter.exclude.push(Pattern::glob(not)),
                None => filter.include.push(Pattern::glob(&pattern)),
            }
        }
        filter
    }

    /// One pattern.
    pub fn one(pattern: Pattern) -> Self {
        Self {
            include: vec![pattern],
            exclude: Vec::new(),
        }
    }

    /// Whether a name is let in.
    pub fn fits(&self, name: &str, names: &Names) -> Truth {
        let any = |patterns: &[Pattern]| {
            patterns
                .iter()
                .map(|pattern| pattern.fits(name, names))
                .max()
                .unwrap_or(Truth::No)
        };
        let included = if self.include.is_empty() {
            Truth::Yes
        } else {
            any(&self.include)
        };
        included.and(any(&self.exclude).opposite())
    }
}

/// A condition on what started a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Always or never.
    Fixed(bool),
    /// Known only when it runs; taken as something that usually holds in the repository itself.
    Unknown,
    /// Started by one of these.
    Started(Vec<Occasion>),
    /// On a branch that fits.
    Branch(Filter),
    /// On a tag that fits.
    Tag(Filter),
    /// A request whose target fits.
    Target(Filter),
    /// All of these.
    All(Vec<Condition>),
    /// One of these.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
}

/// A name that stands for any branch of somebody's work.
const SOME_WORK: &str = "feature/some-change";
/// Names that stand for any version's tag.
const SOME_TAGS: [&str; 3] = ["v1.2.3", "1.2.3", "name-v1.2.3"];

impl Condition {
    /// The answer for an occasion.
    pub fn holds(&self, occasion: Occasion, names: &Names) -> Truth {
        match self {
            Self::Fixed(yes) => (*yes).into(),
            Self::Unknown => Truth::Perhaps,
            Self::Started(by) => by.contains(&occasion).into(),
            Self::Branch(filter) => on_branch(filter, occasion, names),
            Self::Tag(filter) => on_tag(filter, occasion, names),
            Self::Target(filter) => match occasion {
                Occasion::Request => on_trunk(filter, names),
                _ => Truth::No,
            },
            Self::All(conditions) => conditions
                .iter()
                .map(|condition| condition.holds(occasion, names))
                .min()
                .unwrap_or(Truth::Yes),
            Self::Any(conditions) => conditions
                .iter()
                .map(|condition| condition.holds(occasion, names))
                .max()
                .unwrap_or(Truth::No),
            Self::Not(condition) => condition.holds(occasion, names).opposite(),
        }
    }

    /// The opposite.
    pub fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }
}

fn on_trunk(filter: &Filter, names: &Names) -> Truth {
    names
        .trunk
        .iter()
        .map(|name| filter.fits(name, names))
        .max()
        .unwrap_or(Truth::Perhaps)
}

fn on_branch(filter: &Filter, occasion: Occasion, names: &Names) -> Truth {
    match occasion {
        Occasion::Trunk | Occasion::Schedule | Occasion::Other => on_trunk(filter, names),
        Occasion::Manual => on_trunk(filter, names).or(Truth::Perhaps),
        Occasion::Request => filter.fits(SOME_WORK, names),
        Occasion::Branch => {
            let named = filter.include.iter().any(|pattern| match pattern {
                Pattern::Exact(name) => !names.is_trunk(name),
                Pattern::Trunk => false,
                _ => true,
            });
            let fits = filter.fits(SOME_WORK, names);
            if named { fits.or(Truth::Perhaps) } else { fits }
        }
        Occasion::Tag | Occasion::Release => Truth::No,
    }
}

fn on_tag(filter: &Filter, occasion: Occasion, names: &Names) -> Truth {
    match occasion {
        Occasion::Tag | Occasion::Release => {
            if filter.include.is_empty() {
                SOME_TAGS
                    .iter()
                    .map(|name| filter.fits(name, names))
                    .max()
                    .unwrap_or(Truth::Yes)
            } else {
                // Tags are called what the repository calls them: a pattern is there to fit some.
                Truth::Yes
            }
        }
        Occasion::Manual => Truth::Perhaps,
        _ => Truth::No,
    }
}

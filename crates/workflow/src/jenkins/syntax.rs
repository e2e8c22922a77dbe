//! What a pipeline in Groovy is made of, as far as it matters.

/// A statement that matters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    /// The name that is called, with dots; empty for a block alone.
    pub name: String,
    /// The line, from 1.
    pub line: u32,
    /// What stands in parentheses or after the name.
    pub arguments: Vec<Argument>,
    /// What stands in braces after it.
    pub body: Vec<Call>,
    /// Whether there are braces.
    pub block: bool,
}

/// An argument, with its name where it has one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Argument {
    pub name: Option<String>,
    pub value: Value,
}

/// The value of an argument.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A text and the line it begins in.
    Text(String, u32),
    /// A list of values.
    List(Vec<Value>),
    /// A map of values, or named arguments in brackets.
    Map(Vec<Argument>),
    /// A closure.
    Block(Vec<Call>),
    /// Another call.
    Call(Box<Call>),
    /// Anything else, as it is written.
    Other(String),
}

impl Call {
    /// The first text it is given.
    pub fn text(&self) -> Option<(&str, u32)> {
        self.arguments.iter().find_map(|argument| match &argument.value {
            Value::Text(text, line) if argument.name.is_none() => Some((text.as_str(), *line)),
            _ => None,
        })
    }

    /// A named argument as text.
    pub fn named(&self, name: &str) -> Option<(String, u32)> {
        let found = self
            .arguments
            .iter()
            .find(|argument| argument.name.as_deref() == Some(name))?;
        Some(match &found.value {
            Value::Text(text, line) => (text.clone(), *line),
            Value::Other(text) => (text.clone(), self.line),
            _ => return None,
        })
    }

    /// The calls of a name right inside.
    pub fn inside<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Call> + 'a {
        self.body.iter().filter(move |call| call.name == name)
    }

    /// All calls inside, however deep.
    pub fn all<'a>(&'a self, out: &mut Vec<&'a Call>) {
        for call in &self.body {
            out.push(call);
            call.all(out);
        }
    }
}

impl Value {
    /// As it is written, near enough for conditions.
    pub fn written(&self) -> String {
        match self {
            Self::Text(text, _) => format!("'{text}'"),
            Self::Other(text) => text.clone(),
            Self::Call(call) => {
                let arguments: Vec<String> = call.arguments.iter().map(|argument| argument.value.written()).collect();
                format!("{}({})", call.name, arguments.join(","))
            }
            Self::List(values) => values.iter().map(Value::written).collect::<Vec<_>>().join(","),
            _ => String::new(),
        }
    }
}

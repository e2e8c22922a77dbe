//! Finds the definitions of a tree and has each read by the reader of its system.

use std::cell::RefCell;

use evidence::{EntryKind, Finding, Place, Tree};

use crate::model::{At, Workflow, Workflows};
use crate::occasion::Names;
use crate::purpose::Resolver;
use crate::systems::{azure, buildkite, circleci, concourse, simple, tekton, throughline, travis, woodpecker};
use crate::yaml::{self, Node};
use crate::{finish, github, gitlab, jenkins};

/// The most files of definitions that are read of a tree.
const MOST_FILES: usize = 600;

/// What all readers have in common.
pub(crate) struct Reader<'a> {
    pub tree: &'a dyn Tree,
    pub resolver: Resolver<'a>,
    pub names: Names,
    findings: RefCell<Vec<Finding>>,
    unread: RefCell<Vec<At>>,
}

impl<'a> Reader<'a> {
    fn new(tree: &'a dyn Tree, trunk: Option<&str>) -> Self {
        Self {
            tree,
            resolver: Resolver::new(tree),
            names: Names::of(trunk),
            findings: RefCell::default(),
            unread: RefCell::default(),
        }
    }

    /// Notes something that could not be read or understood.
    pub fn finding(&self, file: &str, line: u32, problem: impl Into<String>, hint: Option<String>) {
        let finding = Finding {
            place: Place::File {
                file: file.to_owned(),
                line: (line > 0).then_some(line),
                what: None,
            },
            problem: problem.into(),
            hint,
        };
        let mut findings = self.findings.borrow_mut();
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }

    /// Notes that a part is left out.
    pub fn leave_out(&self, file: &str, line: u32) {
        self.unread.borrow_mut().push(At::new(file, line));
    }

    /// The text of a file.
    pub fn text(&self, file: &str) -> Option<String> {
        match self.tree.read(file, yaml::LARGEST) {
            Ok(Some(bytes)) => match String::from_utf8(bytes) {
                Ok(text) => Some(text),
                Err(error) => {
                    let hint = Some("write it in UTF-8; what could be read was used".to_owned());
                    self.finding(file, 0, "the file is no text in UTF-8", hint);
                    Some(String::from_utf8_lossy(error.as_bytes()).into_owned())
                }
            },
            Ok(None) => None,
            Err(error) => {
                self.finding(file, 0, error.to_string(), None);
                self.leave_out(file, 1);
                None
            }
        }
    }

    /// The documents of a YAML file.
    pub fn yaml(&self, file: &str) -> Vec<Node> {
        let Some(text) = self.text(file) else {
            return Vec::new();
        };
        let read = yaml::read(&text);
        if let Some(broken) = read.broken {
            self.finding(file, broken.line, broken.what, broken.hint);
            self.leave_out(file, broken.line);
        }
        for problem in read.problems {
            self.finding(file, problem.line, problem.what, problem.hint);
        }
        read.documents
    }
}

/// Reads all definitions of a tree. The trunk is the branch that everything is delivered from; where
/// it is not known, the names in common use stand for it.
pub fn read(tree: &dyn Tree, trunk: Option<&str>) -> Workflows {
    let reader = Reader::new(tree, trunk);
    let mut list: Vec<Workflow> = Vec::new();
    let mut files = 0;
    for entry in tree.entries() {
        if !matches!(entry.kind, EntryKind::File | EntryKind::Executable) {
            continue;
        }
        let Some(read) = reader_of(&entry.path) else {
            continue;
        };
        files += 1;
        if files > MOST_FILES {
            let problem = format!("the tree has more than {MOST_FILES} definitions of pipelines");
            reader.finding(&entry.path, 0, problem, None);
            reader.leave_out(&entry.path, 1);
            break;
        }
        list.extend(read(&reader, &entry.path));
    }
    finish::finish(&mut list, &reader);
    let mut unread = reader.unread.into_inner();
    unread.extend(list.iter().flat_map(|workflow| workflow.unread.clone()));
    unread.sort();
    unread.dedup();
    Workflows {
        list,
        findings: reader.findings.into_inner(),
        unread,
    }
}

type Read = fn(&Reader<'_>, &str) -> Vec<Workflow>;

/// The reader of a file, by its path.
fn reader_of(path: &str) -> Option<Read> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    let within = |folder: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| !rest.contains('/') && is_yaml)
    };
    if within(".github/workflows/") || within(".gitea/workflows/") || within(".forgejo/workflows/") {
        return Some(github::read);
    }
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let lower = name.to_ascii_lowercase();
    let stem = lower.split('.').find(|part| !part.is_empty()).unwrap_or_default();
    match path {
        ".gitlab-ci.yml" | ".gitlab-ci.yaml" => return Some(gitlab::read),
        ".circleci/config.yml" | ".circleci/config.yaml" | "circle.yml" => return Some(circleci::read),
        ".travis.yml" => return Some(travis::read),
        ".drone.yml" | ".drone.yaml" => return Some(woodpecker::read_drone),
        ".cirrus.yml" | ".cirrus.yaml" => return Some(simple::cirrus),
        "appveyor.yml" | ".appveyor.yml" | ".appveyor/appveyor.yml" => return Some(simple::appveyor),
        "bitbucket-pipelines.yml" => return Some(simple::bitbucket),
        ".woodpecker.yml" | ".woodpecker.yaml" => return Some(woodpecker::read),
        _ => {}
    }
    let is_jenkins = lower == "jenkinsfile"
        || lower.starts_with("jenkinsfile.") && !lower.ends_with(".md")
        || lower.ends_with(".jenkinsfile")
        || lower.starts_with("jenkinsfile-");
    if is_jenkins && !path.contains("test") && !path.contains("example") {
        return Some(jenkins::read);
    }
    if !is_yaml {
        return None;
    }
    if path.starts_with(".woodpecker/") {
        return Some(woodpecker::read);
    }
    if lower == "throughline.yaml" || lower == "throughline.yml" {
        return Some(throughline::read);
    }
    let is_vendored = path.contains("node_modules/") || path.contains("vendor/") || path.contains("testdata/");
    if is_vendored {
        return None;
    }
    if path.starts_with(".tekton/") {
        return Some(tekton::read);
    }
    if folder == ".buildkite" || (folder.starts_with(".buildkite/") && stem.contains("pipeline")) {
        return Some(buildkite::read);
    }
    if stem.starts_with("azure-pipeline")
        || path
            .split('/')
            .any(|part| matches!(part, "azure-pipelines" | ".azure-pipelines" | ".azuredevops" | ".vsts"))
    {
        return Some(azure::read);
    }
    if folder
        .split('/')
        .any(|part| matches!(part, "ci" | "concourse" | "pipelines" | ".concourse"))
        || stem == "pipeline"
    {
        return Some(concourse::read);
    }
    None
}

//! Jenkins: declarative pipelines, the common scripted forms, and calls of shared libraries.

mod around;
mod conditions;
mod groovy;
mod syntax;
mod tokens;

use crate::comparison;
use crate::model::{At, End, Job, System, Workflow};
use crate::occasion::{Condition, Occasion, Occasions};
use crate::purpose::Purpose;
use crate::read::Reader;
use crate::steps;
use around::{Around, agent, enter};
use conditions::{assigned, is_around, last_line, speaks_of_tags, when};
use syntax::{Call, Value};

const DEEPEST: usize = 30;

struct Reading<'r> {
    reader: &'r Reader<'r>,
    file: &'r str,
    workflow: Workflow,
}

/// Reads a Jenkinsfile.
pub(crate) fn read(reader: &Reader<'_>, file: &str) -> Vec<Workflow> {
    let Some(text) = reader.text(file) else {
        return Vec::new();
    };
    let calls = groovy::parse(&text);
    if calls.is_empty() {
        if !text.trim().is_empty() {
            reader.finding(file, 1, "nothing in this Jenkinsfile is understood", None);
            reader.leave_out(file, 1);
        }
        return Vec::new();
    }
    // A job for each branch and request is how a Jenkinsfile of a repository is used. One beside it that is called after
    // the night or a release is started by the clock or by a person.
    let name = file.rsplit('/').next().unwrap_or(file).to_lowercase();
    let called = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let occasions = if called(&["nightly", "weekly", "daily", "cron", "schedule"]) {
        Occasions::of([Occasion::Schedule])
    } else if called(&["release", "deploy", "publish", "promote", "rollback"]) {
        Occasions::of([Occasion::Manual])
    } else {
        Occasions::of([Occasion::Trunk, Occasion::Branch, Occasion::Request])
    };
    let mut reading = Reading {
        reader,
        file,
        workflow: Workflow::new(System::Jenkins, file, occasions.clone()),
    };
    let around = Around {
        occasions,
        stage: Vec::new(),
        folder: String::new(),
        runner: None,
        image: None,
        ignored: false,
        timeout: None,
        needs: Vec::new(),
        manual: None,
        environment: Vec::new(),
        matrix: None,
    };
    for call in &calls {
        if call.name == "@Library" || call.name == "library" {
            reading.workflow.shared.push(At::new(file, call.line));
        }
    }
    match calls.iter().find(|call| call.name == "pipeline" && call.block) {
        Some(pipeline) => reading.declarative(pipeline, around),
        None => {
            let mut loose = reading.new_job("build", 1, &around);
            reading.scripted(&calls, &around, &mut loose, 0);
            if !loose.steps.is_empty() {
                reading.workflow.jobs.insert(0, loose);
            }
        }
    }
    for job in &mut reading.workflow.jobs {
        steps::note_shape(job);
    }
    let understood = reading
        .workflow
        .jobs
        .iter()
        .flat_map(|job| &job.steps)
        .any(|step| !step.doings.is_empty());
    if !understood && reading.workflow.unread.is_empty() {
        // It does something, in words that are not known here.
        reading.workflow.unread.push(At::new(file, 1));
    }
    vec![reading.workflow]
}

impl Reading<'_> {
    fn at(&self, line: u32) -> At {
        At::new(self.file, line)
    }

    fn new_job(&self, id: &str, line: u32, around: &Around) -> Job {
        let mut job = Job::new(id, self.at(line), around.occasions.clone());
        job.stage = around.stage.last().cloned();
        job.folder.clone_from(&around.folder);
        job.runners = around.runner.clone().into_iter().collect();
        job.image.clone_from(&around.image);
        job.ignored = around.ignored;
        job.timeout = around.timeout;
        job.needs.clone_from(&around.needs);
        job.manual = around.manual;
        job.inputs.clone_from(&around.environment);
        job.matrix = around.matrix;
        job
    }

    fn declarative(&mut self, pipeline: &Call, mut around: Around) {
        for call in &pipeline.body {
            match call.name.as_str() {
                "triggers" => self.triggers(call, &mut around),
                "agent" => agent(call, &mut around),
                "options" => self.options(call, &mut around),
                "environment" => around.environment.extend(assigned(call)),
                "parameters" => {}
                _ => {}
            }
        }
        for stages in pipeline.inside("stages") {
            self.stages(stages, &around, 0);
        }
        for post in pipeline.inside("post") {
            let mut job = self.new_job("post", post.line, &around);
            for when in &post.body {
                if matches!(
                    when.name.as_str(),
                    "failure" | "unstable" | "aborted" | "fixed" | "regression"
                ) {
                    let mut inner = self.new_job("post", when.line, &around);
                    self.steps(&when.body, &around, &mut inner, 0);
                    // What tells people about failures counts; the rest does not run as a rule.
                    for step in inner.steps {
                        if step.doings.iter().any(|doing| doing.purpose == Purpose::Notify) {
                            job.steps.push(step);
                        }
                    }
                } else {
                    self.steps(&when.body, &around, &mut job, 0);
                }
            }
            if !job.steps.is_empty() {
                job.needs = self.workflow.jobs.iter().map(|job| job.id.clone()).collect();
                self.workflow.jobs.push(job);
            }
        }
    }

    fn triggers(&mut self, call: &Call, around: &mut Around) {
        for trigger in &call.body {
            self.workflow.line = trigger.line;
            match trigger.name.as_str() {
                "pollSCM" => self.workflow.polls = true,
                "cron" | "parameterizedCron" => {
                    around.occasions.set(Occasion::Schedule, crate::occasion::Truth::Yes);
                    self.workflow
                        .occasions
                        .set(Occasion::Schedule, crate::occasion::Truth::Yes);
                }
                _ => {}
            }
        }
    }

    fn options(&mut self, call: &Call, around: &mut Around) {
        for option in &call.body {
            match option.name.as_str() {
                "timeout" => around.timeout = Some(option.line),
                "disableConcurrentBuilds" | "lock" => self.workflow.concurrency = Some(option.line),
                _ => {}
            }
        }
    }

    fn stages(&mut self, stages: &Call, around: &Around, depth: usize) {
        let mut around = around.clone();
        for stage in &stages.body {
            if stage.name == "stage" {
                let before = self.workflow.jobs.len();
                let manual = self.stage(stage, &around, depth);
                around
                    .needs
                    .extend(self.workflow.jobs[before..].iter().map(|job| job.id.clone()));
                // Nothing after a question goes on without its answer.
                if around.manual.is_none() {
                    around.manual = manual;
                }
            }
        }
    }

    /// Reads a stage, and says where it asks a person, if it does.
    fn stage(&mut self, stage: &Call, around: &Around, depth: usize) -> Option<u32> {
        if depth > DEEPEST || self.workflow.jobs.len() > 500 {
            return None;
        }
        let mut around = around.clone();
        let name = stage.text().map_or("stage", |(name, _)| name).to_owned();
        around.stage.push(name.clone());
        let mut manual = None;
        for call in &stage.body {
            match call.name.as_str() {
                "when" => {
                    let conditions: Vec<Condition> = call.body.iter().map(when).collect();
                    around.occasions = around
                        .occasions
                        .when(&Condition::All(conditions.clone()), &self.reader.names);
                    // Tags are built where a stage asks for them.
                    let tags = Condition::All(conditions).holds(Occasion::Tag, &self.reader.names);
                    if tags > crate::occasion::Truth::No && speaks_of_tags(call) {
                        around.occasions.set(Occasion::Tag, tags);
                        self.workflow.occasions.set(Occasion::Tag, tags);
                    }
                }
                "agent" => agent(call, &mut around),
                "options" => self.options(call, &mut around),
                "environment" => around.environment.extend(assigned(call)),
                "input" => {
                    around.manual = Some(call.line);
                    manual = Some(call.line);
                }
                _ => {}
            }
        }
        for call in &stage.body {
            match call.name.as_str() {
                "steps" => {
                    let mut job = self.new_job(&self.id(&name), stage.line, &around);
                    self.steps(&call.body, &around, &mut job, 0);
                    job.end = last_line(call).map(|line| End { line, column: 1 });
                    if manual.is_none() {
                        manual = job
                            .steps
                            .iter()
                            .find(|step| step.doings.iter().any(|doing| doing.purpose == Purpose::Approve))
                            .map(|step| step.at.line);
                    }
                    self.workflow.jobs.push(job);
                }
                "stages" => self.stages(call, &around, depth + 1),
                "parallel" | "matrix" => {
                    let mut inner = around.clone();
                    if call.name == "matrix" {
                        inner.matrix = Some(call.line);
                    }
                    for branch in &call.body {
                        match branch.name.as_str() {
                            "stage" => {
                                self.stage(branch, &inner, depth + 1);
                            }
                            "stages" => self.stages(branch, &inner, depth + 1),
                            "agent" => agent(branch, &mut inner),
                            _ => {}
                        }
                    }
                }
                "post" => {
                    let mut job = self.new_job(&self.id(&format!("{name} post")), call.line, &around);
                    for when in &call.body {
                        if matches!(when.name.as_str(), "always" | "success" | "cleanup" | "changed") {
                            self.steps(&when.body, &around, &mut job, 0);
                        }
                    }
                    if !job.steps.is_empty() {
                        self.workflow.jobs.push(job);
                    }
                }
                _ => {}
            }
        }
        manual
    }

    fn id(&self, name: &str) -> String {
        if self.workflow.jobs.iter().any(|job| job.id == name) {
            format!("{name} {}", self.workflow.jobs.len() + 1)
        } else {
            name.to_owned()
        }
    }

    /// Scripted: stages become jobs wherever they stand.
    fn scripted(&mut self, calls: &[Call], around: &Around, loose: &mut Job, depth: usize) {
        if depth > DEEPEST || self.workflow.jobs.len() > 500 {
            return;
        }
        let mut around = around.clone();
        for call in calls {
            match call.name.as_str() {
                "properties" => self.properties(call, &mut around),
                "stage" if call.block => {
                    let name = call.text().map_or("stage", |(name, _)| name).to_owned();
                    let mut inner = around.clone();
                    inner.stage.push(name.clone());
                    let mut job = self.new_job(&self.id(&name), call.line, &inner);
                    let before = self.workflow.jobs.len();
                    self.scripted(&call.body, &inner, &mut job, depth + 1);
                    job.end = last_line(call).map(|line| End { line, column: 1 });
                    let asks = job
                        .steps
                        .iter()
                        .find(|step| step.doings.iter().any(|doing| doing.purpose == Purpose::Approve))
                        .map(|step| step.at.line);
                    if !job.steps.is_empty() {
                        self.workflow.jobs.insert(before, job);
                    }
                    if around.manual.is_none() {
                        around.manual = asks;
                    }
                    around
                        .needs
                        .extend(self.workflow.jobs[before..].iter().map(|job| job.id.clone()));
                }
                "if" => {
                    let mut inner = around.clone();
                    let written = call
                        .arguments
                        .first()
                        .map(|argument| argument.value.written())
                        .unwrap_or_default();
                    inner.occasions = around
                        .occasions
                        .when(&comparison::condition(&written), &self.reader.names);
                    let before = loose.steps.len();
                    self.scripted(&call.body, &inner, loose, depth + 1);
                    for step in &mut loose.steps[before..] {
                        step.occasions = step.occasions.and(&inner.occasions);
                    }
                }
                "parallel" => {
                    for argument in &call.arguments {
                        if let Value::Block(body) = &argument.value {
                            let mut inner = around.clone();
                            let name = argument.name.clone().unwrap_or_else(|| "parallel".to_owned());
                            if argument.name.as_deref() == Some("failFast") {
                                continue;
                            }
                            inner.stage.push(name.clone());
                            let mut job = self.new_job(&self.id(&name), call.line, &inner);
                            self.scripted(body, &inner, &mut job, depth + 1);
                            if !job.steps.is_empty() {
                                self.workflow.jobs.push(job);
                            }
                        }
                    }
                }
                "node" if call.block => {
                    let mut inner = around.clone();
                    if let Some((label, _)) = call.text() {
                        inner.runner = Some(label.to_owned());
                        loose.runners = vec![label.to_owned()];
                    }
                    self.scripted(&call.body, &inner, loose, depth + 1);
                }
                _ if call.block && is_around(&call.name) => {
                    let mut inner = around.clone();
                    enter(call, &mut inner);
                    if call.name == "timeout" {
                        loose.timeout = Some(call.line);
                    }
                    let before = loose.steps.len();
                    self.step(call, &around, loose);
                    self.scripted(&call.body, &inner, loose, depth + 1);
                    if inner.ignored {
                        for step in &mut loose.steps[before..] {
                            step.ignored = true;
                        }
                    }
                }
                _ => self.steps(std::slice::from_ref(call), &around, loose, depth + 1),
            }
        }
    }

    fn properties(&mut self, call: &Call, around: &mut Around) {
        let written = format!("{call:?}");
        if written.contains("pollSCM") {
            self.workflow.polls = true;
        }
        if written.contains("\"cron\"") {
            around.occasions.set(Occasion::Schedule, crate::occasion::Truth::Yes);
            self.workflow
                .occasions
                .set(Occasion::Schedule, crate::occasion::Truth::Yes);
        }
        if written.contains("disableConcurrentBuilds") {
            self.workflow.concurrency = Some(call.line);
        }
    }

    /// Steps with their wrappers.
    fn steps(&mut self, calls: &[Call], around: &Around, job: &mut Job, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        for call in calls {
            self.step(call, around, job);
            if call.block {
                let mut inner = around.clone();
                enter(call, &mut inner);
                let before = job.steps.len();
                if call.name == "if" {
                    let written = call
                        .arguments
                        .first()
                        .map(|argument| argument.value.written())
                        .unwrap_or_default();
                    inner.occasions = around
                        .occasions
                        .when(&comparison::condition(&written), &self.reader.names);
                }
                if call.name == "timeout" {
                    job.timeout.get_or_insert(call.line);
                }
                self.steps(&call.body, &inner, job, depth + 1);
                for step in &mut job.steps[before..] {
                    step.ignored |= inner.ignored;
                    step.occasions = step.occasions.and(&inner.occasions);
                }
            }
            for argument in &call.arguments {
                match &argument.value {
                    Value::Block(body) => self.steps(body, around, job, depth + 1),
                    Value::Call(inner) => self.steps(std::slice::from_ref(inner), around, job, depth + 1),
                    Value::List(values) => {
                        for value in values {
                            if let Value::Call(inner) = value {
                                self.steps(std::slice::from_ref(inner), around, job, depth + 1);
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn step(&mut self, call: &Call, around: &Around, job: &mut Job) {
        let on = around.occasions.clone();
        let words = format!("{} {}", job.words(), around.stage.join(" "));
        match call.name.as_str() {
            "sh" | "bat" | "powershell" | "pwsh" => {
                let script = call
                    .named("script")
                    .or_else(|| call.text().map(|(text, line)| (text.to_owned(), line)));
                if let Some((text, line)) = script {
                    let step = steps::run(self.reader, self.at(line), &text, &around.folder, &words, &on);
                    job.steps.push(step);
                }
            }
            "docker.build" => job.steps.push(steps::doing(
                self.at(call.line),
                Purpose::ImagesBuilt,
                "",
                "docker.build",
                &on,
            )),
            name if name.ends_with(".push") && call.arguments.len() <= 2 => {
                job.steps
                    .push(steps::doing(self.at(call.line), Purpose::Push, "", name, &on));
            }
            "cache" | "=" | "" | "echo" | "checkout" | "git" | "error" | "cleanWs" | "deleteDir" => {}
            "build" => job
                .steps
                .push(steps::doing(self.at(call.line), Purpose::Start, "", "build", &on)),
            name => {
                let inputs: Vec<(String, String)> = call
                    .arguments
                    .iter()
                    .filter_map(|argument| match &argument.value {
                        Value::Text(text, _) | Value::Other(text) => Some((
                            argument.name.clone().unwrap_or_else(|| "value".to_owned()),
                            text.clone(),
                        )),
                        _ => None,
                    })
                    .collect();
                // `step([$class: 'X'])` names its class.
                let class = call.arguments.iter().find_map(|argument| match &argument.value {
                    Value::Map(entries) if name == "step" => entries.iter().find_map(|entry| match &entry.value {
                        Value::Text(text, _) if entry.name.as_deref() == Some("$class") => Some(text.clone()),
                        _ => None,
                    }),
                    _ => None,
                });
                let name = class.unwrap_or_else(|| name.to_owned());
                let step = steps::builtin(
                    self.reader,
                    self.at(call.line),
                    &format!("step:{name}"),
                    &inputs,
                    &words,
                    &on,
                );
                if !step.doings.is_empty() {
                    job.steps.push(step);
                } else if !is_around(&name)
                    && self.workflow.shared.iter().any(|at| at.file == self.file)
                    && !name.contains('.')
                {
                    // Something of a shared library: what it does is not in this tree.
                    self.library(&name, call, around, job, &words);
                }
            }
        }
    }

    /// A call of a shared library: one of the tree (`vars/name.groovy`) is read, another left out.
    fn library(&mut self, name: &str, call: &Call, around: &Around, job: &mut Job, words: &str) {
        let known = [
            "stage",
            "steps",
            "environment",
            "options",
            "when",
            "agent",
            "tools",
            "parameters",
            "triggers",
            "post",
            "libraries",
            "sleep",
            "pwd",
            "readFile",
            "writeFile",
            "fileExists",
            "isUnix",
            "currentBuild.result",
            "params",
            "def",
            "return",
            "string",
            "choice",
            "booleanParam",
            "usernamePassword",
            "file",
            "credentials",
            "always",
            "success",
            "failure",
            "println",
            "print",
            "properties",
            "stash",
            "unstash",
            "any",
            "none",
            "label",
            "docker",
            "expression",
            "branch",
            "axis",
            "axes",
            "excludes",
            "unstable",
            "catch",
            "@Library",
            "library",
        ];
        if known.contains(&name) || name.starts_with('@') || name.chars().next().is_none_or(|c| !c.is_lowercase()) {
            return;
        }
        let path = format!("vars/{name}.groovy");
        let at = self.at(call.line);
        if self.reader.tree.has(&path) {
            return;
        }
        let context = crate::purpose::Context::of_step(self.file, call.line, "", words);
        let doings = self.reader.resolver.name(name, name, &context);
        if call.arguments.is_empty() && !call.block {
            return;
        }
        self.workflow.unread.push(at.clone());
        let mut step = steps::doing(at, Purpose::Setup, "", name, &around.occasions);
        step.doings = doings;
        job.steps.push(step);
    }
}

//! The same work, written down for each tool.
//!
//! The tasks are numbered. Task `n` makes `pN/out/n` of `pN/in/n`, or does nothing at all, and ten of them lie in each
//! folder `pN`, which is a package for the tools that work with packages.

use std::fmt::Write as _;
use std::path::Path;

use super::figures::cannot;

/// How many tasks there are in a folder.
const IN_A_FOLDER: usize = 10;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// How many tasks there are.
    pub tasks: usize,
    /// Each task waits for the one before it.
    pub chained: bool,
    /// Each task copies a file of its own; otherwise it is `true`, which does nothing, and has to be done each time.
    pub copies: bool,
}

impl Work {
    /// Independent tasks that copy files.
    pub fn copies(tasks: usize) -> Self {
        Self {
            tasks,
            chained: false,
            copies: true,
        }
    }

    /// Tasks that do nothing.
    pub fn nothing(tasks: usize, chained: bool) -> Self {
        Self {
            tasks,
            chained,
            copies: false,
        }
    }

    fn before(self, task: usize) -> Option<usize> {
        if self.chained { task.checked_sub(1) } else { None }
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
    }
    std::fs::write(path, text).map_err(|error| cannot(path, &error))
}

fn input(task: usize) -> String {
    format!("p{}/in/{task}", task / IN_A_FOLDER)
}

fn output(task: usize) -> String {
    format!("p{}/out/{task}", task / IN_A_FOLDER)
}

/// A folder with nothing but the files that the tasks read.
fn inputs(folder: &Path, work: Work) -> Result<(), String> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(folder, &error)),
        _ => {}
    }
    for task in 0..work.tasks {
        if work.copies {
            write(&folder.join(input(task)), &format!("the input of task {task}\n"))?;
        }
        if task % IN_A_FOLDER == 0 {
            let out = folder.join(format!("p{}/out", task / IN_A_FOLDER));
            std::fs::create_dir_all(&out).map_err(|error| cannot(&out, &error))?;
        }
    }
    Ok(())
}

/// A definition of Throughline.
///
/// The folders of outputs hold a file, since git keeps no empty folders, and a server builds what was pushed to it.
pub fn throughline(folder: &Path, work: Work) -> Result<(), String> {
    inputs(folder, work)?;
    if work.copies {
        for package in 0..work.tasks.div_ceil(IN_A_FOLDER) {
            write(&folder.join(format!("p{package}/out/.keep")), "")?;
        }
    }
    let mut text = "throughline: 1\nsteps:\n".to_owned();
    for task in 0..work.tasks {
        if work.copies {
            let (from, to) = (input(task), output(task));
            let _ = writeln!(
                text,
                "  task-{task}:\n    run: cp {from} {to}\n    inputs: [{from}]\n    outputs: [{to}]"
            );
        } else {
            let _ = writeln!(text, "  task-{task}:\n    run: \"true\"");
        }
        if let Some(before) = work.before(task) {
            let _ = writeln!(text, "    needs: [task-{before}]");
        }
    }
    write(&folder.join("throughline.yaml"), &text)
}

/// What a tool that goes by files calls what a task makes: a file, or a name that no file has.
fn target(work: Work, task: usize) -> String {
    if work.copies { output(task) } else { format!("t{task}") }
}

/// A makefile.
pub fn make(folder: &Path, work: Work) -> Result<(), String> {
    inputs(folder, work)?;
    let targets: Vec<String> = (0..work.tasks).map(|task| target(work, task)).collect();
    let mut text = format!("all: {}\n", targets.join(" "));
    if !work.copies {
        let _ = writeln!(text, ".PHONY: {}", targets.join(" "));
    }
    for task in 0..work.tasks {
        let before = work
            .before(task)
            .map_or_else(String::new, |before| format!(" {}", targets[before]));
        let _ = if work.copies {
            writeln!(text, "{}: {}{before}\n\tcp $< $@", targets[task], input(task))
        } else {
            writeln!(text, "{}:{before}\n\ttrue", targets[task])
        };
    }
    write(&folder.join("Makefile"), &text)
}

/// A file of ninja's.
pub fn ninja(folder: &Path, work: Work) -> Result<(), String> {
    inputs(folder, work)?;
    let mut text = "rule cp\n  command = cp $in $out\nrule true\n  command = true\n".to_owned();
    for task in 0..work.tasks {
        let before = work
            .before(task)
            .map_or_else(String::new, |before| format!(" || {}", target(work, before)));
        let _ = if work.copies {
            writeln!(text, "build {}: cp {}{before}", output(task), input(task))
        } else {
            writeln!(text, "build t{task}: true{before}")
        };
    }
    write(&folder.join("build.ninja"), &text)
}

/// What all workspaces of npm have: a package for each ten tasks, with a script for each. Where tasks wait for one
/// another, so do packages.
fn packages(folder: &Path, work: Work) -> Result<(), String> {
    inputs(folder, work)?;
    let tasks = work.tasks;
    let folders = tasks.div_ceil(IN_A_FOLDER);
    let mut locked = String::new();
    for package in 0..folders {
        let scripts: Vec<String> = (package * IN_A_FOLDER..tasks.min((package + 1) * IN_A_FOLDER))
            .map(|task| task % IN_A_FOLDER)
            .map(|place| {
                let number = package * IN_A_FOLDER + place;
                let script = if work.copies {
                    format!("cp in/{number} out/{number}")
                } else {
                    "true".to_owned()
                };
                format!("\"t{place}\": \"{script}\"")
            })
            .collect();
        let needs = match package.checked_sub(1) {
            Some(before) if work.chained => format!(", \"dependencies\": {{ \"p{before}\": \"1.0.0\" }}"),
            _ => String::new(),
        };
        let text = format!(
            "{{ \"name\": \"p{package}\", \"version\": \"1.0.0\", \"private\": true{needs}, \"scripts\": {{ {} }} }}\n",
            scripts.join(", ")
        );
        write(&folder.join(format!("p{package}/package.json")), &text)?;
        let _ = write!(
            locked,
            ",\n    \"node_modules/p{package}\": {{ \"resolved\": \"p{package}\", \"link\": true }},\n    \"p{package}\": {{ \"version\": \"1.0.0\"{needs} }}"
        );
    }
    let root = "\"name\": \"tasks\", \"version\": \"1.0.0\", \"workspaces\": [\"p*\"]";
    let text = format!("{{ {root}, \"private\": true, \"packageManager\": \"npm@10.0.0\" }}\n");
    write(&folder.join("package.json"), &text)?;
    let text = format!("{{ {root}, \"lockfileVersion\": 3, \"packages\": {{\n    \"\": {{ {root} }}{locked}\n}} }}\n");
    write(&folder.join("package-lock.json"), &text)
}

/// The tasks of each package, as both tools of workspaces have them in their file.
fn targets(work: Work, line: impl Fn(usize) -> String) -> String {
    let lines: Vec<String> = (0..IN_A_FOLDER.min(work.tasks)).map(line).collect();
    lines.join(",\n    ")
}

/// What a task of a package waits for, as both tools of workspaces say it.
fn waits(work: Work, place: usize) -> String {
    match place.checked_sub(1) {
        _ if !work.chained => String::new(),
        Some(before) => format!("\"dependsOn\": [\"t{before}\"], "),
        None => format!("\"dependsOn\": [\"^t{}\"], ", IN_A_FOLDER - 1),
    }
}

/// A workspace for Turborepo. A task's files are named by the last digit of its number, which is all that
/// its file can say for all packages at once.
pub fn turbo(folder: &Path, work: Work) -> Result<(), String> {
    packages(folder, work)?;
    let lines = targets(work, |place| {
        let waits = waits(work, place);
        if work.copies {
            format!("\"t{place}\": {{ {waits}\"inputs\": [\"in/*{place}\"], \"outputs\": [\"out/*{place}\"] }}")
        } else {
            format!("\"t{place}\": {{ {waits}\"cache\": false }}")
        }
    });
    write(
        &folder.join("turbo.json"),
        &format!("{{\n  \"tasks\": {{\n    {lines}\n  }}\n}}\n"),
    )
}

/// A workspace for Nx.
pub fn nx(folder: &Path, work: Work) -> Result<(), String> {
    packages(folder, work)?;
    let lines = targets(work, |place| {
        let waits = waits(work, place);
        if work.copies {
            format!(
                "\"t{place}\": {{ {waits}\"cache\": true, \"inputs\": [\"{{projectRoot}}/in/*{place}\"], \"outputs\": [\"{{projectRoot}}/out/*{place}\"] }}"
            )
        } else {
            format!("\"t{place}\": {{ {waits}\"cache\": false }}")
        }
    });
    let text = format!("{{\n  \"analytics\": false,\n  \"targetDefaults\": {{\n    {lines}\n  }}\n}}\n");
    write(&folder.join("nx.json"), &text)
}

/// Changes what a task reads.
pub fn change(folder: &Path, task: usize, round: usize) -> Result<(), String> {
    write(&folder.join(input(task)), &format!("task {task} in round {round}\n"))
}

/// Removes all that the tasks made.
pub fn remove_outputs(folder: &Path) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|error| cannot(folder, &error))?;
    for entry in entries.flatten() {
        let out = entry.path().join("out");
        if out.is_dir() {
            std::fs::remove_dir_all(&out).map_err(|error| cannot(&out, &error))?;
            std::fs::create_dir(&out).map_err(|error| cannot(&out, &error))?;
        }
    }
    Ok(())
}

/// Whether each task has made what it should.
///
/// # Errors
/// Names the first that has not.
pub fn holds(folder: &Path, tasks: usize) -> Result<(), String> {
    for task in 0..tasks {
        let read = |path: String| std::fs::read(folder.join(path)).ok();
        if read(input(task)) != read(output(task)) {
            return Err(format!("{} is not what it should be", output(task)));
        }
    }
    Ok(())
}

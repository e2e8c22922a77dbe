//! The same work, written down for each tool.
//!
//! The tasks are numbered. Task `n` makes `pN/out/n` of `pN/in/n`, and ten of them lie in each folder `pN`, which is a
//! package for the tools that work with packages.

use std::fmt::Write as _;
use std::path::Path;

use super::cannot;

/// How many tasks there are in a folder.
const IN_A_FOLDER: usize = 10;

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
fn inputs(folder: &Path, tasks: usize) -> Result<(), String> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(folder, &error)),
        _ => {}
    }
    for task in 0..tasks {
        write(&folder.join(input(task)), &format!("the input of task {task}\n"))?;
        if task % IN_A_FOLDER == 0 {
            let out = folder.join(format!("p{}/out", task / IN_A_FOLDER));
            std::fs::create_dir_all(&out).map_err(|error| cannot(&out, &error))?;
        }
    }
    Ok(())
}

/// A definition of Throughline.
pub fn throughline(folder: &Path, tasks: usize) -> Result<(), String> {
    inputs(folder, tasks)?;
    let mut text = "throughline: 1\nsteps:\n".to_owned();
    for task in 0..tasks {
        let (from, to) = (input(task), output(task));
        let _ = writeln!(
            text,
            "  task-{task}:\n    run: cp {from} {to}\n    inputs: [{from}]\n    outputs: [{to}]"
        );
    }
    write(&folder.join("throughline.yaml"), &text)
}

/// A makefile.
pub fn make(folder: &Path, tasks: usize) -> Result<(), String> {
    inputs(folder, tasks)?;
    let outputs: Vec<String> = (0..tasks).map(output).collect();
    let mut text = format!("all: {}\n", outputs.join(" "));
    for task in 0..tasks {
        let _ = writeln!(text, "{}: {}\n\tcp $< $@", output(task), input(task));
    }
    write(&folder.join("Makefile"), &text)
}

/// A file of ninja's.
pub fn ninja(folder: &Path, tasks: usize) -> Result<(), String> {
    inputs(folder, tasks)?;
    let mut text = "rule cp\n  command = cp $in $out\n".to_owned();
    for task in 0..tasks {
        let _ = writeln!(text, "build {}: cp {}", output(task), input(task));
    }
    write(&folder.join("build.ninja"), &text)
}

/// What all workspaces of npm have: a package for each ten tasks, with a script for each.
fn packages(folder: &Path, tasks: usize) -> Result<(), String> {
    inputs(folder, tasks)?;
    let folders = tasks.div_ceil(IN_A_FOLDER);
    let mut locked = String::new();
    for package in 0..folders {
        let scripts: Vec<String> = (package * IN_A_FOLDER..tasks.min((package + 1) * IN_A_FOLDER))
            .map(|task| format!("\"t{}\": \"cp in/{task} out/{task}\"", task % IN_A_FOLDER))
            .collect();
        let text = format!(
            "{{ \"name\": \"p{package}\", \"version\": \"1.0.0\", \"private\": true, \"scripts\": {{ {} }} }}\n",
            scripts.join(", ")
        );
        write(&folder.join(format!("p{package}/package.json")), &text)?;
        let _ = write!(
            locked,
            ",\n    \"node_modules/p{package}\": {{ \"resolved\": \"p{package}\", \"link\": true }},\n    \"p{package}\": {{ \"version\": \"1.0.0\" }}"
        );
    }
    let root = "\"name\": \"tasks\", \"version\": \"1.0.0\", \"workspaces\": [\"p*\"]";
    let text = format!("{{ {root}, \"private\": true, \"packageManager\": \"npm@10.0.0\" }}\n");
    write(&folder.join("package.json"), &text)?;
    let text = format!("{{ {root}, \"lockfileVersion\": 3, \"packages\": {{\n    \"\": {{ {root} }}{locked}\n}} }}\n");
    write(&folder.join("package-lock.json"), &text)
}

/// The tasks of each package, as both tools of workspaces have them in their file.
fn targets(tasks: usize, line: impl Fn(usize) -> String) -> String {
    let lines: Vec<String> = (0..IN_A_FOLDER.min(tasks)).map(line).collect();
    lines.join(",\n    ")
}

/// A workspace for Turborepo. A task's files are named by the last digit of its number, which is all that
/// its file can say for all packages at once.
pub fn turbo(folder: &Path, tasks: usize) -> Result<(), String> {
    packages(folder, tasks)?;
    let lines = targets(tasks, |place| {
        format!("\"t{place}\": {{ \"inputs\": [\"in/*{place}\"], \"outputs\": [\"out/*{place}\"] }}")
    });
    write(
        &folder.join("turbo.json"),
        &format!("{{\n  \"tasks\": {{\n    {lines}\n  }}\n}}\n"),
    )
}

/// A workspace for Nx.
pub fn nx(folder: &Path, tasks: usize) -> Result<(), String> {
    packages(folder, tasks)?;
    let lines = targets(tasks, |place| {
        format!(
            "\"t{place}\": {{ \"cache\": true, \"inputs\": [\"{{projectRoot}}/in/*{place}\"], \"outputs\": [\"{{projectRoot}}/out/*{place}\"] }}"
        )
    });
    let text = format!("{{\n  \"analytics\": false,\n  \"targetDefaults\": {{\n    {lines}\n  }}\n}}\n");
    write(&folder.join("nx.json"), &text)
}

/// Changes what the first task reads.
pub fn change_one(folder: &Path, round: usize) -> Result<(), String> {
    write(&folder.join(input(0)), &format!("changed in round {round}\n"))
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

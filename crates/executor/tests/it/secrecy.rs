use executor::{Ended, SecretForStep};
use zeroize::Zeroizing;

use crate::support::{local, number_in, run_folder, shim, step_and_keeper};

fn secret(name: &str, value: &str, as_variable: bool) -> SecretForStep {
    SecretForStep {
        name: name.into(),
        value: Zeroizing::new(value.into()),
        as_variable,
    }
}

const CANARY: &str = "canary-0f9a77-value";

#[tokio::test]
async fn another_step_finds_no_secret_in_arguments_or_files() {
    let bench = local();
    let mut holder = bench.job("holder", "echo ready; while ! [ -e done ]; do sleep 0.01; done");
    holder.secrets.push(secret("TOKEN", CANARY, false));
    bench.executor.start(holder).await.unwrap();
    bench.until_said("holder", "ready").await;
    // As the same user: every command line, every variable, and the files of the run.
    let script = format!(
        "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' > all || true
         grep -rh . {0} >> all 2>/dev/null || true
         : > done",
        run_folder(&bench).display()
    );
    assert_eq!(bench.make(bench.job("snoop", &script)).await.ended, Ended::Succeeded);
    let all = std::fs::read(bench.work.join("all")).unwrap();
    let all = String::from_utf8_lossy(&all);
    assert!(all.len() > 100 && !all.contains(CANARY));
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn nothing_that_stays_holds_a_secret() {
    let bench = local();
    let mut job = bench.job("step", "cat $THROUGHLINE_SECRETS/TOKEN; echo $TOKEN; exit 1");
    job.secrets.push(secret("TOKEN", CANARY, true));
    bench.make(job).await;
    let mut job = bench.job("unstartable", "true");
    job.shell = vec![format!("/no/{CANARY}")];
    job.secrets.push(secret("TOKEN", CANARY, false));
    let outcome = bench.make(job).await;
    assert!(!format!("{outcome:?}").contains(CANARY));
    bench.executor.close(bench.run).await.unwrap();

    fn files(folder: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found)
            } else {
                found.push(path)
            }
        }
    }
    let mut found = Vec::new();
    files(&run_folder(&bench), &mut found);
    assert!(found.len() >= 4, "{found:?}");
    for path in found {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(CANARY), "{}", path.display());
    }
}

#[tokio::test]
async fn steps_inherit_no_variable_and_no_file_of_server_and_shim() {
    let bench = local();
    let script = "ls -l /proc/self/fd > files; ulimit -c > core; cat /proc/$$/stat > stat; nice > nice";
    let mut job = bench.job("step", script);
    job.nice = 10;
    bench.make(job).await;
    let read = |name| std::fs::read_to_string(bench.work.join(name)).unwrap();
    // Standard input, the redirected output, the pipe of the complaints, and the folder being listed.
    let files = read("files");
    let open: Vec<&str> = files
        .lines()
        .filter_map(|line| line.split_once(" -> ").map(|(_, to)| to))
        .collect();
    assert_eq!(open.len(), 4, "{files}");
    assert!(
        open[0] == "/dev/null" && open[1].ends_with("/files") && open[2].starts_with("pipe:"),
        "{files}"
    );
    assert_eq!((read("core").as_str(), read("nice").as_str()), ("0\n", "10\n"));
    // It leads a session of its own, without a terminal.
    let stat = read("stat");
    let fields: Vec<&str> = stat.split_whitespace().collect();
    assert_eq!((fields[0], fields[6]), (fields[5], "0"));
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn shim_keeper_and_step_leave_no_core_dump() {
    let bench = local();
    bench
        .executor
        .start(bench.job("step", "echo $$ > step; echo ready; sleep 1000"))
        .await
        .unwrap();
    bench.until_said("step", "ready").await;
    let (step, keeper) = step_and_keeper(&bench, number_in(&bench, "step"));
    for pid in [shim(&bench).unwrap().pid, keeper.pid, step.pid] {
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"))
            .unwrap();
        // One byte is less than the smallest core, and keeps it from programs that collect cores too.
        assert_eq!(core.split_whitespace().nth(4), Some("1"), "{core}");
    }
    bench.executor.close(bench.run).await.unwrap();
}

#[tokio::test]
async fn one_step_that_changes_its_output_does_not_change_that_of_the_next() {
    let bench = local();
    // Python makes its own output non-blocking, as Node.js does.
    let script = "python3 -c 'import os; os.set_blocking(1, False)'";
    bench.make(bench.job("one", script)).await;
    let outcome = bench
        .make(bench.job("two", "head -c 2000000 /dev/zero | tr '\\0' 'x'"))
        .await;
    assert_eq!(outcome.ended, Ended::Succeeded);
    bench.executor.close(bench.run).await.unwrap();
}

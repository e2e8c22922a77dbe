//! What a search begins with: files of this repository, texts, and the words of a format.

use std::path::{Path, PathBuf};

use crate::tree::Tree;

/// What one target begins with.
pub struct Seeds {
    target: &'static str,
    /// Ends of the names of files in this repository that are good input.
    files: &'static [&'static str],
    /// What stands before the bytes of a file.
    before: Before,
    /// More input.
    texts: &'static [&'static str],
}

/// What a target expects before the bytes that it reads.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    /// The name of the file, and a line's end.
    Name,
    /// A byte that chooses.
    Byte(u8),
}

const SEEDS: &[Seeds] = &[
    Seeds {
        target: "addresses",
        files: &[],
        before: Before::Nothing,
        texts: &[
            "https://host/team/name.git",
            "git@host:team/name.git",
            "ssh://me@host:22/a",
            "http://[::1]:80/a",
            "file:///a",
            "/a/b",
            "https://me:hunter2@host/a",
        ],
    },
    Seeds {
        target: "commits",
        files: &[],
        before: Before::Nothing,
        texts: &[
            "Title\n\nWords.\n\nDepends-On: https://host/a/-/1\nChange-Id: I0123\n more\n",
            "a\n\nSigned-off-by: A <a@b>\n---\nx: y\n",
            "# said\n(cherry picked from commit 0)\n",
        ],
    },
    Seeds {
        target: "conditions",
        files: &[],
        before: Before::Nothing,
        texts: &[
            "candidate.line == 'main' && size(a) > 1",
            "a.exists(x, x == 1) || !has(candidate.x)",
            "a.map(x, x).filter(y, y != null).all(z, true) ? b'a' : r\"b\"",
            "timestamp(now) - timestamp('2026-01-01T00:00:00Z') > duration('1h')",
            "{'a': 1}['a'] in [1u, 2.5e3, -0x1f]",
        ],
    },
    Seeds {
        target: "definitions",
        files: &["examples/throughline.yaml", "throughline.yaml", "environments.yaml"],
        before: Before::Nothing,
        texts: &["throughline: 1\nsteps:\n  a: &a\n    run: make\n  b:\n    <<: *a\n    matrix: {x: [1, 2]}\n"],
    },
    Seeds {
        target: "envelopes",
        files: &[],
        before: Before::Nothing,
        texts: &[
            "{\"payloadType\":\"application/vnd.example\",\"payload\":\"eyJwb3NpdGlvbiI6N30=\",\"signatures\":[{\"keyid\":\"a\",\"sig\":\"AAAA\"}]}",
            "eyJwb3NpdGlvbiI6N30=",
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n",
        ],
    },
    Seeds {
        target: "facts",
        files: &[".v1.json"],
        before: Before::Nothing,
        texts: &["{\"hash\":\"0\",\"fact\":{}}\n"],
    },
    Seeds {
        target: "headers",
        files: &[],
        before: Before::Nothing,
        texts: &[
            "connection: keep-alive, upgrade, x-private\nupgrade: websocket\nx-private: 1\ncookie: a=b; throughline_session=tls_x\n",
            "x-forwarded-for: 10.0.0.1\nx-forwarded-host: h\nx-forwarded-proto: https\nhost: h\nte: trailers\nexpect: 100-continue\n",
        ],
    },
    Seeds {
        target: "inventories",
        files: &[
            "Cargo.toml",
            "README.md",
            "Cargo.lock",
            ".gitignore",
            "Makefile",
            "package.json",
            "pyproject.toml",
        ],
        before: Before::Name,
        texts: &[
            "package.json\n{\"name\":\"a\",\"scripts\":{\"test\":\"jest\"},\"dependencies\":{\"a\":\"^1\"},\"workspaces\":[\"p/*\"]}",
            "pyproject.toml\n[project]\nname = \"a\"\ndependencies = [\"b>=1\"]\n[tool.poetry]\n",
            "requirements.txt\na==1 # x\n-r b.txt\n--hash=sha256:0\n",
            "go.mod\nmodule a\ngo 1.22\nrequire (\n\tb v1.0.0 // indirect\n)\n",
            "pom.xml\n<project><groupId>a</groupId><modules><module>b</module></modules></project>",
            "build.gradle\nplugins { id 'java' }\ndependencies { testImplementation 'a:b:1' }\n",
            "Dockerfile\nFROM a AS b\nRUN --mount=type=cache,target=/x <<E\nls\nE\nUSER 1\n",
            "compose.yaml\nservices:\n  a: {image: b, ports: ['1:2']}\n",
            "main.tf\nresource \"a\" \"b\" {\n  c = <<E\nx\nE\n}\n",
            "CODEOWNERS\n* @a\n/b/ @c/d\n",
            "charts/a/Chart.yaml\napiVersion: v2\nname: a\n",
            "openapi.yaml\nopenapi: 3.1.0\npaths: {/a: {get: {}}}\n",
            "a.ipynb\n{\"cells\":[{\"cell_type\":\"code\",\"source\":[\"import a\"]}]}",
            "migrations/1_a.up.sql\nALTER TABLE a DROP COLUMN b;\n",
        ],
    },
    Seeds {
        target: "masks",
        files: &[],
        before: Before::Nothing,
        texts: &[
            "\u{8}\u{3}password and password again, cGFzc3dvcmQ= 70617373776f7264",
            "\u{e}\u{1}line-one\nline2x-line-one-line2x",
        ],
    },
    Seeds {
        target: "messages",
        files: &[],
        before: Before::Nothing,
        texts: &[
            "\0\0\0\u{1e}{\"protocol\":1,\"ask\":\"close\"}  ",
            "\0\0\0\u{1b}{\"refused\":{\"reason\":\"no\"}}",
        ],
    },
    Seeds {
        target: "reports",
        files: &[".xml", ".tap"],
        before: Before::Nothing,
        texts: &["TAP version 13\n1..2\nok 1 - a # SKIP\nnot ok 2\n  ---\n  at: b\n  ...\nBail out!\n"],
    },
    Seeds {
        target: "statements",
        files: &[".sql"],
        before: Before::Nothing,
        texts: &[
            "create temp trigger a before insert on b begin select ';'; end; -- x\n/* y */ explain select \"a\"\"b\", [c;], `d`;",
        ],
    },
    Seeds {
        target: "webhooks",
        files: &[],
        before: Before::Nothing,
        texts: &[
            "x-github-event: push\nx-hub-signature-256: sha256=00\n\n{\"ref\":\"refs/heads/main\",\"after\":\"0123456789abcdef0123456789abcdef01234567\"}",
            "x-gitlab-event: Merge Request Hook\nx-gitlab-token: a\n\n{\"object_attributes\":{\"iid\":7,\"action\":\"open\"}}",
            "x-gitlab-event: System Hook\n\n{\"object_kind\":\"tag_push\",\"ref\":\"refs/tags/v1\",\"after\":\"0123456789abcdef0123456789abcdef01234567\"}",
            "x-gitea-event: create\nx-gitea-signature: 00\n\n{\"ref\":\"a\",\"ref_type\":\"branch\",\"sha\":\"0123456789abcdef0123456789abcdef01234567\"}",
            "x-forgejo-event: pull_request\nx-github-event: pull_request\n\n{\"number\":7,\"action\":\"opened\"}",
        ],
    },
    Seeds {
        target: "workflows",
        files: &[".yml"],
        before: Before::Byte(0),
        texts: &[
            "\0on: push\njobs:\n  a:\n    runs-on: x\n    strategy: {matrix: {v: [1, 2]}}\n    steps:\n    - uses: actions/checkout@v4\n    - run: make test\n",
            "\u{1}a:\n  stage: test\n  script: [make]\n  needs: [b]\n.b: {extends: a}\nc: !reference [a, script]\n",
            "\u{2}pipeline { agent any; stages { stage('x') { steps { sh '''make''' } } } }",
            "\u{3}version: 2.1\njobs: {a: {docker: [{image: b}], steps: [checkout, run: make]}}\nworkflows: {w: {jobs: [a]}}\n",
            "\u{4}trigger: [main]\nstages:\n- stage: a\n  jobs: [{job: b, steps: [{script: make}]}]\n",
            "\u{5}steps:\n- command: make\n- wait\n- block: go\n",
            "\u{f}all: a b\na:\n\tcargo test\n.PHONY: all\n",
        ],
    },
];

/// What a target begins with.
pub fn of(target: &str) -> Option<&'static Seeds> {
    SEEDS.iter().find(|seeds| seeds.target == target)
}

/// Writes what a target begins with into a folder; where the words of its format are, if it has some.
pub fn write(root: &Path, target: &str, folder: &Path) -> Result<Option<PathBuf>, String> {
    let seeds = of(target).ok_or_else(|| format!("`{target}` has no seeds"))?;
    let put = |name: String, bytes: &[u8]| {
        let file = folder.join(name);
        std::fs::write(&file, bytes).map_err(|error| format!("cannot write {}: {error}", file.display()))
    };
    for (number, text) in seeds.texts.iter().enumerate() {
        put(format!("text-{number}"), text.as_bytes())?;
    }
    let tree = Tree::read(root)?;
    let good = tree
        .files()
        .iter()
        .filter(|file| seeds.files.iter().any(|end| file.path.ends_with(end)));
    for (number, file) in good.enumerate() {
        let name = file.path.rsplit('/').next().unwrap_or(&file.path);
        let mut whole = match seeds.before {
            Before::Nothing => Vec::new(),
            Before::Name => format!("{name}\n").into_bytes(),
            Before::Byte(byte) => vec![byte],
        };
        whole.extend(file.text.as_bytes());
        put(format!("file-{number}"), &whole)?;
    }
    let words = root.join(format!("fuzz/dictionaries/{target}"));
    Ok(words.is_file().then_some(words))
}

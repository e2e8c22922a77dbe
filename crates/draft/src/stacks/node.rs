//! Node with npm, pnpm, Yarn or Bun: a package or a workspace.

mod manager;
mod workspace;

use serde_json::Value;

use super::toml_file::text;
use crate::part::{Part, Role, Service, Shipped, Step, Tool};
use crate::service;
use crate::view::{View, join};
use manager::{Manager, manager, workspaces};
pub(super) use workspace::deployed;

/// Where packed packages are put: git ignores it everywhere.
const PACKED: &str = "node_modules/.cache/packed";

/// What one reads in `package.json`.
pub(super) struct Manifest {
    value: Value,
}

impl Manifest {
    fn of(view: &View<'_>, path: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(&view.text(path)?).ok()?;
        value.is_object().then_some(Self { value })
    }

    /// A script that does something.
    fn script(&self, name: &str) -> Option<&str> {
        text(&self.value, &["scripts", name]).filter(|script| {
            let script = script.trim();
            !script.is_empty() && !script.contains("no test specified") && !script.starts_with("echo ")
        })
    }

    fn depends(&self, name: &str) -> bool {
        ["dependencies", "devDependencies", "optionalDependencies"]
            .iter()
            .any(|section| self.value.get(section).and_then(|all| all.get(name)).is_some())
    }

    /// Whether a package that it depends on has this in its name.
    fn brings(&self, part: &str) -> bool {
        let sections = ["dependencies", "devDependencies", "optionalDependencies"];
        let of = |section: &&str| self.value.get(section).and_then(Value::as_object);
        sections
            .iter()
            .filter_map(of)
            .flat_map(|all| all.keys())
            .any(|name| name.contains(part))
    }

    fn has_dependencies(&self) -> bool {
        let sections = ["dependencies", "devDependencies"];
        let of = |section: &&str| self.value.get(section).and_then(Value::as_object);
        sections.iter().filter_map(of).any(|all| !all.is_empty())
    }

    fn is_private(&self) -> bool {
        self.value
            .get("private")
            .is_some_and(|value| value == true || value == "true")
    }

    fn name(&self) -> Option<&str> {
        text(&self.value, &["name"]).filter(|name| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '/' | '~'))
        })
    }

    fn is_published(&self) -> bool {
        !self.is_private() && self.name().is_some() && text(&self.value, &["version"]).is_some()
    }
}

/// Scripts that run when packages are installed.
const LIFECYCLE: &[&str] = &[
    "preinstall",
    "install",
    "postinstall",
    "prepare",
    "preprepare",
    "postprepare",
    "prepublish",
];

/// Programs that check, and what the names of packages have in them that bring each.
const CHECKERS: &[(&str, &[&str])] = &[
    ("eslint", &["eslint", "next", "react-scripts", "nuxt", "scripts"]),
    ("prettier", &["prettier", "scripts"]),
    ("tsc", &["typescript", "tsc", "scripts"]),
    ("biome", &["biome"]),
    ("standard", &["standard"]),
    ("xo", &["xo"]),
    ("tslint", &["tslint"]),
    ("oxlint", &["oxlint"]),
];

/// Programs that want a browser, which no registry brings.
const BROWSERS: &[&str] = &[
    "playwright",
    "cypress",
    "karma",
    "puppeteer",
    "wdio",
    "testcafe",
    "nightwatch",
    "ng test",
];

/// Whether a script starts a program that wants a browser.
pub(crate) fn wants_browser(script: &str) -> bool {
    BROWSERS.iter().any(|name| script.contains(name))
}

pub(super) fn look(view: &View<'_>, folder: &str) -> Option<Part> {
    let path = join(folder, "package.json");
    let manifest = Manifest::of(view, &path)?;
    let (manager, lock) = manager(view, folder, &manifest);
    let scripts = ["build", "test", "compile", "lint"];
    let own_scripts = scripts.iter().any(|name| manifest.script(name).is_some());
    let workspaces = workspaces(view, folder, &manifest);
    if !own_scripts && workspaces.is_empty() && (lock.is_none() || !manifest.is_published()) {
        return None;
    }
    let kind = match manager {
        Manager::Berry => "Node with yarn".to_owned(),
        other => format!("Node with {}", other.program()),
    };
    let kind = if workspaces.is_empty() {
        kind
    } else {
        format!("{kind}, a workspace")
    };
    let mut part = Part::new(kind, Tool::Node, folder);
    part.because(&path);
    part.uses("node");
    part.uses(manager.program());
    match &lock {
        Some(lock) => part.because(lock),
        None => part.notes.push(format!(
            "{path} has no lock file beside it: each run takes the newest packages that fit"
        )),
    }
    let members: Vec<Manifest> = workspaces
        .iter()
        .filter_map(|member| Manifest::of(view, &join(member, "package.json")))
        .collect();
    let steps = Steps {
        view,
        folder,
        lock: lock.as_deref().map(crate::view::name_of),
        manager,
        manifest: &manifest,
        members: &members,
        locked: lock.is_some(),
        pure: folder.is_empty() && lock.is_some(),
    };
    steps.fill(&mut part);
    steps.ship(view, folder, &mut part);
    Some(part)
}

struct Steps<'a> {
    view: &'a View<'a>,
    folder: &'a str,
    /// The name of the lock file.
    lock: Option<&'a str>,
    manager: Manager,
    manifest: &'a Manifest,
    members: &'a [Manifest],
    locked: bool,
    pure: bool,
}

impl Steps<'_> {
    /// The command for a script, of the package or of all members that have it.
    fn command(&self, names: &[&str]) -> Option<(String, String)> {
        if let Some(name) = names.iter().find(|name| self.manifest.script(name).is_some()) {
            return Some((self.manager.run(name), self.manifest.script(name)?.to_owned()));
        }
        let name = names
            .iter()
            .find(|name| self.members.iter().any(|member| member.script(name).is_some()))?;
        let scripts: Vec<&str> = self.members.iter().filter_map(|member| member.script(name)).collect();
        Some((self.manager.run_in_all(name)?, scripts.join(" ")))
    }

    /// What installs the packages. What was installed stays as long as the lock file, the manifest and Node are the
    /// same, where installing does nothing but that.
    fn install(&self) -> Step {
        let command = self.manager.install(self.locked);
        let does_more = LIFECYCLE.iter().any(|name| self.manifest.script(name).is_some());
        let is_plain = matches!(self.manager, Manager::Npm | Manager::Pnpm | Manager::Yarn)
            && self.members.is_empty()
            && self.manifest.has_dependencies();
        let (Some(lock), true, false) = (self.lock, is_plain, does_more) else {
            return Step::new(Role::Install, [command]);
        };
        let state = format!("node --version | cat - package.json {lock}");
        Step::new(
            Role::Install,
            [
                format!("{state} | cmp -s - node_modules/.installed || {command}"),
                format!("{state} > node_modules/.installed"),
            ],
        )
        .about("what is installed stays as long as Node and both files are the same")
        .cache("node_modules", "node_modules")
    }

    /// What the build leaves, where its result can be kept: a folder of which nothing is in the repository.
    fn kept_output(&self) -> Option<String> {
        let output = self
            .output(self.view, self.folder)
            .filter(|_| self.pure && self.members.is_empty())?;
        let asks = ["git ", "curl ", "wget "];
        let scripts = self
            .manifest
            .value
            .get("scripts")
            .map(Value::to_string)
            .unwrap_or_default();
        let fits =
            !self.view.has_folder(&join(self.folder, &output)) && !asks.iter().any(|word| scripts.contains(word));
        fits.then_some(output)
    }

    /// The tool that a check starts and that nothing here installs: whoever wrote it has it on the machine.
    fn missing<'s>(&self, script: &'s str) -> Option<&'s str> {
        let program = script.split_whitespace().next()?;
        let packages = CHECKERS
            .iter()
            .find(|(name, _)| *name == program)
            .map(|(_, packages)| *packages)?;
        let brings = |manifest: &Manifest| packages.iter().any(|part| manifest.brings(part));
        (!brings(self.manifest) && !self.members.iter().any(brings)).then_some(program)
    }

    fn fill(&self, part: &mut Part) {
        let tools = ["node --version"];
        let mut install = self.install();
        if self.manifest.depends("husky") {
            install = install.about("without hooks of git, which are for people");
            install.variables.insert("HUSKY".to_owned(), "0".to_owned());
        }
        part.steps.push(install);
        for (role, names) in [
            (
                Role::Format,
                &[
                    "format:check",
                    "check:format",
                    "check-format",
                    "fmt:check",
                    "prettier:check",
                ][..],
            ),
            (Role::Lint, &["lint", "lint:js", "eslint"][..]),
            (
                Role::Types,
                &["typecheck", "type-check", "check-types", "types:check", "tsc"][..],
            ),
        ] {
            if let Some((command, script)) = self.command(names)
                && !script.contains("--fix")
                && !script.contains("--write")
            {
                if let Some(missing) = self.missing(&script) {
                    part.notes.push(format!(
                        "`{command}` is left out: it starts `{missing}`, which no package.json here brings"
                    ));
                    continue;
                }
                part.steps
                    .push(Step::new(role, [command]).needs("install").kept(self.pure, &[], &tools));
            }
        }
        let build = self.command(&["build", "compile", "dist"]);
        let output = build.as_ref().and_then(|_| self.kept_output());
        if let Some((command, _)) = &build {
            let mut outputs: Vec<String> = output.iter().cloned().collect();
            if output.as_deref() == Some(".next") {
                outputs.push("!.next/cache".to_owned());
            }
            let step = Step::new(Role::Build, [command.clone()]).needs("install");
            part.steps.push(step.kept(output.is_some(), &outputs, &tools));
        }
        let pure = self.pure && (build.is_none() || output.is_some());
        let Some((command, script)) = self.command(&["test:unit", "test", "tests", "test:ci"]) else {
            return;
        };
        if let Some(browser) = BROWSERS.iter().find(|name| script.contains(*name)) {
            part.notes.push(format!(
                "the tests are left out: they want a browser ({browser}); add a step with `{command}` where one is installed"
            ));
            return;
        }
        let mut test = Step::new(Role::Test, [command]).needs("install");
        if build.is_some() {
            test = test.needs("build");
        }
        part.steps.push(test.kept(pure, &[], &tools));
    }

    /// What the package takes.
    fn ship(&self, view: &View<'_>, folder: &str, part: &mut Part) {
        let service = self.service(view, folder);
        let published: Vec<&Manifest> = self.members.iter().filter(|member| member.is_published()).collect();
        if service.is_none() && self.manifest.is_published() && self.pack(part) {
            return;
        }
        if service.is_none() && !published.is_empty() && self.pack_members(&published, part) {
            return;
        }
        let built = part.step(Role::Build).is_some();
        let output = built.then(|| self.output(view, folder)).flatten();
        if let Some(service) = service {
            self.ship_service(view, folder, part, output.as_deref());
            part.service = Some(service);
            return;
        }
        match output {
            Some(output) => part.files.push(Shipped::as_it_is(output)),
            // Started as it is: its code, and the packages that it depends on.
            None if !built && self.manifest.script("start").is_some() && self.members.is_empty() => {
                self.ship_service(view, folder, part, None);
            }
            None if built => part.about_files.push(
                "where the build puts its result was not found: name the folder under `package: files:`".to_owned(),
            ),
            None => part
                .about_files
                .push("nothing is built and nothing is published, so there is no package".to_owned()),
        }
    }

    fn pack(&self, part: &mut Part) -> bool {
        let command = match self.manager {
            Manager::Npm => format!("npm pack --pack-destination {PACKED}"),
            Manager::Pnpm => format!("pnpm pack --pack-destination {PACKED}"),
            Manager::Yarn => format!("yarn pack --filename {PACKED}/package.tgz"),
            Manager::Berry => format!("yarn pack --out {PACKED}/package.tgz"),
            Manager::Bun => format!("bun pm pack --destination {PACKED}"),
        };
        pack_by(command, "the package holds what publishing would hand in", part);
        let is_kept = part.step(Role::Build).is_none_or(|build| build.kept.is_some());
        let does_more = ["prepack", "postpack", "prepare", "prepublish"]
            .iter()
            .any(|name| self.manifest.script(name).is_some());
        if let Some(step) = part.steps.iter_mut().find(|step| step.role == Role::Pack) {
            let keeps = self.pure && self.members.is_empty() && is_kept && !does_more;
            *step = step.clone().kept(keeps, &[PACKED.to_owned()], &["node --version"]);
        }
        true
    }

    fn pack_members(&self, published: &[&Manifest], part: &mut Part) -> bool {
        let names: Vec<&str> = published.iter().filter_map(|member| member.name()).take(40).collect();
        let choose = |flag: &str| names.iter().map(|name| format!(" {flag} {name}")).collect::<String>();
        let command = match self.manager {
            Manager::Npm => format!("npm pack --pack-destination {PACKED}{}", choose("-w")),
            Manager::Pnpm => format!(
                "pnpm{} exec pnpm pack --pack-destination \"$PWD/{PACKED}\"",
                choose("--filter")
            ),
            Manager::Berry => format!(
                "yarn workspaces foreach --all{} pack --out \"$PWD/{PACKED}/%s.tgz\"",
                choose("--include")
            ),
            // These have no way to pack several members; npm reads the same list of them.
            Manager::Yarn | Manager::Bun => format!("npm pack --pack-destination {PACKED}{}", choose("-w")),
        };
        pack_by(
            command,
            "the package holds what publishing the members would hand in",
            part,
        );
        true
    }

    /// The folder that the build leaves its result in.
    fn output(&self, view: &View<'_>, folder: &str) -> Option<String> {
        let (_, script) = self.command(&["build", "compile", "dist"])?;
        // The build may start it by way of another script.
        let scripts = self.manifest.value.get("scripts").map(Value::to_string);
        if scripts.is_some_and(|scripts| scripts.contains("next build")) {
            return Some(".next".to_owned());
        }
        if let Some(named) = after(&script, "--outDir ")
            .or_else(|| after(&script, "--out-dir "))
            .or_else(|| after(&script, "--dist-dir "))
        {
            return plain(named);
        }
        let has = |name: &str| script.contains(name) || (script.contains("run ") && self.manifest.depends(name));
        for (tool, output) in [
            ("next build", ".next"),
            ("react-scripts", "build"),
            ("docusaurus", "build"),
            ("svelte-kit", "build"),
            ("vitepress", ".vitepress/dist"),
            ("nuxt generate", ".output/public"),
            ("nuxt", ".output"),
            ("eleventy", "_site"),
            ("gatsby", "public"),
            ("astro", "dist"),
            ("vite", "dist"),
            ("webpack", "dist"),
            ("rollup", "dist"),
            ("parcel", "dist"),
            ("tsup", "dist"),
            ("tsdown", "dist"),
            ("ng build", "dist"),
            ("nest build", "dist"),
            ("vue-cli-service", "dist"),
            ("esbuild", "dist"),
        ] {
            if has(tool) {
                return Some(output.to_owned());
            }
        }
        if script.contains("tsc") {
            let text = view.text(&join(folder, "tsconfig.json"))?;
            let from = text.find("\"outDir\"")?;
            let value = text[from + 8..].split('"').nth(1)?;
            return plain(value.trim_start_matches("./").trim_end_matches('/'));
        }
        ["main", "module"]
            .iter()
            .filter_map(|key| text(&self.manifest.value, &[key]))
            .filter_map(|main| main.trim_start_matches("./").split_once('/'))
            .map(|(folder, _)| folder.to_owned())
            .find(|output| !view.has_folder(&join(folder, output)))
            .and_then(|output| plain(&output))
    }

    /// A program that answers requests: it has a start script and takes its port from a variable.
    fn service(&self, view: &View<'_>, folder: &str) -> Option<Service> {
        const FRAMEWORKS: &[&str] = &[
            "express",
            "fastify",
            "koa",
            "@hapi/hapi",
            "@nestjs/core",
            "hono",
            "next",
            "polka",
            "restify",
        ];
        if !self.members.is_empty()
            || !FRAMEWORKS.iter().any(|name| {
                self.manifest
                    .value
                    .get("dependencies")
                    .and_then(|all| all.get(*name))
                    .is_some()
            })
        {
            return None;
        }
        let start = self
            .manifest
            .script("start:prod")
            .or_else(|| self.manifest.script("start"))?;
        let words: Vec<String> = start.split_whitespace().map(str::to_owned).collect();
        if words == ["next", "start"] {
            return Some(Service {
                command: [
                    "sh",
                    "-c",
                    "exec node node_modules/next/dist/bin/next start --port \"$PORT\"",
                ]
                .map(str::to_owned)
                .into(),
                port: None,
                health: None,
                about: vec!["`next start` is told its port".to_owned()],
            });
        }
        if words.first().map(String::as_str) != Some("node") || start.contains(['&', '|', ';', '$', '"', '\'']) {
            return None;
        }
        Some(service::look(view, folder, &["js", "mjs", "cjs", "ts"])?.running(words))
    }

    /// What a service needs to run: its sources or what was built, and the packages that it depends on.
    fn ship_service(&self, view: &View<'_>, folder: &str, part: &mut Part, output: Option<&str>) {
        let deploy = "node_modules/.cache/deploy";
        let mut run = vec![format!("rm -rf {deploy} && mkdir -p {deploy}")];
        let lock = match self.manager {
            Manager::Npm => "package-lock.json",
            Manager::Pnpm => "pnpm-lock.yaml",
            Manager::Yarn | Manager::Berry => "yarn.lock",
            Manager::Bun => "bun.lock",
        };
        let lock = if view.is_file(&join(folder, lock)) {
            format!(" {lock}")
        } else {
            String::new()
        };
        run.push(format!("cp package.json{lock} {deploy}/"));
        run.push(match self.manager {
            Manager::Npm if self.locked => format!("npm ci --omit=dev --ignore-scripts --prefix {deploy}"),
            Manager::Npm => format!("npm install --omit=dev --ignore-scripts --prefix {deploy}"),
            Manager::Pnpm => format!("pnpm install --prod --ignore-scripts --ignore-workspace --dir {deploy}"),
            Manager::Yarn | Manager::Berry => format!("(cd {deploy} && yarn install --production --ignore-scripts)"),
            Manager::Bun => format!("(cd {deploy} && bun install --production)"),
        });
        let after = if part.step(Role::Build).is_some() {
            "build"
        } else {
            "install"
        };
        part.steps.push(
            Step::new(Role::Pack, run)
                .about("what the service depends on, without what only its development needs")
                .needs(after),
        );
        part.files.push(Shipped::as_it_is("package.json"));
        part.files
            .push(Shipped::new(format!("{deploy}/node_modules"), "node_modules"));
        if let Some(output) = output {
            part.files.push(Shipped::as_it_is(output));
        }
        let mut sources: Vec<String> = view
            .below(folder)
            .filter_map(|path| {
                let inner = if folder.is_empty() {
                    path
                } else {
                    &path[folder.len() + 1..]
                };
                let top = inner.split('/').next()?;
                let is_code = inner.contains('/') || matches!(top.rsplit_once('.')?.1, "js" | "mjs" | "cjs");
                let is_tooling = top.starts_with('.') || top.contains(".config.") || crate::view::is_beside(top);
                (is_code && !is_tooling && Some(top) != output).then(|| top.to_owned())
            })
            .collect();
        sources.sort();
        sources.dedup();
        let taken = output.is_some();
        for source in sources
            .into_iter()
            .filter(|source| !taken || matches!(source.as_str(), "public" | "views" | "migrations"))
        {
            if let Some(source) = plain(&source) {
                part.files.push(Shipped::as_it_is(source));
            }
        }
    }
}

/// A step that packs by `command` what was built or installed, and what it leaves for the package.
fn pack_by(command: String, about: &str, part: &mut Part) {
    let after = if part.step(Role::Build).is_some() {
        "build"
    } else {
        "install"
    };
    part.steps
        .push(Step::new(Role::Pack, [fresh(), command]).about(about).needs(after));
    part.files.push(Shipped::new(format!("{PACKED}/*.tgz"), "npm"));
}

/// Makes the folder of packed packages anew.
fn fresh() -> String {
    format!("rm -rf {PACKED} && mkdir -p {PACKED}")
}

fn after<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    text.split_once(word)?.1.split_whitespace().next()
}

/// A path that is taken as it is written.
fn plain(path: &str) -> Option<String> {
    let path = path.trim_start_matches("./").trim_end_matches('/');
    let fits = !path.is_empty()
        && !path.starts_with('/')
        && !path.split('/').any(|part| part == ".." || part.is_empty())
        && path
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
    fits.then(|| path.to_owned())
}

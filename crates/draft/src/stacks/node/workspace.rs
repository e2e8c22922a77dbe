//! What a workspace of Node deploys: its services and its pages, each as a part of its own.
//!
//! A member is installed with the whole workspace, since there is one lock file for all, and built after the members
//! that it uses. A service is packaged as a small workspace: the manifests, what it depends on as the lock file says,
//! and the members that it uses beside it, in the same places.

use std::collections::BTreeSet;

use serde_json::Value;

use super::manager::{Manager, manager, workspaces};
use super::{Manifest, Steps};
use crate::part::{Part, Role, Service, Shipped, Step, Tool};
use crate::stacks::Deployed;
use crate::view::{View, is_beside, join, name_of};

/// Where a service is put together: git ignores it everywhere.
const TOGETHER: &str = "node_modules/.cache/together";
/// Files at the top that say how members are installed and built.
const SHARED: &[&str] = &[
    "package.json",
    ".npmrc",
    ".yarnrc.yml",
    "pnpm-workspace.yaml",
    "turbo.json",
    "nx.json",
    "tsconfig.json",
    "tsconfig.base.json",
    "babel.config.js",
    "babel.config.json",
];

struct Member {
    folder: String,
    manifest: Manifest,
}

struct Workspace<'a> {
    view: &'a View<'a>,
    manager: Manager,
    lock: Option<String>,
    members: Vec<Member>,
}

/// What is deployed of a workspace at the root.
pub(in crate::stacks) fn deployed(view: &View<'_>) -> Deployed {
    let Some(root) = Manifest::of(view, "package.json") else {
        return Deployed::default();
    };
    let (manager, lock) = manager(view, "", &root);
    let folders = workspaces(view, "", &root).into_iter();
    let members = folders.filter_map(|folder| {
        let manifest = Manifest::of(view, &join(&folder, "package.json"))?;
        (!is_beside(&folder) && super::plain(&folder).is_some()).then_some(Member { folder, manifest })
    });
    let workspace = Workspace {
        view,
        manager,
        lock,
        members: members.collect(),
    };
    let is_published = workspace.members.iter().any(|member| member.manifest.is_for_others());
    let kinds: Vec<(&Member, Kind)> = workspace
        .members
        .iter()
        .filter_map(|member| Some((member, workspace.kind(member, is_published)?)))
        .collect();
    if kinds.len() < 2 {
        return Deployed::default();
    }
    if matches!(manager, Manager::Berry | Manager::Bun) {
        let names: Vec<&str> = kinds.iter().map(|(member, _)| member.folder.as_str()).collect();
        return Deployed {
            note: Some(format!(
                "{} are deployed each by itself, and are one package here: {} is not known to install what one of them needs; `components:` with a definition in each folder takes them apart",
                names.join(", "),
                match manager {
                    Manager::Bun => "Bun",
                    _ => "Yarn from version 2 on",
                }
            )),
            ..Deployed::default()
        };
    }
    let parts = kinds.into_iter().map(|(member, kind)| workspace.part(member, kind));
    Deployed {
        parts: parts.collect(),
        is_published,
        note: None,
    }
}

/// What a member is when it is deployed.
enum Kind {
    Service(Service),
    /// Files that the build leaves in this folder.
    Pages(String),
}

impl Manifest {
    /// Whether a registry is meant to have it: many that nobody publishes do not say that they are private.
    fn is_for_others(&self) -> bool {
        self.is_published()
            && ["files", "publishConfig"]
                .iter()
                .any(|key| self.value.get(key).is_some())
    }

    /// The names of what it depends on.
    fn dependencies(&self) -> impl Iterator<Item = &str> {
        let sections = [
            "dependencies",
            "devDependencies",
            "optionalDependencies",
            "peerDependencies",
        ];
        let of = |section| self.value.get(section).and_then(Value::as_object);
        sections
            .into_iter()
            .filter_map(of)
            .flat_map(|all| all.keys().map(String::as_str))
    }
}

impl Workspace<'_> {
    fn steps<'s>(&'s self, member: &'s Member) -> Steps<'s> {
        Steps {
            view: self.view,
            folder: &member.folder,
            lock: None,
            manager: self.manager,
            manifest: &member.manifest,
            members: &[],
            locked: self.lock.is_some(),
            pure: false,
        }
    }

    /// What a member is deployed as; nothing where it is not.
    fn kind(&self, member: &Member, some_are_published: bool) -> Option<Kind> {
        let steps = self.steps(member);
        if let Some(service) = steps.service(self.view, &member.folder) {
            return Some(Kind::Service(service));
        }
        // Pages beside packages for a registry are mostly their documents.
        if some_are_published || member.manifest.is_for_others() || member.manifest.script("build").is_none() {
            return None;
        }
        let is_page = PAGES.iter().any(|name| member.manifest.depends(name));
        steps
            .output(self.view, &member.folder)
            .filter(|_| is_page)
            .map(Kind::Pages)
    }

    /// The members that one uses, directly or over others, each after those that it uses itself.
    fn used(&self, member: &Member) -> Vec<&Member> {
        fn visit<'w>(all: &'w [Member], of: &Member, seen: &mut BTreeSet<&'w str>, found: &mut Vec<&'w Member>) {
            for name in of.manifest.dependencies() {
                let named = all.iter().find(|other| other.manifest.name() == Some(name));
                let Some(other) = named.filter(|other| seen.insert(&other.folder)) else {
                    continue;
                };
                visit(all, other, seen, found);
                found.push(other);
            }
        }
        let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
        if let Some(own) = self.members.iter().find(|other| other.folder == member.folder) {
            seen.insert(own.folder.as_str());
        }
        visit(&self.members, member, &mut seen, &mut found);
        found
    }

    fn part(&self, member: &Member, kind: Kind) -> (Part, Vec<String>) {
        let program = self.manager.program();
        let mut part = Part::new(format!("Node with {program}"), Tool::Node, &member.folder);
        part.because(&join(&member.folder, "package.json"));
        part.uses("node");
        part.uses(program);
        let used = self.used(member);
        let top = up(&member.folder);
        part.steps.push(
            Step::new(
                Role::Install,
                [format!("(cd {top} && {})", self.manager.install(self.lock.is_some()))],
            )
            .about("the whole workspace: its members have one lock file"),
        );
        let mut build: Vec<String> = used
            .iter()
            .filter(|other| other.manifest.script("build").is_some())
            .map(|other| format!("(cd {top}/{} && {})", other.folder, self.manager.run("build")))
            .collect();
        let of_others = !build.is_empty();
        build.extend(member.manifest.script("build").map(|_| self.manager.run("build")));
        if !build.is_empty() {
            let step = Step::new(Role::Build, build).needs("install");
            part.steps.push(match of_others {
                true => step.about("after the members of the workspace that it uses"),
                false => step,
            });
        }
        let built = if part.step(Role::Build).is_some() {
            "build"
        } else {
            "install"
        };
        if let Some(script) = member.manifest.script("test")
            && !super::wants_browser(script)
        {
            part.steps
                .push(Step::new(Role::Test, [self.manager.run("test")]).needs(built));
        }
        match kind {
            Kind::Pages(output) => part.files.push(Shipped::as_it_is(output)),
            Kind::Service(service) => {
                part.steps.push(
                    Step::new(Role::Pack, self.together(member, &used, &top))
                        .about("the service, the members that it uses, and what they depend on, in the places of the workspace")
                        .needs(built),
                );
                part.files.push(Shipped::new(TOGETHER, "."));
                part.service = Some(in_its_folder(service, &member.folder));
            }
        }
        let mut also: Vec<String> = SHARED.iter().map(|name| (*name).to_owned()).collect();
        also.extend(self.lock.clone());
        also.retain(|path| self.view.is_file(path));
        let mut folders: Vec<String> = used.iter().map(|other| other.folder.clone()).collect();
        folders.sort();
        also.extend(folders);
        (part, also)
    }

    /// The commands that put a service together.
    fn together(&self, member: &Member, used: &[&Member], top: &str) -> Vec<String> {
        let folder = &member.folder;
        let mut shared: Vec<String> = self.lock.iter().map(|lock| name_of(lock).to_owned()).collect();
        let named = [".npmrc", ".yarnrc", "pnpm-workspace.yaml"];
        shared.extend(
            named
                .iter()
                .filter(|name| self.view.is_file(name))
                .map(|name| (*name).to_owned()),
        );
        let locked = self.lock.is_some();
        let install = match self.manager {
            Manager::Pnpm => {
                let frozen = if locked {
                    "--frozen-lockfile"
                } else {
                    "--no-frozen-lockfile"
                };
                format!("pnpm install {frozen} --prod --ignore-scripts --filter './{folder}...'")
            }
            Manager::Yarn | Manager::Berry | Manager::Bun => {
                let frozen = if locked { " --frozen-lockfile" } else { "" };
                format!("yarn install{frozen} --production --ignore-scripts --non-interactive")
            }
            Manager::Npm => {
                let install = if locked { "ci" } else { "install" };
                format!("npm {install} --omit=dev --ignore-scripts --workspace {folder}")
            }
        };
        let folders: Vec<&str> = std::iter::once(folder.as_str())
            .chain(used.iter().map(|other| other.folder.as_str()))
            .collect();
        let shared: String = shared.iter().map(|name| format!(" {name}")).collect();
        let mut run = vec![
            format!("rm -rf {TOGETHER} && mkdir -p {TOGETHER}"),
            format!("into=\"$PWD/{TOGETHER}\""),
            format!("cd {top}"),
            format!(
                "find . -name node_modules -prune -o -name package.json -print | tar -cf - -T -{shared} | tar -xf - -C \"$into\""
            ),
            format!("(cd \"$into\" && {install})"),
            format!(
                "tar --exclude=node_modules --exclude=throughline.yaml -cf - {} | tar -xf - -C \"$into\"",
                folders.join(" ")
            ),
        ];
        if self.manager == Manager::Pnpm {
            run.push("# when it was installed is no part of it".to_owned());
            run.push(
                "rm -f \"$into\"/node_modules/.modules.yaml \"$into\"/node_modules/.pnpm-workspace-state*.json"
                    .to_owned(),
            );
        }
        run
    }
}

/// Programs that make pages.
const PAGES: &[&str] = &[
    "vite",
    "next",
    "nuxt",
    "astro",
    "react-scripts",
    "webpack",
    "parcel",
    "gatsby",
    "@angular/cli",
    "@vue/cli-service",
    "@sveltejs/kit",
];

/// The way from a folder to the top.
fn up(folder: &str) -> String {
    let parts: Vec<&str> = folder.split('/').map(|_| "..").collect();
    parts.join("/")
}

/// A service as it is started from the top of its package.
fn in_its_folder(service: Service, folder: &str) -> Service {
    let command = match service.command.as_slice() {
        [_, flag, script] if flag == "-c" => script.replace(
            "node_modules/next/dist/bin/next",
            "\"$(node -p 'require.resolve(\"next/dist/bin/next\")')\"",
        ),
        words => format!("exec {}", words.join(" ")),
    };
    Service {
        command: ["sh".to_owned(), "-c".to_owned(), format!("cd {folder} && {command}")].into(),
        ..service
    }
}

//! Kubernetes: objects, charts, kustomizations, and what brings them into a cluster.
//!
//! A manifest counts by its `apiVersion` and `kind`, not by its folder. Templates of charts are no YAML
//! before they are filled in: of them the lines that fill-ins do not touch are read.

use serde_json::Value;

use crate::catalogue::name_of;
use crate::context::{Context, is_chart_template, text};
use crate::known::Names;
use crate::languages::in_test_folder;
use crate::observation::{At, Observations, at, at_line};
use crate::reading::{line_of, lines};

#[rustfmt::skip]
pub(super) const NAMES: Names = &[
    (&["helmfile.yaml", "helmfile.yml", "helmfile.yaml.gotmpl"], "deploy_scripts", "helmfile"),
    (&["skaffold.yaml"], "deploy_scripts", "skaffold"),
    (&["tiltfile"], "development_environment", "tilt"),
    (&["fleet.yaml"], "gitops", "fleet"),
    (&["werf.yaml"], "deploy_scripts", "werf"),
    (&["devspace.yaml"], "development_environment", "devspace"),
];

/// Whether a document is an object of Kubernetes.
fn kind_of(value: &Value) -> Option<(&str, &str)> {
    let version = text(value, "apiVersion")?;
    let kind = text(value, "kind")?;
    (kind.starts_with(|letter: char| letter.is_ascii_uppercase()) && !version.contains(' ')).then_some((version, kind))
}

/// The largest number of instances is kept as one observation.
pub(super) fn replicas(notes: &mut Observations, path: &str, line: Option<u32>, count: i64) {
    let count = u32::try_from(count.clamp(0, 100_000)).unwrap_or(0);
    let known = notes
        .all()
        .iter()
        .filter(|observation| observation.measure == "replicas")
        .map(|observation| observation.weight)
        .max();
    if known.is_none_or(|known| known < count) {
        notes.retain(|observation| observation.measure != "replicas");
        notes.times("replicas", count, at_line(path, line, format!("replicas: {count}")));
    }
}

pub(super) fn look(context: &mut Context<'_>) {
    let mut notes = std::mem::take(&mut context.notes);
    for file in &context.data {
        let name = name_of(&file.path);
        if in_test_folder(&file.path) && !file.path.contains("overlays/") {
            continue;
        }
        if file.broken && file.text.contains("apiVersion:") {
            notes.doubt(&["kubernetes", "rolling_or_canary", "health_checks"], &at(&file.path));
        }
        for document in &file.documents {
            if name.eq_ignore_ascii_case("Chart.yaml") && document.value.get("apiVersion").is_some() {
                notes.yes(
                    "helm",
                    at_line(
                        &file.path,
                        Some(document.line),
                        text(&document.value, "name").unwrap_or_default(),
                    ),
                );
                notes.word("build_tools", "helm", at(&file.path));
                continue;
            }
            if matches!(name, "kustomization.yaml" | "kustomization.yml" | "Kustomization")
                && document.value.is_object()
            {
                notes.yes("kustomize", at(&file.path));
                continue;
            }
            match &document.value {
                Value::Object(members) if members.get("kind").and_then(Value::as_str) == Some("List") => {
                    if let Some(Value::Array(items)) = members.get("items") {
                        for item in items {
                            object(item, &file.path, document.line, &file.text, &mut notes);
                        }
                    }
                }
                value => object(value, &file.path, document.line, &file.text, &mut notes),
            }
        }
    }
    charts(context, &mut notes);
    context.notes = notes;
    if !context.data_complete {
        context.notes.doubt(
            &["kubernetes", "helm", "kustomize", "gitops", "rolling_or_canary"],
            &at(""),
        );
    }
}

/// One object, at the line its document begins.
fn object(value: &Value, path: &str, line: u32, whole: &str, notes: &mut Observations) {
    let Some((version, kind)) = kind_of(value) else { return };
    let name = value
        .get("metadata")
        .and_then(|meta| text(meta, "name"))
        .unwrap_or_default();
    let here = || at_line(path, Some(line), format!("{kind} {name}"));
    let group = version.split('/').next().unwrap_or_default();
    match group {
        "argoproj.io" => match kind {
            "Application" | "ApplicationSet" | "AppProject" => notes.word("gitops", "argocd", here()),
            "Rollout" => {
                notes.yes("kubernetes", here());
                if let Some(Value::Object(strategy)) = value.get("spec").and_then(|spec| spec.get("strategy")) {
                    let word = if strategy.contains_key("blueGreen") {
                        "blue-green"
                    } else {
                        "canary"
                    };
                    notes.word("rollout_strategies", word, here());
                    notes.yes("rolling_or_canary", here());
                }
            }
            "Workflow" | "WorkflowTemplate" | "CronWorkflow" => notes.word("build_tools", "argo-workflows", here()),
            _ => {}
        },
        group if group.ends_with("toolkit.fluxcd.io") => {
            notes.word("gitops", "flux", here());
            if kind == "HelmRelease" {
                // What the chart of somebody else sets is not seen here.
                notes.doubt(&["rolling_or_canary", "rollout_strategies", "health_checks"], &here());
            }
        }
        "fleet.cattle.io" => notes.word("gitops", "fleet", here()),
        "flagger.app" => {
            notes.word("rollout_strategies", "canary", here());
            notes.yes("rolling_or_canary", here());
        }
        "kustomize.config.k8s.io" => notes.yes("kustomize", here()),
        "skaffold"
        | "backstage.io"
        | "tekton.dev"
        | "triggers.tekton.dev"
        | "dashboard.tekton.dev"
        | "kind.x-k8s.io"
        | "ctlptl.dev"
        | "ct"
        | "kuttl.dev"
        | "chainsaw.kyverno.io"
        | "helm.sh"
        | "operators.coreos.com" => {}
        "bitnami.com" => notes.word("secrets_encrypted", "sealed-secrets", here()),
        "external-secrets.io" | "kubernetes-client.io" | "secrets.hashicorp.com" => {
            notes.word("secrets_encrypted", "external-secrets", here());
            notes.yes("kubernetes", here());
        }
        "crossplane.io" | "apiextensions.crossplane.io" | "pkg.crossplane.io" => {
            notes.word("infrastructure", "crossplane", here())
        }
        "monitoring.coreos.com" => {
            notes.yes("kubernetes", here());
            if matches!(kind, "PrometheusRule" | "ServiceMonitor" | "PodMonitor") {
                notes.word("observability", "prometheus", here());
            }
        }
        "sloth.slok.dev" | "openslo" | "pyrra.dev" | "monitoring.googleapis.com" => notes.yes("slo", here()),
        "serving.kserve.io" | "machinelearning.seldon.io" => notes.word("ml", "model-serving", here()),
        "sparkoperator.k8s.io" | "kubeflow.org" => notes.word("ml_pipelines", "kubeflow", here()),
        "kyverno.io" | "templates.gatekeeper.sh" | "constraints.gatekeeper.sh" => {
            notes.word("security_config", "policy-controller", here())
        }
        _ => {
            // Configuration of programs looks like an object too: those have names and specifications.
            let core = version == "v1"
                || group == "apps"
                || group == "batch"
                || group.ends_with(".k8s.io")
                || group.contains('.');
            if core && (value.get("metadata").is_some() || kind == "Config") {
                if kind == "Config" && value.get("clusters").is_some() {
                    return;
                }
                notes.yes("kubernetes", here());
                workload(value, kind, path, line, whole, notes);
            }
        }
    }
}

/// How instances of a workload are replaced and watched.
fn workload(value: &Value, kind: &str, path: &str, line: u32, whole: &str, notes: &mut Observations) {
    if !matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet") {
        if matches!(kind, "VirtualService" | "TrafficSplit" | "HTTPRoute") && weights(value) {
            notes.word("rollout_strategies", "canary", at_line(path, Some(line), kind));
            notes.yes("rolling_or_canary", at_line(path, Some(line), kind));
        }
        return;
    }
    let Some(spec) = value.get("spec") else { return };
    let line_in = |needle: &str| -> Option<u32> {
        let skipped: usize = whole.lines().take(line as usize - 1).map(|text| text.len() + 1).sum();
        line_of(whole.get(skipped..)?, needle).map(|within| within + line - 1)
    };
    if let Some(count) = spec.get("replicas").and_then(Value::as_i64) {
        replicas(notes, path, line_in("replicas"), count);
    }
    let strategy = spec
        .get("strategy")
        .or_else(|| spec.get("updateStrategy"))
        .and_then(|strategy| text(strategy, "type"));
    let place = |needle: &str| at_line(path, line_in(needle).or(Some(line)), kind);
    match (strategy, kind) {
        (Some("Recreate" | "OnDelete"), _) => {
            notes.word("rollout_strategies", "recreate", place("strategy"));
            notes.no("rolling_or_canary", place("strategy"));
        }
        (Some(_), _) => {
            notes.word("rollout_strategies", "rolling", place("trategy"));
            notes.yes("rolling_or_canary", place("trategy"));
        }
        // Replacing step by step is what a Deployment does unless told otherwise.
        (None, "Deployment") => {
            notes.word("rollout_strategies", "rolling", place("kind: Deployment"));
            notes.yes("rolling_or_canary", place("kind: Deployment"));
        }
        _ => {}
    }
    let containers = spec
        .get("template")
        .and_then(|template| template.get("spec"))
        .and_then(|pod| pod.get("containers"))
        .and_then(Value::as_array);
    for container in containers.into_iter().flatten() {
        for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
            if container.get(probe).is_some() {
                notes.yes("health_checks", at_line(path, line_in(probe), probe));
                break;
            }
        }
    }
}

/// Whether traffic is split by weights.
fn weights(value: &Value) -> bool {
    fn within(value: &Value, depth: usize) -> usize {
        if depth > 12 {
            return 0;
        }
        match value {
            Value::Object(members) => {
                usize::from(members.get("weight").is_some_and(Value::is_number))
                    + members.values().map(|member| within(member, depth + 1)).sum::<usize>()
            }
            Value::Array(items) => items.iter().map(|item| within(item, depth + 1)).sum(),
            _ => 0,
        }
    }
    within(value, 0) >= 2
}

/// Templates of charts: lines without fill-ins.
fn charts(context: &Context<'_>, notes: &mut Observations) {
    let files: Vec<_> = context
        .catalogue
        .ending("yaml")
        .chain(context.catalogue.ending("yml"))
        .filter(|file| is_chart_template(&context.catalogue, &file.path))
        .collect();
    let (files, _) = context.reader.within("templates of charts", files, 800);
    for file in files {
        let Some(content) = context.reader.glance(&file.path) else {
            continue;
        };
        let mut kind: Option<String> = None;
        let mut rolling: Option<At> = None;
        for (number, line) in lines(&content) {
            let trimmed = line.trim();
            if trimmed.starts_with("{{") || trimmed.starts_with('#') {
                continue;
            }
            let Some((key, value)) = trimmed.trim_start_matches("- ").split_once(':') else {
                continue;
            };
            let value = value.trim();
            match key {
                "kind" if !line.starts_with(' ') => {
                    if let Some(place) = rolling.take() {
                        notes.word("rollout_strategies", "rolling", place.clone());
                        notes.yes("rolling_or_canary", place);
                    }
                    let place = at_line(&file.path, Some(number), value);
                    match value {
                        "ExternalSecret" | "SealedSecret" => {
                            notes.word("secrets_encrypted", "external-secrets", place.clone())
                        }
                        "PrometheusRule" => notes.word("observability", "prometheus", place.clone()),
                        "ServiceMonitor" | "PodMonitor" => notes.word("observability", "prometheus", place.clone()),
                        _ => {}
                    }
                    notes.yes("kubernetes", place.clone());
                    if value == "Deployment" {
                        rolling = Some(place);
                    }
                    kind = Some(value.to_owned());
                }
                "readinessProbe" | "livenessProbe" | "startupProbe" => {
                    notes.yes("health_checks", at_line(&file.path, Some(number), key));
                }
                "canary" | "blueGreen" if kind.as_deref() == Some("Rollout") => {
                    let word = if key == "canary" { "canary" } else { "blue-green" };
                    notes.word("rollout_strategies", word, at_line(&file.path, Some(number), key));
                    notes.yes("rolling_or_canary", at_line(&file.path, Some(number), key));
                }
                "type" if value == "Recreate" && kind.as_deref() == Some("Deployment") => {
                    rolling = None;
                    notes.word(
                        "rollout_strategies",
                        "recreate",
                        at_line(&file.path, Some(number), value),
                    );
                    notes.no("rolling_or_canary", at_line(&file.path, Some(number), value));
                }
                _ => {}
            }
        }
        if let Some(place) = rolling {
            notes.word("rollout_strategies", "rolling", place.clone());
            notes.yes("rolling_or_canary", place);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{count, measure, words, yes};

    const DEPLOYMENT: &str = "# note\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 3\n  template:\n    spec:\n      containers:\n        - name: a\n          readinessProbe: {}\n";

    #[test]
    fn objects_are_read_with_their_probes_and_strategy() {
        let files = [("deploy/web.yaml", DEPLOYMENT)];
        assert_eq!(count(&files, "kubernetes"), 1);
        assert_eq!(count(&files, "replicas"), 3);
        assert!(yes(&files, "rolling_or_canary"));
        let measure = measure(&files, "health_checks").unwrap();
        assert_eq!(
            measure.places[0],
            evidence::Place::line("deploy/web.yaml", 13, "readinessProbe")
        );
    }

    #[test]
    fn a_folder_of_that_name_is_no_kubernetes_and_recreate_is_not_rolling() {
        assert_eq!(
            count(&[("kubernetes/notes.yaml", "kind: of\nname: x\n")], "kubernetes"),
            0
        );
        let recreate = format!("{DEPLOYMENT}  strategy:\n    type: Recreate\n");
        let files = [("a.yaml", recreate.as_str())];
        assert!(!yes(&files, "rolling_or_canary"));
        assert_eq!(words(&files, "rollout_strategies"), ["recreate"]);
    }

    #[test]
    fn charts_are_read_before_they_are_filled_in() {
        let files = [
            ("charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n"),
            (
                "charts/web/templates/deployment.yaml",
                "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ include \"x\" . }}\n{{- with .Values }}\n          livenessProbe:\n{{- end }}\n",
            ),
        ];
        assert_eq!(count(&files, "helm"), 1);
        assert_eq!(count(&files, "kubernetes"), 1);
        assert!(yes(&files, "health_checks"));
        assert!(crate::testing::inventory(&files).findings().is_empty());
    }

    #[test]
    fn what_brings_objects_into_a_cluster_is_told_apart() {
        let files = [
            (
                "apps/a.yaml",
                "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\n",
            ),
            (
                "apps/b.yaml",
                "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: b}\n",
            ),
        ];
        assert_eq!(words(&files, "gitops"), ["argocd", "flux"]);
    }

    #[test]
    fn a_broken_manifest_is_a_finding_and_leaves_the_answer_open() {
        let files = [("a.yaml", "apiVersion: v1\nkind: [\n")];
        assert!(measure(&files, "kubernetes").is_none());
        assert_eq!(crate::testing::inventory(&files).findings().len(), 1);
    }
}

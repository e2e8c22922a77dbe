//! Infrastructure as code, by what files declare.

use serde_json::Value;

use crate::catalogue::name_of;
use crate::context::{Context, text};
use crate::formats::hcl;
use crate::known::{Names, Packages};
use crate::languages::in_test_folder;
use crate::manifests::Ecosystem::{Dotnet, Go, Java, Node, Python};
use crate::observation::{at, at_line};
use crate::reading::line_of;

#[rustfmt::skip]
pub(super) const PACKAGES: Packages = &[
    (Node, &["aws-cdk-lib", "aws-cdk", "@aws-cdk/core"], "infrastructure", "cdk"),
    (Python, &["aws-cdk-lib"], "infrastructure", "cdk"),
    (Go, &["github.com/aws/aws-cdk-go*"], "infrastructure", "cdk"),
    (Java, &["software.amazon.awscdk:*"], "infrastructure", "cdk"),
    (Dotnet, &["amazon.cdk.lib"], "infrastructure", "cdk"),
    (Node, &["cdktf"], "infrastructure", "cdktf"),
    (Node, &["sst"], "infrastructure", "sst"),
];

#[rustfmt::skip]
pub(super) const NAMES: Names = &[
    (&["terragrunt.hcl"], "infrastructure", "terragrunt"),
    (&["*.bicep"], "infrastructure", "bicep"),
    (&["galaxy.yml"], "infrastructure", "ansible"),
    (&["sst.config.ts"], "infrastructure", "sst"),
    (&["azure.yaml"], "infrastructure", "azd"),
    (&["berksfile"], "infrastructure", "chef"),
    (&["puppetfile"], "infrastructure", "puppet"),
];

/// The most files of Terraform that are read.
const MOST: usize = 600;

pub(super) fn look(context: &mut Context<'_>) {
    terraform(context);
    documents(context);
    let mut notes = std::mem::take(&mut context.notes);
    for name in ["pulumi.yaml", "pulumi.yml"] {
        for file in context.catalogue.named(name) {
            if let Some(data) = context.data_at(&file.path)
                && data
                    .documents
                    .iter()
                    .any(|document| document.value.get("runtime").is_some())
            {
                notes.word("infrastructure", "pulumi", at(&file.path));
            } else if context.data_at(&file.path).is_some_and(|data| data.broken) {
                notes.doubt(&["infrastructure"], &at(&file.path));
            }
        }
    }
    for file in context.catalogue.named("cdk.json") {
        notes.word("infrastructure", "cdk", at(&file.path));
    }
    for file in context.catalogue.ending("nix") {
        let Some(content) = context.reader.glance(&file.path) else {
            continue;
        };
        if let Some(line) = line_of(&content, "nixosConfigurations").or_else(|| line_of(&content, "nixosSystem")) {
            notes.word(
                "infrastructure",
                "nix",
                at_line(&file.path, Some(line), "nixosConfigurations"),
            );
            notes.word(
                "machine_images",
                "nixos",
                at_line(&file.path, Some(line), "nixosConfigurations"),
            );
        } else if let Some(line) = line_of(&content, "dockerTools") {
            notes.word("machine_images", "nix", at_line(&file.path, Some(line), "dockerTools"));
        } else if matches!(name_of(&file.path), "flake.nix" | "default.nix" | "shell.nix") {
            notes.word("build_tools", "nix", at(&file.path));
        }
    }
    for file in context.catalogue.named("ansible.cfg") {
        notes.word("infrastructure", "ansible", at(&file.path));
    }
    context.notes = notes;
}

fn terraform(context: &mut Context<'_>) {
    let files: Vec<_> = context
        .catalogue
        .ending("tf")
        .chain(context.catalogue.ending("tofu"))
        .chain(
            context
                .catalogue
                .ending("hcl")
                .filter(|file| file.path.ends_with(".pkr.hcl") || name_of(&file.path) == "terragrunt.hcl"),
        )
        .collect();
    let (files, complete) = context.reader.within("files of Terraform", files, MOST);
    let mut notes = std::mem::take(&mut context.notes);
    for file in files {
        if in_test_folder(&file.path) {
            continue;
        }
        let Some(content) = context.reader.glance(&file.path) else {
            continue;
        };
        let Some(root) = hcl::read(&content) else {
            context
                .reader
                .finding(&file.path, None, "is not valid HCL: brackets do not match", None);
            notes.doubt(&["infrastructure"], &at(&file.path));
            continue;
        };
        let packer = file.path.ends_with(".pkr.hcl");
        for block in &root.blocks {
            let here = || {
                at_line(
                    &file.path,
                    Some(block.line),
                    format!("{} {}", block.kind, block.labels.join(".")),
                )
            };
            match block.kind.as_str() {
                "resource" | "module" if !packer => notes.word("infrastructure", "terraform", here()),
                "source" | "build" if packer => {
                    notes.word("infrastructure", "packer", here());
                    notes.word("machine_images", "packer", here());
                }
                "terraform" if !packer => {
                    for inner in &block.blocks {
                        if matches!(inner.kind.as_str(), "backend" | "cloud") {
                            notes.word(
                                "infrastructure",
                                "terraform",
                                at_line(
                                    &file.path,
                                    Some(inner.line),
                                    format!("backend {}", inner.labels.join("")),
                                ),
                            );
                        }
                    }
                }
                _ => {}
            }
            if block.kind != "resource" {
                continue;
            }
            let kind = block.labels.first().map(String::as_str).unwrap_or_default();
            match kind {
                "aws_cloudwatch_metric_alarm"
                | "google_monitoring_alert_policy"
                | "datadog_monitor"
                | "grafana_rule_group"
                | "azurerm_monitor_metric_alert"
                | "pagerduty_service"
                | "newrelic_nrql_alert_condition"
                | "statuscake_check"
                | "statuscake_test"
                | "statuscake_uptime_check" => notes.yes("alerts", here()),
                "aws_cloudwatch_dashboard"
                | "google_monitoring_dashboard"
                | "datadog_dashboard"
                | "datadog_dashboard_json"
                | "grafana_dashboard"
                | "newrelic_one_dashboard" => notes.yes("dashboards", here()),
                "google_monitoring_slo"
                | "datadog_service_level_objective"
                | "grafana_slo"
                | "newrelic_service_level"
                | "nobl9_slo" => notes.yes("slo", here()),
                "helm_release"
                | "kubernetes_deployment"
                | "cloudfoundry_app"
                | "aws_ecs_service"
                | "google_cloud_run_service"
                | "google_cloud_run_v2_service"
                | "heroku_app" => notes.word("deploy_scripts", "terraform", here()),
                _ => {}
            }
            if kind == "cloudfoundry_app" {
                if let Some(strategy) = block.attribute("strategy") {
                    let word = if strategy.contains("blue") {
                        "blue-green"
                    } else {
                        "rolling"
                    };
                    notes.word("rollout_strategies", word, here());
                    notes.yes("rolling_or_canary", here());
                }
                if block.attribute("health_check_type").is_some() {
                    notes.yes("health_checks", here());
                }
            }
        }
    }
    if !complete {
        notes.doubt(&["alerts", "dashboards"], &at(""));
    }
    context.notes = notes;
}

/// CloudFormation, SAM, ARM, Ansible: documents that say what they are.
fn documents(context: &mut Context<'_>) {
    let notes = &mut context.notes;
    for file in &context.data {
        if in_test_folder(&file.path) {
            continue;
        }
        for document in &file.documents {
            let here = || at_line(&file.path, Some(document.line), name_of(&file.path));
            match &document.value {
                Value::Object(members) => {
                    let cloudformation = members.contains_key("AWSTemplateFormatVersion")
                        || members
                            .get("Resources")
                            .and_then(Value::as_object)
                            .is_some_and(|resources| {
                                resources.values().any(|resource| {
                                    text(resource, "Type").is_some_and(|kind| kind.starts_with("AWS::"))
                                })
                            });
                    if cloudformation {
                        notes.word("infrastructure", "cloudformation", here());
                    }
                    if text(&document.value, "$schema").is_some_and(|schema| schema.contains("deploymentTemplate.json"))
                    {
                        notes.word("infrastructure", "arm", here());
                    }
                    if members.contains_key("builders") && members.contains_key("provisioners") {
                        notes.word("infrastructure", "packer", here());
                        notes.word("machine_images", "packer", here());
                    }
                }
                // A playbook: a list of plays with hosts and tasks or roles; or tasks of a role.
                Value::Array(items) => {
                    let play = items.iter().any(|item| {
                        item.get("hosts").is_some()
                            && (item.get("tasks").is_some()
                                || item.get("roles").is_some()
                                || item.get("become").is_some())
                    });
                    let role = file.path.contains("roles/")
                        && file.path.contains("/tasks/")
                        && items.iter().any(|item| item.get("name").is_some());
                    if play || role {
                        notes.word("infrastructure", "ansible", here());
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{count, measure, words};

    #[test]
    fn infrastructure_is_told_by_what_is_declared() {
        let files = [
            (
                "infra/main.tf",
                "resource \"aws_s3_bucket\" \"b\" {\n  bucket = \"x\"\n}\nresource \"datadog_monitor\" \"m\" {\n}\n",
            ),
            ("site.yml", "- hosts: all\n  roles:\n    - web\n"),
            (
                "template.yaml",
                "AWSTemplateFormatVersion: '2010-09-09'\nResources:\n  A:\n    Type: AWS::S3::Bucket\n    Properties: {B: !Ref X}\n",
            ),
        ];
        assert_eq!(
            words(&files, "infrastructure"),
            ["ansible", "cloudformation", "terraform"]
        );
        assert_eq!(count(&files, "alerts"), 1);
    }

    #[test]
    fn variables_alone_and_examples_are_no_infrastructure_and_broken_files_leave_it_open() {
        let near = [
            ("variables.tf", "variable \"a\" {\n}\n"),
            ("examples/x/main.tf", "resource \"a\" \"b\" {\n}\n"),
            ("main.go", ""),
        ];
        assert!(words(&near, "infrastructure").is_empty());
        assert!(measure(&[("main.tf", "resource \"a\" {\n")], "infrastructure").is_none());
    }
}

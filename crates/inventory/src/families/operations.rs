//! How the running product is watched: instrumentation, dashboards, alerts, objectives.

use serde_json::Value;

use crate::context::{Context, text};
use crate::known::{Names, Packages};
use crate::languages::in_test_folder;
use crate::manifests::Ecosystem::{Cargo, Dotnet, Elixir, Go, Java, Node, Php, Python, Ruby};
use crate::observation::{at, at_line};
use crate::reading::line_of;

#[rustfmt::skip]
pub(super) const PACKAGES: Packages = &[
    (Node, &["@opentelemetry/*"], "observability", "opentelemetry"),
    (Python, &["opentelemetry-*"], "observability", "opentelemetry"),
    (Java, &["io.opentelemetry*"], "observability", "opentelemetry"),
    (Go, &["go.opentelemetry.io/*"], "observability", "opentelemetry"),
    (Dotnet, &["opentelemetry*"], "observability", "opentelemetry"),
    (Cargo, &["opentelemetry", "tracing-opentelemetry", "opentelemetry-otlp"], "observability", "opentelemetry"),
    (Ruby, &["opentelemetry-*"], "observability", "opentelemetry"),
    (Php, &["open-telemetry/*"], "observability", "opentelemetry"),
    (Elixir, &["opentelemetry", "opentelemetry_exporter"], "observability", "opentelemetry"),
    (Node, &["prom-client"], "observability", "prometheus"),
    (Python, &["prometheus-client", "prometheus-flask-exporter", "django-prometheus", "starlette-exporter"], "observability", "prometheus"),
    (Java, &["io.micrometer:*", "io.prometheus:*"], "observability", "micrometer"),
    (Java, &["org.springframework.boot:spring-boot-starter-actuator"], "observability", "actuator"),
    (Go, &["github.com/prometheus/client_golang*"], "observability", "prometheus"),
    (Dotnet, &["prometheus-net*"], "observability", "prometheus"),
    (Cargo, &["prometheus", "metrics", "metrics-exporter-prometheus", "prometheus-client"], "observability", "prometheus"),
    (Ruby, &["prometheus-client", "yabeda", "yabeda-prometheus", "yabeda-rails"], "observability", "prometheus"),
    (Elixir, &["telemetry_metrics_prometheus", "prom_ex"], "observability", "prometheus"),
    (Node, &["@sentry/*"], "observability", "sentry"),
    (Python, &["sentry-sdk"], "observability", "sentry"),
    (Java, &["io.sentry*"], "observability", "sentry"),
    (Go, &["github.com/getsentry/*"], "observability", "sentry"),
    (Ruby, &["sentry-ruby", "sentry-rails", "sentry-raven"], "observability", "sentry"),
    (Php, &["sentry/*"], "observability", "sentry"),
    (Node, &["dd-trace", "hot-shots"], "observability", "datadog"),
    (Python, &["ddtrace", "datadog"], "observability", "datadog"),
    (Go, &["github.com/DataDog/*", "gopkg.in/DataDog/*"], "observability", "datadog"),
    (Ruby, &["ddtrace", "datadog", "dogstatsd-ruby"], "observability", "datadog"),
    (Node, &["newrelic"], "observability", "newrelic"),
    (Python, &["newrelic"], "observability", "newrelic"),
    (Ruby, &["newrelic_rpm", "skylight", "scout_apm"], "observability", "apm"),
    (Node, &["applicationinsights"], "observability", "application-insights"),
    (Dotnet, &["microsoft.applicationinsights*"], "observability", "application-insights"),
    (Python, &["statsd", "gds-metrics"], "observability", "statsd"),
    (Ruby, &["statsd-instrument", "rollbar", "bugsnag", "honeybadger", "airbrake"], "observability", "error-tracking"),
    (Node, &["pino", "winston", "bunyan"], "observability", "structured-logs"),
    (Python, &["structlog", "python-json-logger"], "observability", "structured-logs"),
    (Go, &["go.uber.org/zap", "github.com/rs/zerolog", "github.com/sirupsen/logrus"], "observability", "structured-logs"),
    (Cargo, &["tracing-subscriber"], "observability", "structured-logs"),
    (Dotnet, &["serilog*"], "observability", "structured-logs"),
    (Ruby, &["lograge", "rails_semantic_logger", "semantic_logger"], "observability", "structured-logs"),
    (Node, &["posthog-node", "posthog-js", "mixpanel", "@segment/analytics-node", "@amplitude/*", "amplitude-js", "analytics-node"], "business_metrics", "product-analytics"),
    (Python, &["posthog", "mixpanel", "segment-analytics-python", "amplitude-analytics"], "business_metrics", "product-analytics"),
    (Ruby, &["ahoy_matey", "dfe-analytics", "posthog-ruby", "analytics-ruby"], "business_metrics", "product-analytics"),
    (Java, &["com.microsoft.azure:applicationinsights-*"], "observability", "application-insights"),
];

#[rustfmt::skip]
pub(super) const NAMES: Names = &[
    (&["otel-collector-config.yaml", "otel-collector-config.yml", "otelcol.yaml", "otel-collector.yaml"], "observability", "opentelemetry"),
    (&["prometheus.yml", "prometheus.yaml"], "observability", "prometheus"),
    (&["alertmanager.yml", "alertmanager.yaml"], "alerts", "alertmanager"),
    (&["applicationinsights.json"], "observability", "application-insights"),
    (&["newrelic.yml", "newrelic.js", "newrelic.ini"], "observability", "newrelic"),
    (&["sentry.properties", ".sentryclirc", "sentry.client.config.*", "sentry.server.config.*", "sentry.rb"], "observability", "sentry"),
];

/// Words in queries of dashboards that speak of the business rather than of machines.
const BUSINESS: &[&str] = &[
    "order",
    "revenue",
    "checkout",
    "conversion",
    "signup",
    "sign_up",
    "purchase",
    "payment",
    "booking",
    "subscription",
    "invoice",
    "cart",
    "customer",
];

pub(super) fn look(context: &mut Context<'_>) {
    let notes = &mut context.notes;
    for file in &context.data {
        if in_test_folder(&file.path) {
            continue;
        }
        for document in &file.documents {
            let value = &document.value;
            let here = |needle: &str| at_line(&file.path, line_of(&file.text, needle).or(Some(document.line)), needle);
            // Grafana, as exported or wrapped for its interface.
            let board = value.get("dashboard").unwrap_or(value);
            if board.get("panels").is_some_and(Value::is_array)
                && (board.get("title").is_some() || board.get("schemaVersion").is_some())
            {
                let title = text(board, "title").unwrap_or("dashboard");
                notes.yes("dashboards", at_line(&file.path, Some(1), title));
                notes.word("observability", "grafana", at_line(&file.path, Some(1), title));
                let small = title.to_ascii_lowercase();
                if BUSINESS.iter().any(|word| {
                    small
                        .split(|letter: char| !letter.is_alphanumeric())
                        .any(|part| part.trim_end_matches('s') == *word)
                }) {
                    notes.yes("business_metrics", at_line(&file.path, Some(1), title));
                }
            }
            // Rules of Prometheus, plain or as an object of its operator.
            let groups = value.get("groups").or_else(|| {
                value
                    .get("spec")
                    .filter(|_| text(value, "kind") == Some("PrometheusRule"))
                    .and_then(|spec| spec.get("groups"))
            });
            if let Some(Value::Array(groups)) = groups {
                for group in groups {
                    let Some(Value::Array(rules)) = group.get("rules") else {
                        continue;
                    };
                    for rule in rules {
                        if rule.get("expr").is_none() {
                            continue;
                        }
                        if let Some(name) = text(rule, "alert") {
                            notes.yes("alerts", here(name));

                            let small = name.to_ascii_lowercase();
                            if small.contains("errorbudget") || small.contains("burnrate") {
                                notes.yes("slo", here(name));
                            }
                        }
                    }
                }
            }
            // Grafana's own alerts.
            if value.get("apiVersion").and_then(Value::as_i64) == Some(1)
                && let Some(Value::Array(groups)) = value.get("groups")
                && groups.iter().any(|group| {
                    group
                        .get("rules")
                        .and_then(Value::as_array)
                        .is_some_and(|rules| rules.iter().any(|rule| rule.get("condition").is_some()))
                })
            {
                notes.yes("alerts", here("groups"));
            }
            // Objectives: OpenSLO, Sloth, Pyrra by their kinds.
            let version = text(value, "apiVersion").unwrap_or_default();
            if version.starts_with("openslo/")
                || value.get("slos").is_some_and(Value::is_array) && version.starts_with("prometheus/")
            {
                notes.yes("slo", here("apiVersion"));
            }
            if text(value, "kind") == Some("ServiceLevelObjective") {
                notes.yes("slo", here("kind"));
            }
            if value.get("receivers").is_some_and(Value::is_array) && value.get("route").is_some() {
                notes.yes("alerts", here("route"));
            }
            // A collector of telemetry.
            if value.get("receivers").is_some_and(Value::is_object)
                && value.get("exporters").is_some()
                && value.get("service").is_some()
            {
                notes.word("observability", "opentelemetry", here("receivers"));
            }
        }
        if file.broken && (file.text.contains("\ngroups:") || file.text.starts_with("groups:")) {
            notes.doubt(&["alerts"], &at(&file.path));
        }
    }
    for ending in ["jsonnet", "libsonnet"] {
        for file in context.catalogue.ending(ending) {
            let Some(content) = context.reader.glance(&file.path) else {
                continue;
            };
            if let Some(line) = line_of(&content, "dashboard.new(").or_else(|| line_of(&content, "grafana.dashboard")) {
                notes.yes("dashboards", at_line(&file.path, Some(line), "dashboard"));
            }
            if let Some(line) = line_of(&content, "prometheusAlerts") {
                notes.yes("alerts", at_line(&file.path, Some(line), "prometheusAlerts"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{count, measure, words, yes};

    #[test]
    fn dashboards_alerts_and_objectives_are_told_by_content() {
        let files = [
            (
                "ops/board.json",
                "{\"title\": \"Orders\", \"panels\": [], \"schemaVersion\": 36}",
            ),
            (
                "ops/rules.yml",
                "groups:\n  - name: a\n    rules:\n      - alert: Down\n        expr: up == 0\n      - record: x\n        expr: y\n",
            ),
            ("ops/slo.yaml", "apiVersion: openslo/v1\nkind: SLO\n"),
            ("go.mod", "module a\nrequire go.opentelemetry.io/otel v1.0.0\n"),
        ];
        assert_eq!(count(&files, "dashboards"), 1);
        assert_eq!(count(&files, "alerts"), 1);
        assert!(yes(&files, "slo"));
        assert!(yes(&files, "business_metrics"));
        assert_eq!(words(&files, "observability"), ["grafana", "opentelemetry"]);
    }

    #[test]
    fn files_of_those_names_without_that_content_are_none() {
        let files = [
            ("dashboards/readme.json", "{\"title\": \"x\"}"),
            ("alerts.yml", "groups: none\n"),
            (
                "tests/rules.yml",
                "groups:\n  - rules:\n      - alert: A\n        expr: b\n",
            ),
        ];
        assert_eq!(count(&files, "dashboards"), 0);
        assert_eq!(count(&files, "alerts"), 0);
        assert!(measure(&[("rules.yml", "groups:\n  - rules: [\n")], "alerts").is_none());
    }
}

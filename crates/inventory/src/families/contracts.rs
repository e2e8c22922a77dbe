//! Descriptions of interfaces, and tools that find breaking changes in them.

use serde_json::Value;

use crate::catalogue::{folder_of, name_of};
use crate::context::{Context, text};
use crate::known::{Names, Packages};
use crate::languages::in_test_folder;
use crate::manifests::Ecosystem::{Cargo, Dotnet, Go, Java, Node, Php, Python, Ruby};
use crate::observation::{at, at_line};
use crate::reading::{line_of, lines};

#[rustfmt::skip]
pub(super) const PACKAGES: Packages = &[
    (Node, &["@pact-foundation/pact", "@pact-foundation/pact-core", "jest-pact"], "contract_tests", "pact"),
    (Python, &["pact-python"], "contract_tests", "pact"),
    (Java, &["au.com.dius.pact*", "au.com.dius:pact*"], "contract_tests", "pact"),
    (Ruby, &["pact", "pact-provider-verifier"], "contract_tests", "pact"),
    (Dotnet, &["pactnet"], "contract_tests", "pact"),
    (Go, &["github.com/pact-foundation/pact-go*"], "contract_tests", "pact"),
    (Cargo, &["pact_consumer", "pact_verifier"], "contract_tests", "pact"),
    (Php, &["pact-foundation/pact-php"], "contract_tests", "pact"),
    (Java, &["org.springframework.cloud:spring-cloud-starter-contract-verifier", "org.springframework.cloud:spring-cloud-contract-maven-plugin"], "contract_tests", "spring-cloud-contract"),
    (Python, &["schemathesis"], "contract_tests", "schemathesis"),
    (Node, &["dredd"], "contract_tests", "dredd"),
    (Node, &["jest-openapi", "chai-openapi-response-validator", "express-openapi-validator"], "contract_tests", "openapi-validator"),
    (Java, &["com.atlassian.oai:*"], "contract_tests", "openapi-validator"),
    (Ruby, &["committee", "committee-rails"], "contract_tests", "committee"),
    (Node, &["graphql", "@apollo/server", "apollo-server", "graphql-yoga"], "contracts", "graphql"),
    (Python, &["graphene", "strawberry-graphql", "ariadne"], "contracts", "graphql"),
    (Ruby, &["graphql"], "contracts", "graphql"),
    // Descriptions that are made from the code.
    (Python, &["fastapi", "drf-spectacular", "flask-smorest", "apispec", "connexion"], "contracts", "openapi-generated"),
    (Java, &["org.springdoc:*", "io.swagger.core.v3:*"], "contracts", "openapi-generated"),
    (Dotnet, &["swashbuckle.aspnetcore*", "nswag.aspnetcore", "microsoft.aspnetcore.openapi"], "contracts", "openapi-generated"),
    (Node, &["@nestjs/swagger", "tsoa", "@fastify/swagger", "@wesleytodd/openapi"], "contracts", "openapi-generated"),
    (Cargo, &["utoipa", "aide", "poem-openapi"], "contracts", "openapi-generated"),
    (Go, &["github.com/swaggo/swag", "github.com/danielgtaylor/huma*"], "contracts", "openapi-generated"),
    (Ruby, &["rswag", "rswag-api", "rswag-specs"], "contracts", "openapi-generated"),
    (Php, &["nelmio/api-doc-bundle", "zircote/swagger-php", "api-platform/core"], "contracts", "openapi-generated"),
    (Node, &["oasdiff", "openapi-diff", "@useoptic/optic", "optic-openapi"], "contract_breaking_check", "openapi-diff"),
    (Node, &["@graphql-inspector/cli", "@graphql-inspector/ci"], "contract_breaking_check", "graphql-inspector"),
    (Node, &["@microsoft/api-extractor"], "contract_breaking_check", "api-extractor"),
    (Python, &["griffe"], "contract_breaking_check", "griffe"),
    (Java, &["com.github.siom79.japicmp:*", "me.champeau.gradle.japicmp", "org.revapi:*", "com.palantir.revapi", "org.jetbrains.kotlinx.binary-compatibility-validator", "com.typesafe:sbt-mima-plugin"], "contract_breaking_check", "japicmp"),
    (Php, &["roave/backward-compatibility-check"], "contract_breaking_check", "roave"),
    (Dotnet, &["microsoft.codeanalysis.publicapianalyzers"], "contract_breaking_check", "public-api-analyzers"),
];

#[rustfmt::skip]
pub(super) const NAMES: Names = &[
    (&["*.avsc"], "contracts", "avro"),
    (&["*.thrift"], "contracts", "thrift"),
    (&["*.wsdl"], "contracts", "wsdl"),
    (&["*.smithy"], "contracts", "smithy"),
    (&["*.tsp"], "contracts", "typespec"),
    (&["*.graphqls"], "contracts", "graphql"),
    (&["*.fbs"], "contracts", "flatbuffers"),
    (&["prototool.yaml"], "contract_breaking_check", "prototool"),
    (&["proto.lock"], "contract_breaking_check", "protolock"),
    (&[".oasdiff.yaml", "optic.yml"], "contract_breaking_check", "oasdiff"),
    (&["publicapi.shipped.txt"], "contract_breaking_check", "public-api-analyzers"),
    (&["*.api.md"], "contract_breaking_check", "api-extractor"),
];

pub(super) fn look(context: &mut Context<'_>) {
    let mut notes = std::mem::take(&mut context.notes);
    for file in &context.data {
        if in_test_folder(&file.path) {
            continue;
        }
        let mut described = false;
        for document in &file.documents {
            let value = &document.value;
            let here = |key: &str| at_line(&file.path, line_of(&file.text, key), key);
            let version = |key: &str| {
                value
                    .get(key)
                    .is_some_and(|version| version.is_string() || version.is_number())
            };
            if version("openapi") || version("swagger") {
                if value.get("paths").is_some() || value.get("info").is_some() || value.get("components").is_some() {
                    notes.word("contracts", "openapi", here("openapi"));
                    described = true;
                }
            } else if version("asyncapi") {
                notes.word("contracts", "asyncapi", here("asyncapi"));
                described = true;
            } else if value.get("interactions").is_some_and(Value::is_array)
                && value.get("consumer").is_some()
                && value.get("provider").is_some()
            {
                notes.word("contracts", "pact", here("interactions"));
                notes.word("contract_tests", "pact", here("interactions"));
            } else if text(value, "$schema").is_some_and(|schema| schema.contains("json-schema.org"))
                && (value.get("properties").is_some()
                    || value.get("$defs").is_some()
                    || value.get("definitions").is_some())
            {
                notes.word("contracts", "json-schema", here("$schema"));
            }
        }
        let large = file.documents.is_empty() && file.broken;
        if !described && large && (file.text.starts_with("openapi:") || file.text.contains("\nopenapi:")) {
            notes.doubt(&["contracts"], &at(&file.path));
        }
        let name = name_of(&file.path);
        if matches!(name, "buf.yaml" | "buf.yml") {
            for document in &file.documents {
                if document.value.get("breaking").is_some() {
                    notes.yes(
                        "contract_breaking_check",
                        at_line(&file.path, line_of(&file.text, "breaking"), "buf breaking"),
                    );
                }
            }
        }
        if matches!(name, ".spectral.yaml" | ".spectral.yml") {
            notes.word("linters", "spectral", at(&file.path));
        }
    }
    let files: Vec<_> = context
        .catalogue
        .ending("proto")
        .filter(|file| !in_test_folder(&file.path))
        .collect();
    let (files, _) = context.reader.within("files of protobuf", files, 200);
    for file in files {
        let Some(content) = context.reader.glance(&file.path) else {
            continue;
        };
        let declared = lines(&content).find(|(_, line)| {
            let line = line.trim_start();
            line.starts_with("service ") || line.starts_with("message ") || line.starts_with("enum ")
        });
        if let Some((number, line)) = declared {
            notes.word("contracts", "protobuf", at_line(&file.path, Some(number), line.trim()));
            if line.trim_start().starts_with("service ") || content.contains("\nservice ") {
                notes.word(
                    "contracts",
                    "grpc",
                    at_line(
                        &file.path,
                        line_of(&content, "\nservice ").map(|line| line + 1).or(Some(number)),
                        "service",
                    ),
                );
            }
        }
    }
    for ending in ["graphql", "gql"] {
        for file in context.catalogue.ending(ending).take(200) {
            if in_test_folder(&file.path) {
                continue;
            }
            // Queries of a client describe nothing; types do.
            if let Some(content) = context.reader.glance(&file.path)
                && let Some((number, line)) = lines(&content).find(|(_, line)| {
                    line.starts_with("type ") || line.starts_with("schema ") || line.starts_with("extend type ")
                })
            {
                notes.word("contracts", "graphql", at_line(&file.path, Some(number), line.trim()));
            }
        }
    }
    for file in context.catalogue.own() {
        let folder = folder_of(&file.path);
        if folder.split('/').any(|part| part == "pacts") && file.path.ends_with(".json") {
            notes.word("contract_tests", "pact", at(&file.path));
        }
    }
    for manifest in &context.manifests.all {
        if manifest.ecosystem == Cargo
            && let Some(found) = crate::manifests::at(&manifest.value, &["package", "metadata", "cargo-semver-checks"])
        {
            let _ = found;
            notes.yes(
                "contract_breaking_check",
                at_line(&manifest.path, None, "cargo-semver-checks"),
            );
        }
    }
    context.notes = notes;
}

#[cfg(test)]
mod tests {
    use crate::testing::{measure, words, yes};

    #[test]
    fn descriptions_are_told_by_what_they_say() {
        let files = [
            ("api/shop.yaml", "openapi: 3.1.0\ninfo: {title: Shop}\npaths: {}\n"),
            (
                "proto/shop.proto",
                "syntax = \"proto3\";\nmessage A {}\nservice Shop {}\n",
            ),
            ("buf.yaml", "version: v2\nbreaking:\n  use: [FILE]\n"),
            ("schema.graphql", "type Query {\n a: Int\n}\n"),
        ];
        assert_eq!(words(&files, "contracts"), ["graphql", "grpc", "openapi", "protobuf"]);
        assert!(yes(&files, "contract_breaking_check"));
    }

    #[test]
    fn queries_settings_and_fixtures_describe_nothing() {
        let files = [
            ("src/queries.graphql", "query A { b }\n"),
            ("openapi/config.yaml", "generator: go\n"),
            ("tests/openapi.yaml", "openapi: 3.1.0\npaths: {}\n"),
            ("buf.yaml", "version: v2\n"),
        ];
        assert!(words(&files, "contracts").is_empty());
        assert!(!yes(&files, "contract_breaking_check"));
    }

    #[test]
    fn a_broken_description_leaves_it_open() {
        assert!(measure(&[("openapi.yaml", "openapi: 3.1.0\npaths: [\n")], "contracts").is_none());
    }
}

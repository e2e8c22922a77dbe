//! Documents that are made from the code, so that they cannot say anything else.
//!
//! Each is compared by a test of the crate that it describes; the same test writes it when a variable
//! is set. This runs those tests with their variables.

use crate::command::Program;
use crate::workspace;

/// A test that writes documents.
struct Generator {
    documents: &'static str,
    package: &'static str,
    variable: &'static str,
    test: &'static str,
}

const GENERATORS: &[Generator] = &[
    Generator {
        documents: "docs/schema",
        package: "pipeline",
        variable: "UPDATE_SCHEMAS",
        test: "schemas",
    },
    Generator {
        documents: "docs/canary.md",
        package: "statistics",
        variable: "UPDATE_TABLES",
        test: "tables",
    },
    Generator {
        documents: "docs/canary.md",
        package: "delivery",
        variable: "UPDATE_TABLES",
        test: "canaries",
    },
    Generator {
        documents: "docs/canary.md (whole canaries)",
        package: "delivery",
        variable: "UPDATE_TABLES",
        test: "canaries",
    },
    Generator {
        documents: "docs/evidence.md, docs/schema/maturity.json, docs/schema/statements.json",
        package: "maturity",
        variable: "UPDATE_DOCUMENTS",
        test: "documents",
    },
    Generator {
        documents: "docs/openapi.json",
        package: "server",
        variable: "THROUGHLINE_WRITE_DOCS",
        test: "openapi",
    },
    Generator {
        documents: "docs/cli.md, docs/settings.md, docs/exit-codes.md",
        package: "throughline",
        variable: "THROUGHLINE_WRITE_DOCS",
        test: "documents",
    },
];

/// Writes every generated document.
pub fn perform(arguments: &[String]) -> Result<(), String> {
    if let Some(unknown) = arguments.first() {
        return Err(format!(
            "`cargo xtask generate` takes no arguments, and got `{unknown}`"
        ));
    }
    let root = workspace::root();
    for generator in GENERATORS {
        let arguments = ["test", "--quiet", "--package", generator.package, generator.test];
        Program::new("cargo", &arguments, &root)
            .variable(generator.variable, "1")
            .run()?;
        println!("{}: as the code has it", generator.documents);
    }
    Ok(())
}

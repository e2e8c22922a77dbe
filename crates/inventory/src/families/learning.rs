//! Machine learning: libraries, pipelines, data, models, by manifests, definitions and code.

use serde_json::Value;

use crate::catalogue::{FileFact, name_of};
use crate::context::Context;
use crate::formats::json;
use crate::known::{Names, Packages};
use crate::languages::in_test_folder;
use crate::manifests::Ecosystem::{Java, Python};
use crate::observation::{Observations, at, at_line};
use crate::reading::{line_of, lines};

#[rustfmt::skip]
pub(super) const PACKAGES: Packages = &[
    (Python, &["torch", "pytorch-lightning", "lightning"], "ml", "pytorch"),
    (Python, &["tensorflow", "keras", "tensorflow-cpu"], "ml", "tensorflow"),
    (Python, &["scikit-learn"], "ml", "scikit-learn"),
    (Python, &["xgboost"], "ml", "xgboost"),
    (Python, &["lightgbm"], "ml", "lightgbm"),
    (Python, &["catboost"], "ml", "catboost"),
    (Python, &["transformers", "accelerate", "peft"], "ml", "transformers"),
    (Python, &["jax", "flax"], "ml", "jax"),
    (Python, &["fastai"], "ml", "fastai"),
    (Python, &["mlflow"], "ml", "mlflow"),
    (Python, &["dvc", "dvclive"], "ml", "dvc"),
    (Python, &["kfp"], "ml_pipelines", "kubeflow"),
    (Python, &["zenml"], "ml_pipelines", "zenml"),
    (Python, &["metaflow"], "ml_pipelines", "metaflow"),
    (Python, &["kedro"], "ml_pipelines", "kedro"),
    (Python, &["flytekit"], "ml_pipelines", "flyte"),
    (Python, &["tfx"], "ml_pipelines", "tfx"),
    (Python, &["ploomber"], "ml_pipelines", "ploomber"),
    (Python, &["mlflow", "mlflow-skinny"], "experiments_tracked", "mlflow"),
    (Python, &["wandb"], "experiments_tracked", "wandb"),
    (Python, &["dvclive"], "experiments_tracked", "dvclive"),
    (Python, &["neptune", "neptune-client"], "experiments_tracked", "neptune"),
    (Python, &["comet-ml"], "experiments_tracked", "comet"),
    (Python, &["clearml"], "experiments_tracked", "clearml"),
    (Python, &["aim"], "experiments_tracked", "aim"),
    (Python, &["great-expectations"], "data_validation", "great-expectations"),
    (Python, &["pandera"], "data_validation", "pandera"),
    (Python, &["tensorflow-data-validation"], "data_validation", "tfdv"),
    (Python, &["pydeequ"], "data_validation", "deequ"),
    (Python, &["soda-core*"], "data_validation", "soda"),
    (Python, &["deepchecks"], "data_validation", "deepchecks"),
    (Python, &["cerberus-data", "dataframely", "patito"], "data_validation", "dataframe-schema"),
    (Java, &["com.amazon.deequ:*"], "data_validation", "deequ"),
    (Python, &["evidently"], "drift_monitoring", "evidently"),
    (Python, &["whylogs"], "drift_monitoring", "whylogs"),
    (Python, &["nannyml"], "drift_monitoring", "nannyml"),
    (Python, &["alibi-detect"], "drift_monitoring", "alibi-detect"),
    (Python, &["arize", "arize-phoenix"], "drift_monitoring", "arize"),
    (Python, &["lakefs", "lakefs-sdk", "lakefs-client"], "data_versioned", "lakefs"),
    (Python, &["bentoml"], "model_registry", "bentoml"),
    (Python, &["gto"], "model_registry", "gto"),
    (Python, &["feast"], "ml", "feast"),
];

#[rustfmt::skip]
pub(super) const NAMES: Names = &[
    (&["mlproject"], "ml_pipelines", "mlflow-project"),
    (&["great_expectations.yml", "great_expectations.yaml"], "data_validation", "great-expectations"),
    (&["bentofile.yaml"], "model_registry", "bentoml"),
    (&["*.onnx", "*.safetensors", "*.tflite", "*.pt", "*.pth", "*.keras", "*.gguf", "*.mlmodel"], "model_files", "model"),
];

/// The most Python files, and the most notebooks, that are searched.
const MOST: usize = 1_500;
const MOST_NOTEBOOKS: usize = 80;

/// Imports of libraries that train.
const LIBRARIES: &[(&str, &str)] = &[
    ("torch", "pytorch"),
    ("pytorch_lightning", "pytorch"),
    ("lightning", "pytorch"),
    ("tensorflow", "tensorflow"),
    ("keras", "tensorflow"),
    ("sklearn", "scikit-learn"),
    ("xgboost", "xgboost"),
    ("lightgbm", "lightgbm"),
    ("catboost", "catboost"),
    ("transformers", "transformers"),
    ("jax", "jax"),
    ("fastai", "fastai"),
    ("ray.train", "ray"),
];

/// Calls that train.
const CALLS: &[&str] = &[
    ".backward(",
    ".fit(",
    ".train_step(",
    "trainer.train(",
    "Trainer(",
    "xgb.train(",
    "lgb.train(",
    ".fit_transform(",
    "train_epoch(",
    "TorchTrainer(",
];

pub(super) fn look(context: &mut Context<'_>) {
    let mut notes = std::mem::take(&mut context.notes);
    pipelines(context, &mut notes);
    data(context, &mut notes);
    code(context, &mut notes);
    for file in context.catalogue.ending("ipynb") {
        notes.yes("notebooks", at(&file.path));
    }
    for ending in ["pkl", "joblib", "h5", "pickle"] {
        for file in context.catalogue.ending(ending) {
            if file.path.to_ascii_lowercase().contains("model") && !in_test_folder(&file.path) {
                notes.yes("model_files", at(&file.path));
            }
        }
    }
    // Orchestrators move data of all kinds; beside training they are its pipeline.
    let learns = notes
        .all()
        .iter()
        .any(|note| matches!(note.measure, "ml" | "training_code"));
    if learns {
        let found: Vec<(String, Option<u32>, &str)> = context
            .manifests
            .all
            .iter()
            .flat_map(|manifest| {
                manifest
                    .dependencies
                    .iter()
                    .map(move |dependency| (manifest, dependency))
            })
            .filter_map(|(manifest, dependency)| {
                let word = match dependency.name.as_str() {
                    "apache-airflow" => "airflow",
                    "prefect" => "prefect",
                    "dagster" => "dagster",
                    "luigi" => "luigi",
                    "sagemaker" => "sagemaker",
                    "azureml-core" | "azure-ai-ml" => "azureml",
                    "google-cloud-aiplatform" => "vertex",
                    "ray" => "ray",
                    _ => return None,
                };
                Some((manifest.path.clone(), dependency.line, word))
            })
            .collect();
        for (path, line, word) in found {
            notes.word("ml_pipelines", word, at_line(&path, line, word));
        }
    }
    context.notes = notes;
}

/// Stages of DVC, tests of dbt.
fn pipelines(context: &Context<'_>, notes: &mut Observations) {
    for file in &context.data {
        let name = name_of(&file.path);
        if name == "dvc.yaml" {
            if file.broken {
                notes.doubt(&["ml_pipelines", "data_versioned", "model_evaluation"], &at(&file.path));
            }
            for document in &file.documents {
                if let Some(Value::Object(stages)) = document.value.get("stages") {
                    for (stage, value) in stages {
                        let place = at_line(&file.path, line_of(&file.text, &format!("{stage}:")), stage.as_str());
                        notes.word("ml_pipelines", "dvc", place.clone());
                        notes.word("ml", "dvc", place.clone());
                        if value.get("outs").is_some() || value.get("deps").is_some() {
                            notes.word("data_versioned", "dvc", place.clone());
                        }
                        if value.get("metrics").is_some() || stage.contains("eval") {
                            notes.yes("model_evaluation", place);
                        }
                    }
                }
                for key in ["metrics", "plots"] {
                    if document.value.get(key).is_some() && key == "metrics" {
                        notes.yes(
                            "model_evaluation",
                            at_line(&file.path, line_of(&file.text, "metrics:"), key),
                        );
                        notes.word(
                            "experiments_tracked",
                            "dvc",
                            at_line(&file.path, line_of(&file.text, "metrics:"), key),
                        );
                    }
                }
                if document.value.get("artifacts").is_some_and(Value::is_object) {
                    notes.word(
                        "model_registry",
                        "dvc",
                        at_line(&file.path, line_of(&file.text, "artifacts:"), "artifacts"),
                    );
                }
            }
        } else if matches!(name, "dbt_project.yml") {
            notes.word("ml", "dbt", at(&file.path));
        } else if file.path.contains("models/") {
            for document in &file.documents {
                let tested = document
                    .value
                    .get("models")
                    .and_then(Value::as_array)
                    .is_some_and(|models| {
                        models.iter().any(|model| {
                            let columns = model.get("columns").and_then(Value::as_array);
                            model.get("tests").is_some()
                                || model.get("data_tests").is_some()
                                || columns.is_some_and(|columns| {
                                    columns.iter().any(|column| {
                                        column.get("tests").is_some() || column.get("data_tests").is_some()
                                    })
                                })
                        })
                    });
                if tested {
                    notes.word(
                        "data_validation",
                        "dbt",
                        at_line(&file.path, line_of(&file.text, "tests:"), "tests"),
                    );
                }
            }
        }
    }
}

/// Data that is kept outside of git, with a pointer in it.
fn data(context: &Context<'_>, notes: &mut Observations) {
    for file in context.catalogue.ending("dvc") {
        if let Some(text) = context.reader.glance(&file.path)
            && let Some(line) = line_of(&text, "outs:")
        {
            notes.word("data_versioned", "dvc", at_line(&file.path, Some(line), "outs"));
            if file.path.to_ascii_lowercase().contains("model") {
                notes.yes("model_files", at(&file.path));
            }
        }
    }
    for file in context.catalogue.named(".gitattributes") {
        let Some(text) = context.reader.text(&file.path) else {
            continue;
        };
        for (number, line) in lines(&text) {
            let pattern = line.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
            if line.contains("filter=lfs") && !pattern.starts_with('#') {
                let data = [
                    "csv", "parquet", "json", "npy", "npz", "h5", "pkl", "data", "feather", "arrow", "tfrecord",
                    "jsonl",
                ]
                .iter()
                .any(|ending| pattern.contains(ending));
                let model = ["onnx", "pt", "pth", "safetensors", "model", "bin", "ckpt"]
                    .iter()
                    .any(|ending| pattern.ends_with(ending));
                if data {
                    notes.word("data_versioned", "lfs", at_line(&file.path, Some(number), line));
                } else if model {
                    notes.yes("model_files", at_line(&file.path, Some(number), line));
                }
            }
        }
    }
}

fn code(context: &Context<'_>, notes: &mut Observations) {
    let python: Vec<&FileFact> = context.catalogue.ending("py").filter(|file| !file.test).collect();
    let notebooks: Vec<&FileFact> = context.catalogue.ending("ipynb").collect();
    let hinted = notes.all().iter().any(|note| note.measure == "ml") || !notebooks.is_empty();
    if python.is_empty() && notebooks.is_empty() || (!hinted && python.len() > 400) {
        return;
    }
    let (python, complete) = context
        .reader
        .within("Python files that may train models", python, MOST);
    for file in python {
        if let Some(text) = context.reader.glance(&file.path) {
            program(&file.path, &text, notes);
        }
    }
    let (notebooks, all) = context.reader.within("notebooks", notebooks, MOST_NOTEBOOKS);
    for file in notebooks {
        let Some(text) = context.reader.glance(&file.path) else {
            continue;
        };
        match json::read(&text) {
            Ok(value) => program(&file.path, &source_of(&value), notes),
            Err(broken) => context.reader.finding(&file.path, broken.line, &broken.problem, None),
        }
    }
    if !complete || !all {
        notes.doubt(&["training_code"], &at(""));
    }
}

/// The code cells of a notebook.
fn source_of(notebook: &Value) -> String {
    let mut source = String::new();
    for cell in notebook.get("cells").and_then(Value::as_array).into_iter().flatten() {
        if cell.get("cell_type").and_then(Value::as_str) != Some("code") {
            continue;
        }
        match cell.get("source") {
            Some(Value::Array(parts)) => parts
                .iter()
                .filter_map(Value::as_str)
                .for_each(|part| source.push_str(part)),
            Some(Value::String(text)) => source.push_str(text),
            _ => {}
        }
        source.push('\n');
    }
    source
}

/// What a program imports and calls.
fn program(path: &str, text: &str, notes: &mut Observations) {
    let mut imported: Option<(&str, u32)> = None;
    let mut call: Option<(u32, &str)> = None;
    let notebook = path.ends_with(".ipynb");
    // Lines of a notebook's code are not those of its file.
    let line_in = |number: u32| if notebook { None } else { Some(number) };
    for (number, line) in lines(text) {
        let trimmed = line.trim_start();
        if trimmed.starts_with('#') {
            continue;
        }
        let module = trimmed
            .strip_prefix("import ")
            .or_else(|| trimmed.strip_prefix("from "))
            .and_then(|rest| rest.split([' ', ',']).next());
        if let Some(module) = module {
            for (library, word) in LIBRARIES {
                if module == *library || module.strip_prefix(library).is_some_and(|rest| rest.starts_with('.')) {
                    imported.get_or_insert((word, number));
                }
            }
            match module.split('.').next().unwrap_or_default() {
                "wandb" => notes.word("experiments_tracked", "wandb", at_line(path, line_in(number), trimmed)),
                "mlflow" => notes.word("experiments_tracked", "mlflow", at_line(path, line_in(number), trimmed)),
                "dvclive" => notes.word(
                    "experiments_tracked",
                    "dvclive",
                    at_line(path, line_in(number), trimmed),
                ),
                "kfp" => notes.word("ml_pipelines", "kubeflow", at_line(path, line_in(number), trimmed)),
                "zenml" => notes.word("ml_pipelines", "zenml", at_line(path, line_in(number), trimmed)),
                "metaflow" => notes.word("ml_pipelines", "metaflow", at_line(path, line_in(number), trimmed)),
                "great_expectations" => notes.word(
                    "data_validation",
                    "great-expectations",
                    at_line(path, line_in(number), trimmed),
                ),
                "pandera" => notes.word("data_validation", "pandera", at_line(path, line_in(number), trimmed)),
                "evidently" => notes.word("drift_monitoring", "evidently", at_line(path, line_in(number), trimmed)),
                "whylogs" => notes.word("drift_monitoring", "whylogs", at_line(path, line_in(number), trimmed)),
                _ => {}
            }
        } else if call.is_none() && CALLS.iter().any(|wanted| trimmed.contains(wanted)) {
            call = Some((number, trimmed));
        }
        if trimmed.contains("SummaryWriter(") || trimmed.contains("TensorBoard(") {
            notes.word(
                "experiments_tracked",
                "tensorboard",
                at_line(path, line_in(number), trimmed),
            );
        }
        if trimmed.contains("register_model(") || trimmed.contains("registered_model_name") {
            notes.word("model_registry", "mlflow", at_line(path, line_in(number), trimmed));
        } else if trimmed.contains(".push_to_hub(") {
            notes.word("model_registry", "huggingface", at_line(path, line_in(number), trimmed));
        } else if trimmed.contains("aiplatform.Model.upload(") {
            notes.word("model_registry", "vertex", at_line(path, line_in(number), trimmed));
        }
    }
    let Some((word, line)) = imported else { return };
    notes.word("ml", word, at_line(path, line_in(line), word));
    if let Some((line, what)) = call {
        notes.yes("training_code", at_line(path, line_in(line), what));
    }
    let stem = name_of(path).split('.').next().unwrap_or_default();
    if matches!(
        stem,
        "evaluate" | "eval" | "evaluation" | "evaluate_model" | "model_evaluation"
    ) {
        notes.yes("model_evaluation", at(path));
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{count, measure, words, yes};

    #[test]
    fn training_is_told_by_imports_and_calls_even_without_a_manifest() {
        let files = [
            ("train.py", "import torch\nimport wandb\nloss.backward()\n"),
            (
                "explore.ipynb",
                "{\"cells\": [{\"cell_type\": \"code\", \"source\": [\"from sklearn.svm import SVC\\n\", \"SVC().fit(x, y)\"]}]}",
            ),
        ];
        assert_eq!(count(&files, "training_code"), 2);
        assert_eq!(count(&files, "notebooks"), 1);
        assert_eq!(words(&files, "ml"), ["pytorch", "scikit-learn"]);
        assert_eq!(words(&files, "experiments_tracked"), ["wandb"]);
    }

    #[test]
    fn stages_of_dvc_are_a_pipeline() {
        let files = [(
            "dvc.yaml",
            "stages:\n  train:\n    cmd: python train.py\n    deps: [data]\n    outs: [model.pkl]\n  evaluate:\n    cmd: python e.py\n    metrics: [m.json]\n",
        )];
        assert_eq!(words(&files, "ml_pipelines"), ["dvc"]);
        assert_eq!(words(&files, "data_versioned"), ["dvc"]);
        assert!(yes(&files, "model_evaluation"));
        assert!(measure(&[("dvc.yaml", "stages: [\n")], "ml_pipelines").is_none());
    }

    #[test]
    fn a_method_called_fit_and_a_folder_of_models_are_no_learning() {
        let files = [
            ("app/models/user.py", "class User: pass\n"),
            ("ui.py", "window.fit(a)\n"),
            ("data/models.json", "{}"),
        ];
        assert!(words(&files, "ml").is_empty());
        assert_eq!(count(&files, "training_code"), 0);
        assert_eq!(count(&files, "model_files"), 0);
    }
}

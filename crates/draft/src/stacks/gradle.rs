//! Java and Kotlin with Gradle.

use super::maven::{spring, wrapper};
use crate::part::{Part, Role, Shipped, Step, Tool};
use crate::view::{View, join, name_of};

pub(super) fn look(view: &View<'_>, folder: &str) -> Option<Part> {
    let files = [
        "settings.gradle",
        "settings.gradle.kts",
        "build.gradle",
        "build.gradle.kts",
    ];
    let path = view.first_of(folder, &files)?;
    let mut part = Part::new("Java with Gradle", Tool::Gradle, folder);
    for file in files {
        let path = join(folder, file);
        if view.is_file(&path) {
            part.because(&path);
        }
    }
    let gradle = wrapper(view, folder, "gradlew", "gradle");
    part.uses("java");
    if gradle == "gradle" {
        part.uses("gradle");
    } else {
        part.because(&join(folder, "gradlew"));
    }
    let builds: Vec<_> = view
        .below(folder)
        .filter(|path| matches!(name_of(path), "build.gradle" | "build.gradle.kts"))
        .filter_map(|path| view.text(path))
        .collect();
    if builds
        .iter()
        .any(|text| text.contains("com.android.application") || text.contains("com.android.library"))
    {
        part.notes.push(format!(
            "{path}: an Android build also needs the Android SDK (`ANDROID_HOME`)"
        ));
    }
    part.steps.push(
        Step::new(Role::Build, [format!("{gradle} --no-daemon --console=plain build")])
            .about("compiles, tests and makes the archives; Gradle keeps what it downloads in the home folder"),
    );
    part.files.push(Shipped::as_it_is("**/build/libs/*.jar"));
    if let [one] = builds.as_slice() {
        part.files = vec![Shipped::new("build/libs/*.jar", "lib")];
        part.service = spring(one, "").map(|mut service| {
            // Beside the program there is a plain archive without its dependencies.
            service.command[2] = "exec java -jar \"$(ls lib/*.jar | grep -v -- '-plain.jar$' | head -n 1)\"".to_owned();
            service
        });
    }
    Some(part)
}

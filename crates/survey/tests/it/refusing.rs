//! What cannot be surveyed, and how that is said.

use survey::SurveyError;

use crate::fixture::{Work, end_of, is_limited, options, survey_of};

#[test]
fn what_is_no_repository_is_said_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let error = survey_of(folder.path(), 0).unwrap_err();
    assert!(matches!(error, SurveyError::NoRepository { .. }), "{error}");
    assert!(error.hint().is_some());
    let error = survey_of(&folder.path().join("absent"), 0).unwrap_err();
    assert!(matches!(error, SurveyError::NoFolder { .. }), "{error}");
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let error = survey_of(&folder.path().join("file"), 0).unwrap_err();
    assert!(matches!(error, SurveyError::NoFolder { .. }), "{error}");
}

#[test]
fn a_repository_with_other_object_names_is_refused_by_name() {
    let work = Work::with(&["--object-format=sha256"]);
    let error = survey_of(&work.path, 0).unwrap_err();
    assert!(error.to_string().contains("names its objects by SHA-256"), "{error}");
}

#[test]
fn refs_in_tables_are_refused_with_the_way_back() {
    let work = Work::new();
    work.git(&["config", "core.repositoryformatversion", "1"]);
    work.git(&["config", "extensions.refStorage", "reftable"]);
    let error = survey_of(&work.path, 0).unwrap_err();
    assert!(error.to_string().contains("stores its refs as `reftable`"), "{error}");
    assert!(error.hint().unwrap().contains("git refs migrate"));
}

#[test]
fn a_branch_that_is_not_there_is_named() {
    let work = Work::new();
    work.commit(0, "a", "one");
    let mut options = options(9);
    options.branch = Some("absent".to_owned());
    let error = survey::survey(&work.path, &options, &()).unwrap_err();
    assert!(error.to_string().contains("there is no branch `absent`"), "{error}");
}

#[test]
fn a_broken_newest_commit_is_an_error_and_no_empty_evidence() {
    let work = Work::new();
    let commit = work.commit(0, "a", "one");
    let object = work.path.join(".git/objects").join(&commit[..2]).join(&commit[2..]);
    make_writable(&object);
    std::fs::write(&object, "rubbish").unwrap();
    let error = survey_of(&work.path, 9).unwrap_err();
    assert!(matches!(&error, SurveyError::Tip { .. }), "{error}");
    assert!(error.hint().unwrap().contains("git fsck"));
    std::fs::remove_file(&object).unwrap();
    let error = survey_of(&work.path, 9).unwrap_err();
    assert!(error.to_string().contains("the object is missing"), "{error}");
}

fn make_writable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn an_empty_repository_has_no_measures_and_says_why() {
    let work = Work::new();
    let survey = work.survey(0);
    assert!(survey.repository.measures.is_empty());
    assert!(survey.repository.streams.is_empty());
    assert_eq!(survey.repository.subject.commit, None);
    assert!(is_limited(&survey.repository, "no commit yet"));
    let bare = Work::with(&["--bare"]);
    assert!(is_limited(&bare.survey(0).repository, "no commit yet"));
}

#[test]
fn before_the_first_commit_there_is_nothing_to_see() {
    let work = Work::new();
    work.commit(10, "a", "one");
    let survey = work.survey(3);
    assert!(survey.repository.measures.is_empty());
    assert!(is_limited(&survey.repository, "begins later, on 2024-01-11"));
    assert_eq!(survey.repository.subject.at, end_of(3).timestamp());
}

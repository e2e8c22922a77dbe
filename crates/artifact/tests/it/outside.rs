//! What other people's programs say to a package.

use facts::Version;

use crate::fixture::Fixture;

#[test]
#[allow(clippy::disallowed_methods)] // a test that runs a real client
fn skopeo_reads_an_exported_layout_and_finds_the_same_digest() {
    let fixture = Fixture::with(&[("bin/server*", "binary")]);
    let package = fixture.build(&[("bin", "bin")]).unwrap();
    let folder = fixture.data.path().join("layout");
    let version = Version::new("1.0.0").unwrap();
    artifact::package::export_layout(&fixture.store, &package, Some(&version), &folder).unwrap();
    let output = std::process::Command::new("skopeo")
        .args(["inspect", "--format", "{{.Digest}} {{.Os}}/{{.Architecture}}"])
        .arg(format!("oci:{}:1.0.0", folder.display()))
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            testkit::skip(testkit::Need::Skopeo, "skopeo is not installed");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.trim(), format!("{} linux/amd64", package.digest));
    let copied = fixture.data.path().join("copied");
    let status = std::process::Command::new("skopeo")
        .args(["copy", "--quiet", "--insecure-policy"])
        .arg(format!("oci:{}:1.0.0", folder.display()))
        .arg(format!("dir:{}", copied.display()))
        .status()
        .unwrap();
    assert!(status.success());
}

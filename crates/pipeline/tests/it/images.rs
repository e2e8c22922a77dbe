//! Images of steps, and services beside them.

use pipeline::Definition;
use pipeline::plan::{ImagePull, RunInput};

use crate::definition::{check, step};

#[test]
fn an_image_is_a_name_or_a_map_and_its_mistakes_are_placed() {
    let image = |written: &str| {
        let definition = Definition::parse(&step(&format!("image: {written}")), "t.yaml").unwrap();
        let input: RunInput = serde_json::from_value(definition.plan().steps[0].input.clone()).unwrap();
        input.image.unwrap()
    };
    assert_eq!(
        (image("rust:1.80").name.as_str(), image("rust:1.80").pull),
        ("rust:1.80", ImagePull::Missing)
    );
    let whole = image("{ name: 'quay.io/a/b@sha256:00', pull: never, user: '1000:1000' }");
    assert_eq!(
        (whole.pull, whole.user.as_deref()),
        (ImagePull::Never, Some("1000:1000"))
    );
    check(
        &step("image: --privileged"),
        &[
            "5:12 `--privileged` is no name of an image | write it as for `podman pull`, such as `rust:1.80` or `quay.io/team/tools:2`",
        ],
    );
    check(
        &step("image: { name: 'rust:$V' }"),
        &["5:20 `rust:$V` is no name of an image | only the axes of the step's own `matrix` are filled in"],
    );
    check(
        &step("image: { name: a, user: '-u' }"),
        &["5:29 `-u` is no user of an image | write a name or a number, such as `node` or `1000:1000`"],
    );
    check(
        &step("image: { name: a, pull: sometimes }"),
        &["5:29 `pull` must be `missing`, `always` or `never`, not `sometimes`"],
    );
}

#[test]
fn services_are_processes_or_containers_and_their_mistakes_are_placed() {
    let written = "services: { db: { image: 'postgres:16', port: 5432, ready: { run: pg_isready, within: 90s } }, web: { run: serve } }";
    let definition = Definition::parse(&step(written), "t.yaml").unwrap();
    let input: RunInput = serde_json::from_value(definition.plan().steps[0].input.clone()).unwrap();
    let [db, web] = &input.services[..] else {
        panic!("{:?}", input.services)
    };
    assert_eq!(
        (db.port, db.within_seconds, db.ready.as_deref()),
        (Some(5432), 90, Some("pg_isready"))
    );
    assert_eq!(
        (web.run.as_deref(), web.within_seconds, &web.image),
        (Some("serve"), 60, &None)
    );
    for (service, mistake) in [
        (
            "D_B: { run: x }",
            "5:17 `D_B` is no name of a service | begin with a lower-case letter, and go on with those, digits and `-`, such as `db`",
        ),
        (
            "db: {}",
            "5:17 the service `db` has neither `run` nor `image` | write the commands that start it, or name an image",
        ),
        (
            "db: { image: x }",
            "5:30 the service `db` needs `port` | say on which port it listens in its container, such as `port: 5432`",
        ),
        (
            "db: { run: x, port: 1 }",
            "5:37 `port` is without effect here: a process is given a free one | remove it, and let the commands listen on `$PORT`",
        ),
    ] {
        check(&step(&format!("services: {{ {service} }}")), &[mistake]);
    }
}

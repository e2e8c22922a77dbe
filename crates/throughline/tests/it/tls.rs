//! Servers with TLS of their own, and what is told when one cannot be trusted.

use testkit::Authority;
use throughline::Exit;

use crate::serving::Serving;
use crate::support::Home;

fn refused(message: &str) -> (Exit, String) {
    (Exit::NotReachable, message.to_owned())
}

#[test]
fn a_server_with_a_certificate_of_ones_own_authority_is_used_with_that_authoritys_certificate() {
    let authority = Authority::new();
    let mut serving = Serving::with(&authority.certify(&["localhost", "127.0.0.1"]), &authority);
    let ca = serving.ca.display().to_string();
    serving.home.input = format!("{}\n", serving.token);
    let url = format!("https://localhost:{}", serving.port);
    serving.home.variables.remove("THROUGHLINE_TOKEN");
    let login = serving.home.call(&["login", &url, "--ca-file", &ca]);
    assert_eq!(login.exit, Exit::Done, "{}", login.shown());
    assert!(login.out.contains("https://localhost:PORT/login/"), "{}", login.shown());
    let home = std::mem::replace(&mut serving.home, Home::new()).with("THROUGHLINE_CA_FILE", &ca);
    for call in [
        &["whoami"][..],
        &["status"],
        &["ledger", "verify"],
        &["ledger", "export"],
    ] {
        let called = home.call(call);
        assert_eq!(called.exit, Exit::Done, "{}", called.shown());
    }
    // The data folder says where the server is, as it does without TLS.
    let called = home.call(&["whoami", "--data", "data"]);
    assert_eq!(called.exit, Exit::Done, "{}", called.shown());
}

#[test]
fn an_authority_that_is_not_known_and_a_name_that_is_not_the_servers_are_told() {
    let authority = Authority::new();
    let serving = Serving::with(&authority.certify(&["localhost"]), &authority);
    assert_eq!(
        serving.whoami("https://localhost", &[]),
        refused(
            "error: no safe connection to https://localhost:PORT: no known authority vouches for its certificate\nhint: where an authority of your own does, name its certificate with --ca-file\n"
        )
    );
    let ca = serving.ca.display().to_string();
    assert_eq!(
        serving.whoami("https://127.0.0.1", &["--ca-file", &ca]),
        refused(
            "error: no safe connection to https://127.0.0.1:PORT: its certificate is not for `127.0.0.1`\nhint: its certificate is for localhost\n"
        )
    );
    let other = serving.home.current.join("other.crt");
    std::fs::write(&other, Authority::new().pem()).unwrap();
    assert_eq!(
        serving.whoami("https://localhost", &["--ca-file", other.to_str().unwrap()]),
        refused(
            "error: no safe connection to https://localhost:PORT: none of the authorities in --ca-file vouches for its certificate\nhint: name the certificate of the authority that issued it\n"
        )
    );
    assert_eq!(
        serving.whoami("http://localhost", &[]),
        (
            Exit::Usage,
            "error: this address speaks TLS, and the request came without\nhint: use https:// instead of http://\n"
                .to_owned()
        )
    );
}

#[test]
fn an_expired_certificate_is_told_with_its_day() {
    let authority = Authority::new();
    let serving = Serving::with(&authority.certify_expired(&["localhost"]), &authority);
    let ca = serving.ca.display().to_string();
    assert_eq!(
        serving.whoami("https://localhost", &["--ca-file", &ca]),
        refused(
            "error: no safe connection to https://localhost:PORT: its certificate has expired on 2001-01-01\nhint: whoever runs the server must renew it; check the clock of this machine too\n"
        )
    );
}

#[test]
fn a_server_without_tls_is_told_from_one_with() {
    let serving = Serving::without();
    assert_eq!(
        serving.whoami("https://localhost", &[]),
        refused(
            "error: what answers at https://localhost:PORT does not speak TLS\nhint: check the address; without TLS it would begin with http://\n"
        )
    );
}

#[test]
fn half_of_a_certificate_is_a_mistake_that_is_told_before_anything_is_done() {
    let home = Home::new();
    for (arguments, expected) in [
        (
            ["serve", "--tls-certificate", "x.pem"],
            "error: --tls-certificate is given, but not the private key that belongs to it\nhint: name both: --tls-key is missing\n",
        ),
        (
            ["serve", "--tls-key", "x.pem"],
            "error: --tls-key is given, but not the certificate that belongs to it\nhint: name both: --tls-certificate is missing\n",
        ),
    ] {
        let called = home.call(&arguments);
        assert_eq!((called.exit, called.err.as_str()), (Exit::Usage, expected));
    }
}

//! Mail, by a server that speaks SMTP.

use notification::Reach;
use notification::mail::{Login, Relay, Security, send};
use testkit::{Authority, Encryption, MailServer};

use crate::{here, message};

/// `\0throughline\0a long password`, in base64.
const PLAIN: &str = "AHRocm91Z2hsaW5lAGEgbG9uZyBwYXNzd29yZA==";

fn relay(server: &MailServer, security: Security, authority: Option<&Authority>) -> Relay {
    Relay {
        host: "localhost".to_owned(),
        port: server.address().port(),
        security,
        from: "Throughline <throughline@example.org>".parse().unwrap(),
        hello: "deliver.example.org".to_owned(),
        reach: here(),
        authorities: authority.map_or_else(Vec::new, |one| {
            notification::certificates(one.pem().as_bytes()).unwrap()
        }),
    }
}

fn login(password: &str) -> Login {
    Login {
        user: "throughline".to_owned(),
        password: password.to_owned().into(),
    }
}

#[test]
fn a_mail_arrives_whole_however_it_is_encrypted() {
    let authority = Authority::new();
    let certified = authority.certify(&["localhost"]);
    for (encryption, security) in [
        (Encryption::None, Security::None),
        (Encryption::Starttls(certified.clone()), Security::Starttls),
        (Encryption::Tls(certified), Security::Tls),
    ] {
        let server = MailServer::start(&encryption, Some(PLAIN));
        let relay = relay(&server, security, Some(&authority));
        let said = message("shop/cart: main is broken since “Überall – ½” (1a2b3c4d1a)");
        send(&relay, Some(&login("a long password")), "ada@example.org", &said).unwrap();
        let mails = server.wait_for(1);
        let mail = &mails[0];
        assert_eq!(mail.encrypted, security != Security::None);
        assert_eq!(
            (mail.from.as_str(), &mail.to[..]),
            ("throughline@example.org", &["ada@example.org".to_owned()][..])
        );
        assert!(
            mail.text.contains("Message-ID: <notification_1@example.org>"),
            "{}",
            mail.text
        );
        assert!(mail.text.contains("Auto-Submitted: auto-generated"), "{}", mail.text);
        assert!(mail.text.contains("Subject: "), "{}", mail.text);
        let headers = mail.text.split("\n\n").next().unwrap();
        assert!(headers.is_ascii(), "other letters are encoded: {headers}");
        assert!(
            mail.text.contains("https://deliver.example.org/runs/x"),
            "{}",
            mail.text
        );
    }
}

#[test]
fn a_server_that_is_not_vouched_for_or_does_not_encrypt_gets_neither_password_nor_mail() {
    let authority = Authority::new();
    let other = Authority::new();
    for (encryption, security) in [
        (Encryption::Starttls(other.certify(&["localhost"])), Security::Starttls),
        (
            Encryption::Starttls(authority.certify(&["elsewhere.example"])),
            Security::Starttls,
        ),
        (
            Encryption::Tls(authority.certify_expired(&["localhost"])),
            Security::Tls,
        ),
        (Encryption::None, Security::Starttls),
    ] {
        let server = MailServer::start(&encryption, Some(PLAIN));
        let relay = relay(&server, security, Some(&authority));
        let unsent = send(
            &relay,
            Some(&login("a long password")),
            "ada@example.org",
            &message("x"),
        )
        .unwrap_err();
        assert!(!unsent.for_good, "{unsent}");
        assert!(server.mails().is_empty());
    }
}

#[test]
fn what_is_refused_for_good_is_told_apart_from_what_may_work_later() {
    let server = MailServer::start(&Encryption::None, Some(PLAIN));
    let relay = relay(&server, Security::None, None);
    let right = login("a long password");
    let refused = |login: Option<&Login>, to: &str| send(&relay, login, to, &message("x")).unwrap_err();
    let nobody = refused(Some(&right), "nobody@example.org");
    assert!(
        nobody.for_good && nobody.reason.contains("nobody of that name"),
        "{nobody}"
    );
    let later = refused(Some(&right), "later@example.org");
    assert!(!later.for_good && later.reason.contains("come again"), "{later}");
    let wrong = refused(Some(&login("another one")), "ada@example.org");
    assert!(
        !wrong.for_good && wrong.reason.contains("user or the password"),
        "{wrong}"
    );
    assert!(!wrong.reason.contains("another one"), "{wrong}");
    let stranger = refused(None, "ada@example.org");
    assert!(!stranger.for_good, "{stranger}");
}

#[test]
fn mail_goes_only_where_it_may() {
    let server = MailServer::start(&Encryption::None, None);
    let relay = Relay {
        reach: Reach::default(),
        ..relay(&server, Security::None, None)
    };
    let unsent = send(&relay, None, "ada@example.org", &message("x")).unwrap_err();
    assert!(
        unsent.reason.contains("this machine") && unsent.reason.contains("`allow`"),
        "{unsent}"
    );
    assert!(server.mails().is_empty());
}

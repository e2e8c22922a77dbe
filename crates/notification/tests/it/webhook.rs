//! Webhooks, by a receiver that keeps what it is sent.

use facts::Timestamp;
use notification::signature::sign;
use notification::webhook::{Delivery, Webhooks};
use notification::{Format, Reach, Unsent};
use testkit::Receiver;

use crate::{here, message};

fn call(webhooks: &Webhooks, url: &str, secret: Option<&str>) -> Result<(), Unsent> {
    webhooks.send(Delivery {
        url,
        format: Format::Throughline,
        secret,
        message: &message("shop/cart: 1.4.0 is in staging"),
        at: Timestamp::from_second(1_700_000_000).unwrap(),
    })
}

#[test]
fn a_webhook_gets_the_document_with_its_id_the_time_and_a_signature() {
    let receiver = Receiver::start();
    let webhooks = Webhooks::new(here(), &[]);
    let url = format!("http://{}/hook?x=1", receiver.address());
    call(&webhooks, &url, Some("a secret")).unwrap();
    let requests = receiver.wait_for(1);
    let request = &requests[0];
    assert_eq!(request.path, "/hook?x=1");
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("webhook-id"), "notification_1");
    assert_eq!(request.header("webhook-timestamp"), "1700000000");
    let expected = sign("a secret", "notification_1", 1_700_000_000, &request.body);
    assert_eq!(request.header("webhook-signature"), expected);
    let document: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(document["schema"], "notification/1");
    assert_eq!(document["title"], "shop/cart: 1.4.0 is in staging");
}

#[test]
fn what_it_answers_decides_whether_it_is_tried_again() {
    let receiver = Receiver::start();
    let webhooks = Webhooks::new(here(), &[]);
    let url = format!("http://{}/", receiver.address());
    receiver.answers(&[
        "500 Broken",
        "410 Gone",
        "302 Found\r\nlocation: http://169.254.169.254/",
        "404 Missing",
    ]);
    let answers: Vec<Unsent> = (0..4).map(|_| call(&webhooks, &url, None).unwrap_err()).collect();
    let for_good: Vec<bool> = answers.iter().map(|answer| answer.for_good).collect();
    assert_eq!(for_good, [false, true, false, false]);
    assert!(answers[0].reason.contains("500"), "{}", answers[0]);
    assert!(answers[2].reason.contains("not followed"), "{}", answers[2]);
    assert_eq!(receiver.requests().len(), 4, "nothing was asked elsewhere");
    call(&webhooks, &url, None).unwrap();
}

#[test]
fn a_webhook_goes_only_where_it_may_whatever_its_name_is_resolved_to() {
    let receiver = Receiver::start();
    let port = receiver.address().port();
    let webhooks = Webhooks::new(Reach::default(), &[]);
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "169.254.169.254",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ] {
        let unsent = call(&webhooks, &format!("http://{host}:{port}/secret-path"), None).unwrap_err();
        assert!(unsent.reason.contains("nothing is sent there"), "{host}: {unsent}");
        assert!(!unsent.reason.contains("secret-path"), "{unsent}");
    }
    assert!(receiver.requests().is_empty());
}

#[test]
fn a_receiver_that_is_not_there_is_told_without_its_address() {
    let webhooks = Webhooks::new(here(), &[]);
    let url = format!("http://{}/token-in-the-path", testkit::free_port());
    let unsent = call(&webhooks, &url, None).unwrap_err();
    assert!(
        !unsent.for_good && !unsent.reason.contains("token-in-the-path"),
        "{unsent}"
    );
}

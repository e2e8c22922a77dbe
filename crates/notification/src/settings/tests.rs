//! What a file of notifications may say, and what is said when it is wrong.

use super::*;

const WHOLE: &str = r#"
allow = ["10.0.0.0/8"]
gather = "10m"

[mail]
server = "mail.example.org"
from = "Throughline <throughline@example.org>"
user = "throughline"
password = "mail/password"
authors = ["example.org", "Ada@elsewhere.example"]

[webhooks.audit]
url = "https://audit.example.org/hook"
secret = "hooks/audit"

[webhooks.chat]
url-secret = "hooks/chat"
format = "slack"

[duties]
operations = ["ops@example.org", "webhook:chat"]

[[rules]]
events = ["line-broken", "line-recovered", "package-returned"]
to = ["authors", "webhook:chat"]

[[rules]]
events = ["approval-waits", "gate-waits"]
components = ["shop/*"]
environments = ["production"]
longer-than = "2h"
to = ["approvers"]
"#;

fn read(text: &str) -> Result<Notifications, SettingsError> {
    Notifications::parse(Path::new("notifications.toml"), text)
}

#[test]
fn a_whole_file_is_read() {
    let read = read(WHOLE).unwrap();
    let mail = read.mail.as_ref().unwrap();
    assert_eq!((mail.host.as_str(), mail.port), ("mail.example.org", 587));
    assert_eq!(read.gather, Duration::from_secs(600));
    assert_eq!(read.waits(), [Duration::from_secs(7_200)].into());
    assert_eq!(read.rules.len(), 2);
    assert!(read.writes_to_author("bob@example.org") && read.writes_to_author("ada@elsewhere.example"));
    assert!(!read.writes_to_author("bob@elsewhere.example") && !read.writes_to_author("x@sub.example.org"));
    let named: Vec<String> = read.named().iter().map(ToString::to_string).collect();
    assert_eq!(named, ["ops@example.org", "webhook:audit", "webhook:chat"]);
    assert!(read.gathers(&Told::Webhook("chat".into())) && !read.gathers(&Told::Webhook("audit".into())));
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_the_mend() {
    let mail = "[mail]\nserver = \"m.example\"\nfrom = \"a@b.example\"\n";
    let hook = "[webhooks.x]\nurl = \"https://h.example\"\n";
    let rule = |events: &str, to: &str| format!("[[rules]]\nevents = [{events}]\nto = [{to}]\n");
    let told = |text: String| read(&text).unwrap_err().to_string();
    let all = [
        told("sort = 1\n".to_owned()),
        told(format!("{hook}{}", rule("\"run-faild\"", "\"webhook:x\""))),
        told(format!("{hook}{}", rule("\"run-failed\"", "\"webhook:y\""))),
        told(rule("\"run-failed\"", "\"ops@example.org\"")),
        told(format!("{mail}{}", rule("\"run-failed\"", "\"authors\""))),
        told(format!("{hook}{}", rule("\"run-failed\"", "\"approvers\""))),
        told(format!(
            "{hook}{}longer-than = \"2h\"\n",
            rule("\"run-failed\"", "\"webhook:x\"")
        )),
        told(format!("{mail}user = \"x\"\n")),
        told(format!("{mail}user = \"x\"\npassword = \"y\"\nsecurity = \"none\"\n")),
        told("[webhooks.x]\nurl = \"ftp://h.example\"\n".to_owned()),
        told("[webhooks.x]\nurl = \"https://user@h.example\"\n".to_owned()),
        told("[webhooks.x]\nformat = \"slack\"\n".to_owned()),
        told("allow = [\"10.0.0.0/40\"]\n".to_owned()),
        told("gather = \"soon\"\n".to_owned()),
    ];
    let lines: Vec<&str> = all.iter().map(|told| told.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "notifications.toml:1:1: unknown field `sort`",
            "notifications.toml:4:11: `run-faild` is no event",
            "notifications.toml:5:7: there is no webhook `y`",
            "notifications.toml:3:7: nothing says how mail is sent",
            "notifications.toml:6:7: nothing says which authors may be written to",
            "notifications.toml:5:7: `approvers` are asked by the event `approval-waits` alone",
            "notifications.toml:6:15: `longer-than` says nothing here",
            "notifications.toml:4:8: a user without a password",
            "notifications.toml:2:10: the password of `x` would travel unencrypted",
            "notifications.toml:2:7: `ftp://h.example` is no web address",
            "notifications.toml:2:7: `https://user@h.example` is no web address",
            "notifications.toml:1:1: the webhook `x` has no address",
            "notifications.toml:1:10: `10.0.0.0/40` is no network: an address such as `127.0.0.1`, or one with its bits such as `10.0.0.0/8`, is expected",
            "notifications.toml:1:10: `soon` is no time",
        ]
    );
    let hints = all.iter().filter(|told| told.contains("\nhint: ")).count();
    assert!(hints >= 12, "{all:#?}");
}

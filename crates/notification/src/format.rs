//! The forms in which webhooks take a message.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::message::{Message, Notification};

/// What a webhook is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// The notification as a document, one for each: for programs.
    #[default]
    Throughline,
    /// What Slack, Mattermost and Rocket.Chat show.
    Slack,
    /// What workflows of Microsoft Teams show: an adaptive card.
    Teams,
}

impl Format {
    /// Whether people read it, so that several are better told at once.
    pub fn is_for_people(self) -> bool {
        self != Self::Throughline
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Throughline => "throughline",
            Self::Slack => "slack",
            Self::Teams => "teams",
        }
    }

    /// The body of the request.
    pub fn body(self, message: &Message) -> Value {
        let all = message.notifications();
        match self {
            // Each goes by itself: see `is_for_people`.
            Self::Throughline => json!(all.first()),
            Self::Slack => json!({ "text": all.iter().map(slack).collect::<Vec<_>>().join("\n") }),
            Self::Teams => json!({
                "type": "message",
                "attachments": [{
                    "contentType": "application/vnd.microsoft.card.adaptive",
                    "content": {
                        "type": "AdaptiveCard",
                        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                        "version": "1.4",
                        "body": all.iter().flat_map(card).collect::<Vec<_>>(),
                    },
                }],
            }),
        }
    }
}

/// The three characters that Slack reads as its own are escaped, so that no commit message mentions
/// everybody or makes a link of its own.
fn slack_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn slack(one: &Notification) -> String {
    // A bar would end the address within the link.
    let url = one.url.replace('|', "%7C");
    let mut text = format!("<{}|{}>", slack_text(&url), slack_text(&one.title).replace('|', "¦"));
    for reason in &one.reasons {
        text.push_str("\n> ");
        text.push_str(&slack_text(reason));
    }
    text
}

/// What Markdown would read as its own is escaped.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if "\\`*_[]()#<>!~|".contains(letter) {
            plain.push('\\');
        }
        plain.push(letter);
    }
    plain
}

fn card(one: &Notification) -> Vec<Value> {
    let mut blocks = vec![json!({
        "type": "TextBlock", "wrap": true, "weight": "Bolder",
        "text": format!("[{}]({})", plain(&one.title), one.url.replace(['(', ')', ' '], "")),
    })];
    let reasons = one.reasons.iter();
    blocks.extend(
        reasons.map(|reason| json!({ "type": "TextBlock", "wrap": true, "isSubtle": true, "text": plain(reason) })),
    );
    blocks
}

#[cfg(test)]
mod tests {
    use facts::Timestamp;

    use super::*;

    fn message(title: &str) -> Message {
        let mut one = Notification::test(
            "n_1".to_owned(),
            Timestamp::UNIX_EPOCH,
            "https://d.example/x".to_owned(),
        );
        one.title = title.to_owned();
        one.reasons = vec!["a < b".to_owned()];
        Message::new(vec![one]).unwrap()
    }

    #[test]
    fn chats_show_a_link_and_the_reasons_and_nothing_that_a_commit_made_up() {
        let body = Format::Slack.body(&message("“<!channel> a|b” & more"));
        assert_eq!(
            body["text"],
            "<https://d.example/x|“&lt;!channel&gt; a¦b” &amp; more>\n> a &lt; b"
        );
        let body = Format::Teams.body(&message("x](https://evil.example)"));
        let card = &body["attachments"][0]["content"]["body"];
        assert_eq!(card[0]["text"], "[x\\]\\(https://evil.example\\)](https://d.example/x)");
        assert_eq!(card[1]["text"], "a \\< b");
    }

    #[test]
    fn programs_get_the_document() {
        let body = Format::Throughline.body(&message("x"));
        assert_eq!(body["schema"], "notification/1");
        assert_eq!(body["id"], "n_1");
        assert_eq!(body["test"], true);
    }
}

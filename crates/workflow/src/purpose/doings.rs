//! From what the tables give to what a step does.

use super::resolve::{Context, Resolver};
use super::wording::{has_goals, meant, shown};
use super::{Doing, Given, Purpose, names};
use crate::model::At;

impl Resolver<'_> {
    /// A script that is called `publish` or `deploy` does that, also where it builds on the way and the
    /// rest of it is not understood.
    #[expect(clippy::too_many_arguments, reason = "what is found and where, all of it needed")]
    pub(super) fn named_delivery(
        &self,
        name: &str,
        program: &str,
        texts: &str,
        at: &At,
        context: &Context,
        ignored: bool,
        before: usize,
        out: &mut Vec<Doing>,
    ) {
        let speaks = names::of_name(name)
            .iter()
            .any(|give| matches!(give.purpose, Purpose::Publish | Purpose::Deploy));
        let builds = |purpose: Purpose| {
            matches!(
                purpose,
                Purpose::Build | Purpose::Package | Purpose::ImagesBuilt | Purpose::Setup | Purpose::Cache
            )
        };
        if speaks && out[before..].iter().all(|doing| builds(doing.purpose)) {
            let names = [name.to_owned()];
            self.by_names(&names, program, texts, at, context, ignored, out);
        }
    }

    /// What names say, for what is not understood otherwise.
    #[expect(clippy::too_many_arguments, reason = "what is found and where, all of it needed")]
    pub(super) fn by_names(
        &self,
        asked: &[String],
        tool: &str,
        texts: &str,
        at: &At,
        context: &Context,
        ignored: bool,
        out: &mut Vec<Doing>,
    ) {
        for name in asked
            .iter()
            .filter(|name| !name.starts_with('-') && !name.contains('='))
        {
            for give in names::of_name(name) {
                let before = out.len();
                self.put(&give, tool, texts, at, context, ignored, out);
                for doing in &mut out[before..] {
                    doing.by_name = true;
                }
            }
        }
    }

    /// Puts down what a line of a table gives.
    #[expect(clippy::too_many_arguments, reason = "what is found and where, all of it needed")]
    pub(super) fn put(
        &self,
        give: &Given,
        tool: &str,
        texts: &str,
        at: &At,
        context: &Context,
        ignored: bool,
        out: &mut Vec<Doing>,
    ) {
        let purpose = match give.purpose {
            Purpose::Test if has_goals(tool) => names::kind_of_test(&context.hints).unwrap_or(Purpose::Test),
            Purpose::Test => {
                names::kind_of_test(&format!("{} {}", context.hints, meant(texts))).unwrap_or(Purpose::Test)
            }
            Purpose::IntegrationIfConfigured => {
                if !self.has_failsafe(&context.folder) {
                    return;
                }
                Purpose::Integration
            }
            Purpose::PublishIfUpload => {
                if !["-T ", "--upload-file", "-X PUT", "--data-binary"]
                    .iter()
                    .any(|option| texts.contains(option))
                {
                    return;
                }
                Purpose::Publish
            }
            Purpose::ByTarget | Purpose::ImageRun | Purpose::Script => return,
            other => other,
        };
        let chain = if context.chain.is_empty() {
            Vec::new()
        } else {
            context.chain.clone()
        };
        let names = context.hints.rsplit("  ").next().unwrap_or_default();
        out.push(Doing {
            purpose,
            detail: give.detail.clone(),
            environment: give.environment.clone(),
            tool: shown(tool, texts),
            at: at.clone(),
            chain,
            ignored: ignored || context.ignored,
            by_name: false,
            words: format!("{names} | {texts}"),
        });
    }
}

//! Tags made by the server: annotated, the same bytes each time, and never moved.

use std::time::Duration;

use facts::{Commit, Timestamp};

use crate::error::SourceError;
use crate::git;
use crate::reading::commit_of;
use crate::refs::RefName;
use crate::remote::{Address, Credential};
use crate::repository::Repository;

/// Who makes the tags.
const TAGGER: &str = "Throughline <throughline@localhost>";

/// A tag to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewTag<'a> {
    /// Its full name.
    pub name: &'a RefName,
    /// The commit it leads to.
    pub commit: &'a Commit,
    /// What it says.
    pub message: &'a str,
    /// The time it carries: not that of its making, so that making it again makes the same.
    pub at: Timestamp,
}

impl Repository {
    /// Where a tag leads: to a commit, or else the object it holds; nothing when it is not there.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn tag(&self, name: &RefName) -> Result<Option<Commit>, SourceError> {
        let reader = self.reader();
        let found = reader.try_find_reference(name.as_str()).map_err(|e| self.wrong(e))?;
        let Some(mut reference) = found else { return Ok(None) };
        let held = reference.try_id().map(gix::Id::detach);
        match (reference.peel_to_commit(), held) {
            (Ok(commit), _) => commit_of(&commit.id).map(Some),
            (Err(_), Some(held)) => commit_of(&held).map(Some),
            (Err(error), None) => Err(self.wrong(error)),
        }
    }

    /// Makes a tag here, unless one of that name is there.
    ///
    /// # Errors
    /// When one is there, or git fails.
    pub async fn make_tag(&self, tag: NewTag<'_>) -> Result<(), SourceError> {
        let object = self.write_tag(tag).await?;
        let absent = "0".repeat(40);
        let spec = git::git(Some(&self.path)).args(["update-ref", "--no-deref", tag.name.as_str()]);
        let spec = spec.args([object.as_str(), absent.as_str()]);
        crashpoint::reach("source.tag.start");
        git::run(spec, "update-ref", git::LOCAL).await?;
        crashpoint::reach("source.tag.done");
        Ok(())
    }

    /// Where a tag leads at `address`; nothing when it is not there.
    ///
    /// # Errors
    /// When the remote does not answer or does not accept the credential.
    pub async fn remote_tag(
        &self,
        address: &Address,
        credential: &Credential,
        name: &RefName,
        timeout: Duration,
    ) -> Result<Option<Commit>, SourceError> {
        let (spec, held) = self.outward(address, credential)?;
        let peeled = format!("{name}^{{}}");
        let spec = spec
            .args(["ls-remote", "--quiet", "--end-of-options"])
            .arg(address.as_str())
            .args([name.as_str(), peeled.as_str()]);
        let asked = git::run(spec, "ls-remote", timeout).await;
        drop(held);
        let output = asked.map_err(|error| credential.hidden(error))?;
        let text = output.text();
        let leads = |wanted: &str| {
            let (id, _) = text
                .lines()
                .filter_map(|line| line.split_once('\t'))
                .find(|(_, name)| *name == wanted)?;
            Commit::new(id).ok()
        };
        Ok(leads(&peeled).or_else(|| leads(name.as_str())))
    }

    /// Pushes a tag to `address`, unless one of that name is there. It is not made here: it comes when
    /// the remote is looked at again.
    ///
    /// # Errors
    /// When one is there, the remote does not answer, or the credential may not write.
    pub async fn push_tag(
        &self,
        address: &Address,
        credential: &Credential,
        tag: NewTag<'_>,
        timeout: Duration,
    ) -> Result<(), SourceError> {
        let object = self.write_tag(tag).await?;
        let (spec, held) = self.outward(address, credential)?;
        let spec = spec
            .args(["push", "--quiet", "--no-verify", "--no-follow-tags", "--no-signed"])
            .args(["--recurse-submodules=no", "--end-of-options"])
            .arg(address.as_str())
            .arg(format!("{object}:{}", tag.name));
        crashpoint::reach("source.tag.start");
        let pushed = git::run(spec, "push", timeout).await;
        drop(held);
        pushed.map_err(|error| credential.hidden(error))?;
        crashpoint::reach("source.tag.done");
        Ok(())
    }

    /// Writes the tag's object, to which nothing leads yet.
    async fn write_tag(&self, tag: NewTag<'_>) -> Result<Commit, SourceError> {
        let name = tag.name.tag().unwrap_or(tag.name.as_str());
        let text = format!(
            "object {}\ntype commit\ntag {name}\ntagger {TAGGER} {} +0000\n\n{}",
            tag.commit,
            tag.at.as_second(),
            tag.message,
        );
        let spec = git::git(Some(&self.path)).arg("mktag");
        let output = git::run_with(spec, "mktag", text.as_bytes(), git::LOCAL).await?;
        Commit::new(output.text().trim()).map_err(|error| self.wrong(error))
    }
}

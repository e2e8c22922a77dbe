//! `throughline repo`.

use facts::ComponentName;

use super::done;
use crate::cli::RepoAddArgs;
use crate::client::Address;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::session::Session;
use crate::show;
use crate::wire::{NewRepository, Repositories};

/// Follows a repository elsewhere.
pub(super) fn add(args: RepoAddArgs, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let name = match &args.name {
        Some(name) => name
            .parse::<ComponentName>()
            .map_err(|error| Failure::new(Exit::Usage, format!("{error}")))?,
        None => name_of(&args.url).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("`{}` does not say what the component is called", args.url),
            )
            .hint("say its name with --as team/name")
        })?,
    };
    let body = NewRepository {
        component: name.to_string(),
        url: args.url,
        credentials: args.credentials,
    };
    let answer = session.client.post(&Address::of(&["repositories"]), &body)?;
    done(&answer, printer);
    Ok(())
}

/// The address of something of a repository in the API.
pub(super) fn of_repository(repository: &str, more: &[&str]) -> Result<Address, Failure> {
    let name: ComponentName = repository
        .parse()
        .map_err(|error| Failure::new(Exit::Usage, format!("{error}")))?;
    let (team, name) = name.as_str().split_once('/').unwrap_or_default();
    Ok(Address::of(&[&["repositories", team, name], more].concat()))
}

/// The last two parts of a URL's path as a component's name.
fn name_of(url: &str) -> Option<ComponentName> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => url.split_once(':').map_or(url, |(_, path)| path),
    };
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let mut parts = path.rsplit('/');
    let (name, team) = (parts.next()?, parts.next()?);
    format!("{team}/{name}").to_lowercase().parse().ok()
}

/// Lists the repositories.
pub(super) fn list(json: bool, session: &Session, printer: &mut Printer) -> Result<(), Failure> {
    let answer = session.client.get::<Repositories>(&Address::of(&["repositories"]))?;
    if json {
        return printer.document(&answer.raw);
    }
    let text = show::access::repositories(&answer.document, &printer.sight);
    printer.data(&text)
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn a_component_is_called_as_the_end_of_its_url() {
        for (url, name) in [
            ("https://code.example.org/shop/cart.git", Some("shop/cart")),
            ("git@code.example.org:Shop/Cart.git", Some("shop/cart")),
            ("ssh://git@code.example.org:22/group/shop/cart/", Some("shop/cart")),
            ("https://code.example.org/cart", None),
            ("https://code.example.org", None),
        ] {
            assert_eq!(name_of(url).map(|name| name.to_string()).as_deref(), name, "{url}");
        }
    }
}

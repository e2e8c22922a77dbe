//! The way out: the file of notifications, opened, and what sends by it.

use std::path::Path;
use std::sync::Arc;

use access::Access;
use facts::{Clock, Entropy, FactId};
use notification::mail::{Login, Relay};
use notification::settings::{Address, is_web_address};
use notification::webhook::{Delivery, Webhooks};
use notification::{Connections, Message, Notification, Notifications, Told, Unsent};

use crate::ports::open_secret;

/// What is sent by.
pub(crate) struct Outgoing {
    /// What the file says.
    pub settings: Notifications,
    access: Arc<Access>,
    clock: Arc<dyn Clock>,
    webhooks: Webhooks,
    authorities: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing").finish_non_exhaustive()
    }
}

impl Outgoing {
    /// Reads the file.
    ///
    /// # Errors
    /// With a sentence that names the place, when something in it is wrong.
    pub fn open(file: &Path, access: Arc<Access>, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("the file of notifications {} cannot be read: {error}", file.display()))?;
        let settings = Notifications::parse(file, &text).map_err(|error| error.to_string())?;
        let authorities = match &settings.ca_file {
            None => Vec::new(),
            Some(named) => {
                let path = file.parent().unwrap_or(Path::new(".")).join(named);
                let pem = std::fs::read(&path).map_err(|error| error.to_string());
                pem.and_then(|pem| notification::certificates(&pem))
                    .map_err(|error| format!("the certificates in {} cannot be used: {error}", path.display()))?
            }
        };
        Ok(Self {
            webhooks: Webhooks::new(settings.reach.clone(), &authorities),
            settings,
            access,
            clock,
            authorities,
        })
    }

    /// Connections for others that tell something outside: they go where these do.
    pub fn connections(&self) -> Connections {
        Connections::new(self.settings.reach.clone(), &self.authorities)
    }

    /// Sends one message. It blocks.
    ///
    /// # Errors
    /// When it is not taken, with the reason.
    pub fn send(&self, told: &Told, message: &Message) -> Result<(), Unsent> {
        match told {
            Told::Mail(address) => self.mail(address, message),
            Told::Webhook(name) => self.call(name, message),
        }
    }

    /// Sends a message that says that it is a test. It blocks.
    ///
    /// # Errors
    /// As [`Outgoing::send`].
    pub fn test(&self, told: &Told, url: String, entropy: &dyn Entropy) -> Result<(), Unsent> {
        let now = self.clock.now();
        let id = format!("notification_test_{}", FactId::new(now, entropy));
        match Message::new(vec![Notification::test(id, now, url)]) {
            Some(message) => self.send(told, &message),
            None => Ok(()),
        }
    }

    fn secret(&self, name: &str) -> Result<access::Zeroizing<String>, Unsent> {
        open_secret(&self.access, name).map_err(|reason| {
            Unsent::yet(format!(
                "it needs the secret `{name}`: {reason}\nhint: set it with `throughline secret set {name}`"
            ))
        })
    }

    fn call(&self, name: &str, message: &Message) -> Result<(), Unsent> {
        let webhook = self.settings.webhooks.get(name);
        let webhook = webhook.ok_or_else(|| Unsent::for_good(format!("there is no webhook `{name}` any more")))?;
        let secret = webhook.secret.as_deref().map(|name| self.secret(name)).transpose()?;
        let url = match &webhook.address {
            Address::Plain(url) => access::Zeroizing::new(url.clone()),
            Address::Secret(name) => {
                let url = self.secret(name)?;
                if !is_web_address(url.trim()) {
                    return Err(Unsent::yet(format!("the secret `{name}` holds no web address")));
                }
                access::Zeroizing::new(url.trim().to_owned())
            }
        };
        self.webhooks.send(Delivery {
            url: &url,
            format: webhook.format,
            secret: secret.as_ref().map(|secret| secret.as_str()),
            message,
            at: self.clock.now(),
        })
    }

    fn mail(&self, address: &str, message: &Message) -> Result<(), Unsent> {
        let mail = self.settings.mail.as_ref();
        let mail = mail.ok_or_else(|| Unsent::for_good("nothing says any more how mail is sent"))?;
        let login = match &mail.login {
            None => None,
            Some((user, secret)) => Some(Login {
                user: user.clone(),
                password: access::Zeroizing::new(self.secret(secret)?.trim_end_matches(['\r', '\n']).to_owned()),
            }),
        };
        let relay = Relay {
            host: mail.host.clone(),
            port: mail.port,
            security: mail.security,
            from: mail.from.clone(),
            hello: mail.from.email.domain().to_owned(),
            reach: self.settings.reach.clone(),
            authorities: self.authorities.clone(),
        };
        notification::mail::send(&relay, login.as_ref(), address, message)
    }
}

//! Keys: which may go to which host, and how they are kept out of everything else.

use super::place::Place;
use super::{Endpoint, Provider};
use crate::diag::{Diagnostic, list};
use hyper_util::client::proxy::matcher::Matcher;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The providers' own keys and hosts: documented by them, and allowed without a word from the user.
const KNOWN: [(&str, &str); 10] = [
    ("OPENAI_API_KEY", "api.openai.com"),
    ("ANTHROPIC_API_KEY", "api.anthropic.com"),
    ("OPENROUTER_API_KEY", "openrouter.ai"),
    ("TOGETHER_API_KEY", "api.together.xyz"),
    ("GROQ_API_KEY", "api.groq.com"),
    ("MISTRAL_API_KEY", "api.mistral.ai"),
    ("DEEPSEEK_API_KEY", "api.deepseek.com"),
    ("FIREWORKS_API_KEY", "api.fireworks.ai"),
    ("GEMINI_API_KEY", "generativelanguage.googleapis.com"),
    ("HF_TOKEN", "router.huggingface.co"),
];

/// Returns the variables that may hold keys: those of providers, and those that the user allows to go somewhere.
///
/// # Errors
/// The user's configuration cannot be used, so that nobody knows which those are.
pub fn key_variables(environment: &Environment) -> Result<Vec<String>, Diagnostic> {
    let own = KeyRules::read(environment)?.allowed;
    Ok(KNOWN.iter().map(|(name, _)| (*name).to_owned()).chain(own.into_keys()).collect())
}

/// Shorter keys protect nothing (`none`, `EMPTY`), and are words that a model may well say.
const SHORTEST_SECRET: usize = 8;

/// Looks a variable up.
type LookUp = dyn Fn(&str) -> Option<String> + Send + Sync;

/// The environment that keys, proxies and the place of the user's configuration are read from.
#[derive(Clone)]
pub struct Environment(Arc<LookUp>);

impl Environment {
    /// Wraps a way to look up a variable.
    pub fn new(look_up: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Environment {
        Environment(Arc::new(look_up))
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// Returns which proxies are in the way to which hosts.
    pub(super) fn proxies(&self) -> Matcher {
        let first = |names: [&str; 2]| names.iter().find_map(|name| self.get(name)).unwrap_or_default();
        Matcher::builder()
            .all(first(["ALL_PROXY", "all_proxy"]))
            .http(first(["HTTP_PROXY", "http_proxy"]))
            .https(first(["HTTPS_PROXY", "https_proxy"]))
            .no(first(["NO_PROXY", "no_proxy"]))
            .build()
    }

    /// Returns the path of the user's own configuration.
    fn configuration(&self) -> Option<PathBuf> {
        let beside = |folder: String| PathBuf::from(folder).join("datamake").join("config.toml");
        let home = || Some(PathBuf::from(self.get("HOME")?).join(".config").join("datamake").join("config.toml"));
        self.get("DATAMAKE_CONFIG").map(PathBuf::from).or_else(|| self.get("XDG_CONFIG_HOME").map(beside)).or_else(home)
    }
}

impl Default for Environment {
    /// The process's own.
    fn default() -> Environment {
        Environment::new(|name| std::env::var(name).ok())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

/// A key that was read, to be sent; it cannot be printed.
pub(super) struct Secret(String);

impl Secret {
    /// Returns the key, for the header of a request.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Takes the key out of a text.
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.0.len() >= SHORTEST_SECRET && text.contains(&self.0) {
            Cow::Owned(text.replace(&self.0, "[key]"))
        } else {
            Cow::Borrowed(text)
        }
    }

    /// Takes the key out of bytes that were received.
    pub fn hide_bytes(&self, bytes: &mut Vec<u8>) {
        if self.0.len() < SHORTEST_SECRET || memchr::memmem::find(bytes, self.0.as_bytes()).is_none() {
            return;
        }
        let mut clean = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for at in memchr::memmem::find_iter(bytes, self.0.as_bytes()) {
            clean.extend_from_slice(&bytes[from..at]);
            clean.extend_from_slice(b"[key]");
            from = at + self.0.len();
        }
        clean.extend_from_slice(&bytes[from..]);
        *bytes = clean;
    }

    /// Takes the key out of all texts of a JSON value.
    pub fn hide_json(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => {
                if let Cow::Owned(clean) = self.hide(text) {
                    *text = clean;
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(|item| self.hide_json(item)),
            serde_json::Value::Object(fields) => {
                if fields.keys().any(|name| matches!(self.hide(name), Cow::Owned(_))) {
                    *fields = std::mem::take(fields)
                        .into_iter()
                        .map(|(name, value)| (self.hide(&name).into_owned(), value))
                        .collect();
                }
                fields.values_mut().for_each(|value| self.hide_json(value));
            }
            _ => {}
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

/// The variable whose key goes to an endpoint, allowed and looked at.
#[derive(Clone, Debug)]
pub(super) struct KeyName {
    pub variable: String,
    environment: Environment,
}

impl KeyName {
    /// Reads the key.
    pub fn read(&self) -> Option<Secret> {
        self.environment.get(&self.variable).map(Secret)
    }
}

/// What the user allows, beside what is known: `[keys]` of the user's configuration.
#[derive(Debug)]
pub(super) struct KeyRules {
    environment: Environment,
    path: Option<PathBuf>,
    allowed: BTreeMap<String, Vec<String>>,
}

impl KeyRules {
    /// Reads the user's configuration, if there is one.
    ///
    /// # Errors
    /// It is there, but cannot be read, or says something else under `[keys]`.
    pub fn read(environment: &Environment) -> Result<KeyRules, Diagnostic> {
        let path = environment.configuration();
        let mut rules = KeyRules { environment: environment.clone(), path, allowed: BTreeMap::new() };
        let Some(path) = &rules.path else { return Ok(rules) };
        let wrong = |why: String| {
            Diagnostic::error("user-configuration", format!("`{}` cannot be used", path.display()))
                .note(why)
                .help("the table `[keys]` has a line `VARIABLE = [\"host\", \"host:port\"]` for each key")
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(rules),
            Err(error) => return Err(wrong(crate::fetch::plain(&error))),
        };
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
        let Some(keys) = table.get("keys") else { return Ok(rules) };
        let keys = keys.as_table().ok_or_else(|| wrong("`keys` is not a table".to_owned()))?;
        for (variable, hosts) in keys {
            let host = |host: &toml::Value| host.as_str().map(str::to_ascii_lowercase);
            let hosts = match hosts {
                toml::Value::Array(hosts) => hosts.iter().map(host).collect(),
                one => host(one).map(|host| vec![host]),
            };
            let hosts = hosts.ok_or_else(|| wrong(format!("the value of `{variable}` is not a list of hosts")))?;
            rules.allowed.insert(variable.clone(), hosts);
        }
        Ok(rules)
    }

    /// Returns the variable that the key of an endpoint is in, if it has one.
    pub fn variable<'a>(&self, endpoint: &'a Endpoint, place: &Place) -> Option<&'a str> {
        let own = match endpoint.provider {
            Provider::Replay => return None,
            Provider::OpenAi => "OPENAI_API_KEY",
            Provider::Anthropic => "ANTHROPIC_API_KEY",
        };
        endpoint.key.as_deref().or(self.is_known(own, place).then_some(own))
    }

    /// Returns the key that goes to an endpoint, if any.
    ///
    /// # Errors
    /// It may not go there, it would go unencrypted, or it is not there.
    pub fn key(&self, endpoint: &Endpoint, place: &Place) -> Result<Option<KeyName>, Diagnostic> {
        let Some(variable) = self.variable(endpoint, place) else { return Ok(None) };
        if !self.allows(variable, place) {
            return Err(self.forbidden(endpoint, variable, place));
        }
        if !place.https && !place.is_loopback() {
            let title = format!("the key `{variable}` would be sent to `{}` unencrypted", place.authority());
            return Err(Diagnostic::error("key-unencrypted", title)
                .at(&endpoint.span, format!("`{}`", place.base()))
                .note("over `http://` everybody on the way can read it; only this machine itself is exempt")
                .help("use `https://`"));
        }
        let name = KeyName { variable: variable.to_owned(), environment: self.environment.clone() };
        match name.read() {
            None => Err(Diagnostic::error("missing-key", format!("the environment variable `{variable}` is not set"))
                .at(&endpoint.span, format!("`{}` needs a key for `{}`", endpoint.node, place.authority()))
                .help(format!("set it in the shell that runs datamake: `export {variable}=…`"))),
            Some(secret) if hyper::header::HeaderValue::from_str(secret.expose()).is_err() => {
                let title = format!("the environment variable `{variable}` holds characters that no key has");
                Err(Diagnostic::error("missing-key", title)
                    .at(&endpoint.span, format!("`{}` needs it", endpoint.node))
                    .help("set it again; there may be a line break in it"))
            }
            Some(_) => Ok(Some(name)),
        }
    }

    fn is_known(&self, variable: &str, place: &Place) -> bool {
        place.https && place.port == 443 && KNOWN.contains(&(variable, place.host.as_str()))
    }

    fn allows(&self, variable: &str, place: &Place) -> bool {
        let listed = |hosts: &Vec<String>| hosts.contains(&place.authority());
        self.is_known(variable, place) || self.allowed.get(variable).is_some_and(listed)
    }

    fn forbidden(&self, endpoint: &Endpoint, variable: &str, place: &Place) -> Diagnostic {
        let host = place.authority();
        let path =
            self.path.as_ref().map_or("~/.config/datamake/config.toml".to_owned(), |path| path.display().to_string());
        let mut hosts: Vec<&str> = self.allowed.get(variable).into_iter().flatten().map(String::as_str).collect();
        hosts.push(&host);
        let listed: Vec<String> = hosts.iter().map(|host| format!("\"{host}\"")).collect();
        let title = format!("the key `{variable}` may not go to `{host}`");
        let mut diagnostic = Diagnostic::error("key-not-allowed", title)
            .at(&endpoint.span, format!("`{}` would send it there", endpoint.node))
            .note("a project cannot decide where your keys go; you do, once for all projects");
        let known: Vec<&str> = KNOWN.iter().filter(|(name, _)| *name == variable).map(|(_, host)| *host).collect();
        if !known.is_empty() {
            diagnostic =
                diagnostic.note(format!("without a word from you it goes only to {}, over https", list(known)));
        }
        diagnostic.help(format!("if it should, write into `{path}`:\n[keys]\n{variable} = [{}]", listed.join(", ")))
    }
}

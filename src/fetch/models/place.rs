//! Where an endpoint is: a URL taken apart, as far as keys, limits and connections need it.

use super::{Endpoint, Provider};
use crate::ask::Task;
use crate::diag::Diagnostic;
use hyper::Uri;

/// A base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub https: bool,
    /// In lower case; an IPv6 address is in brackets.
    pub host: String,
    pub port: u16,
    /// Scheme to path, without a slash at the end.
    base: String,
    /// Behind the path of every request, with its `?`.
    query: String,
}

impl Place {
    /// Reads where an endpoint is.
    pub fn of(endpoint: &Endpoint) -> Result<Place, Diagnostic> {
        let url = match (&endpoint.url, endpoint.provider) {
            (Some(url), _) => url.as_str(),
            (None, Provider::Anthropic) => "https://api.anthropic.com",
            (None, Provider::OpenAi | Provider::Replay) => "https://api.openai.com/v1",
        };
        let wrong = |why: &str, help: &str| {
            Diagnostic::error("wrong-url", format!("the URL of the model `{}` cannot be used", endpoint.node))
                .at(&endpoint.span, why)
                .help(help)
        };
        let form = "write it as `http://localhost:8000/v1` or `https://llm.example.org/v1`";
        if url.split('/').nth(2).is_some_and(|authority| authority.contains('@')) {
            // The URL is not repeated: there is a password in it.
            return Err(wrong("there is a user name or a password in it", "name an environment variable with `key`"));
        }
        let uri: Uri = url.parse().map_err(|_| wrong(&format!("`{url}` is not a URL"), form))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong(&format!("`{url}` begins with neither `http://` nor `https://`"), form)),
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong(&format!("`{url}` names no host"), form))?.to_ascii_lowercase();
        let (base, query) = url.find('?').map_or((url, ""), |at| url.split_at(at));
        Ok(Place {
            https,
            host,
            port: uri.port_u16().unwrap_or(if https { 443 } else { 80 }),
            base: base.trim_end_matches('/').to_owned(),
            query: query.to_owned(),
        })
    }

    /// Returns where requests of a kind go.
    pub fn uri(&self, provider: Provider, task: Task) -> String {
        let path = match provider {
            Provider::Anthropic if self.base.ends_with("/v1") => "/messages",
            Provider::Anthropic => "/v1/messages",
            Provider::OpenAi | Provider::Replay => path(task),
        };
        self.beside(path, "")
    }

    /// Returns where something else of the endpoint is; `query` is without its `?`.
    pub fn beside(&self, path: &str, query: &str) -> String {
        let glue = match (self.query.is_empty(), query.is_empty()) {
            (_, true) => "",
            (true, false) => "?",
            (false, false) => "&",
        };
        format!("{}{path}{}{glue}{query}", self.base, self.query)
    }

    /// Returns host and port, as they stand in the user's configuration.
    pub fn authority(&self) -> String {
        let usual = if self.https { 443 } else { 80 };
        if self.port == usual { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// Returns whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Returns the base as the user knows it.
    pub fn base(&self) -> &str {
        &self.base
    }
}

/// Returns where requests of a kind go in OpenAI's interface, behind the base.
pub(super) fn path(task: Task) -> &'static str {
    match task {
        Task::Chat => "/chat/completions",
        Task::Completion => "/completions",
        Task::Embedding => "/embeddings",
    }
}

//! One exchange over HTTP: a request goes out, and a bounded answer comes back.

use super::anthropic;
use super::form::Form;
use super::keys::Secret;
use super::place::Place;
use super::retry::retry_after;
use super::wire::{Billed, Outcome, Said, judge, shown};
use super::{Endpoint, Provider, problem};
use crate::ask::{Response as Answer, Task};
use crate::diag::Diagnostic;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, LOCATION, USER_AGENT,
};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{Client as Legacy, Error};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;

/// Bytes of an answer in words.
pub(super) const WORDS: usize = 16 << 20;
/// Bytes of an answer in vectors, of which there may be many.
pub(super) const VECTORS: usize = 64 << 20;
/// Bytes of an error.
const ERROR: usize = 64 << 10;
/// Bytes that every answer may have; of those with more, only `LARGE_AT_ONCE` are read at a time.
const SMALL: usize = 256 << 10;
const LARGE_AT_ONCE: usize = 4;
/// What a connection reads ahead.
const BUFFER: usize = 128 << 10;
/// Establishing a connection.
const CONNECT: Duration = Duration::from_secs(10);

pub(super) type Body = Full<Bytes>;

/// Connections to one endpoint.
#[derive(Clone, Debug)]
pub(super) enum Client {
    Direct(Legacy<HttpsConnector<HttpConnector>, Body>),
    /// Through a proxy.
    Tunnel(Legacy<HttpsConnector<Tunnel<HttpConnector>>, Body>),
}

impl Client {
    /// Gets ready to connect, directly or through a proxy.
    pub fn new(proxy: Option<&Intercept>, tls: &ClientConfig) -> Client {
        let mut direct = HttpConnector::new();
        direct.enforce_http(false);
        direct.set_nodelay(true);
        direct.set_connect_timeout(Some(CONNECT));
        let https = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http().enable_http1();
        let mut builder = Legacy::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(30)).http1_max_buf_size(BUFFER);
        match proxy {
            None => Client::Direct(builder.build(https.wrap_connector(direct))),
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), direct);
                if let Some(auth) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(auth.clone());
                }
                Client::Tunnel(builder.build(https.wrap_connector(tunnel)))
            }
        }
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Error> {
        match self {
            Client::Direct(client) => client.request(request).await,
            Client::Tunnel(client) => client.request(request).await,
        }
    }
}

/// Returns the proxy in the way to an endpoint. This machine itself is never asked through one.
///
/// # Errors
/// The proxy is of a kind that is not spoken here.
pub(super) fn proxy(endpoint: &Endpoint, place: &Place, proxies: &Matcher) -> Result<Option<Intercept>, Diagnostic> {
    let scheme = if place.https { "https" } else { "http" };
    let uri = format!("{scheme}://{}:{}/", place.host, place.port).parse();
    let uri = uri.map_err(|_| problem::not_a_url(endpoint, place.base()))?;
    let proxy = if place.is_loopback() { None } else { proxies.intercept(&uri) };
    match proxy.as_ref().and_then(|proxy| proxy.uri().scheme_str()) {
        None | Some("http") => Ok(proxy),
        Some(other) => Err(problem::proxy(endpoint, place, other)),
    }
}

/// Returns how certificates are checked: by those that the system trusts, or Mozilla's where it has none.
pub(super) fn tls(needed: bool) -> ClientConfig {
    use hyper_rustls::ConfigBuilderExt;
    let builder = || {
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has the usual versions of TLS")
    };
    match needed {
        // Reading the system's certificates takes milliseconds.
        false => builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
        true => match builder().with_native_roots() {
            Ok(builder) => builder.with_no_client_auth(),
            Err(_) => builder().with_webpki_roots().with_no_client_auth(),
        },
    }
}

/// Who may read large answers.
#[derive(Clone, Debug)]
pub(super) struct Large(Arc<Semaphore>);

impl Large {
    /// Begins with all places free.
    pub fn new() -> Large {
        Large(Arc::new(Semaphore::new(LARGE_AT_ONCE)))
    }
}

/// Puts a request together; the key is in no other place.
pub(super) fn outgoing(
    provider: Provider,
    method: Method,
    uri: Uri,
    secret: Option<&Secret>,
    body: Bytes,
) -> Request<Body> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("datamake/", env!("CARGO_PKG_VERSION"))));
    let header = |text: &str| {
        let mut value = HeaderValue::from_str(text).expect("keys were looked at when they were read");
        value.set_sensitive(true);
        value
    };
    match (provider, secret) {
        (Provider::Anthropic, secret) => {
            headers.insert("anthropic-version", HeaderValue::from_static(anthropic::VERSION));
            if let Some(secret) = secret {
                headers.insert("x-api-key", header(secret.expose()));
            }
        }
        (_, Some(secret)) => _ = headers.insert(AUTHORIZATION, header(&format!("Bearer {}", secret.expose()))),
        (_, None) => {}
    }
    request
}

/// Sends one attempt and reads what comes back, within `timeout`.
pub(super) async fn exchange(
    client: Client,
    form: Arc<Form>,
    secret: Option<Secret>,
    body: Bytes,
    count: usize,
    timeout: Duration,
    large: Large,
) -> Outcome {
    let outgoing = outgoing(form.provider, Method::POST, form.uri.clone(), secret.as_ref(), body);
    let outcome =
        match tokio::time::timeout(timeout, receive(&client, outgoing, &form, secret.as_ref(), count, &large)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Again {
                why: format!("no whole answer came within {} s", timeout.as_secs_f64()),
                wait: None,
                billed: Billed::Perhaps,
            },
        };
    match &secret {
        Some(secret) => clean(outcome, secret),
        None => outcome,
    }
}

async fn receive(
    client: &Client,
    outgoing: Request<Body>,
    form: &Form,
    secret: Option<&Secret>,
    count: usize,
    large: &Large,
) -> Outcome {
    let most = match form.spec.task {
        Task::Embedding => VECTORS,
        Task::Chat | Task::Completion => WORDS,
    };
    let answer = match send(client, outgoing, secret).await {
        Ok(answer) => answer,
        Err(outcome) => return outcome,
    };
    match whole(answer, most, secret, large).await {
        Ok((StatusCode::OK, bytes, _permit)) => form.read(&bytes, count),
        Ok((status, ..)) => lost(format!("{status} in place of an answer")),
        Err(outcome) => outcome,
    }
}

fn lost(why: String) -> Outcome {
    Outcome::Again { why, wait: None, billed: Billed::Perhaps }
}

/// Sends a request, and reads the head of what comes back.
pub(super) async fn send(
    client: &Client,
    outgoing: Request<Body>,
    secret: Option<&Secret>,
) -> Result<Response<Incoming>, Outcome> {
    let answer = match client.send(outgoing).await {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return Err(Outcome::Unreachable { why: cause(&error) }),
        Err(error) => return Err(lost(format!("the connection broke: {}", cause(&error)))),
    };
    let status = answer.status();
    if status.is_redirection() {
        let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("nowhere");
        // Before it is shortened: a part of the key is too much as well.
        let to = secret.map_or(to.into(), |secret| secret.hide(to));
        return Err(Outcome::Useless { status: Some(status.as_u16()), why: format!("{status}, to {}", shown(&to)) });
    }
    Ok(answer)
}

/// Reads an answer that may have so many bytes; one that is an error is judged.
pub(super) async fn whole<'a>(
    answer: Response<Incoming>,
    most: usize,
    secret: Option<&Secret>,
    large: &'a Large,
) -> Result<(StatusCode, Vec<u8>, Permit<'a>), Outcome> {
    let (head, body) = answer.into_parts();
    let status = head.status;
    let most = if status.is_success() { most } else { ERROR };
    let encoding = head.headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity");
    let read = read(body, most, large).await.and_then(|(bytes, permit)| {
        let bytes = decode(bytes, encoding, most)?;
        Ok((bytes, permit))
    });
    let wait = || retry_after(&head.headers, SystemTime::now());
    match read {
        Ok((mut bytes, permit)) => {
            if let Some(secret) = secret {
                secret.hide_bytes(&mut bytes);
            }
            match status.is_success() {
                true => Ok((status, bytes, permit)),
                false => Err(judge(status.as_u16(), wait(), Said::read(&bytes), Billed::No)),
            }
        }
        // The status of an error says enough.
        Err(_) if !status.is_success() => Err(judge(status.as_u16(), wait(), Said::default(), Billed::No)),
        Err(why) => Err(lost(why)),
    }
}

/// A place among those who read large answers, where one was needed.
pub(super) type Permit<'a> = Option<tokio::sync::SemaphorePermit<'a>>;

/// Reads a body that may have so many bytes.
async fn read(mut body: Incoming, most: usize, large: &Large) -> Result<(Vec<u8>, Permit<'_>), String> {
    use hyper::body::Body as _;
    let too_large = || format!("the answer has more than {} MB", most >> 20);
    let told = body.size_hint().exact().unwrap_or(0);
    if told > most as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity((told as usize).min(SMALL));
    let mut permit = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the answer broke off: {}", cause(&error)))?;
        let Some(data) = frame.data_ref() else { continue };
        if bytes.len() + data.len() > most {
            return Err(too_large());
        }
        if bytes.len() + data.len() > SMALL && permit.is_none() {
            permit = Some(large.0.acquire().await.expect("it is never closed"));
            // Once and for all: a buffer that grows is there twice while it moves. What is not written to takes no memory.
            bytes.reserve_exact(most - bytes.len());
        }
        bytes.extend_from_slice(data);
    }
    Ok((bytes, permit))
}

/// Takes the compression off a body, as long as no more than so many bytes come out.
fn decode(bytes: Vec<u8>, encoding: &str, most: usize) -> Result<Vec<u8>, String> {
    let mut plain = Vec::with_capacity(bytes.len().saturating_mul(16).min(most + 1));
    let limit = most as u64 + 1;
    let done = match encoding.trim() {
        "" | "identity" => return Ok(bytes),
        "gzip" | "x-gzip" => flate2::read::MultiGzDecoder::new(&bytes[..]).take(limit).read_to_end(&mut plain),
        "deflate" => flate2::read::ZlibDecoder::new(&bytes[..]).take(limit).read_to_end(&mut plain),
        other => return Err(format!("the answer is compressed as `{}`, which was not asked for", shown(other))),
    };
    done.map_err(|error| format!("the answer cannot be decompressed: {error}"))?;
    if plain.len() > most {
        return Err(format!("the answer has more than {} MB when it is decompressed", most >> 20));
    }
    Ok(plain)
}

/// Returns the innermost cause of an error, in plain words.
pub(super) fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    match inner.downcast_ref::<std::io::Error>() {
        Some(error) => crate::fetch::plain(error),
        None => inner.to_string(),
    }
}

/// Takes the key out of all that is kept or shown. In a body it was replaced already, unless it was written with escapes.
pub(super) fn clean(outcome: Outcome, secret: &Secret) -> Outcome {
    let hide = |text: String| match secret.hide(&text) {
        std::borrow::Cow::Owned(clean) => clean,
        std::borrow::Cow::Borrowed(_) => text,
    };
    match outcome {
        Outcome::Answered(answers) => {
            let answer = |mut answer: Answer| {
                answer.text = hide(answer.text);
                answer.reasoning = answer.reasoning.map(hide);
                answer.model = answer.model.map(hide);
                if let Some(logprobs) = &mut answer.logprobs {
                    secret.hide_json(logprobs);
                }
                answer
            };
            Outcome::Answered(answers.into_iter().map(answer).collect())
        }
        Outcome::Throttled { why, wait } => Outcome::Throttled { why: hide(why), wait },
        Outcome::Again { why, wait, billed } => Outcome::Again { why: hide(why), wait, billed },
        Outcome::Rejected { why } => Outcome::Rejected { why: hide(why) },
        Outcome::Useless { status, why } => Outcome::Useless { status, why: hide(why) },
        Outcome::Unreachable { why } => Outcome::Unreachable { why: hide(why) },
    }
}

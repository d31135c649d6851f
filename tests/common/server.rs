//! A scripted endpoint for models: real HTTP on loopback, deterministic answers, every fault on demand, and an account of all.
//!
//! It runs in a thread of whoever starts it, so that a command under test can ask it as a process of its own. It speaks
//! OpenAI's chat completions, completions and embeddings, and Anthropic's Messages. Include it with `#[path]`.
#![allow(dead_code)]

#[path = "server_batches.rs"]
mod batches;

use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

pub use batches::{Made, Plan};

/// A request as a script sees it.
pub struct Asked<'a> {
    /// How many came before it.
    pub index: u64,
    /// How many requests with the same body came before it.
    pub before: u64,
    pub path: &'a str,
    pub headers: &'a [(String, String)],
    pub body: &'a str,
    /// The last message, the prompt, or the first text to embed.
    pub text: &'a str,
    /// The most tokens of a reply.
    pub max_tokens: Option<u64>,
}

impl Asked<'_> {
    /// Returns the value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Returns a number that depends on the text alone.
    pub fn hash(&self) -> u64 {
        hash(self.text)
    }
}

/// What the server does about a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Answers with [`answer_to`] the text.
    Answer,
    /// Answers with a text and a reason for its end, in OpenAI's words.
    Say(String, &'static str),
    /// Answers that it will not.
    Refuse,
    /// Answers with a status, a body and further headers.
    Status(u16, String, Vec<(&'static str, String)>),
    /// Sends half of an answer, and then resets the connection.
    Reset,
    /// Answers when so many requests have come in all.
    AfterRequests(u64),
    /// Takes the request, and says nothing for an hour.
    Stall,
    /// Answers without saying what it cost.
    NoUsage,
    /// Answers in gzip.
    Gzip,
    /// Answers with a gigabyte, in a megabyte of gzip.
    GzipBomb,
    /// Answers with a gigabyte, without saying so before.
    Huge,
    /// Answers with the first half of its JSON, as if it were whole.
    Half,
}

impl Act {
    /// Says something and is done.
    pub fn say(text: impl Into<String>) -> Act {
        Act::Say(text.into(), "stop")
    }

    /// Answers with an error in OpenAI's form.
    pub fn error(status: u16, message: &str) -> Act {
        Act::Status(
            status,
            json!({"error": {"message": message, "type": "error", "code": null}}).to_string(),
            Vec::new(),
        )
    }

    /// Answers that it is asked too much; `after` is the header Retry-After.
    pub fn throttle(after: Option<&str>) -> Act {
        let body = r#"{"error":{"message":"slow down","type":"rate_limit"}}"#.to_owned();
        Act::Status(429, body, after.map(|after| ("retry-after", after.to_owned())).into_iter().collect())
    }

    /// Answers with a page, as proxies do.
    pub fn html() -> Act {
        Act::Status(
            200,
            "<html><body>Please log in</body></html>".to_owned(),
            vec![("content-type", "text/html".to_owned())],
        )
    }

    /// Answers with success and an error in the body.
    pub fn error_object() -> Act {
        Act::Status(200, r#"{"error":{"message":"upstream is gone"}}"#.to_owned(), Vec::new())
    }

    /// Sends the client elsewhere.
    pub fn redirect(to: &str) -> Act {
        Act::Status(307, String::new(), vec![("location", to.to_owned())])
    }
}

/// An act, after a while, at a price.
#[derive(Clone, Debug)]
pub struct Play {
    pub act: Act,
    pub latency: Duration,
    /// Input and output tokens; none: counted from the texts.
    pub usage: Option<(u64, u64)>,
}

impl From<Act> for Play {
    fn from(act: Act) -> Play {
        Play { act, latency: Duration::ZERO, usage: None }
    }
}

impl Play {
    /// Answers after a while.
    pub fn after(latency: Duration) -> Play {
        Play { latency, ..Act::Answer.into() }
    }
}

/// A request that was served.
#[derive(Clone, Debug)]
pub struct Served {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub status: u16,
    pub at: Instant,
}

/// What the server is like, beside its script.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// More requests at once than this are answered with 429.
    pub at_once: Option<u64>,
    /// Every request is kept whole; without it only counts are.
    pub log: bool,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup { at_once: None, log: true }
    }
}

/// What was asked and billed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Account {
    pub requests: u64,
    /// Bodies that differ.
    pub distinct: u64,
    /// Tokens that were billed.
    pub input: u64,
    pub output: u64,
    /// Most requests at the same time.
    pub most_at_once: u64,
    /// Answered with 429 because of too many at once.
    pub turned_away: u64,
}

type Script = dyn Fn(&Asked) -> Play + Send + Sync;

struct State {
    script: Box<Script>,
    setup: Setup,
    requests: AtomicU64,
    at_once: AtomicU64,
    books: Mutex<Books>,
    desk: Mutex<batches::Desk>,
}

#[derive(Default)]
struct Books {
    account: Account,
    seen: HashMap<u64, u64>,
    log: Vec<Served>,
}

/// A running server; it ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server that answers everything at once.
    pub fn start() -> Server {
        Server::with(|_| Act::Answer.into())
    }

    /// Starts a server that does what a script says.
    pub fn with(script: impl Fn(&Asked) -> Play + Send + Sync + 'static) -> Server {
        Server::set_up(Setup::default(), script)
    }

    /// Starts a server of a certain kind.
    pub fn set_up(setup: Setup, script: impl Fn(&Asked) -> Play + Send + Sync + 'static) -> Server {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.set_nonblocking(true).expect("sockets can be asked without waiting");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State {
            script: Box::new(script),
            setup,
            requests: AtomicU64::new(0),
            at_once: AtomicU64::new(0),
            books: Mutex::default(),
            desk: Mutex::default(),
        });
        let (end, ended) = oneshot::channel();
        let shared = state.clone();
        let thread = std::thread::Builder::new().name("endpoint".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("the listener is a good one");
                tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        let _ = stream.set_nodelay(true);
                        tokio::spawn(serve(stream, shared.clone()));
                    }
                });
                let _ = ended.await;
            });
        });
        let thread = thread.expect("a thread starts");
        Server { address, state, end: Some(end), thread: Some(thread) }
    }

    /// Returns the base for the provider `openai`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Returns host and port.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Returns what was asked and billed so far.
    pub fn account(&self) -> Account {
        let books = self.state.books.lock().expect("the server does not panic");
        Account {
            requests: self.state.requests.load(Ordering::SeqCst),
            distinct: books.seen.len() as u64,
            ..books.account
        }
    }

    /// Returns how many requests came.
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// Returns all requests, in the order in which they came.
    pub fn log(&self) -> Vec<Served> {
        self.state.books.lock().expect("the server does not panic").log.clone()
    }

    /// Says what becomes of batches that are created from now on.
    pub fn plan(&self, plan: Plan) {
        self.state.desk.lock().expect("the server does not panic").plan = plan;
    }

    /// Lets all batches end well, also those that are there, when they are asked about next.
    pub fn relent(&self) {
        let mut desk = self.state.desk.lock().expect("the server does not panic");
        desk.plan = Plan::default();
        desk.relent();
    }

    /// Returns the keys that came with the exchanges about files and batches.
    pub fn keys(&self) -> Vec<String> {
        self.state.desk.lock().expect("the server does not panic").keys.clone()
    }

    /// Returns all batches, in the order in which they were created.
    pub fn batches(&self) -> Vec<Made> {
        self.state.desk.lock().expect("the server does not panic").batches.clone()
    }

    /// Returns how often requests of batches were answered for money, by their names: how many, and the most for one.
    pub fn billed(&self) -> (u64, u64) {
        let desk = self.state.desk.lock().expect("the server does not panic");
        (desk.billed.values().sum(), desk.billed.values().copied().max().unwrap_or(0))
    }

    /// Returns the exchanges about files and batches so far.
    pub fn calls(&self) -> Vec<String> {
        self.state.desk.lock().expect("the server does not panic").calls.clone()
    }

    /// Forgets what came so far.
    pub fn forget(&self) {
        *self.state.books.lock().expect("the server does not panic") = Books::default();
        self.state.requests.store(0, Ordering::SeqCst);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// FNV-1a.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Returns what the server answers to a text by itself.
pub fn answer_to(text: &str) -> String {
    format!("answer {:016x}", hash(text))
}

/// Returns the vector that the server makes of a text.
pub fn vector_of(text: &str) -> Vec<f32> {
    let hash = hash(text);
    (0..8).map(|at| ((hash >> (at * 8)) & 0xff) as f32 / 256.0).collect()
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    messages: Vec<Message<'a>>,
    #[serde(borrow, default)]
    prompt: Option<Cow<'a, str>>,
    #[serde(default)]
    input: Value,
    #[serde(borrow, default)]
    model: Cow<'a, str>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Cow<'a, str>,
}

/// Serves one connection until it ends.
async fn serve(stream: TcpStream, state: Arc<State>) {
    let mut buffer: Vec<u8> = Vec::with_capacity(8 << 10);
    loop {
        let Some((head, length)) = read_head(&stream, &mut buffer).await else { return };
        while buffer.len() < head + length {
            if !more(&stream, &mut buffer).await {
                return;
            }
        }
        let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
        let body = String::from_utf8_lossy(&buffer[head..head + length]).into_owned();
        buffer.drain(..head + length);
        let now = state.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        let going = answer(&stream, &state, &text, &body, now).await;
        state.at_once.fetch_sub(1, Ordering::SeqCst);
        if going.is_err() {
            return;
        }
    }
}

async fn more(stream: &TcpStream, buffer: &mut Vec<u8>) -> bool {
    let mut part = [0; 16 << 10];
    loop {
        if stream.readable().await.is_err() {
            return false;
        }
        match stream.try_read(&mut part) {
            Ok(0) => return false,
            Ok(count) => {
                buffer.extend_from_slice(&part[..count]);
                return true;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
    }
}

/// Reads up to the end of the headers; returns where that is, and how long the body is.
async fn read_head(stream: &TcpStream, buffer: &mut Vec<u8>) -> Option<(usize, usize)> {
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]);
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                if name.eq_ignore_ascii_case("content-length") { value.trim().parse().ok() } else { None }
            });
            return Some((end + 4, length.unwrap_or(0)));
        }
        // What does not begin with a method is TLS, say: servers close such connections.
        if !more(stream, buffer).await || !buffer[0].is_ascii_uppercase() {
            return None;
        }
    }
}

async fn write(stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match stream.try_write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn reply(status: u16, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 160);
    write!(out, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len()).expect("memory takes all");
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        out.extend_from_slice(b"content-type: application/json\r\n");
    }
    for (name, value) in headers {
        write!(out, "{name}: {value}\r\n").expect("memory takes all");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out
}

/// Answers one request; an error ends the connection.
async fn answer(stream: &TcpStream, state: &State, head: &str, body: &str, at_once: u64) -> io::Result<()> {
    let mut lines = head.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or("/");
    let method = head.split(' ').next().unwrap_or_default();
    let header =
        |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    let headers: Vec<(String, String)> = lines.filter_map(header).collect();
    if let Some(batches::Reply(status, text, slow)) = batches::answer(state, method, path, &headers, body) {
        if !slow.is_zero() {
            tokio::time::sleep(slow).await;
        }
        if status == batches::BREAKS {
            let head = format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n", text.len() * 2);
            write(stream, format!("{head}{text}").as_bytes()).await?;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        return write(stream, &reply(status, &[], text.as_bytes())).await;
    }
    let empty = Body {
        messages: Vec::new(),
        prompt: None,
        input: Value::Null,
        model: "".into(),
        max_tokens: None,
        max_completion_tokens: None,
    };
    let asked: Body = serde_json::from_str(body).unwrap_or(empty);
    let texts: Vec<&str> = match &asked.input {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let text = asked.messages.last().map(|message| &*message.content);
    let text = text.or(asked.prompt.as_deref()).or(texts.first().copied()).unwrap_or("");
    let index = state.requests.fetch_add(1, Ordering::SeqCst);
    let max_tokens = asked.max_tokens.or(asked.max_completion_tokens);
    let before = {
        let mut books = state.books.lock().expect("nothing panics with it");
        let seen = books.seen.entry(hash(body)).or_insert(0);
        *seen += 1;
        let before = *seen - 1;
        books.account.most_at_once = books.account.most_at_once.max(at_once);
        before
    };
    let too_many = state.setup.at_once.is_some_and(|most| at_once > most);
    let play = match too_many {
        true => Act::throttle(None).into(),
        false => (state.script)(&Asked { index, before, path, headers: &headers, body, text, max_tokens }),
    };
    let said = match &play.act {
        Act::Say(text, _) => text.clone(),
        Act::Refuse => "I will not".to_owned(),
        _ => answer_to(text),
    };
    let input: usize = asked.messages.iter().map(|message| message.content.len()).sum::<usize>()
        + texts.iter().map(|text| text.len()).sum::<usize>()
        + asked.prompt.as_ref().map_or(0, |prompt| prompt.len());
    let most = max_tokens.unwrap_or(u64::MAX);
    let usage = play.usage.unwrap_or((input as u64 / 4 + 3, (said.len() as u64 / 4 + 1).min(most)));
    let status = if let Act::Status(status, ..) = play.act { status } else { 200 };
    {
        let mut books = state.books.lock().expect("nothing panics with it");
        books.account.turned_away += u64::from(too_many);
        if !matches!(play.act, Act::Status(..)) {
            books.account.input += usage.0;
            books.account.output += if texts.is_empty() { usage.1 } else { 0 };
        }
        if state.setup.log {
            let (path, body) = (path.to_owned(), body.to_owned());
            books.log.push(Served { path, headers, body, status, at: Instant::now() });
        }
    }
    if !play.latency.is_zero() {
        tokio::time::sleep(play.latency).await;
    }
    let whole = |usage: Option<(u64, u64)>| -> Vec<u8> {
        let finish = match &play.act {
            Act::Say(_, finish) => finish,
            Act::Refuse => "refusal",
            _ => "stop",
        };
        if !texts.is_empty() {
            vectors(&asked.model, &texts, usage)
        } else {
            message(path, &asked.model, &said, finish, usage)
        }
    };
    match &play.act {
        Act::Answer | Act::Say(..) | Act::Refuse => write(stream, &reply(200, &[], &whole(Some(usage)))).await,
        Act::NoUsage => write(stream, &reply(200, &[], &whole(None))).await,
        Act::Status(status, body, headers) => write(stream, &reply(*status, headers, body.as_bytes())).await,
        Act::Reset => {
            let bytes = reply(200, &[], &whole(Some(usage)));
            write(stream, &bytes[..bytes.len() - 20]).await?;
            tokio::time::sleep(Duration::from_millis(5)).await;
            let _ = stream.set_zero_linger();
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Act::AfterRequests(count) => {
            while state.requests.load(Ordering::SeqCst) < *count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            write(stream, &reply(200, &[], &whole(Some(usage)))).await
        }
        Act::Stall => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Err(io::ErrorKind::TimedOut.into())
        }
        Act::Gzip => {
            write(stream, &reply(200, &[("content-encoding", "gzip".to_owned())], &gzip(&whole(Some(usage))))).await
        }
        Act::GzipBomb => {
            static BOMB: OnceLock<Vec<u8>> = OnceLock::new();
            // Sixty-four members of sixteen megabytes. The head is written apart: nobody needs a copy for each connection.
            let bomb = BOMB.get_or_init(|| gzip(&vec![b' '; 16 << 20]).repeat(64));
            let head = format!("HTTP/1.1 200 X\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
            write(stream, head.as_bytes()).await?;
            write(stream, bomb).await
        }
        Act::Huge => {
            write(stream, b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let mut chunk = b"10000\r\n".to_vec();
            chunk.resize(chunk.len() + 0x10000, b' ');
            chunk.extend_from_slice(b"\r\n");
            for _ in 0..16 << 10 {
                write(stream, &chunk).await?;
            }
            write(stream, b"0\r\n\r\n").await
        }
        Act::Half => {
            let body = whole(Some(usage));
            write(stream, &reply(200, &[], &body[..body.len() / 2])).await
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all")
}

/// Writes what a model says in the words of the interface that a path belongs to.
fn message(path: &str, model: &str, text: &str, finish: &str, usage: Option<(u64, u64)>) -> Vec<u8> {
    let text = Value::from(text);
    let mut out = if path.ends_with("/messages") {
        let stop = match finish {
            "length" => "max_tokens",
            "stop" => "end_turn",
            other => other,
        };
        format!(
            r#"{{"id":"m","type":"message","role":"assistant","model":"{model}","content":[{{"type":"text","text":{text}}}],"stop_reason":"{stop}""#
        )
    } else if path.ends_with("/chat/completions") {
        let (content, refusal) = if finish == "refusal" { (Value::Null, text) } else { (text, Value::Null) };
        let finish = if finish == "refusal" { "stop" } else { finish };
        format!(
            r#"{{"id":"c","object":"chat.completion","model":"{model}","choices":[{{"index":0,"message":{{"role":"assistant","content":{content},"refusal":{refusal}}},"logprobs":null,"finish_reason":"{finish}"}}]"#
        )
    } else {
        format!(r#"{{"id":"c","model":"{model}","choices":[{{"index":0,"text":{text},"finish_reason":"{finish}"}}]"#)
    };
    if let Some((input, output)) = usage {
        out += &match path.ends_with("/messages") {
            true => format!(r#","usage":{{"input_tokens":{input},"output_tokens":{output}}}"#),
            false => format!(
                r#","usage":{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{}}}"#,
                input + output
            ),
        };
    }
    out.push('}');
    out.into_bytes()
}

fn vectors(model: &str, texts: &[&str], usage: Option<(u64, u64)>) -> Vec<u8> {
    // From the last to the first: the index is what counts.
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .rev()
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector_of(text)}))
        .collect();
    let mut out = json!({"object": "list", "model": model, "data": data});
    if let Some((input, _)) = usage {
        out["usage"] = json!({"prompt_tokens": input, "total_tokens": input});
    }
    out.to_string().into_bytes()
}

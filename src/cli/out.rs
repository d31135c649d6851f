//! Where output goes: results to stdout, all else to stderr; colours where they are wanted.

use super::args::Color;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

/// Whether text is coloured. Colour never says what the words do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    Plain,
    Colour,
}

impl Paint {
    fn new(wanted: Color, terminal: bool) -> Paint {
        let coloured = match wanted {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        };
        if coloured { Paint::Colour } else { Paint::Plain }
    }

    fn with(self, code: &str, text: &str) -> String {
        match self {
            Paint::Colour if !text.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }

    /// What the eye should find first.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What it may skip.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// What is new, or well.
    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// What is gone, or failed.
    pub fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// What changed.
    pub fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }
}

/// The standard output.
pub struct Out {
    to: BufWriter<Stdout>,
    pub paint: Paint,
    /// Of stderr.
    pub error_paint: Paint,
    /// Of the terminal, in columns; none if it is none.
    pub width: Option<usize>,
    /// Whether stderr is a terminal, where a line can be drawn again.
    pub live: bool,
}

impl Out {
    /// Looks at where the output of the process goes.
    pub fn new(color: Color) -> Out {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let (terminal, live) = (stdout.is_terminal(), stderr.is_terminal());
        // A terminal that does not tell its size is taken to be an old one.
        let width =
            terminal.then(|| console::Term::stdout().size_checked().map_or(80, |(_, columns)| usize::from(columns)));
        Out {
            paint: Paint::new(color, terminal),
            error_paint: Paint::new(color, live),
            width: width.filter(|width| *width > 0).or(terminal.then_some(80)),
            live: live && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
            to: BufWriter::new(stdout),
        }
    }

    /// Writes one value as JSON, in one line.
    pub fn json(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *self, value).map_err(io::Error::from)?;
        self.write_all(b"\n")
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Tells the user something beside the results. It does not matter if nobody listens.
pub fn note(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

//! The ledger: what may be spent, and a file in which spending stands before it happens.
//!
//! The file is text. Its first line is `datamake ledger 1`; then `r ID AMOUNT` reserves money for one request that is about to
//! be sent, `s ID AMOUNT` says what it came to, and `x ID` takes it back: it never went out. Amounts are in millionths of a millionth. `c AMOUNT REQUESTS` carries what
//! was spent before. A line without an end was not written in time, so what it reserves was never sent.

use super::Budget;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Parts of a unit of money.
const PARTS: f64 = 1e12;

const HEADER: &str = "datamake ledger 1";

/// An amount of money, in millionths of a millionth: sums of these are exact.
pub(super) fn parts(money: f64) -> u64 {
    (money * PARTS).round() as u64
}

/// Whether a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Yes,
    /// Not while others could still cost their worst.
    Later,
    No,
}

/// What is reserved for one request on its way.
#[derive(Debug)]
#[must_use]
pub(super) struct Slip {
    id: u64,
    amount: u64,
}

/// A file that is appended to, and whose end can be cut off again.
trait Growing: io::Write + std::fmt::Debug + Send {
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Growing for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// A file of whole lines: half a line that was written when the disk was full is cut off before anything else is written.
#[derive(Debug)]
struct Lines {
    file: Box<dyn Growing>,
    /// So long are the lines that were written in full.
    length: u64,
    /// Whether something may be behind them.
    torn: bool,
}

impl Lines {
    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.torn {
            self.file.cut(self.length)?;
        }
        self.torn = true;
        self.file.write_all(text.as_bytes())?;
        self.torn = false;
        self.length += text.len() as u64;
        Ok(())
    }
}

/// What was spent and what could still come.
#[derive(Debug)]
pub(super) struct Ledger {
    money: Option<u64>,
    requests: Option<u64>,
    spent: u64,
    reserved: u64,
    sent: u64,
    /// Of `spent` and `sent`, what is from a build that was not closed.
    carried: (u64, u64),
    next: u64,
    path: PathBuf,
    /// None without a budget: nothing has to be remembered.
    file: Option<Lines>,
    /// Lines that are not written yet.
    lines: String,
}

impl Ledger {
    /// Opens the ledger, and goes on with a session that was not closed. Without a budget nothing is read or written.
    pub fn open(budget: Budget, path: &Path) -> io::Result<Ledger> {
        let mut ledger = Ledger {
            money: budget.money.map(parts),
            requests: budget.requests,
            spent: 0,
            reserved: 0,
            sent: 0,
            carried: (0, 0),
            next: 0,
            path: path.to_owned(),
            file: None,
            lines: String::new(),
        };
        if (budget.money.is_none() && budget.requests.is_none()) || path.as_os_str().is_empty() {
            return Ok(ledger);
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::read(path) {
            Ok(bytes) => ledger.carried = read(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        (ledger.spent, ledger.sent) = ledger.carried;
        // Begun anew with the sum, beside the old one until it is whole.
        let beside = path.with_extension("new");
        let start = format!("{HEADER}\nc {} {}\n", ledger.spent, ledger.sent);
        fs::write(&beside, &start)?;
        fs::rename(&beside, path)?;
        let file = Box::new(OpenOptions::new().append(true).open(path)?);
        ledger.file = Some(Lines { file, length: start.len() as u64, torn: false });
        Ok(ledger)
    }

    /// Returns whether a request that could cost this much may be sent.
    pub fn room(&self, worst: u64) -> Room {
        if self.requests.is_some_and(|cap| self.sent >= cap) {
            return Room::No;
        }
        let Some(cap) = self.money else { return Room::Yes };
        let certain = self.spent.saturating_add(worst);
        if certain > cap {
            Room::No
        } else if certain.saturating_add(self.reserved) > cap {
            Room::Later
        } else {
            Room::Yes
        }
    }

    /// Reserves the worst case of a request. It may be sent after [`Ledger::write`].
    pub fn reserve(&mut self, worst: u64) -> Slip {
        let slip = Slip { id: self.next, amount: worst };
        self.next += 1;
        self.sent += 1;
        self.reserved += worst;
        if self.file.is_some() {
            writeln!(self.lines, "r {} {worst}", slip.id).expect("a string takes all");
        }
        slip
    }

    /// Says what a request came to; none: nobody knows, so the worst.
    pub fn settle(&mut self, slip: Slip, amount: Option<u64>) {
        self.reserved -= slip.amount;
        let amount = amount.unwrap_or(slip.amount);
        self.spent = self.spent.saturating_add(amount);
        if self.file.is_some() {
            writeln!(self.lines, "s {} {amount}", slip.id).expect("a string takes all");
        }
    }

    /// Takes a request back that never went out.
    pub fn cancel(&mut self, slip: Slip) {
        self.sent -= 1;
        self.reserved -= slip.amount;
        if self.file.is_some() {
            writeln!(self.lines, "x {}", slip.id).expect("a string takes all");
        }
    }

    /// Hands all lines to the operating system: they outlive the process.
    pub fn write(&mut self) -> io::Result<()> {
        if let (Some(file), false) = (&mut self.file, self.lines.is_empty()) {
            file.write(&self.lines)?;
            self.lines.clear();
        }
        Ok(())
    }

    /// Ends the session: what was spent in it, and in those that were not closed before, does not count any more. Without a
    /// budget nothing was read so far, so what lies there is looked at first: it may be something else.
    pub fn close(&mut self) -> io::Result<()> {
        self.lines.clear();
        if self.path.as_os_str().is_empty() {
            return Ok(());
        }
        let ours = match self.file.take() {
            Some(_) => Ok(true),
            None => fs::read(&self.path).map(|bytes| read(&bytes).is_ok()),
        };
        match ours.and_then(|ours| if ours { fs::remove_file(&self.path) } else { Ok(()) }) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Returns where the ledger is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns money and requests spent by builds that were not closed.
    pub fn carried(&self) -> (f64, u64) {
        (self.carried.0 as f64 / PARTS, self.carried.1)
    }

    /// Returns money and requests spent.
    pub fn spent(&self) -> (f64, u64) {
        (self.spent as f64 / PARTS, self.sent)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // Only settlements can be left: without them the worst case counts.
        let _ = self.write();
    }
}

/// Adds a ledger up: money and requests.
fn read(bytes: &[u8]) -> io::Result<(u64, u64)> {
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "it is not a ledger of this version");
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let text = std::str::from_utf8(&bytes[..whole]).map_err(|_| strange())?;
    let mut lines = text.lines();
    match lines.next() {
        // Made, and not begun.
        None => return Ok((0, 0)),
        Some(HEADER) => {}
        Some(_) => return Err(strange()),
    }
    let (mut spent, mut requests) = (0u64, 0u64);
    let mut open: HashMap<u64, u64> = HashMap::new();
    for line in lines {
        let mut words = line.split(' ');
        let kind = words.next();
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).ok_or_else(strange);
        match kind {
            Some("c") => {
                spent += number()?;
                requests += number()?;
            }
            Some("r") => {
                open.insert(number()?, number()?);
                requests += 1;
            }
            Some("s") => {
                open.remove(&number()?);
                spent = spent.saturating_add(number()?);
            }
            Some("x") => requests -= u64::from(open.remove(&number()?).is_some()),
            _ => return Err(strange()),
        }
    }
    Ok((open.values().fold(spent, |sum, amount| sum.saturating_add(*amount)), requests))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, money: f64) -> Ledger {
        Ledger::open(Budget { money: Some(money), requests: None }, path).unwrap()
    }

    #[test]
    fn what_was_reserved_and_not_settled_counts_as_spent_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/ledger");
        let mut ledger = open(&path, 1.0);
        let first = ledger.reserve(parts(0.25));
        let _second = ledger.reserve(parts(0.5));
        ledger.settle(first, Some(parts(0.125)));
        ledger.write().unwrap();
        std::mem::forget(ledger);
        let ledger = open(&path, 1.0);
        assert_eq!(ledger.carried(), (0.625, 2));
        assert_eq!(ledger.room(parts(0.375)), Room::Yes);
        assert_eq!(ledger.room(parts(0.376)), Room::No);
        drop(ledger);
        assert_eq!(open(&path, 1.0).carried(), (0.625, 2), "opened twice, counted once");
    }

    #[test]
    fn a_closed_session_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let mut ledger = open(&path, 1.0);
        let slip = ledger.reserve(parts(1.0));
        ledger.settle(slip, None);
        ledger.close().unwrap();
        drop(ledger);
        assert_eq!(open(&path, 1.0).carried(), (0.0, 0));
    }

    #[test]
    fn a_torn_line_is_not_counted_and_a_strange_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        fs::write(&path, format!("{HEADER}\nr 0 500000000000\nr 1 5000")).unwrap();
        assert_eq!(open(&path, 1.0).carried(), (0.5, 1));
        fs::write(&path, "my diary\n").unwrap();
        assert!(Ledger::open(Budget { money: Some(1.0), requests: None }, &path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "my diary\n");
    }

    /// A file on a disk that is full after so many bytes, until there is room again.
    #[derive(Debug)]
    struct Full(File, std::sync::Arc<std::sync::atomic::AtomicUsize>);

    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            use std::sync::atomic::Ordering::SeqCst;
            let room = self.1.load(SeqCst).min(bytes.len());
            self.1.fetch_sub(room, SeqCst);
            if room == 0 { Err(io::ErrorKind::StorageFull.into()) } else { self.0.write(&bytes[..room]) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Growing for Full {
        fn cut(&mut self, length: u64) -> io::Result<()> {
            self.0.set_len(length)
        }
    }

    #[test]
    fn half_a_line_on_a_full_disk_is_cut_off_before_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let mut ledger = open(&path, 1.0);
        let room = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(8));
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        ledger.file.as_mut().unwrap().file = Box::new(Full(file, room.clone()));
        let first = ledger.reserve(parts(0.25));
        assert!(ledger.write().is_err());
        room.store(1000, std::sync::atomic::Ordering::SeqCst);
        ledger.settle(first, Some(parts(0.125)));
        let _second = ledger.reserve(parts(0.5));
        ledger.write().unwrap();
        drop(ledger);
        assert!(
            fs::read_to_string(&path).unwrap().ends_with("\nr 0 250000000000\ns 0 125000000000\nr 1 500000000000\n")
        );
        assert_eq!(open(&path, 1.0).carried(), (0.625, 2));
    }

    #[test]
    fn a_request_that_was_taken_back_does_not_count_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let mut ledger = open(&path, 1.0);
        let (first, second) = (ledger.reserve(parts(0.25)), ledger.reserve(parts(0.5)));
        ledger.cancel(first);
        ledger.settle(second, Some(0));
        drop(ledger);
        assert_eq!(open(&path, 1.0).carried(), (0.0, 1));
    }

    #[test]
    fn a_request_waits_while_others_could_still_cost_less_than_their_worst() {
        let mut ledger = Ledger::open(Budget { money: Some(1.0), requests: None }, Path::new("")).unwrap();
        let slip = ledger.reserve(parts(0.75));
        assert_eq!(ledger.room(parts(0.5)), Room::Later);
        assert_eq!(ledger.room(parts(1.5)), Room::No);
        ledger.settle(slip, Some(parts(0.25)));
        assert_eq!(ledger.room(parts(0.5)), Room::Yes);
    }
}

//! One process, with all that it starts: its last words are kept, and it is ended with its whole process group.

use super::failure::Failure;
use super::scratch::Folder;
use super::{TICK, Watch};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, Once};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Bytes of stderr that are kept.
const LAST_WORDS: usize = 4096;

/// How long a process that was asked to end is waited for before it is killed.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// A process that runs.
pub struct Child {
    pub process: std::process::Child,
    /// Removed once the process is gone.
    _folder: Folder,
    group: Pid,
    said: Arc<Mutex<Vec<u8>>>,
    listener: Option<JoinHandle<()>>,
    ended: Option<ExitStatus>,
}

impl Child {
    /// Starts a command in a process group of its own.
    pub fn start(command: &mut Command, folder: Folder) -> Result<Child, Failure> {
        // What datamake was itself handed down, a pipe of a shell or a build tool, is no affair of its programs.
        static HANDED_DOWN: Once = Once::new();
        HANDED_DOWN.call_once(|| close_fds::set_fds_cloexec_threadsafe(3, &[]));
        let started = command.stderr(Stdio::piped()).process_group(0).spawn();
        let mut process = started.map_err(|error| Failure::start(&error))?;
        let group = Pid::from_raw(i32::try_from(process.id()).expect("the system's process ids fit"));
        let said = Arc::new(Mutex::new(Vec::new()));
        let stderr = process.stderr.take().expect("it was asked for");
        let heard = said.clone();
        let listener = Some(thread::spawn(move || listen(stderr, &heard)));
        Ok(Child { process, _folder: folder, group, said, listener, ended: None })
    }

    /// Returns how the process ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.process.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Waits for the process to end, and says what is wrong with how it did.
    pub fn wait(&mut self, watch: Watch) -> Result<(), Failure> {
        let mut pause = Duration::from_micros(200);
        loop {
            if let Some(status) = self.ended() {
                return self.judge(status);
            }
            watch.go_on()?;
            thread::sleep(pause);
            pause = (pause * 2).min(TICK);
        }
    }

    fn judge(&mut self, status: ExitStatus) -> Result<(), Failure> {
        let said = String::new();
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(code), _) => Err(Failure::Exit { code, said }),
            (None, signal) => Err(Failure::Killed { signal: signal.unwrap_or_default(), said }),
        }
    }

    /// Ends the process and all that it started: asks first, and kills what does not hear.
    pub fn end(&mut self) {
        let asked = Instant::now();
        self.signal(Signal::SIGTERM);
        while self.ended().is_none() && asked.elapsed() < GRACE {
            thread::sleep(Duration::from_millis(5));
        }
        // Those that it started are killed even if it has gone.
        self.kill();
        while self.ended().is_none() && asked.elapsed() < 2 * GRACE {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills whatever is left of the process group.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    fn signal(&self, signal: Signal) {
        // An error means that nobody is left.
        let _ = killpg(self.group, signal);
    }

    /// Returns the end of what it wrote to stderr, once it has ended.
    pub fn last_words(&mut self) -> String {
        let begun = Instant::now();
        while self.listener.as_ref().is_some_and(|listener| !listener.is_finished()) && begun.elapsed() < GRACE / 4 {
            thread::sleep(Duration::from_millis(2));
        }
        let said = self.said.lock().expect("no thread panics with this lock");
        String::from_utf8_lossy(&said).into_owned()
    }

    /// Ends the process for a reason, and adds what it said last.
    pub fn give_up(&mut self, failure: Failure) -> Failure {
        self.end();
        let said = self.last_words();
        failure.with(said)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.end();
        } else {
            self.kill();
        }
    }
}

/// Reads all that is said, and keeps the end of it.
fn listen(mut stderr: ChildStderr, said: &Mutex<Vec<u8>>) {
    let mut block = [0; 4096];
    loop {
        match stderr.read(&mut block) {
            Ok(0) => return,
            Ok(n) => {
                let mut said = said.lock().expect("no thread panics with this lock");
                said.extend_from_slice(&block[..n]);
                let surplus = said.len().saturating_sub(LAST_WORDS);
                said.drain(..surplus);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

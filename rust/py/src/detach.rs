//! The one place where long work leaves the interpreter.
//!
//! Nothing else in this crate releases the interpreter lock. The work sees a [`Cancel`] and no
//! Python; what it returns, a panic included, becomes a value or an exception here.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use pyo3::prelude::*;
use turnmill_core::cancel::Cancel;
use turnmill_core::{Error, ErrorKind, Result};

use crate::errors;

/// How often the calling thread looks for Ctrl-C.
const WATCH: Duration = Duration::from_millis(50);

/// Runs `job` on a thread of its own, without the interpreter, and watches for signals meanwhile.
///
/// A signal handler that raises (Ctrl-C) cancels the job; its exception is raised as soon as the
/// job has noticed. Signals are handled on Python's main thread only, as everywhere in Python.
pub(crate) fn run<T, F>(py: Python<'_>, job: F) -> PyResult<T>
where
    T: Send,
    F: FnOnce(&Cancel) -> Result<T> + Send,
{
    let cancel = Cancel::default();
    let outcome = thread::scope(|scope| {
        let (sender, receiver) = channel();
        let worker_cancel = cancel.clone();
        let worker = move || {
            // The receiver waits until the thread has ended, so it is there.
            let _ = sender.send(guarded(|| job(&worker_cancel)));
        };
        thread::Builder::new()
            .name("turnmill-call".to_owned())
            .spawn_scoped(scope, worker)
            .map_err(|error| errors::to_python(py, &no_thread(&error)))?;
        wait(py, receiver, &cancel)
    })?;
    outcome.map_err(|error| errors::to_python(py, &error))
}

/// Runs a job of a few milliseconds at most (one row, one file's header) on the calling thread,
/// without the interpreter.
pub(crate) fn run_short<T, F>(py: Python<'_>, job: F) -> PyResult<T>
where
    T: Send,
    F: FnOnce() -> Result<T> + Send,
{
    py.detach(|| guarded(job))
        .map_err(|error| errors::to_python(py, &error))
}

fn wait<T: Send>(
    py: Python<'_>,
    mut receiver: Receiver<Result<T>>,
    cancel: &Cancel,
) -> PyResult<Result<T>> {
    loop {
        let (message, returned) = py.detach(move || (receiver.recv_timeout(WATCH), receiver));
        receiver = returned;
        match message {
            Ok(outcome) => return Ok(outcome),
            Err(RecvTimeoutError::Disconnected) => return Ok(Err(defect("a worker was lost"))),
            Err(RecvTimeoutError::Timeout) => {
                if let Err(signal) = py.check_signals() {
                    cancel.cancel();
                    // The thread may still drop what borrows from the caller: wait for its end.
                    py.detach(move || receiver.recv().map(drop).unwrap_or_default());
                    return Err(signal);
                }
            }
        }
    }
}

fn guarded<T>(job: impl FnOnce() -> Result<T>) -> Result<T> {
    // A panicking job leaves only its own state half-done; shared state recovers from poisoned
    // locks.
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|payload| Err(defect(&text(&*payload))))
}

fn text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    match payload.downcast_ref::<String>() {
        Some(text) => text.clone(),
        None => "unknown panic".to_owned(),
    }
}

fn defect(what: &str) -> Error {
    Error::new(
        ErrorKind::Internal,
        "panic",
        format!("turnmill broke: {what}"),
    )
    .hint(
        "this is a defect of turnmill: please report it with the text above, \
         turnmill.build_info() and, if you can, the row",
    )
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::new(
        ErrorKind::Internal,
        "no-threads",
        format!("cannot start a thread: {error}"),
    )
    .hint("the limit on processes or memory of this machine is reached")
}

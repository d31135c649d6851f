//! The engine's functions of dates without its clock: a time of `now` in the data is refused too.

use rusqlite::functions::FunctionFlags;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, params_from_iter};
use std::sync::{Arc, Mutex};

const NAMES: [&str; 7] = ["date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff"];

/// Returns what a value means to a function of dates that no key knows: the clock, as a time, or the time zone of the machine.
pub(super) fn asks_machine(value: &[u8], is_time: bool) -> Option<&'static str> {
    // The engine reads a text up to its first NUL, and blobs as texts.
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    if is_time && is(&["now", "subsec", "subsecond"]) {
        Some("a time of `now` would give something else each time")
    } else if is(&["localtime", "utc"]) {
        Some("the time zone of the machine would give something else elsewhere")
    } else {
        None
    }
}

/// Returns how many arguments of a function are not times, and stand before one.
fn before_time(name: &str) -> usize {
    usize::from(name == "strftime")
}

/// Puts functions of the same names before the engine's, which ask those of another connection.
pub(super) fn guard(connection: &Connection) -> rusqlite::Result<()> {
    let behind = Arc::new(Mutex::new(Connection::open_in_memory()?));
    for name in NAMES {
        let behind = behind.clone();
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        connection.create_scalar_function(name, -1, flags, move |call| {
            let before = before_time(name);
            let mut args: Vec<Value> = Vec::with_capacity(call.len());
            for at in 0..call.len() {
                let value = call.get_raw(at);
                let is_time = at == before || name == "timediff";
                if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = value
                    && let Some(why) = asks_machine(bytes, is_time)
                {
                    return Err(Error::UserFunctionError(why.into()));
                }
                args.push(Value::try_from(value).map_err(|error| Error::UserFunctionError(error.into()))?);
            }
            if args.len() <= before.max(usize::from(name == "timediff")) {
                return Err(Error::UserFunctionError("it has no time, which would be that of the clock".into()));
            }
            let places = vec!["?"; args.len()].join(", ");
            let behind = behind.lock().expect("no thread panics with this lock");
            let mut statement = behind.prepare_cached(&format!("select {name}({places})"))?;
            statement.query_row(params_from_iter(args), |row| row.get::<_, Value>(0))
        })?;
    }
    Ok(())
}

//! The engine's functions of dates without its clock: a time of `now` in the data is refused too.

use rusqlite::functions::FunctionFlags;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, params_from_iter};
use std::sync::{Arc, Mutex};

const NAMES: [&str; 7] = ["date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff"];

/// What is said of `now`.
const WHY: &str = "a time of `now` would give something else each time";

/// Returns whether a text means the time of the clock.
pub(super) fn is_now(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("now")
}

/// Puts functions of the same names before the engine's, which ask those of another connection.
pub(super) fn guard(connection: &Connection) -> rusqlite::Result<()> {
    let behind = Arc::new(Mutex::new(Connection::open_in_memory()?));
    for name in NAMES {
        let behind = behind.clone();
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        connection.create_scalar_function(name, -1, flags, move |call| {
            let refused = || Error::UserFunctionError(WHY.into());
            let mut args: Vec<Value> = Vec::with_capacity(call.len());
            for at in 0..call.len() {
                let value = call.get_raw(at);
                if let ValueRef::Text(text) = value
                    && std::str::from_utf8(text).is_ok_and(is_now)
                {
                    return Err(refused());
                }
                args.push(Value::try_from(value).map_err(|error| Error::UserFunctionError(error.into()))?);
            }
            if args.len() < 1 + usize::from(["strftime", "timediff"].contains(&name)) {
                return Err(refused());
            }
            let places = vec!["?"; args.len()].join(", ");
            let behind = behind.lock().expect("no thread panics with this lock");
            let mut statement = behind.prepare_cached(&format!("select {name}({places})"))?;
            statement.query_row(params_from_iter(args), |row| row.get::<_, Value>(0))
        })?;
    }
    Ok(())
}

//! What a query may do: read the tables that it was given. And what it does read.

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Functions that give something else each time, and those that reach outside.
const REFUSED: [&str; 6] =
    ["random", "randomblob", "current_time", "current_date", "current_timestamp", "load_extension"];

/// What was seen while a query was prepared.
#[derive(Default)]
pub(super) struct Seen {
    /// Schema, table and column of what is read.
    pub reads: BTreeSet<(String, String, String)>,
    /// What was refused.
    pub refused: Option<String>,
    /// Whether the engine's own doings are over.
    pub on: bool,
}

/// Watches over one connection.
#[derive(Clone, Default)]
pub(super) struct Guard(Arc<Mutex<Seen>>);

impl Guard {
    /// Returns what was seen.
    pub fn seen<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.0.lock().expect("no thread panics with this lock"))
    }

    /// Decides over one action.
    pub fn decide(&self, context: AuthContext<'_>) -> Authorization {
        self.seen(|seen| {
            if !seen.on {
                return Authorization::Allow;
            }
            let refused = match context.action {
                AuthAction::Select | AuthAction::Recursive => None,
                AuthAction::Read { table_name, column_name } if !table_name.starts_with("sqlite_") => {
                    let schema = context.database_name.unwrap_or("main");
                    seen.reads.insert((schema.to_owned(), table_name.to_owned(), column_name.to_owned()));
                    None
                }
                AuthAction::Read { table_name, .. } => Some(format!("`{table_name}` is the engine's own")),
                AuthAction::Function { function_name } => {
                    let name = function_name.to_lowercase();
                    REFUSED.contains(&name.as_str()).then(|| match name.as_str() {
                        "load_extension" => format!("`{name}` would run other code"),
                        _ => format!("`{name}` gives something else each time"),
                    })
                }
                AuthAction::Pragma { pragma_name, .. } => Some(format!("`{pragma_name}` sets the engine up")),
                _ => Some("a query may only read its datasets".to_owned()),
            };
            match refused {
                None => Authorization::Allow,
                Some(why) => {
                    seen.refused.get_or_insert(why);
                    Authorization::Deny
                }
            }
        })
    }
}

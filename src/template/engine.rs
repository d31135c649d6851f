//! The Jinja engine as templates know it: strict, bounded, and the same on every machine.

use minijinja::value::{Kwargs, StringInput};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value, filters};

/// The work that one row may take; a step costs 1, and so do 64 bytes of text.
pub(super) const FUEL: u64 = 1_000_000;

/// The bytes that one row may come to.
pub(super) const OUTPUT: usize = 16 << 20;

/// How deep macros, loops and includes may go into each other; a thread's stack holds more.
const DEPTH: usize = 120;

/// The functions that templates may call.
pub(super) const FUNCTIONS: [&str; 3] = ["dict", "namespace", "range"];

/// The filters and the tests that are words, for suggestions.
#[rustfmt::skip]
pub(super) const NAMES: [&str; 73] = [
    "abs", "attr", "batch", "bool", "capitalize", "chain", "count", "d", "default", "dictsort", "e", "escape", "first",
    "float", "format", "groupby", "indent", "int", "items", "join", "last", "length", "lines", "list", "lower", "map",
    "max", "min", "pprint", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr",
    "slice", "sort", "split", "string", "sum", "title", "tojson", "trim", "unique", "upper", "zip",
    "boolean", "defined", "divisibleby", "endingwith", "eq", "equalto", "escaped", "even", "false", "filter", "ge",
    "greaterthan", "gt", "in", "integer", "iterable", "le", "lessthan", "lt", "mapping", "ne", "none", "number", "odd",
    "undefined",
];

/// Makes an environment without templates.
pub(super) fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    // Undefined is false in `if` and an error where it would be printed or worked with.
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(DEPTH);
    env.set_debug(false);
    // Shows the engine's insides.
    env.remove_global("debug");
    // Null is undefined here, and none.
    env.add_test("none", |value: &Value| value.is_none() || value.is_undefined());
    env.add_filter("join", join);
    env
}

/// As the engine's `join`, but a null among the items is an error and not an empty text.
fn join(
    state: &mut State,
    value: &Value,
    joiner: Option<StringInput<'_>>,
    attribute: Option<&str>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    if let Some(items) = value.as_object().and_then(|items| items.downcast_ref::<Vec<Value>>())
        && items.iter().any(|item| item.is_undefined() || item.is_none())
    {
        return Err(Error::new(ErrorKind::InvalidOperation, "an item of the list to join is null"));
    }
    filters::join(state, value, joiner, attribute, kwargs)
}

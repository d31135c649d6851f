//! What is asked of a model and what it answers, as data: no network, no clock.
//!
//! A request's canonical form is its key: under it the response is remembered, for every dataset, branch and colleague.
//! `docs/design/models.md` has the reasons, `docs/format.md` the bytes.

mod failure;
mod form;
mod json;
mod request;
mod response;
mod usage;

pub use failure::{Failure, FailureKind};
pub use form::{Form, Misfit};
pub use request::{Message, Request, Role, Spec, Task};
pub use response::{Finish, Record, Response, find};
pub use usage::{Price, Usage};

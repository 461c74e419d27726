//! The check of a request: it collects violations, and makes the proof that there are none.
//!
//! A [`Check`] walks over a request, and each broken rule adds a violation with the [`Path`] of its
//! field. Only a check without violations makes a [`Call`], without which nothing is sent. Which
//! fields a request has, and which rules hold for them, is the business of its operation.

mod address;
mod call;
mod fields;
mod path;
mod violations;

pub(crate) use self::call::{Call, CallParts};
pub(crate) use self::fields::Check;
pub(crate) use self::path::Path;
pub(crate) use self::violations::Violations;

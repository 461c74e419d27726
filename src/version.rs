//! Which program this is.

/// The version in Cargo.toml.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that was built, or `unknown`: builds for development do not ask for it.
pub(crate) const REVISION: &str = env!("BUILD_REVISION");

/// The version of the compiler, or `unknown`.
pub(crate) const RUST_VERSION: &str = env!("BUILD_RUSTC");

/// All of it in one line, for people.
pub(crate) const LINE: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("BUILD_REVISION"),
    ", rustc ",
    env!("BUILD_RUSTC"),
    ")"
);

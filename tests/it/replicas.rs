//! Replicas that share the budgets of portals: each with its own connections to one PostgreSQL, in real time.
//!
//! The portal is a model that gets the moments of arrival, so that a slow machine changes what it gets, and not how it counts.

mod outage;
mod rate;
mod together;

//! Replicas that share the budgets of portals: each with its own connections to one PostgreSQL, in
//! real time.
//!
//! In `rate` and `outage` the portal is a model that gets the moments of arrival, so that a slow
//! machine changes what it gets, and not how it counts. In `processes` and `operating` it is the
//! sandbox, called by real processes.

mod far_away;
mod operating;
mod outage;
mod processes;
mod rate;
mod site;
mod together;

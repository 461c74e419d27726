//! Budgets of the simulation.

use super::StoredBudget;
use crate::error::StoreError;
use crate::weather::Line;

/// A budget without its portal.
type Kept = (f64, i64, String, String);

pub(super) async fn exchange(
    line: &Line,
    portals: &[String],
    change: &mut (impl FnMut(&mut StoredBudget, i64) + Send),
) -> Result<(), StoreError> {
    let changed = line.change_budgets(|budgets, now| {
        for portal in portals {
            let kept = budgets.get(portal).map(|kept| serde_json::from_str(kept));
            let new = || Ok((0.0, now, "{}".to_owned(), "{}".to_owned()));
            let (level, updated_at, leases, operating): Kept = kept.unwrap_or_else(new)?;
            let mut budget = StoredBudget {
                portal: portal.clone(),
                level,
                updated_at,
                leases,
                operating,
            };
            change(&mut budget, now);
            let StoredBudget {
                portal,
                level,
                updated_at,
                leases,
                operating,
            } = budget;
            let kept: Kept = (level, updated_at, leases, operating);
            budgets.insert(portal, serde_json::to_string(&kept)?);
        }
        Ok(())
    });
    let changed: Result<(), serde_json::Error> = changed.await?;
    changed.map_err(|error| StoreError::Corrupt(format!("a budget of the simulation: {error}")))
}

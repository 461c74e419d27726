//! Budgets of the simulation.

use super::{Asked, StoredBudget};
use crate::error::StoreError;
use crate::weather::Line;

/// A row without its portal: the account, the number of the last ask in it, and the asks since.
type Kept = (String, i64, Vec<(i64, String)>);

/// What the statement does.
pub(super) async fn exchange(
    line: &Line,
    asked: &[Asked],
) -> Result<Vec<StoredBudget>, StoreError> {
    let exchanged = line.change_budgets(|budgets, now| {
        let rows = asked.iter().map(|Asked { portal, ask, known }| {
            let kept = budgets.get(portal).map(|kept| serde_json::from_str(kept));
            let new = || Ok((String::new(), now, Vec::new()));
            let (mut account, mut number, mut asks): Kept = kept.unwrap_or_else(new)?;
            if let Some(known) = known
                && let Ok(covered) = usize::try_from(known.number.saturating_sub(number))
                && covered <= asks.len()
            {
                asks.drain(..covered);
                (account, number) = (known.account.clone(), known.number);
            }
            asks.push((now, ask.clone()));
            let kept = serde_json::to_string(&(&account, number, &asks))?;
            budgets.insert(portal.clone(), kept);
            Ok(StoredBudget {
                portal: portal.clone(),
                account,
                number,
                asks,
            })
        });
        rows.collect()
    });
    let rows: Result<Vec<StoredBudget>, serde_json::Error> = exchanged.await?;
    rows.map_err(|error| StoreError::Corrupt(format!("a budget of the simulation: {error}")))
}

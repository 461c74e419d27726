//! Lists of tenants, page by page.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::Tenants;
use super::incoming::Incoming;
use super::page::{self, Filters};
use super::service::unread;
use super::{name, view};
use crate::api::openlines::tenants::v1::tenant::State;
use crate::api::openlines::tenants::v1::{ListTenantsRequest, ListTenantsResponse};
use crate::auth::Grants;
use crate::check::Violations;
use crate::error::Error;
use bitrix24::TenantId;
use store::{StoreError, StoredTenant, UnreadableTenant};

/// Most tenants that are read for one page, so that a filter with few matches does not read them
/// all.
const LOOKED_AT: usize = 2000;
/// Tenants that are read at once.
const AT_ONCE: usize = 500;

/// Longest portal in a filter, in bytes: that of a DNS name.
const PORTAL_BYTES: usize = 253;

/// A tenant, or its id if it cannot be read.
type Row = Result<StoredTenant, TenantId>;

impl Tenants {
    pub(super) async fn list(
        &self,
        incoming: &Incoming,
        request: ListTenantsRequest,
    ) -> Result<ListTenantsResponse, Error> {
        let manager = incoming.manager()?;
        let mut violations = Violations::default();
        let filters = Filters {
            state: request.state,
            portal: &request.portal,
        };
        let size = page::size(request.page_size, &mut violations);
        let mut after = page::read(&request.page_token, filters, &mut violations);
        if State::try_from(request.state).is_err() {
            let description = format!("{} is no value of its enum", request.state);
            violations.add("state", "UNKNOWN_VALUE", description);
        }
        if request.portal.chars().count() > PORTAL_BYTES {
            let description = format!("has more than {PORTAL_BYTES} characters; no portal has");
            violations.add("portal", "TOO_LONG", description);
        }
        if !violations.is_empty() {
            return Err(Error::InvalidRequest(violations));
        }

        let mut page = ListTenantsResponse::default();
        let mut looked_at = 0;
        loop {
            let missing = size - page.tenants.len() - page.unreachable.len();
            let wanted = if request.state == 0 && request.portal.is_empty() {
                missing
            } else {
                AT_ONCE
            };
            // One more than wanted tells whether there are any behind.
            let (rows, more) = self.rows(manager.grants(), after.as_ref(), wanted).await?;
            let mut left = rows.len();
            for row in rows {
                left -= 1;
                looked_at += 1;
                match row {
                    Ok(tenant) => {
                        if passes(&tenant, filters) {
                            page.tenants.push(view::of(&tenant));
                        }
                        after = Some(tenant.id);
                    }
                    Err(id) => {
                        page.unreachable.push(name::of(&id));
                        after = Some(id);
                    }
                }
                if page.tenants.len() + page.unreachable.len() == size {
                    break;
                }
            }
            if left == 0 && !more {
                return Ok(page);
            }
            let full = page.tenants.len() + page.unreachable.len() == size;
            if full || looked_at >= LOOKED_AT {
                if let Some(last) = &after {
                    page.next_page_token = page::token(last, filters);
                }
                return Ok(page);
            }
        }
    }

    /// At most `wanted` tenants behind `after`, and whether there are more.
    async fn rows(
        &self,
        grants: &Grants,
        after: Option<&TenantId>,
        wanted: usize,
    ) -> Result<(Vec<Row>, bool), Error> {
        match grants {
            Grants::Every => {
                let limit = u32::try_from(wanted + 1).unwrap_or(u32::MAX);
                let read = self.store.tenants(after, limit).await.map_err(unread)?;
                let more = read.len() > wanted;
                let rows = read.into_iter().take(wanted).map(|row| {
                    row.map_err(|unreadable| {
                        report(&unreadable);
                        unreadable.id
                    })
                });
                Ok((rows.collect(), more))
            }
            Grants::Only(granted) => self.granted_rows(granted, after, wanted).await,
        }
    }

    /// The same for a caller with grants for these tenants only, of which some may not exist.
    async fn granted_rows(
        &self,
        granted: &BTreeSet<TenantId>,
        after: Option<&TenantId>,
        wanted: usize,
    ) -> Result<(Vec<Row>, bool), Error> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rows = Vec::new();
        for id in granted.range((start, Bound::Unbounded)) {
            let row = match self.store.tenant(id).await {
                Ok(None) => continue,
                Ok(Some(tenant)) => Ok(tenant),
                Err(error @ StoreError::Unavailable(_)) => return Err(unread(error)),
                Err(source @ (StoreError::Sealed { .. } | StoreError::Corrupt(_))) => {
                    let id = id.clone();
                    let unreadable = UnreadableTenant { id, source };
                    report(&unreadable);
                    Err(unreadable.id)
                }
            };
            if rows.len() == wanted {
                return Ok((rows, true));
            }
            rows.push(row);
        }
        Ok((rows, false))
    }
}

fn passes(tenant: &StoredTenant, filters: Filters<'_>) -> bool {
    let Filters { state, portal } = filters;
    (state == 0 || state == i32::from(view::state(tenant)))
        && (portal.is_empty() || portal == tenant.portal)
}

fn report(unreadable: &UnreadableTenant) {
    tracing::warn!(tenant = %unreadable.id, error = %unreadable.source, "a tenant cannot be read");
}

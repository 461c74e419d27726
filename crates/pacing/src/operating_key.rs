//! Whose calls share an operating budget.

/// Whose calls of a method use up one operating budget. Bitrix24's pages disagree: page "limits"
/// counts by application or webhook, page "operating" by portal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperatingKey {
    /// The calls of all tenants of a portal. Safe under both readings.
    #[default]
    Portal,
    /// Those of one tenant.
    Tenant,
}

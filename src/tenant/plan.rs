//! How many requests a tenant's portal takes.

/// How many requests a portal takes from one address: a bucket that fills with each request and drains steadily.
///
/// Source: page "limits".
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plan {
    /// All plans of the cloud but Enterprise: 50 requests at once, 2 a second.
    Standard,
    /// The plan Enterprise of the cloud: 250 requests at once, 5 a second.
    Enterprise,
    /// No limit: a self-hosted portal without one.
    Unlimited,
    /// Figures of a portal's own.
    Own(Intensity),
}

/// The figures of a bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Intensity {
    /// How many requests may come at once, 1 or more.
    pub burst: u32,
    /// How many of them drain each second, above 0.
    pub per_second: f64,
}

impl Plan {
    /// The figures; `None` without a limit.
    #[must_use]
    pub fn intensity(self) -> Option<Intensity> {
        match self {
            Self::Standard => Some(Intensity {
                burst: 50,
                per_second: 2.0,
            }),
            Self::Enterprise => Some(Intensity {
                burst: 250,
                per_second: 5.0,
            }),
            Self::Unlimited => None,
            Self::Own(intensity) => Some(intensity),
        }
    }
}

//! How many requests a portal still takes from us.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::Bucket;
use super::pause::Pause;
use super::sharing::{PortalBucket, Sharing};
use super::taken::Taken;
use bitrix24::Intensity;

/// The intensity budget of one portal.
#[derive(Debug)]
pub(super) enum Budget {
    /// The portal is said to have no limit. If it refuses all the same, there are pauses.
    Unlimited(Pause),
    /// This process has the bucket for itself.
    Own(Bucket),
    /// Several have. After refusals in a row there are pauses: somebody else at our address uses it too.
    Shared(PortalBucket, Pause),
}

/// One portal's place among what is shared with other replicas.
#[derive(Clone)]
pub(super) struct Share {
    pub(super) sharing: Sharing,
    /// The portal's name.
    pub(super) portal: String,
    /// Called when permits have come, or the time for something else.
    pub(super) wake: Arc<dyn Fn() + Send + Sync>,
}

impl Budget {
    /// A budget of this process, or of all replicas if there is a share.
    pub(super) fn new(intensity: Option<Intensity>, share: Option<&Share>, now: Instant) -> Self {
        match (intensity, share) {
            (None, _) => Self::Unlimited(Pause::default()),
            (Some(intensity), None) => Self::Own(Bucket::new(intensity, now)),
            (Some(intensity), Some(share)) => {
                Self::Shared(share.bucket(intensity), Pause::default())
            }
        }
    }

    /// Takes other figures over; what was sent stays counted.
    pub(super) fn set_intensity(
        &mut self,
        intensity: Option<Intensity>,
        share: Option<&Share>,
        now: Instant,
    ) {
        match (&mut *self, intensity) {
            (Self::Own(bucket), Some(intensity)) if bucket.intensity() == intensity => {}
            (Self::Own(bucket), Some(intensity)) => bucket.set_intensity(intensity, now),
            (Self::Shared(bucket, _), Some(intensity)) => bucket.agree(intensity),
            (Self::Unlimited(_), None) => {}
            (Self::Unlimited(_) | Self::Own(_) | Self::Shared(..), intensity) => {
                *self = Self::new(intensity, share, now);
            }
        }
    }

    /// The figures; `None` without a limit.
    pub(super) fn intensity(&self) -> Option<Intensity> {
        match self {
            Self::Unlimited(_) => None,
            Self::Own(bucket) => Some(bucket.intensity()),
            Self::Shared(bucket, _) => Some(bucket.intensity()),
        }
    }

    /// The part of them that this process may count on now.
    pub(super) fn part(&self, now: Instant) -> Option<Intensity> {
        match self {
            Self::Unlimited(_) => None,
            Self::Own(bucket) => Some(bucket.intensity()),
            Self::Shared(bucket, _) => Some(bucket.outlook(now).intensity),
        }
    }

    /// The bucket that is shared with other replicas, if it is.
    pub(super) fn shared(&self) -> Option<&PortalBucket> {
        match self {
            Self::Unlimited(_) | Self::Own(_) => None,
            Self::Shared(bucket, _) => Some(bucket),
        }
    }

    /// How many requests could go now; infinite without a limit.
    pub(super) fn room(&mut self, now: Instant) -> f64 {
        match self {
            Self::Unlimited(pause) | Self::Shared(_, pause) if pause.until(now).is_some() => 0.0,
            Self::Unlimited(_) => f64::INFINITY,
            Self::Own(bucket) => bucket.room(now),
            Self::Shared(bucket, _) => bucket.room(now),
        }
    }

    /// The same without taking note of the time that has passed.
    pub(super) fn peek(&self, now: Instant) -> f64 {
        match self {
            Self::Unlimited(_) => f64::INFINITY,
            Self::Own(bucket) => bucket.peek(now),
            Self::Shared(_, pause) if pause.until(now).is_some() => 0.0,
            Self::Shared(bucket, _) => bucket.room(now),
        }
    }

    /// How much longer nothing is sent because the portal has refused.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        let until = match self {
            Self::Unlimited(pause) | Self::Shared(_, pause) => pause.until(now),
            Self::Own(bucket) => bucket.paused_until(now),
        };
        until.map_or(Duration::ZERO, |until| until - now)
    }

    /// Whether a request could go now without asking anybody.
    pub(super) fn has_permit(&self, now: Instant) -> bool {
        match self {
            Self::Unlimited(_) => true,
            Self::Own(bucket) => bucket.peek(now) >= 1.0,
            Self::Shared(bucket, _) => bucket.outlook(now).has_permit,
        }
    }

    pub(super) fn take(&mut self, now: Instant) -> Taken {
        match self {
            Self::Unlimited(pause) => pause.until(now).map_or(Taken::Granted, Taken::At),
            Self::Own(bucket) => bucket.take(now),
            Self::Shared(bucket, pause) => {
                let until = pause.until(now);
                until.map_or_else(|| bucket.take(now), Taken::At)
            }
        }
    }

    /// So many requests wait for permits.
    pub(super) fn want(&self, requests: u32, now: Instant) {
        match self {
            Self::Unlimited(_) | Self::Own(_) => {}
            Self::Shared(bucket, pause) => {
                let requests = pause.until(now).map_or(requests, |_| 0);
                bucket.want(now, requests);
            }
        }
    }

    pub(super) fn departed(&mut self, now: Instant) {
        match self {
            Self::Unlimited(_) => {}
            Self::Own(bucket) => bucket.departed(now),
            Self::Shared(bucket, _) => bucket.departed(now),
        }
    }

    pub(super) fn give_back(&mut self, now: Instant) {
        match self {
            Self::Unlimited(_) => {}
            Self::Own(bucket) => bucket.give_back(now),
            Self::Shared(bucket, _) => bucket.give_back(now),
        }
    }

    pub(super) fn refused(&mut self, now: Instant) {
        match self {
            Self::Unlimited(pause) => pause.lengthen(now),
            Self::Own(bucket) => bucket.refused(now),
            Self::Shared(bucket, pause) => {
                bucket.refused(now);
                pause.lengthen(now);
            }
        }
    }

    pub(super) fn accepted(&mut self) {
        match self {
            Self::Unlimited(pause) | Self::Shared(_, pause) => *pause = Pause::default(),
            Self::Own(bucket) => bucket.accepted(),
        }
    }

    /// Whether nothing would be lost by forgetting it.
    pub(super) fn is_idle(&mut self, now: Instant) -> bool {
        match self {
            // What is shared is not forgotten with it.
            Self::Unlimited(pause) | Self::Shared(_, pause) => pause.until(now).is_none(),
            Self::Own(bucket) => bucket.is_empty(now),
        }
    }
}

impl Share {
    fn bucket(&self, intensity: Intensity) -> PortalBucket {
        let wake = Arc::clone(&self.wake);
        self.sharing.bucket(&self.portal, intensity, move || wake())
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share")
            .field("portal", &self.portal)
            .finish_non_exhaustive()
    }
}

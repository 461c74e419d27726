//! How many requests a portal still takes from us.

use tokio::time::Instant;

use super::bucket::Bucket;
use super::pause::Pause;
use super::taken::Taken;
use crate::tenant::Intensity;

/// The intensity budget of one portal.
#[derive(Debug)]
pub(super) enum Budget {
    /// The portal is said to have no limit. If it refuses all the same, there are pauses.
    Unlimited(Pause),
    /// This process has the bucket for itself.
    Own(Bucket),
}

impl Budget {
    pub(super) fn new(intensity: Option<Intensity>, now: Instant) -> Self {
        intensity.map_or(Self::Unlimited(Pause::default()), |intensity| {
            Self::Own(Bucket::new(intensity, now))
        })
    }

    /// Takes other figures over; what was sent stays counted.
    pub(super) fn set_intensity(&mut self, intensity: Option<Intensity>, now: Instant) {
        match (&mut *self, intensity) {
            (Self::Own(bucket), Some(intensity)) if bucket.intensity() == intensity => {}
            (Self::Own(bucket), Some(intensity)) => bucket.set_intensity(intensity, now),
            (Self::Unlimited(_), None) => {}
            (Self::Unlimited(_) | Self::Own(_), intensity) => *self = Self::new(intensity, now),
        }
    }

    /// The figures; `None` without a limit.
    pub(super) fn intensity(&self) -> Option<Intensity> {
        match self {
            Self::Unlimited(_) => None,
            Self::Own(bucket) => Some(bucket.intensity()),
        }
    }

    /// How many requests could go now; infinite without a limit.
    pub(super) fn room(&mut self, now: Instant) -> f64 {
        match self {
            Self::Unlimited(pause) if pause.until(now).is_some() => 0.0,
            Self::Unlimited(_) => f64::INFINITY,
            Self::Own(bucket) => bucket.room(now),
        }
    }

    /// The same without taking note of the time that has passed.
    pub(super) fn peek(&self, now: Instant) -> f64 {
        match self {
            Self::Unlimited(_) => f64::INFINITY,
            Self::Own(bucket) => bucket.peek(now),
        }
    }

    pub(super) fn take(&mut self, now: Instant) -> Taken {
        match self {
            Self::Unlimited(pause) => pause.until(now).map_or(Taken::Granted, Taken::At),
            Self::Own(bucket) => bucket.take(now),
        }
    }

    pub(super) fn departed(&mut self, now: Instant) {
        match self {
            Self::Unlimited(_) => {}
            Self::Own(bucket) => bucket.departed(now),
        }
    }

    pub(super) fn give_back(&mut self, now: Instant) {
        match self {
            Self::Unlimited(_) => {}
            Self::Own(bucket) => bucket.give_back(now),
        }
    }

    pub(super) fn refused(&mut self, now: Instant) {
        match self {
            Self::Unlimited(pause) => pause.lengthen(now),
            Self::Own(bucket) => bucket.refused(now),
        }
    }

    pub(super) fn accepted(&mut self) {
        match self {
            Self::Unlimited(pause) => *pause = Pause::default(),
            Self::Own(bucket) => bucket.accepted(),
        }
    }

    /// Whether nothing would be lost by forgetting it.
    pub(super) fn is_idle(&mut self, now: Instant) -> bool {
        match self {
            Self::Unlimited(pause) => pause.until(now).is_none(),
            Self::Own(bucket) => bucket.is_empty(now),
        }
    }
}

//! What a portal allows and how long it takes: the limits of page "limits", and settable latency.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

/// The limits of one portal. By default there are none and nothing takes longer than it must.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// How many requests the portal takes. `None`: any number.
    #[serde(deserialize_with = "intensity")]
    pub intensity: Option<Intensity>,
    /// Seconds of work that one method may do for one application or webhook within ten minutes. The
    /// cloud's value is not documented, 480 is the example of the page. `None`: any.
    pub operating_limit_seconds: Option<f64>,
    /// Seconds of work that every call counts as. `None`: as long as it really took.
    pub operating_seconds_per_call: Option<f64>,
    /// Real time that every request takes before its method begins, in milliseconds.
    pub request_latency_ms: u64,
    /// Real time that every command takes, in milliseconds: a single call is one, a batch has up to 50.
    pub command_latency_ms: u64,
}

/// The leaky bucket of requests. A refused request does not fill it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intensity {
    /// How many requests may come at once.
    pub burst: u32,
    /// How many become free each second.
    pub drain_per_second: f64,
}

impl Intensity {
    /// All plans but Enterprise.
    pub const STANDARD: Self = Self {
        burst: 50,
        drain_per_second: 2.0,
    };
    /// The plan Enterprise.
    pub const ENTERPRISE: Self = Self {
        burst: 250,
        drain_per_second: 5.0,
    };

    /// The figures of a preset: `standard`, `enterprise`, or `none`, which is no limit.
    ///
    /// # Errors
    ///
    /// When there is no preset of this name.
    pub fn preset(name: &str) -> Result<Option<Self>, String> {
        match name {
            "standard" => Ok(Some(Self::STANDARD)),
            "enterprise" => Ok(Some(Self::ENTERPRISE)),
            "none" => Ok(None),
            _ => Err(format!(
                "{name:?} is none of standard, enterprise and none, and no figures"
            )),
        }
    }
}

impl Limits {
    /// What a cloud portal of most plans allows, with the documented example for the operating time.
    pub fn standard() -> Self {
        Self {
            intensity: Some(Intensity::STANDARD),
            operating_limit_seconds: Some(480.0),
            ..Self::default()
        }
    }

    pub(super) fn request_latency(&self) -> Duration {
        Duration::from_millis(self.request_latency_ms)
    }

    pub(super) fn command_latency(&self) -> Duration {
        Duration::from_millis(self.command_latency_ms)
    }
}

/// Figures, the name of a preset, or `null`.
fn intensity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Intensity>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Preset(String),
        Figures(Intensity),
    }
    let intensity = match Option::<Form>::deserialize(deserializer)? {
        None => None,
        Some(Form::Preset(name)) => Intensity::preset(&name).map_err(serde::de::Error::custom)?,
        Some(Form::Figures(figures)) => Some(figures),
    };
    match intensity {
        Some(figures) if figures.burst == 0 => {
            Err(serde::de::Error::custom("burst must be 1 or more"))
        }
        Some(figures) if !(0.0..=1e6).contains(&figures.drain_per_second) => Err(
            serde::de::Error::custom("drain_per_second must be 0 to 1000000"),
        ),
        valid => Ok(valid),
    }
}

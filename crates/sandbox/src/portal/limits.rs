//! The limits of a portal (page "limits") and its simulated latency.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

/// The limits and the latency of one portal. By default there are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The rate limit of requests. `None`: unlimited.
    #[serde(deserialize_with = "intensity")]
    pub intensity: Option<Intensity>,
    /// Operating time in seconds that one method has for one application or webhook within ten
    /// minutes. The cloud's value is not documented; 480 is the example of the page. `None`:
    /// unlimited.
    pub operating_limit_seconds: Option<f64>,
    /// Operating time in seconds that every call counts as. `None`: its real duration.
    pub operating_seconds_per_call: Option<f64>,
    /// Real time that every request takes before its method starts, in milliseconds.
    pub request_latency_ms: u64,
    /// Real time that every command takes, in milliseconds. A single call is one command.
    pub command_latency_ms: u64,
}

/// A leaky bucket of requests. A refused request does not fill it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intensity {
    /// How many requests may arrive at once.
    pub burst: u32,
    /// How many more become possible each second.
    pub drain_per_second: f64,
}

impl Intensity {
    /// Every plan except Enterprise.
    pub const STANDARD: Self = Self {
        burst: 50,
        drain_per_second: 2.0,
    };
    /// The plan Enterprise.
    pub const ENTERPRISE: Self = Self {
        burst: 250,
        drain_per_second: 5.0,
    };

    /// The preset of this name: `standard`, `enterprise`, or `none` for no limit.
    ///
    /// # Errors
    ///
    /// When the name is not that of a preset.
    pub fn preset(name: &str) -> Result<Option<Self>, String> {
        match name {
            "standard" => Ok(Some(Self::STANDARD)),
            "enterprise" => Ok(Some(Self::ENTERPRISE)),
            "none" => Ok(None),
            _ => Err(format!(
                "{name:?} is not standard, enterprise, none or an object with figures"
            )),
        }
    }
}

impl Limits {
    /// The limits of a cloud portal on most plans, with the documented example of operating time.
    pub fn standard() -> Self {
        Self {
            intensity: Some(Intensity::STANDARD),
            operating_limit_seconds: Some(480.0),
            ..Self::default()
        }
    }

    pub(crate) fn request_latency(&self) -> Duration {
        Duration::from_millis(self.request_latency_ms)
    }

    pub(crate) fn command_latency(&self) -> Duration {
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

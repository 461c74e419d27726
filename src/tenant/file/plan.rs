//! The plan of an entry: a name, or its own burst and rate.

use crate::settings::{Node, SettingErrors};
use bitrix24::{InvalidRateLimit, Plan, RateLimit};

const REMEDY: &str =
    "give standard, enterprise or unlimited, or values like {burst: 100, per_second: 3}";

pub(super) fn read(node: &Node<'_>, errors: &mut SettingErrors) -> Option<Plan> {
    if node.is_mapping() {
        return own(node, errors).map(Plan::Own);
    }
    let plan = Plan::named(node.text(errors)?);
    if plan.is_none() {
        errors.push(node.error("is not a plan", REMEDY));
    }
    plan
}

fn own(node: &Node<'_>, errors: &mut SettingErrors) -> Option<RateLimit> {
    let fields = node.fields(&["burst", "per_second"], errors)?;
    let burst = fields.required("burst", errors).and_then(|node| {
        let number = node.whole(1, errors)?;
        let burst = RateLimit::burst(i64::try_from(number).unwrap_or(i64::MAX));
        let wrong = |error: InvalidRateLimit| node.error(error.to_string(), "");
        burst.map_err(|error| errors.push(wrong(error))).ok()
    });
    let per_second = fields.required("per_second", errors).and_then(|node| {
        let per_second = RateLimit::per_second(node.number(errors)?);
        let wrong = |error: InvalidRateLimit| node.error(error.to_string(), "");
        per_second.map_err(|error| errors.push(wrong(error))).ok()
    });
    Some(RateLimit {
        burst: burst?,
        per_second: per_second?,
    })
}

//! The plan of a tenant in the tenants file: a name, or figures of its own.

use crate::config::{Faults, Node};
use bitrix24::{InvalidRateLimit, Plan, RateLimit};

const REMEDY: &str =
    "give standard, enterprise or unlimited, or figures like {burst: 100, per_second: 3}";

pub(super) fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Plan> {
    if node.is_mapping() {
        return own(node, faults).map(Plan::Own);
    }
    let plan = Plan::named(node.text(faults)?);
    if plan.is_none() {
        faults.push(node.fault("is no plan", REMEDY));
    }
    plan
}

fn own(node: &Node<'_>, faults: &mut Faults) -> Option<RateLimit> {
    let fields = node.fields(&["burst", "per_second"], faults)?;
    let burst = fields.required("burst", faults).and_then(|node| {
        let number = node.whole(1, faults)?;
        let burst = RateLimit::burst(i64::try_from(number).unwrap_or(i64::MAX));
        let wrong = |error: InvalidRateLimit| node.fault(error.to_string(), "");
        burst.map_err(|error| faults.push(wrong(error))).ok()
    });
    let per_second = fields.required("per_second", faults).and_then(|node| {
        let per_second = RateLimit::per_second(node.number(faults)?);
        let wrong = |error: InvalidRateLimit| node.fault(error.to_string(), "");
        per_second.map_err(|error| faults.push(wrong(error))).ok()
    });
    Some(RateLimit {
        burst: burst?,
        per_second: per_second?,
    })
}

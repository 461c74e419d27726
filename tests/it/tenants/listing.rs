//! Lists, page by page.

use std::collections::BTreeSet;

use bitrix24_openlines::api::openlines::tenants::v1 as api;
use bitrix24_openlines::api::openlines::tenants::v1::tenant::State;
use futures_util::{StreamExt, stream};
use tonic::Code;

use super::office::{Desk, Office, webhook};
use crate::support::Told;

const TENANTS: usize = 1000;

fn id(number: usize) -> String {
    format!("t{number:04}")
}

/// An office with a thousand tenants beside the two of the file: every tenth is disabled, every
/// third has another portal.
async fn full() -> Office {
    let office = Office::open().await;
    stream::iter(0..TENANTS)
        .for_each_concurrent(16, |number| {
            let office = &office;
            async move {
                let mut desk = office.manager().await;
                let portal = if number % 3 == 0 { "third" } else { "other" };
                let tenant = webhook(&format!("{portal}.bitrix24.com"), 1, "s");
                desk.create(&id(number), tenant).await.unwrap();
                if number % 10 == 0 {
                    desk.disable(&id(number), "").await.unwrap();
                }
            }
        })
        .await;
    office
}

async fn pages(desk: &mut Desk, mut request: api::ListTenantsRequest) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    loop {
        let page = desk.list(request.clone()).await.unwrap();
        let names = page.tenants.into_iter().map(|tenant| tenant.name);
        pages.push(names.collect());
        if page.next_page_token.is_empty() {
            return pages;
        }
        request.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn a_thousand_tenants_are_listed_in_order_without_a_gap_and_none_twice() {
    let office = full().await;
    let mut desk = office.manager().await;
    let mut expected: Vec<String> = (0..TENANTS)
        .map(|number| format!("tenants/{}", id(number)))
        .collect();
    expected.extend(["tenants/app".to_owned(), "tenants/hook".to_owned()]);
    expected.sort();
    for (page_size, number, last) in [
        (37, 28, 3),
        (0, 21, 2),
        (1000, 2, 2),
        (5000, 2, 2),
        (501, 2, 501),
    ] {
        let request = api::ListTenantsRequest {
            page_size,
            ..Default::default()
        };
        let pages = pages(&mut desk, request).await;
        assert_eq!(pages.len(), number, "{page_size}");
        assert_eq!(pages.last().unwrap().len(), last, "{page_size}");
        assert_eq!(pages.concat(), expected, "{page_size}");
    }

    // By state and by portal, together and alone.
    for (state, portal) in [
        (State::Disabled, ""),
        (State::Active, "third.bitrix24.com"),
        (State::Unspecified, "third.bitrix24.com"),
        (State::Disabled, "other.bitrix24.com"),
        (State::ReauthorizationRequired, ""),
        (State::Unspecified, "nobody.bitrix24.com"),
    ] {
        let request = api::ListTenantsRequest {
            page_size: 7,
            state: state.into(),
            portal: portal.to_owned(),
            ..Default::default()
        };
        let found = pages(&mut desk, request).await.concat();
        let expected: Vec<String> = (0..TENANTS)
            .filter(|number| {
                let disabled = number % 10 == 0;
                let of_state = match state {
                    State::Unspecified => true,
                    State::Active => !disabled,
                    State::Disabled => disabled,
                    State::ReauthorizationRequired => false,
                };
                let is_third = number % 3 == 0;
                of_state && (portal.is_empty() || portal.starts_with("third") == is_third)
            })
            .filter(|_| portal != "nobody.bitrix24.com")
            .map(|number| format!("tenants/{}", id(number)))
            .collect();
        assert_eq!(found, expected, "{state:?} {portal}");
    }

    // What is deleted and created between two pages moves nothing else.
    let request = api::ListTenantsRequest {
        page_size: 100,
        ..Default::default()
    };
    let first = desk.list(request.clone()).await.unwrap();
    desk.delete(&id(0), "").await.unwrap();
    desk.delete(&id(500), "").await.unwrap();
    desk.create("zz", office.webhook()).await.unwrap();
    let request = api::ListTenantsRequest {
        page_token: first.next_page_token,
        ..request
    };
    let rest = pages(&mut desk, request).await.concat();
    let seen: BTreeSet<&String> = rest.iter().collect();
    assert_eq!(seen.len(), rest.len());
    assert_eq!(rest.len(), TENANTS + 2 - 100 - 1 + 1);
}

#[tokio::test]
async fn a_list_that_cannot_be_made_says_why() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let first = desk
        .list(api::ListTenantsRequest {
            page_size: 1,
            ..Default::default()
        })
        .await
        .unwrap();
    for (request, field, rule) in [
        (
            api::ListTenantsRequest {
                page_size: -1,
                ..Default::default()
            },
            "page_size",
            "NEGATIVE",
        ),
        (
            api::ListTenantsRequest {
                page_token: "nonsense".to_owned(),
                ..Default::default()
            },
            "page_token",
            "PAGE_TOKEN",
        ),
        (
            api::ListTenantsRequest {
                page_token: first.next_page_token,
                state: State::Active.into(),
                ..Default::default()
            },
            "page_token",
            "PAGE_TOKEN",
        ),
        (
            api::ListTenantsRequest {
                state: 99,
                ..Default::default()
            },
            "state",
            "UNKNOWN_VALUE",
        ),
        (
            api::ListTenantsRequest {
                portal: "x".repeat(254),
                ..Default::default()
            },
            "portal",
            "TOO_LONG",
        ),
    ] {
        let refused = desk.list(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(refused.violations(), [(field.to_owned(), rule.to_owned())]);
    }
}

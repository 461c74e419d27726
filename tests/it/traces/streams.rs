//! Traces of streams: that of the stream, and one of each item that is traced.

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::streaming_send_messages_request::Operation;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use tokio_stream::StreamExt;

use super::{CALLERS_SPAN, CALLERS_TRACE, Collector, Traced, hex, text, with_trace};
use crate::support::requests::crm_message;

/// Sends two items in a stream with a caller's trace; of items this share is traced. The spans of
/// calls, that of the stream first, and those of requests to the portal.
async fn spans(percent: u8) -> (Vec<Span>, Vec<Span>) {
    let (collector, address) = Collector::start().await;
    let settings = format!("otlp_endpoint: 'http://{address}'");
    let mut traced = Traced::start(&settings, percent).await;
    let items = ["one", "two"].map(|key| api::StreamingSendMessagesRequest {
        item_key: key.to_owned(),
        operation: Some(Operation::CrmMessage(api::SendCrmMessageRequest {
            tenant_id: "hook".to_owned(),
            ..crm_message(key)
        })),
        timeout: None,
    });
    let request = with_trace(tokio_stream::iter(items), true);
    let answers = traced.client.streaming_send_messages(request).await;
    let answers: Vec<_> = answers.unwrap().into_inner().collect().await;
    assert_eq!(answers.len(), 2);
    let log = traced.stop_after("StreamingSendMessages").await;
    let of_stream = log
        .lines()
        .find(|line| line.contains("StreamingSendMessages"));
    assert!(of_stream.unwrap().contains(CALLERS_TRACE), "{log}");
    let spans = collector.spans();
    let (mut calls, requests): (Vec<_>, Vec<_>) = spans
        .into_iter()
        .partition(|span| span.kind() == SpanKind::Server);
    calls.sort_by_key(|span| !span.name.ends_with("/StreamingSendMessages"));
    (calls, requests)
}

#[tokio::test]
async fn a_traced_item_is_a_trace_of_its_own_that_is_linked_to_its_stream() {
    let (calls, requests) = spans(100).await;
    let [stream, items @ ..] = calls.as_slice() else {
        panic!("no spans");
    };
    assert_eq!(hex(&stream.trace_id), CALLERS_TRACE);
    assert_eq!(hex(&stream.parent_span_id), CALLERS_SPAN);
    assert_eq!(text(stream, "rpc.response.status_code"), "OK");
    assert_eq!(items.len(), 2, "{calls:?}");
    for item in items {
        assert_eq!(item.name, "openlines.v1.OpenLinesService/SendCrmMessage");
        assert_ne!(hex(&item.trace_id), CALLERS_TRACE);
        assert!(item.parent_span_id.is_empty(), "{item:?}");
        let [link] = item.links.as_slice() else {
            panic!("{item:?}");
        };
        assert_eq!(link.trace_id, stream.trace_id);
        assert_eq!(link.span_id, stream.span_id);
    }
    assert_ne!(items[0].trace_id, items[1].trace_id);
    // Two items to one conversation are two requests.
    assert_eq!(requests.len(), 2, "{requests:?}");
    for request in requests {
        let item = items
            .iter()
            .find(|item| item.span_id == request.parent_span_id);
        assert_eq!(item.unwrap().trace_id, request.trace_id);
    }
}

#[tokio::test]
async fn items_that_are_not_traced_leave_nothing_in_the_trace_of_their_stream() {
    let (calls, requests) = spans(0).await;
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(hex(&calls[0].trace_id), CALLERS_TRACE);
    assert!(requests.is_empty(), "{requests:?}");
}

//! The readers of borders find what is planted, and nothing else.

use super::page::{drawn_crates, named_files};
use super::paths::named;
use super::sources::{between_children, resolved, source};
use super::{away_from_home, upward};

fn paths(text: &str) -> Vec<String> {
    let found = named(text, &["crate", "tenant", "directory"]);
    found
        .iter()
        .map(|named| named.segments.join("::"))
        .collect()
}

#[test]
fn every_branch_of_a_use_is_read() {
    let text = "use crate::{auth::{self, Caller as Who}, bitrix24::*, call::context};";
    let found = [
        "crate::auth",
        "crate::auth::Caller",
        "crate::bitrix24",
        "crate::call::context",
    ];
    assert_eq!(paths(text), found);
}

#[test]
fn relative_paths_are_resolved_from_where_they_stand() {
    let text =
        "use super::record::Record; mod inner { use super::super::Tenant; fn f() { self::g() } }";
    let found = [
        "crate::tenant::record::Record",
        "crate::tenant::Tenant",
        "crate::tenant::directory::inner::g",
    ];
    assert_eq!(paths(text), found);
}

#[test]
fn a_path_inside_a_macro_call_counts() {
    let text = "fn f() { warn!(error = crate::error::chain(&e), \"late\"); }";
    assert_eq!(paths(text), ["crate::error::chain"]);
}

#[test]
fn comments_texts_and_tests_do_not_count() {
    let text =
        "/// See crate::auth.\n// crate::auth::Caller\nconst A: &str = \"crate::auth::Caller\";
        #[cfg(test)] mod tests { use crate::auth::Caller; }";
    assert!(paths(text).is_empty(), "{:?}", paths(text));
}

#[test]
fn a_path_is_found_on_its_line() {
    let found = named("\n\nuse tonic::Code;", &["crate"]);
    assert_eq!(found[0].line, 3);
}

#[test]
fn a_circle_of_three_is_found_with_the_lines_that_draw_it() {
    let planted = [
        ("a.rs", "use crate::b::B;"),
        ("a/deep.rs", "fn f() {}"),
        ("b.rs", "mod inner;"),
        ("b/inner.rs", "use super::super::c;"),
        ("c.rs", "fn f() { crate::a::deep::f() }"),
        ("d.rs", "use crate::a::A;"),
    ];
    let sources = planted.map(|(file, text)| source(format!("src/{file}"), file, text));
    let circle = [
        "a -> b: src/a.rs:1",
        "b -> c: src/b/inner.rs:1",
        "c -> a: src/c.rs:1",
    ];
    let found = between_children(&sources, &["crate".to_owned()]).circles();
    assert_eq!(found, circle);
}

#[test]
fn an_arrow_from_one_child_to_another_is_one_of_their_parent_too() {
    let planted = [
        ("a.rs", "mod one; mod two;"),
        ("a/one.rs", "use super::two::Two;"),
        ("a/two.rs", "fn f() { crate::a::one::g() }"),
    ];
    let sources = planted.map(|(file, text)| source(format!("src/{file}"), file, text));
    let parent = ["crate".to_owned(), "a".to_owned()];
    assert_eq!(between_children(&sources, &parent).circles().len(), 2);
}

#[test]
fn what_has_its_home_elsewhere_is_found() {
    let text = "use tonic::{Code, Status};";
    let stranger = source("src/auth.rs".to_owned(), "auth.rs", text);
    assert_eq!(
        away_from_home(&stranger),
        ["src/auth.rs:1: names tonic::Code"]
    );
    let at_home = source("src/error/code.rs".to_owned(), "error/code.rs", text);
    assert!(away_from_home(&at_home).is_empty());
}

#[test]
fn a_name_that_a_parent_lends_leads_to_where_it_comes_from() {
    let planted = [
        (
            "lib.rs",
            "mod a; mod b; pub use a::Inner as Outer; pub(crate) use b::*;",
        ),
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "fn f() { crate::Outer::new() }"),
    ];
    let sources = planted.map(|(file, text)| source(format!("src/{file}"), file, text));
    let circles = between_children(&resolved(sources.into()), &["crate".to_owned()]).circles();
    assert_eq!(circles, ["a -> b: src/a.rs:1", "b -> a: src/b.rs:1"]);
}

#[test]
fn crates_are_read_from_their_drawing_only() {
    let page = "```sh\ncargo test\n```\n```mermaid\nflowchart TD\n  a --> b\n```\n```mermaid\n  b --> a\n```\n";
    let crates = drawn_crates(page);
    assert!(crates["a"].contains("b"));
    assert!(crates["b"].is_empty());
}

#[test]
fn files_are_read_from_quotes_and_links() {
    let page = "See `src/app.rs`, `app.rs` and [one](docs/adr/), not `src/app.rs is`.";
    assert_eq!(
        Vec::from_iter(named_files(page)),
        ["docs/adr/", "src/app.rs"]
    );
}

#[test]
fn an_arrow_that_points_up_and_one_to_a_module_without_a_layer_are_found() {
    let planted = [
        ("app.rs", "use crate::auth::A;"),
        ("auth.rs", "fn f() { crate::app::run() }"),
        ("new.rs", "use crate::auth::A;"),
    ];
    let sources = planted.map(|(file, text)| source(format!("src/{file}"), file, text));
    let modules = between_children(&sources, &["crate".to_owned()]);
    let found = ["auth -> app: src/auth.rs:1", "new -> auth: src/new.rs:1"];
    assert_eq!(upward(&modules, &["app", "auth"]), found);
}

//! The corpus of the fuzz targets: what they do with it, without a fuzzer.

#[expect(
    unreachable_pub,
    reason = "a module here, and the library of the fuzz targets in its own workspace"
)]
#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

type Target = fn(&[u8]);

/// Each target, as its folder in the corpus is called.
const TARGETS: [(&str, Target); 6] = [
    ("address", targets::address),
    ("batch_answer", targets::batch_answer),
    ("event_form", targets::event_form),
    ("parameters", targets::parameters),
    ("portal_answer", targets::portal_answer),
    ("settings_file", targets::settings_file),
];

#[test]
fn every_input_of_the_corpus_keeps_what_its_target_promises() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let folders = fs::read_dir(&corpus).unwrap();
    let mut folders: Vec<String> = folders
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, TARGETS.map(|(name, _)| name));
    let mut failed = Vec::new();
    for (name, target) in TARGETS {
        for input in fs::read_dir(corpus.join(name)).unwrap() {
            let path = input.unwrap().path();
            let data = fs::read(&path).unwrap();
            if catch_unwind(|| target(&data)).is_err() {
                failed.push(path);
            }
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

//! Commands decoded and encoded by PHP, the language of Bitrix24.

use std::io::Write;
use std::process::{Command as Process, Stdio};

use bitrix24::Method;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::possible_command;
use super::values::parameters;

/// How many parameters PHP checks.
const CASES: usize = 3000;

/// Reads lines of JSON, `[parameters as JSON text, query]`. For each line it decodes the query and
/// compares it with the parameters, as texts; then it encodes the query itself and compares the
/// bytes. At the end it prints the first differences and the number of lines.
const PROGRAM: &str = r#"
function as_texts($value) {
    if (is_array($value)) return array_map('as_texts', $value);
    return is_bool($value) ? ($value ? '1' : '0') : (string) $value;
}
$lines = 0;
$differences = [];
while (($line = fgets(STDIN)) !== false) {
    [$json, $query] = json_decode($line, true, 512, JSON_THROW_ON_ERROR);
    $parameters = json_decode($json, true, 512, JSON_THROW_ON_ERROR);
    parse_str($query, $decoded);
    if ($decoded !== as_texts($parameters)) {
        $differences[] = 'decoded differently: ' . $line . json_encode($decoded) . "\n";
    }
    if (http_build_query($parameters, '', '&', PHP_QUERY_RFC3986) !== $query) {
        $differences[] = 'written differently: ' . $line;
    }
    $lines++;
}
echo implode('', array_slice($differences, 0, 5)), $lines, "\n";
"#;

#[test]
fn php_reads_and_writes_commands_as_they_are() {
    let Some(mut php) = start() else {
        return;
    };
    let mut runner = TestRunner::default();
    let strategy = parameters();
    let mut stdin = php.stdin.take().unwrap();
    let mut asked = 0;
    for _ in 0..CASES {
        let parameters = strategy.new_tree(&mut runner).unwrap().current();
        let Some(command) = possible_command(Method::AddCrmMessage, &parameters) else {
            continue;
        };
        let (_, query) = command.as_str().split_once('?').unwrap();
        let line = json!([parameters.to_string(), query]);
        writeln!(stdin, "{line}").unwrap();
        asked += 1;
    }
    drop(stdin);
    let output = php.wait_with_output().unwrap();
    let (told, errors) = (text(output.stdout), text(output.stderr));
    assert_eq!(told, format!("{asked}\n"), "{errors}");
    assert!(output.status.success(), "{errors}");
    // Most parameters can be sent in a batch; otherwise the test would be empty.
    assert!(asked > CASES / 4, "{asked}");
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// A running PHP. `None` without one: a line on standard error says so, and in CI the test fails.
fn start() -> Option<std::process::Child> {
    let started = Process::new("php")
        .args(["-n", "-d", "display_errors=stderr", "-r", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    match started {
        Ok(php) => Some(php),
        Err(error) => {
            #[expect(clippy::disallowed_methods, reason = "no setting of the service")]
            let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!in_ci, "php is needed (Debian's package php-cli): {error}");
            let thread = std::thread::current();
            let test = thread.name().unwrap_or("a test");
            let line = format!("{test} did NOT run: it needs php, Debian's package php-cli\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            None
        }
    }
}

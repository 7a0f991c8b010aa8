//! The exec wrapper, run as a runtime's bootstrap runs it, with all sorts of listeners on the agent's port. Knows its output; not
//! its code.
#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

use picket_tests::layout;
use picket_tests::rie::free_port;

/// The Runtime API that Lambda gives, which the wrapper must leave alone unless the agent is there.
const ORIGINAL: &str = "169.254.100.1:9001";
/// Prints the Runtime API that the runtime got, and each of its arguments in brackets.
const RUNTIME: &str =
    r#"printf '%s\n' "$AWS_LAMBDA_RUNTIME_API"; for word in "$@"; do printf '[%s]' "$word"; done"#;

struct Run {
    redirected_to: String,
    arguments: Vec<u8>,
    line: String,
    code: Option<i32>,
}

fn wrapper() -> Command {
    let mut command = Command::new(layout::binary("picket-wrapper").expect("the wrapper is built"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("AWS_LAMBDA_RUNTIME_API", ORIGINAL);
    command
}

/// Runs a runtime that tells what it got, with these arguments behind its own.
fn run(command: &mut Command, arguments: &[&OsStr]) -> Run {
    let output =
        command.args(["sh", "-c", RUNTIME, "sh"]).args(arguments).output().expect("the wrapper runs");
    told(&output)
}

fn told(output: &Output) -> Run {
    let line = String::from_utf8(output.stderr.clone()).expect("the log is text");
    assert_eq!(line.lines().count(), 1, "one line and no more: {line:?}");
    let mut parts = output.stdout.splitn(2, |byte| *byte == b'\n');
    Run {
        redirected_to: String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned(),
        arguments: parts.next().unwrap_or_default().to_vec(),
        line,
        code: output.status.code(),
    }
}

/// A listener that treats each connection in its own way.
fn listener(serve: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || listener.incoming().flatten().for_each(serve));
    port.to_string()
}

fn answering(answer: &'static [u8]) -> String {
    listener(move |mut stream| {
        let mut question = [0; 1024];
        let count = stream.read(&mut question).expect("a question");
        assert!(question[..count].starts_with(b"GET /picket/ready HTTP/1.1\r\n"));
        stream.write_all(answer).expect("someone reads");
    })
}

fn agent() -> String {
    answering(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\npicket-ready: 1\r\ncontent-length: 33\r\n\r\npicket-runtime-proxy ready 0.1.0\n",
    )
}

/// A file in a folder of this test program.
fn script(name: &str, text: &str, mode: u32) -> PathBuf {
    let folder = layout::target().join("tmp/wrapper").join(std::process::id().to_string());
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("its mode");
    path
}

#[test]
fn redirects_when_the_agent_answers() {
    let port = agent();
    let run = run(wrapper().env("PICKET_PORT", &port), &[]);
    assert_eq!(run.redirected_to, format!("127.0.0.1:{port}"));
    assert_eq!(run.line, format!("picket INFO wrapper: the runtime is redirected to 127.0.0.1:{port}\n"));
}

#[test]
fn arguments_reach_the_runtime_unchanged() {
    let words: [&OsStr; 7] = [
        OsStr::new("two words"),
        OsStr::new(""),
        OsStr::new("*"),
        OsStr::new("$HOME `id` \"quoted\" 'single' \\"),
        OsStr::new("line\nfeed"),
        OsStr::new("--flag=é"),
        OsStr::from_bytes(b"\xff\xfe"),
    ];
    let expected: Vec<u8> =
        words.iter().flat_map(|word| [b"[".as_slice(), word.as_bytes(), b"]"].concat()).collect();
    let (redirected, left_alone) = (agent(), free_port().expect("a port").to_string());
    for port in [redirected, left_alone] {
        let run = run(wrapper().env("PICKET_PORT", &port), &words);
        assert_eq!(run.arguments, expected, "{}", String::from_utf8_lossy(&run.arguments));
    }
}

#[test]
fn trap_29_an_absent_agent_leaves_the_runtime_as_it_was() {
    let port = free_port().expect("a port").to_string();
    let run = run(wrapper().env("PICKET_PORT", &port), &[]);
    assert_eq!(run.redirected_to, ORIGINAL);
    assert!(run.line.contains("UNPROTECTED"), "{}", run.line);
    assert!(run.line.contains(&format!("nothing listens on 127.0.0.1:{port}")), "{}", run.line);
}

#[test]
fn a_stranger_on_the_port_is_not_taken_for_the_agent() {
    let answers: [&'static [u8]; 7] = [
        b"",
        b"\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 503 Service Unavailable\r\n\r\npicket-runtime-proxy ready 0.1.0\n",
        b"SSH-2.0-OpenSSH_9.2p1\x1b[31m \"quote\"\r\n",
        b"\xff\xff\xff\xff",
    ];
    for answer in answers {
        let run = run(wrapper().env("PICKET_PORT", answering(answer)), &[]);
        assert_eq!(run.redirected_to, ORIGINAL, "{}", run.line);
        assert!(run.line.contains("is not Picket"), "{}", run.line);
        assert!(!run.line.contains('\x1b'), "{}", run.line);
    }
}

#[test]
fn a_stranger_who_says_nothing_is_given_up() {
    let port = listener(|mut stream| {
        let mut rest = Vec::new();
        let _closed_by_the_wrapper = stream.read_to_end(&mut rest);
    });
    let run = run(wrapper().env("PICKET_PORT", port), &[]);
    assert_eq!(run.redirected_to, ORIGINAL);
    assert!(run.line.contains("did not answer within 250 ms"), "{}", run.line);
}

#[test]
fn a_stranger_who_never_ends_is_given_up() {
    let endless = listener(|mut stream| while stream.write_all(&[b'x'; 1024]).is_ok() {});
    #[expect(clippy::disallowed_methods, reason = "slowness is what this listener is for")]
    let dripping = listener(|mut stream| {
        while stream.write_all(b"x").is_ok() {
            thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    for port in [endless, dripping] {
        let run = run(wrapper().env("PICKET_PORT", port), &[]);
        assert_eq!(run.redirected_to, ORIGINAL, "{}", run.line);
    }
}

#[test]
fn a_bad_port_is_named_and_the_default_is_used() {
    for bad in ["0", "80", "65536", "-1", "ninety", "9187x", "1e4", "\u{7f}\n"] {
        let run = run(wrapper().env("PICKET_PORT", bad), &[]);
        assert!(
            run.line.contains("PICKET_PORT=") && run.line.contains("9187 is used"),
            "{bad:?}: {}",
            run.line
        );
        assert_eq!(run.arguments, b"", "{bad:?}");
    }
}

#[test]
fn trap_28_the_wrapper_of_another_layer_runs_next_and_may_override_knowingly() {
    let port = agent();
    let sees = script(
        "sees.sh",
        "#!/bin/sh\nSEEN=$AWS_LAMBDA_RUNTIME_API\nexport SEEN\nexec \"$@\" via-next\n",
        0o755,
    );
    let output = wrapper()
        .env("PICKET_PORT", &port)
        .env("PICKET_NEXT_WRAPPER", &sees)
        .args(["sh", "-c", &format!("{RUNTIME}; printf '{{%s}}' \"$SEEN\""), "sh", "a b"])
        .output()
        .expect("the wrapper runs");
    let seen = told(&output);
    assert_eq!(seen.redirected_to, format!("127.0.0.1:{port}"));
    assert_eq!(seen.arguments, format!("[a b][via-next]{{127.0.0.1:{port}}}").into_bytes());

    let overrides = script(
        "overrides.sh",
        "#!/bin/sh\nexport AWS_LAMBDA_RUNTIME_API=127.0.0.1:9009\nexec \"$@\"\n",
        0o755,
    );
    let run = run(wrapper().env("PICKET_PORT", &port).env("PICKET_NEXT_WRAPPER", overrides), &[]);
    assert_eq!(run.redirected_to, "127.0.0.1:9009");
}

#[test]
fn a_next_wrapper_that_cannot_be_run_is_left_out() {
    let port = agent();
    let no_run_bit = script("no-run-bit.sh", "#!/bin/sh\nexit 9\n", 0o644);
    let no_interpreter = script("no-interpreter.sh", "#!/no/such/interpreter\n", 0o755);
    for next in [Path::new("/no/such/wrapper"), Path::new("/tmp"), &no_run_bit, &no_interpreter] {
        let run =
            run(wrapper().env("PICKET_PORT", &port).env("PICKET_NEXT_WRAPPER", next), &[OsStr::new("a b")]);
        assert_eq!(run.code, Some(0), "{}", next.display());
        assert_eq!(run.redirected_to, format!("127.0.0.1:{port}"), "{}", next.display());
        assert_eq!(run.arguments, b"[a b]", "{}", next.display());
    }
    let run = run(wrapper().env("PICKET_PORT", &port).env("PICKET_NEXT_WRAPPER", &no_run_bit), &[]);
    assert!(
        run.line.contains("PICKET_NEXT_WRAPPER=") && run.line.contains("it has no run bit"),
        "{}",
        run.line
    );
}

#[test]
fn a_bootstrap_that_is_the_wrapper_runs_the_handler_as_a_program() {
    let port = agent();
    let app = script("app", "#!/bin/sh\necho $AWS_LAMBDA_RUNTIME_API\n", 0o755);
    let output = wrapper()
        .env("PICKET_PORT", &port)
        .env("LAMBDA_TASK_ROOT", app.parent().expect("its folder"))
        .env("_HANDLER", "app")
        .output()
        .expect("the wrapper runs");
    assert_eq!(told(&output).redirected_to, format!("127.0.0.1:{port}"));
}

#[test]
fn nothing_to_run_is_said_in_one_line() {
    let output = wrapper().output().expect("the wrapper runs");
    assert!(told(&output).line.contains("there is no command to run"));
    assert_eq!(output.status.code(), Some(127));

    let output = wrapper()
        .env("LAMBDA_TASK_ROOT", "/var/no-task")
        .env("_HANDLER", "app")
        .output()
        .expect("the wrapper runs");
    assert!(told(&output).line.contains("is not a file"));
    assert_eq!(output.status.code(), Some(127));
}

#[test]
fn a_command_that_cannot_be_run_ends_as_in_a_shell() {
    let not_runnable = script("not-runnable", "text", 0o644).into_os_string();
    for (command, code) in [(OsString::from("/no/such/runtime"), 127), (not_runnable, 126)] {
        let output = wrapper().env("PICKET_PORT", agent()).arg(&command).output().expect("the wrapper runs");
        assert_eq!(output.status.code(), Some(code), "{}", Path::new(&command).display());
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains("could not be run"), "{log}");
    }
}

#[test]
fn the_line_is_json_where_the_function_logs_json() {
    let output = wrapper()
        .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
        .env("PICKET_PORT", answering(b"\"quote\" \\ \xff\r\n"))
        .args(["sh", "-c", RUNTIME])
        .output()
        .expect("the wrapper runs");
    let line: serde_json::Value = serde_json::from_slice(&output.stderr).expect("one JSON object");
    assert_eq!(line["level"], "WARN");
    assert!(line["message"].as_str().is_some_and(|text| text.contains("UNPROTECTED")), "{line}");
}

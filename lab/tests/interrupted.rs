//! Ctrl-C, or a `kill`, in the midst of a drill or a bench: the servers that it has started are gone
//! afterwards. A small program stands in for the servers' script, so that the moment can be chosen; the
//! signals, the processes and the `lab` are real.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop here"
)]

use rstest::rstest;
use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Everything that is waited for happens within this.
const SOON: Duration = Duration::from_secs(20);

/// Called in place of `bash`. Its server is a process that, like the real ones, hears nothing of what a terminal
/// sends; it is written down a moment after it was started. `up` and `wipe` wait until the test lets them go on.
const SCRIPT: &str = r#"#!/bin/sh
until_there() { while [ -d "$STAGE" ] && [ ! -e "$STAGE/$1" ]; do sleep 0.02; done; }
case $2 in
  up)
    mkdir -p "$CLICKSHOP_DATA"
    sh -c 'trap "" INT TERM; exec sleep 120' >/dev/null 2>&1 &
    echo "$! $POSTGRES_PORT" >"$STAGE/started.new" && mv "$STAGE/started.new" "$STAGE/started"
    until_there up-goes-on
    echo "$!" >"$CLICKSHOP_DATA/server"
    ;;
  wipe)
    : >"$STAGE/wiping"
    until_there wipe-goes-on
    kill -KILL "$(cat "$CLICKSHOP_DATA/server")"
    rm -rf "$CLICKSHOP_DATA"
    ;;
esac
"#;

/// A drill or a bench on a stage of its own.
struct Run {
    lab: Child,
    /// The server's process id.
    server: String,
    /// Where its Postgres should listen.
    postgres: u16,
    stage: tempfile::TempDir,
}

impl Run {
    /// Starts it, in a group of its own as a shell would, and returns when its server is there.
    fn start(verb: &str) -> Self {
        let stage = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let place = |name: &str| stage.path().join(name);
        // It looks for other binaries beside itself, and starts none here.
        fs::hard_link(env!("CARGO_BIN_EXE_lab"), place("lab")).unwrap();
        for binary in ["app", "consumer"] {
            File::create(place(binary)).unwrap();
        }
        fs::create_dir(place("bin")).unwrap();
        fs::write(place("bin/bash"), SCRIPT).unwrap();
        fs::set_permissions(place("bin/bash"), Permissions::from_mode(0o755)).unwrap();
        let path = std::env::var("PATH").unwrap();
        let log = File::create(place("log")).unwrap();
        let lab = Command::new(place("lab"))
            .arg(verb)
            .env("PATH", format!("{}:{path}", place("bin").display()))
            .env("STAGE", stage.path())
            .env("TMPDIR", stage.path())
            .env("ARTIFACTS", stage.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        let mut run = Self {
            lab,
            server: String::new(),
            postgres: 0,
            stage,
        };
        run.until_there("started");
        let started = fs::read_to_string(run.stage.path().join("started")).unwrap();
        let (server, port) = started.trim().split_once(' ').unwrap();
        run.server = server.into();
        run.postgres = port.parse().unwrap();
        run
    }

    fn let_go_on(&self, what: &str) {
        File::create(self.stage.path().join(format!("{what}-goes-on"))).unwrap();
    }

    /// Waits for a file of the stage.
    fn until_there(&self, name: &str) {
        let (began, file) = (Instant::now(), self.stage.path().join(name));
        while !file.exists() {
            assert!(began.elapsed() < SOON, "no {name}; {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(self.stage.path().join("log")).unwrap()
    }

    /// What Ctrl-C in a terminal does: SIGINT for every process of the group.
    fn ctrl_c(&self) {
        signal("INT", &format!("-{}", self.lab.id()));
    }

    fn terminate(&self) {
        signal("TERM", &self.lab.id().to_string());
    }

    fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.lab.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < SOON, "it goes on; {}", self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// It has failed, and its server is gone.
    fn has_taken_all_down(&mut self) {
        let status = self.ended();
        assert_eq!(status.code(), Some(1), "{}", self.said());
        assert!(!is_alive(&self.server), "a server is left; {}", self.said());
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.lab.kill();
        let _ = self.lab.wait();
        if is_alive(&self.server) {
            signal("KILL", &self.server);
        }
    }
}

fn signal(name: &str, to: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), "--", to])
        .status();
    assert!(sent.unwrap().success(), "SIG{name} for {to}");
}

/// Whether it is there, and not only its exit code.
fn is_alive(pid: &str) -> bool {
    let shown = Command::new("ps").args(["-o", "stat=", "-p", pid]).output();
    let state = String::from_utf8(shown.unwrap().stdout).unwrap();
    !pid.is_empty() && !matches!(state.trim().chars().next(), None | Some('Z'))
}

/// A Postgres that takes connections and says nothing: whoever asks it waits.
fn silent_postgres(run: &Run) -> TcpListener {
    TcpListener::bind(("127.0.0.1", run.postgres)).unwrap()
}

fn until_asked(postgres: &TcpListener) -> std::net::TcpStream {
    postgres.set_nonblocking(true).unwrap();
    let began = Instant::now();
    loop {
        match postgres.accept() {
            Ok((stream, _)) => return stream,
            Err(error) => assert!(began.elapsed() < SOON, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[rstest]
fn ctrl_c_while_servers_are_coming_up_leaves_none(#[values("drill", "bench")] verb: &str) {
    let mut run = Run::start(verb);
    run.ctrl_c();
    // Long enough for a script that was cut off to be gone.
    std::thread::sleep(Duration::from_millis(200));
    run.let_go_on("up");
    run.let_go_on("wipe");
    run.has_taken_all_down();
}

#[rstest]
fn a_kill_while_it_works_leaves_no_server(#[values("drill", "bench")] verb: &str) {
    let mut run = Run::start(verb);
    let postgres = silent_postgres(&run);
    run.let_go_on("up");
    let _asked = until_asked(&postgres);
    run.terminate();
    run.let_go_on("wipe");
    run.has_taken_all_down();
}

#[rstest]
fn whoever_is_impatient_leaves_no_server_either(#[values("drill", "bench")] verb: &str) {
    let mut run = Run::start(verb);
    let postgres = silent_postgres(&run);
    run.let_go_on("up");
    let _asked = until_asked(&postgres);
    run.ctrl_c();
    run.until_there("wiping");
    run.ctrl_c();
    run.terminate();
    std::thread::sleep(Duration::from_millis(200));
    run.let_go_on("wipe");
    run.has_taken_all_down();
}

/// What the others rest on: a server that was left is seen.
#[test]
fn a_lab_that_is_shot_leaves_its_server() {
    let mut run = Run::start("drill");
    run.lab.kill().unwrap();
    run.lab.wait().unwrap();
    assert!(is_alive(&run.server));
}

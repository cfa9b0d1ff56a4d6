//! The collector as the process that an operator starts, and how it is asked.
#![allow(dead_code, reason = "each program of tests needs a part of it")]

pub mod call;

use crate::shop::until;
use service::telemetry::reading;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What came back over a connection.
#[derive(Debug)]
pub struct Answer {
    /// The first line.
    pub status: String,
    /// The other lines of the head, as they came.
    pub headers: Vec<String>,
    pub body: String,
}

/// The process, killed at the latest when the test ends.
pub struct Process {
    pub child: Child,
    pub address: String,
    pub grpc: String,
    /// Where operators ask.
    pub ops: String,
    _folder: tempfile::TempDir,
}

impl Process {
    /// Starts it on a free port and reads from its log where that is.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with other settings.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_collector"))
            // Away from the repository, so that no developer's .env is found.
            .current_dir(folder.path())
            .env_clear()
            .envs([
                ("SERVER_PORT", "0"),
                ("GRPC_ADDR", "127.0.0.1:0"),
                ("OPS_ADDR", "127.0.0.1:0"),
                ("KAFKA_BROKERS", "127.0.0.1:1"),
                ("SPOOL_MAX_BYTES", "0"),
                ("WITHOUT_DATABASE", "true"),
            ])
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut lines = log.lines().map(Result::unwrap);
        let (address, grpc, ops) = lines
            .find_map(|line| {
                let (_, rest) = line.split_once("events are taken at http://")?;
                let (address, rest) = rest.split_once(" (gRPC: ")?;
                let (grpc, rest) = rest.split_once(';')?;
                let (_, ops) = rest.split_once("health: http://")?;
                Some((
                    address.to_owned(),
                    grpc.to_owned(),
                    ops.trim_end_matches(')').to_owned(),
                ))
            })
            .expect("a line that says where it listens");
        // Whoever stops reading a log stops the process that writes it.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address,
            grpc,
            ops,
            _folder: folder,
        }
    }

    /// Sends one request and reads the answer to its end.
    pub fn answer(address: &str, request: &str) -> Answer {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        Answer {
            status: lines.next().unwrap().to_owned(),
            headers: lines.map(str::to_owned).collect(),
            body: body.to_owned(),
        }
    }

    /// The same: the status line and the body.
    fn ask(address: &str, request: &str) -> (String, String) {
        let answer = Self::answer(address, request);
        (answer.status, answer.body)
    }

    /// The process' own memory; none where the system does not tell.
    pub fn resident_kib(&self) -> Option<u64> {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    fn get_from(address: &str, path: &str) -> (String, String) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        Self::ask(address, &request)
    }

    pub fn get(&self, path: &str) -> (String, String) {
        Self::get_from(&self.address, path)
    }

    /// What an operator is told.
    pub fn ops(&self, path: &str) -> (String, String) {
        Self::get_from(&self.ops, path)
    }

    /// A number of `/metrics`, summed over all series that have the label.
    pub fn number(&self, name: &str, label: &str) -> f64 {
        reading::sum(&self.ops("/metrics").1, name, &[label])
    }

    pub async fn until_number(&self, name: &str, label: &str, wanted: impl Fn(f64) -> bool) {
        until(|| self.number(name, label), |number| wanted(*number)).await;
    }

    pub async fn until_ready(&self) {
        until(
            || self.ops("/readyz"),
            |(status, _)| status.ends_with("200 OK"),
        )
        .await;
    }

    /// Waits until `/readyz` says no, and this; the process is alive all the same.
    pub async fn until_unready(&self, why: &str) {
        let unready = |(status, body): &(String, String)| {
            status.ends_with("503 Service Unavailable") && body.contains(why)
        };
        until(|| self.ops("/readyz"), unready).await;
        assert!(self.ops("/livez").0.ends_with("200 OK"));
    }

    pub fn post(&self, path: &str, body: &str) -> (String, String) {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Self::ask(&self.address, &request)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! A listening port of our own, or a message with which a person can act: which port, who holds it,
//! and the setting that moves it.

use anyhow::Context as _;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Listens on `addr`, which the setting named `setting` chose.
///
/// Returns an error that names the address, its holder where that can be seen, and the setting.
pub async fn bind(addr: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(addr).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let holder = holder(addr.port())
                .map(|(pid, name)| format!(" by {name} (process {pid})"))
                .unwrap_or_default();
            anyhow::bail!(
                "port {addr} is in use{holder}; stop that, or set {setting} to another address"
            )
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {addr} ({setting})")),
    }
}

/// The process that listens on a TCP port: its id and name. None where `/proc` does not show it
/// (another user's process, or not Linux).
fn holder(port: u16) -> Option<(u32, String)> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inode = tables
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .find_map(|table| listening_inode(&table, port))?;
    let socket = format!("socket:[{inode}]");
    let pid = std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .find_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            std::fs::read_dir(entry.path().join("fd"))
                .ok()?
                .flatten()
                .any(|fd| {
                    std::fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == socket.as_str())
                })
                .then_some(pid)
        })?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some((pid, name.trim().to_owned()))
}

/// The inode of the socket that listens on `port`, from a table of the kernel (proc(5), `net/tcp`).
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    let wanted = format!(":{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&wanted) && *fields.get(3)? == LISTEN;
        listens.then(|| fields.get(9)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_port_is_named_with_its_holder_and_its_setting() {
        let first = bind("127.0.0.1:0".parse().unwrap(), "OPS_ADDR")
            .await
            .unwrap();
        let addr = first.local_addr().unwrap();
        let text = bind(addr, "OPS_ADDR").await.unwrap_err().to_string();
        assert!(text.contains(&addr.to_string()), "{text}");
        assert!(text.contains("OPS_ADDR"), "{text}");
        if cfg!(target_os = "linux") {
            assert!(
                text.contains(&format!("process {}", std::process::id())),
                "{text}"
            );
        }
    }

    #[test]
    fn only_a_listening_socket_holds_a_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:2538 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 11 1\n\
            1: 0100007F:2538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 22 1\n";
        assert_eq!(listening_inode(table, 0x2538), Some(22));
        assert_eq!(listening_inode(table, 0x2539), None);
    }
}
